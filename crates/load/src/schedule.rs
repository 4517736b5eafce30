//! Time within a run: the measured window, and when messages are due.

use std::time::Duration;

/// When the load starts and when the measured window does, in nanoseconds of the run's clock. Its
/// end may not be known yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// The first message.
    pub(crate) start: u64,
    /// The beginning of the measured window.
    pub(crate) from: u64,
    /// The length of a slice of the window.
    pub(crate) slice: u64,
}

/// Messages due at fixed instants, spread evenly over the connections, which take turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timetable {
    start: u64,
    /// Nanoseconds from one message to the next.
    interval: f64,
    /// Connections that take turns.
    turns: u64,
}

impl Schedule {
    /// The slice of the window that an instant is in; `None` before it.
    pub(crate) fn slice_at(&self, now: u64) -> Option<u32> {
        let into = now.checked_sub(self.from)?;
        Some(u32::try_from(into / self.slice).unwrap_or(u32::MAX))
    }

    /// The end of that slice.
    pub(crate) fn slice_end(&self, now: u64) -> u64 {
        match self.slice_at(now) {
            None => self.from,
            Some(slice) => self.from + (u64::from(slice) + 1) * self.slice,
        }
    }
}

impl Timetable {
    /// `rate` messages a second from `start` on, for `turns` connections in turn.
    pub(crate) fn new(start: u64, rate: f64, turns: usize) -> Self {
        Self { start, interval: 1e9 / rate, turns: turns as u64 }
    }

    /// When message number `number` of the connection with turn `turn` is due.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float is exact to a nanosecond for a hundred days"
    )]
    pub(crate) fn due(&self, turn: usize, number: u64) -> u64 {
        let before = number * self.turns + turn as u64;
        self.start + (before as f64 * self.interval) as u64
    }
}

/// A duration in nanoseconds.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_evenly_over_all_connections() {
        let table = Timetable::new(1_000, 1e6, 3);
        let due: Vec<u64> = (0..2)
            .flat_map(|n| (0..3).map(move |turn| (turn, n)))
            .map(|(turn, number)| table.due(turn, number))
            .collect();
        assert_eq!(due, [1_000, 2_000, 3_000, 4_000, 5_000, 6_000]);
        // A day later it is still exact.
        let odd = Timetable::new(0, 3.0, 1);
        assert_eq!(odd.due(0, 3 * 86_400), 86_400_000_000_000);
    }

    #[test]
    fn the_window_is_cut_into_slices_from_its_beginning() {
        let schedule = Schedule { start: 100, from: 1_000, slice: 250 };
        for (now, slice, end) in [
            (100, None, 1_000),
            (999, None, 1_000),
            (1_000, Some(0), 1_250),
            (1_249, Some(0), 1_250),
            (1_250, Some(1), 1_500),
        ] {
            assert_eq!((schedule.slice_at(now), schedule.slice_end(now)), (slice, end), "{now}");
        }
    }
}
