//! The figures of one measurement, and which of them is meant.

use serde::{Deserialize, Serialize};

/// Everything that is kept of one measurement. What was not measured is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    /// CPU time of the server a message, or of the client where the client is measured, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) messages_per_second: Option<f64>,
    /// Messages a second that were asked for, in an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked_per_second: Option<f64>,
    /// CPU time of the server a second of wall time: 1.0 is one core kept busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) busy: Option<f64>,
    /// Time that the server was ready to run and something else had its core, a second of wall time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waited: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) load_waited: Option<f64>,
    /// CPU time of the load generator a second of wall time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) load_busy: Option<f64>,
    /// How much later than due the messages of an open loop were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) send_late_us: Option<Percentiles>,
    /// Bytes of WebSocket frames a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_to_server: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_from_server: Option<f64>,
    /// Share of the server's messages that were compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) compressed: Option<f64>,
    /// Latency in microseconds: of messages, or of opening handshakes where these are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_9: Option<f64>,
    /// Resident bytes a connection that has only been opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_bytes: Option<f64>,
    /// Resident bytes a connection that has echoed its messages and is at rest again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) used_bytes: Option<f64>,
    /// Growth by the connections that were used first, in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shared_bytes: Option<f64>,
    /// CPU time of the server for one opening handshake, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) opening_us: Option<f64>,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Percentiles {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p99_9: Option<f64>,
}

/// One of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Cpu,
    MessagesPerSecond,
    AskedPerSecond,
    Busy,
    Waited,
    LoadWaited,
    BytesToServer,
    BytesFromServer,
    Compressed,
    P50,
    P99,
    P99_9,
    OpenBytes,
    UsedBytes,
    /// Memory after the messages, as a multiple of that before them.
    After,
    SharedBytes,
    OpeningCpu,
}

impl Metric {
    /// The figure, if it was measured. Latencies of a server that could not hold the rate are none: they
    /// say how long the measurement was.
    pub(crate) fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Self::Cpu => figures.cpu_us,
            Self::MessagesPerSecond => figures.messages_per_second,
            Self::AskedPerSecond => figures.asked_per_second,
            Self::Busy => figures.busy,
            Self::Waited => figures.waited,
            Self::LoadWaited => figures.load_waited,
            Self::BytesToServer => figures.bytes_to_server,
            Self::BytesFromServer => figures.bytes_from_server,
            Self::Compressed => figures.compressed,
            Self::P50 => figures.p50.filter(|_| figures.overload().is_none()),
            Self::P99 => figures.p99.filter(|_| figures.overload().is_none()),
            Self::P99_9 => figures.p99_9.filter(|_| figures.overload().is_none()),
            Self::OpenBytes => figures.open_bytes,
            Self::UsedBytes => figures.used_bytes,
            Self::After => {
                let before = figures.open_bytes.filter(|before| *before > 0.0)?;
                Some(figures.used_bytes? / before)
            }
            Self::SharedBytes => figures.shared_bytes,
            Self::OpeningCpu => figures.opening_us,
        }
    }

    /// Whether it says nothing where a rate is not held.
    pub(crate) fn is_latency(self) -> bool {
        matches!(self, Self::P50 | Self::P99 | Self::P99_9)
    }
}

impl Figures {
    /// Whether the load generator, on so many cores, says more of itself here than of the server: it had no
    /// time left in a closed loop, or was late by a good part of the latency in an open one.
    pub(crate) fn is_load_the_limit(&self, cores: f64) -> bool {
        if self.asked_per_second.is_none() {
            return self.load_busy.is_some_and(|busy| busy >= LOADED * cores);
        }
        let late = self.send_late_us.and_then(|late| late.p99);
        late.zip(self.p99_9).is_some_and(|(late, latency)| late > latency * LATE)
    }

    /// Why the server could not hold the rate of an open loop; `None` if it did, or if there was none.
    pub(crate) fn overload(&self) -> Option<String> {
        let asked = self.asked_per_second?;
        let came = self.messages_per_second?;
        if came < asked * HELD {
            return Some(format!("{came:.0} of {asked:.0} messages a second came back"));
        }
        let p99 = self.p99.filter(|p99| *p99 > LATE_US)?;
        Some(format!("p99 grew beyond 1 s, to {:.1} s", p99 / 1e6))
    }
}

/// Share of the messages that have to come back within the window.
const HELD: f64 = 0.97;
/// A p99 beyond which messages queue up and do not come back in order of need.
const LATE_US: f64 = 1e6;

/// Share of its cores' time beyond which a load generator has none left.
const LOADED: f64 = 0.97;
/// Share of the latency's p99.9 that the p99 of late sending may have.
const LATE: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    fn paced(came: f64, p99: f64) -> Figures {
        Figures {
            asked_per_second: Some(1000.0),
            messages_per_second: Some(came),
            p99: Some(p99),
            ..Figures::default()
        }
    }

    #[test]
    fn a_rate_is_held_if_its_messages_come_back_in_time() {
        assert_eq!(paced(999.0, 100.0).overload(), None);
        assert_eq!(Metric::P99.of(&paced(999.0, 100.0)), Some(100.0));
    }

    #[test]
    fn a_rate_that_is_not_held_has_no_latency() {
        for (figures, why) in [
            (paced(900.0, 100.0), "900 of 1000 messages a second came back"),
            (paced(1000.0, 1.5e6), "p99 grew beyond 1 s, to 1.5 s"),
        ] {
            assert_eq!(figures.overload().as_deref(), Some(why));
            assert_eq!(Metric::P99.of(&figures), None);
        }
    }

    #[test]
    fn the_load_is_the_limit_if_it_is_busy_in_a_closed_loop_or_late_in_an_open_one() {
        for (busy, cores, is_limit) in
            [(0.96, 1.0, false), (0.97, 1.0, true), (1.5, 2.0, false), (1.95, 2.0, true)]
        {
            let closed = Figures { load_busy: Some(busy), ..Figures::default() };
            assert_eq!(closed.is_load_the_limit(cores), is_limit);
        }
        for (late, is_limit) in [(25.0, false), (26.0, true)] {
            let late = Percentiles { p99: Some(late), ..Percentiles::default() };
            let open = Figures {
                load_busy: Some(1.0),
                send_late_us: Some(late),
                p99_9: Some(100.0),
                ..paced(999.0, 90.0)
            };
            assert_eq!(open.is_load_the_limit(1.0), is_limit);
        }
        assert!(!Figures { load_busy: Some(1.0), ..paced(999.0, 90.0) }.is_load_the_limit(1.0));
    }

    #[test]
    fn memory_after_messages_is_a_multiple_of_that_before_them() {
        let figures =
            Figures { open_bytes: Some(1000.0), used_bytes: Some(1500.0), ..Figures::default() };
        assert_eq!(Metric::After.of(&figures), Some(1.5));
        for open_bytes in [None, Some(0.0)] {
            assert_eq!(Metric::After.of(&Figures { open_bytes, ..figures.clone() }), None);
        }
    }

    #[test]
    fn a_closed_loop_has_no_rate_to_hold() {
        let figures = Figures { asked_per_second: None, ..paced(900.0, 1.5e6) };
        assert_eq!(figures.overload(), None);
    }

    #[test]
    fn what_was_not_measured_is_not_written() {
        let figures = Figures { cpu_us: Some(1.5), ..Figures::default() };
        let text = serde_json::to_string(&figures).expect("it is data");
        assert_eq!(text, r#"{"cpu_us":1.5}"#);
        assert_eq!(serde_json::from_str::<Figures>(&text).expect("it is written so"), figures);
    }
}
