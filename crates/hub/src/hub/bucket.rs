//! A limit on how often something happens: a token bucket.

use super::timers::Tick;

/// Holds as many tokens as two seconds give. Once it has refused one it refuses all for a while: what was sent behind that
/// one, before its sender knew, does not overtake it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Thousandths of a token that were taken and have not come back.
    taken: u64,
    /// When `taken` was right.
    at: Tick,
    /// Until when all are refused.
    closed_until: Tick,
}

/// Why there is no token, and after how many milliseconds there may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// They are all taken.
    Empty(u64),
    /// One was refused before.
    Closed(u64),
}

impl Bucket {
    pub(super) fn new(now: Tick) -> Self {
        Self { taken: 0, at: now, closed_until: now }
    }

    /// Takes a token of `rate` a second.
    pub(super) fn take(&mut self, rate: u32, now: Tick) -> Result<(), Refused> {
        if now < self.closed_until {
            return Err(Refused::Closed(self.closed_until - now));
        }
        let rate = u64::from(rate);
        let back = now.saturating_sub(self.at).saturating_mul(rate);
        self.taken = self.taken.saturating_sub(back);
        self.at = now;
        let full = (rate * BURST_SECONDS).saturating_mul(TOKEN).max(TOKEN);
        let over = (self.taken + TOKEN).saturating_sub(full);
        if over > 0 {
            return Err(Refused::Empty(self.close(over.div_ceil(rate.max(1)), now)));
        }
        self.taken += TOKEN;
        Ok(())
    }

    /// Refuses all for so many milliseconds, or for as long as what is on its way may need; says for how long.
    pub(super) fn close(&mut self, millis: u64, now: Tick) -> u64 {
        let millis = millis.max(ON_ITS_WAY_MS);
        self.closed_until = now.saturating_add(millis);
        millis
    }
}

/// What may come at once: as much as in so many seconds.
const BURST_SECONDS: u64 = 2;

/// How long what a client sent before it was refused may be on its way: a round trip, generously.
const ON_ITS_WAY_MS: u64 = 100;

/// A token, in thousandths: at a rate of one a second one thousandth comes each millisecond.
const TOKEN: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_worth_at_once_and_then_the_rate() {
        let mut bucket = Bucket::new(0);
        for _ in 0..20 {
            assert_eq!(bucket.take(10, 0), Ok(()));
        }
        assert_eq!(bucket.take(10, 0), Err(Refused::Empty(100)));
        assert_eq!(bucket.take(10, 99), Err(Refused::Closed(1)));
        assert_eq!(bucket.take(10, 100), Ok(()));
        assert_eq!(bucket.take(10, 100), Err(Refused::Empty(100)));
        let later = 100 + 60_000;
        assert_eq!((0..100).filter(|_| bucket.take(10, later).is_ok()).count(), 20);
    }

    #[test]
    fn a_rate_of_nothing_lets_one_through_and_no_more() {
        let mut bucket = Bucket::new(0);
        assert_eq!(bucket.take(0, 0), Ok(()));
        assert_eq!(bucket.take(0, 1_000_000), Err(Refused::Empty(1_000)));
    }

    #[test]
    fn behind_one_that_is_refused_all_are_for_a_while() {
        let mut bucket = Bucket::new(0);
        assert_eq!((0..3_000).filter(|_| bucket.take(1_000, 0).is_ok()).count(), 2_000);
        assert_eq!(bucket.take(1_000, 50), Err(Refused::Closed(50)));
        assert_eq!(bucket.take(1_000, 99), Err(Refused::Closed(1)));
        assert_eq!((0..3_000).filter(|_| bucket.take(1_000, 100).is_ok()).count(), 100);
        assert_eq!(bucket.take(1_000, 150), Err(Refused::Closed(50)));
    }
}
