//! A limit on how often something happens: a token bucket.

use super::timers::Tick;

/// Holds as many tokens as two seconds give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Thousandths of a token that were taken and have not come back.
    taken: u64,
    /// When `taken` was right.
    at: Tick,
}

impl Bucket {
    pub(super) fn new(now: Tick) -> Self {
        Self { taken: 0, at: now }
    }

    /// Takes a token of `rate` a second; otherwise tells after how many milliseconds there is one.
    pub(super) fn take(&mut self, rate: u32, now: Tick) -> Result<(), u64> {
        let rate = u64::from(rate);
        let back = now.saturating_sub(self.at).saturating_mul(rate);
        self.taken = self.taken.saturating_sub(back);
        self.at = now;
        let full = (rate * BURST_SECONDS).saturating_mul(TOKEN).max(TOKEN);
        let over = (self.taken + TOKEN).saturating_sub(full);
        if over > 0 {
            return Err(over.div_ceil(rate.max(1)).max(1));
        }
        self.taken += TOKEN;
        Ok(())
    }
}

/// What may come at once: as much as in so many seconds.
const BURST_SECONDS: u64 = 2;

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
        assert_eq!(bucket.take(10, 0), Err(100));
        assert_eq!(bucket.take(10, 99), Err(1));
        assert_eq!(bucket.take(10, 100), Ok(()));
        assert_eq!(bucket.take(10, 100), Err(100));
        let later = 100 + 60_000;
        assert_eq!((0..100).filter(|_| bucket.take(10, later).is_ok()).count(), 20);
    }

    #[test]
    fn a_rate_of_nothing_lets_one_through_and_no_more() {
        let mut bucket = Bucket::new(0);
        assert_eq!(bucket.take(0, 0), Ok(()));
        assert_eq!(bucket.take(0, 1_000_000), Err(1_000));
    }
}
