//! What happened in a part of the time, on one thread; and all of it put together.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    latency::{Latencies, as_f64, histogram, quantile_us},
    schedule::Schedule,
};

/// What happened on one thread, in one slice of time.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) when: When,
    /// The instant at which the next slice begins.
    pub(crate) until: u64,
    pub(crate) counts: Counts,
    pub(crate) latencies: Latencies,
}

/// Where a slice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before the measured window.
    Early,
    /// A slice of the window.
    Window(u32),
    /// Behind the window: latencies of what was due in it.
    Late,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages that came and were verified; handshakes, where these are the load.
    pub(crate) messages: u64,
    /// Bytes of frames to the server.
    pub(crate) sent: u64,
    /// Bytes of frames from the server.
    pub(crate) received: u64,
    /// Messages that came compressed.
    pub(crate) compressed: u64,
}

impl Slice {
    /// The slice in which `now` is. `end` is that of the window.
    pub(crate) fn at(now: u64, schedule: Option<&Schedule>, end: u64) -> Self {
        let (when, until) = match schedule {
            None => (When::Early, u64::MAX),
            Some(_) if now >= end => (When::Late, u64::MAX),
            Some(schedule) => {
                let when = schedule.slice_at(now).map_or(When::Early, When::Window);
                (when, schedule.slice_end(now).min(end))
            }
        };
        Self { when, until, counts: Counts::default(), latencies: histogram() }
    }

    pub(crate) fn is_measured(&self) -> bool {
        matches!(self.when, When::Window(_))
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.sent += other.sent;
        self.received += other.received;
        self.compressed += other.compressed;
    }
}

/// All slices of a window.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) counts: Counts,
    pub(crate) latencies: Latencies,
    /// Seconds of a slice.
    slice: f64,
    threads: usize,
    /// Slices that some threads have not told yet.
    open: BTreeMap<u32, (usize, u64, Latencies)>,
    points: Vec<Point>,
}

/// A slice of the window, of all threads: a point of a plot over time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Point {
    /// Where the slice begins, in seconds of the window.
    pub second: f64,
    /// Messages a second.
    pub messages_per_second: f64,
    /// Median latency in microseconds, if there was any.
    pub p50_us: Option<f64>,
    /// The latency below which 99 of 100 are.
    pub p99_us: Option<f64>,
}

impl Series {
    /// Of slices of so many seconds, on so many threads.
    pub(crate) fn new(slice: f64, threads: usize) -> Self {
        Self {
            counts: Counts::default(),
            latencies: histogram(),
            slice,
            threads,
            open: BTreeMap::new(),
            points: Vec::new(),
        }
    }

    /// Takes a thread's slice.
    pub(crate) fn add(&mut self, slice: &Slice) {
        // What was due in the window may come before the reading that begins it.
        self.latencies.add(&slice.latencies).expect("all have the same bounds");
        let When::Window(index) = slice.when else { return };
        self.counts.add(slice.counts);
        let (told, messages, latencies) =
            self.open.entry(index).or_insert_with(|| (0, 0, histogram()));
        *told += 1;
        *messages += slice.counts.messages;
        latencies.add(&slice.latencies).expect("all have the same bounds");
        if *told == self.threads {
            self.close(index);
        }
    }

    fn close(&mut self, index: u32) {
        let Some((_, messages, latencies)) = self.open.remove(&index) else { return };
        let at = |quantile| (!latencies.is_empty()).then(|| quantile_us(&latencies, quantile));
        self.points.push(Point {
            second: f64::from(index) * self.slice,
            messages_per_second: as_f64(messages) / self.slice,
            p50_us: at(0.5),
            p99_us: at(0.99),
        });
    }

    /// Messages a second in the last slice that is whole.
    pub(crate) fn latest_rate(&self) -> Option<f64> {
        self.points.last().map(|point| point.messages_per_second)
    }

    /// The points of the plot, of a window of `seconds`. The last slice may be shorter; one that is
    /// much shorter says nothing.
    pub(crate) fn points(mut self, seconds: f64) -> (Vec<Point>, Counts, Latencies) {
        let open: Vec<u32> = self.open.keys().copied().collect();
        for index in open {
            self.close(index);
        }
        self.points.sort_by(|a, b| a.second.total_cmp(&b.second));
        let count = self.points.len();
        if let Some(last) = self.points.last_mut() {
            let length = (seconds - last.second).min(self.slice);
            if length < self.slice / 2.0 && count > 1 {
                self.points.pop();
            } else if length > 0.0 {
                last.messages_per_second *= self.slice / length;
            }
        }
        (self.points, self.counts, self.latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule { start: 0, from: 1_000, slice: 500 };

    fn slice(now: u64, messages: u64) -> Slice {
        let mut slice = Slice::at(now, Some(&SCHEDULE), 2_200);
        slice.counts.messages = messages;
        slice.latencies.saturating_record(1_000 * messages);
        slice
    }

    #[test]
    fn time_is_cut_at_the_window_and_within_it() {
        for (now, when, until) in [
            (0, When::Early, 1_000),
            (1_000, When::Window(0), 1_500),
            (2_000, When::Window(2), 2_200),
            (2_200, When::Late, u64::MAX),
        ] {
            let slice = slice(now, 0);
            assert_eq!((slice.when, slice.until), (when, until), "{now}");
        }
        assert_eq!(Slice::at(7, None, 0).when, When::Early);
    }

    #[test]
    fn what_is_before_the_window_or_behind_it_is_not_counted() {
        let mut series = Series::new(0.5, 2);
        for (now, messages) in
            [(0, 100), (1_000, 1), (1_100, 2), (1_600, 3), (2_300, 50), (1_700, 4)]
        {
            series.add(&slice(now, messages));
        }
        let (points, counts, latencies) = series.points(1.0);
        assert_eq!(counts.messages, 10);
        // What was due in the window and came early or late has its latency all the same.
        assert_eq!(latencies.len(), 6);
        let rates: Vec<_> =
            points.iter().map(|point| (point.second, point.messages_per_second)).collect();
        assert_eq!(rates, [(0.0, 6.0), (0.5, 14.0)]);
    }
}
