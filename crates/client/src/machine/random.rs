//! Random bits of the caller's, and what is drawn from them: delays and names.

use std::time::Duration;

/// Where random bits come from.
pub(super) struct Random(Box<dyn FnMut() -> u64 + Send>);

impl Random {
    pub(super) fn new(bits: Box<dyn FnMut() -> u64 + Send>) -> Self {
        Self(bits)
    }

    /// Full jitter: any delay from 0 to 500 ms, doubled with each try before this one, up to 20 s.
    pub(super) fn backoff(&mut self, tries: u32) -> Duration {
        let doubled = BACKOFF_BASE.saturating_mul(1 << tries.min(16));
        self.up_to(doubled.min(BACKOFF_CAP))
    }

    /// Any delay from 0 to `most`, to the microsecond.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
        let drawn = u128::from((self.0)()) * (u128::from(micros) + 1);
        Duration::from_micros(u64::try_from(drawn >> 64).expect("the upper half of a product"))
    }

    /// A name that nobody else has: 128 bits in 32 hexadecimal digits.
    pub(super) fn name(&mut self) -> String {
        format!("{:016x}{:016x}", (self.0)(), (self.0)())
    }
}

/// A blink for a person; a restart of a server takes about as long.
const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// Beyond this a client that comes back looks dead to whoever waits for it.
const BACKOFF_CAP: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(bits: u64) -> Random {
        Random::new(Box::new(move || bits))
    }

    #[test]
    fn full_jitter_reaches_from_nothing_to_the_doubled_base_and_the_cap() {
        for (tries, most) in [(0, 500), (1, 1_000), (5, 16_000), (6, 20_000), (4_000_000, 20_000)] {
            assert_eq!(fixed(0).backoff(tries), Duration::ZERO);
            assert_eq!(fixed(u64::MAX).backoff(tries), Duration::from_millis(most));
        }
    }

    #[test]
    fn a_delay_may_have_any_bound() {
        assert_eq!(fixed(u64::MAX).up_to(Duration::ZERO), Duration::ZERO);
        assert!(fixed(u64::MAX).up_to(Duration::MAX) > Duration::from_hours(1));
    }
}
