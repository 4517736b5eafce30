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

    /// After how many milliseconds there are so many tokens, of which `rate` come back a second; 0 if there are.
    pub(super) fn wait(&self, rate: u32, count: usize, now: Tick) -> u64 {
        let full = (u64::from(rate) * BURST_SECONDS).saturating_mul(TOKEN).max(TOKEN);
        let wanted = (count as u64).saturating_mul(TOKEN);
        let over = self.missing(rate, now).saturating_add(wanted).saturating_sub(full);
        over.div_ceil(u64::from(rate.max(1)))
    }

    /// After how many milliseconds nothing is missing, if that time comes.
    pub(super) fn full_in(&self, rate: u32, now: Tick) -> Option<u64> {
        let missing = self.missing(rate, now);
        if missing == 0 {
            return Some(0);
        }
        (rate > 0).then(|| missing.div_ceil(u64::from(rate)))
    }

    /// Takes a token that there is.
    pub(super) fn take(&mut self, rate: u32, now: Tick) {
        self.taken = self.missing(rate, now).saturating_add(TOKEN);
        self.at = now;
    }

    /// Whether it has all of its tokens.
    pub(super) fn is_full(&self, rate: u32, now: Tick) -> bool {
        self.missing(rate, now) == 0
    }

    /// Thousandths of a token that were taken and have not come back by now.
    fn missing(&self, rate: u32, now: Tick) -> u64 {
        self.taken.saturating_sub(now.saturating_sub(self.at).saturating_mul(rate.into()))
    }
}

/// What may come at once: as much as in so many seconds.
const BURST_SECONDS: u64 = 2;

/// A token, in thousandths: at a rate of one a second one thousandth comes each millisecond.
const TOKEN: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(bucket: &mut Bucket, rate: u32, now: Tick) -> bool {
        let there_is_one = bucket.wait(rate, 1, now) == 0;
        if there_is_one {
            bucket.take(rate, now);
        }
        there_is_one
    }

    #[test]
    fn two_seconds_worth_at_once_and_then_the_rate() {
        let mut bucket = Bucket::new(0);
        assert_eq!((0..100).filter(|_| takes(&mut bucket, 10, 0)).count(), 20);
        assert_eq!(bucket.wait(10, 1, 0), 100);
        assert_eq!(bucket.wait(10, 3, 0), 300);
        assert_eq!(bucket.wait(10, 1, 99), 1);
        assert!(takes(&mut bucket, 10, 100));
        assert_eq!(bucket.wait(10, 1, 100), 100);
        let later = 100 + 60_000;
        assert_eq!((0..100).filter(|_| takes(&mut bucket, 10, later)).count(), 20);
    }

    #[test]
    fn a_rate_of_nothing_lets_one_through_and_no_more() {
        let mut bucket = Bucket::new(0);
        assert!(takes(&mut bucket, 0, 0));
        assert_eq!(bucket.wait(0, 1, 1_000_000), 1_000);
    }
}
