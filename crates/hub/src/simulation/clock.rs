//! A clock that only its owner moves.

use std::time::{Duration, Instant};

use crate::Now;

/// Virtual time.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Now);

impl Clock {
    /// A clock that stands at `start`; there it is the first second of 2026.
    pub fn new(start: Instant) -> Self {
        Self(Now { instant: start, unix_ms: 1_767_225_600_000 })
    }

    /// The time.
    pub fn now(&self) -> Now {
        self.0
    }

    /// Moves it.
    pub fn advance(&mut self, by: Duration) {
        self.0.instant += by;
        self.0.unix_ms += u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    }

    /// Moves it to `instant`, if that is later.
    pub fn advance_to(&mut self, instant: Instant) {
        self.advance(instant.saturating_duration_since(self.0.instant));
    }
}
