//! The lines that are measured, and what is asked of them.

use std::path::Path;

use anyhow::Result;

use crate::durable::{self, Publishing};
use crate::stage::{Figures, Stage};
use crate::{fan_out, latency, start};

/// Something that is measured once a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Syncs,
    Durable(Publishing),
    Echo(usize),
    Publish(usize),
    Broadcast,
    OneChannel,
    ChannelEach,
    EmptyStart,
    Start,
}

/// A bound on a figure, or on the ratio of two figures of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) asked: &'static str,
    pub(crate) figure: (&'static str, &'static str),
    pub(crate) against: Option<(&'static str, &'static str)>,
    pub(crate) bound: Bound,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// It is told, and nothing is asked.
    Told,
}

/// In the order in which a round measures them: what is compared stands together.
pub(crate) const LINES: [Line; 13] = [
    Line {
        name: "fdatasync",
        what: "512 B at the end of a file and fdatasync, again and again; no server",
        kind: Kind::Syncs,
    },
    Line {
        name: "durable 64 x 1",
        what: "64 publishers, each in a channel of its own, 512 B, 1 on its way on each",
        kind: Kind::Durable(Publishing { publishers: 64, in_flight: 1, keys: false }),
    },
    Line {
        name: "durable 64 x 16",
        what: "the same, 16 on their way on each",
        kind: Kind::Durable(Publishing { publishers: 64, in_flight: 16, keys: false }),
    },
    Line {
        name: "durable 64 x 1, keys",
        what: "64 x 1 with an idempotency key in each publication, as the SDKs have it",
        kind: Kind::Durable(Publishing { publishers: 64, in_flight: 1, keys: true }),
    },
    Line {
        name: "echo 1",
        what: "`longwire echo`: 10,000 messages a second there and back on one connection",
        kind: Kind::Echo(1),
    },
    Line {
        name: "publish 1",
        what: "10,000 publications a second of 100 B, from one publisher to one subscriber, in memory",
        kind: Kind::Publish(1),
    },
    Line { name: "echo 10", what: "the same echo over 10 connections", kind: Kind::Echo(10) },
    Line {
        name: "publish 10",
        what: "the same publications over 10 publishers, 10 channels and 10 subscribers",
        kind: Kind::Publish(10),
    },
    Line {
        name: "broadcast",
        what: "`bench-broadcast`: the library's connections at rest, and then a prepared message of 1 KiB to all of them",
        kind: Kind::Broadcast,
    },
    Line {
        name: "one channel",
        what: "sessions that subscribe one channel, in memory: at rest, and then a push of 1 KiB to all of them",
        kind: Kind::OneChannel,
    },
    Line {
        name: "a channel each",
        what: "sessions with a channel of their own, in memory: at rest",
        kind: Kind::ChannelEach,
    },
    Line { name: "start, empty", what: "the server on an empty folder", kind: Kind::EmptyStart },
    Line {
        name: "start",
        what: "the server on a folder with all the streams, whose server was killed",
        kind: Kind::Start,
    },
];

/// What is asked of the server of channels, and what else is worth telling.
pub(crate) const TARGETS: [Target; 17] = [
    ratio(
        "durable 64 x 1: rate >= 20 x fdatasync's",
        ("durable 64 x 1", RATE),
        ("fdatasync", RATE),
        Bound::AtLeast(20.0),
    ),
    ratio(
        "durable 64 x 1: p99 <= 4 x fdatasync's p50",
        ("durable 64 x 1", P99),
        ("fdatasync", P50),
        Bound::AtMost(4.0),
    ),
    ratio(
        "durable 64 x 1: p99 / fdatasync's p99",
        ("durable 64 x 1", P99),
        ("fdatasync", P99),
        Bound::Told,
    ),
    ratio(
        "durable 64 x 16: rate / fdatasync's",
        ("durable 64 x 16", RATE),
        ("fdatasync", RATE),
        Bound::Told,
    ),
    ratio(
        "durable 64 x 16: p99 / fdatasync's p50",
        ("durable 64 x 16", P99),
        ("fdatasync", P50),
        Bound::Told,
    ),
    ratio(
        "durable 64 x 1, keys: rate / fdatasync's",
        ("durable 64 x 1, keys", RATE),
        ("fdatasync", RATE),
        Bound::Told,
    ),
    ratio(
        "durable 64 x 1, keys: p99 / fdatasync's p50",
        ("durable 64 x 1, keys", P99),
        ("fdatasync", P50),
        Bound::Told,
    ),
    alone("publish 1: p50 <= 200 us", ("publish 1", P50), Bound::AtMost(200.0)),
    ratio("publish 1: p50 / echo's", ("publish 1", P50), ("echo 1", P50), Bound::Told),
    alone("publish 10: p50 <= 200 us", ("publish 10", P50), Bound::AtMost(200.0)),
    ratio("publish 10: p50 / echo's", ("publish 10", P50), ("echo 10", P50), Bound::Told),
    ratio(
        "fan-out: CPU a delivery <= 1.3 x the broadcast's",
        ("one channel", DELIVERY),
        ("broadcast", DELIVERY),
        Bound::AtMost(1.3),
    ),
    alone(
        "one channel: bytes a connection at rest <= 3,000",
        ("one channel", BYTES),
        Bound::AtMost(3000.0),
    ),
    alone(
        "a channel each: bytes a connection at rest <= 3,000",
        ("a channel each", BYTES),
        Bound::AtMost(3000.0),
    ),
    ratio(
        "one channel: bytes a connection / the library's",
        ("one channel", BYTES),
        ("broadcast", BYTES),
        Bound::Told,
    ),
    alone("start: listening within 5,000 ms", ("start", "listening ms"), Bound::AtMost(5000.0)),
    ratio(
        "start: time / that of an empty folder",
        ("start", "listening ms"),
        ("start, empty", "listening ms"),
        Bound::Told,
    ),
];

const RATE: &str = "a second";
const P50: &str = "p50 us";
const P99: &str = "p99 us";
const DELIVERY: &str = "CPU us a delivery";
const BYTES: &str = "bytes a connection";

const fn ratio(
    asked: &'static str,
    figure: (&'static str, &'static str),
    against: (&'static str, &'static str),
    bound: Bound,
) -> Target {
    Target { asked, figure, against: Some(against), bound }
}

const fn alone(asked: &'static str, figure: (&'static str, &'static str), bound: Bound) -> Target {
    Target { asked, figure, against: None, bound }
}

impl Line {
    /// Measures it once. `streams` is the folder with the streams, where that is needed.
    pub(crate) fn measure(&self, stage: &Stage, streams: Option<&Path>) -> Result<Figures> {
        match self.kind {
            Kind::Syncs => durable::floor(stage),
            Kind::Durable(publishing) => durable::publications(stage, publishing),
            Kind::Echo(lanes) => latency::echo(stage, lanes),
            Kind::Publish(lanes) => latency::publish(stage, lanes),
            Kind::Broadcast => fan_out::broadcast(stage),
            Kind::OneChannel => fan_out::one_channel(stage),
            Kind::ChannelEach => fan_out::channel_each(stage),
            Kind::EmptyStart => start::measure(stage, stage.data()?.path(), None),
            Kind::Start => {
                let folder = streams.expect("it is there before a line needs it");
                start::measure(stage, folder, Some(stage.streams - 1))
            }
        }
    }

    /// Whether it needs the folder with the streams.
    pub(crate) fn needs_streams(&self) -> bool {
        matches!(self.kind, Kind::Start)
    }
}

impl Bound {
    /// Whether the figure is within it; none if nothing is asked.
    pub(crate) fn allows(self, figure: f64) -> Option<bool> {
        match self {
            Self::AtLeast(bound) => Some(figure >= bound),
            Self::AtMost(bound) => Some(figure <= bound),
            Self::Told => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_about_lines_that_are_measured() {
        let known = |name: &str| LINES.iter().any(|line| line.name == name);
        for target in &TARGETS {
            assert!(known(target.figure.0), "{}", target.asked);
            assert!(target.against.is_none_or(|(name, _)| known(name)), "{}", target.asked);
        }
    }

    #[test]
    fn a_bound_allows_itself() {
        assert_eq!(Bound::AtLeast(2.0).allows(2.0), Some(true));
        assert_eq!(Bound::AtLeast(2.0).allows(1.9), Some(false));
        assert_eq!(Bound::AtMost(2.0).allows(2.0), Some(true));
        assert_eq!(Bound::AtMost(2.0).allows(2.1), Some(false));
        assert_eq!(Bound::Told.allows(2.0), None);
    }
}
