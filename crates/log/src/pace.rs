//! How long a commit waits for more to join it.

use std::time::{Duration, Instant};

/// Learns from commits how many requests come at once.
///
/// While a commit is under way others gather by themselves, and are the next one. Those that it answers often ask again at
/// once: they would come one by one, and the first would have a commit for itself. So after a commit of several, the next
/// waits for as many, but no longer than half of what a commit takes. Whoever writes alone never waits.
#[derive(Debug)]
pub(crate) struct Pace {
    longest: Duration,
    /// Requests of the last commit.
    requests: usize,
    /// What a commit takes, smoothed.
    takes: Duration,
    ended: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, requests: 0, takes: Duration::ZERO, ended: None }
    }

    /// How many requests to wait for, and for how long.
    pub(crate) fn expect(&self, now: Instant) -> (usize, Duration) {
        let recent = self.ended.is_some_and(|ended| now - ended <= self.takes * RECENT);
        if self.requests > 1 && recent {
            (self.requests, self.longest.min(self.takes / 2))
        } else {
            (1, Duration::ZERO)
        }
    }

    /// A commit is over.
    pub(crate) fn committed(&mut self, requests: usize, took: Duration, now: Instant) {
        self.requests = requests;
        self.takes = if self.takes.is_zero() { took } else { (self.takes * 7 + took) / 8 };
        self.ended = Some(now);
    }
}

/// Whoever asks again later than so many commits take does not do it at once.
const RECENT: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_alone_never_waits() {
        let begin = Instant::now();
        let mut pace = Pace::new(Duration::from_millis(2));
        assert_eq!(pace.expect(begin), (1, Duration::ZERO));
        pace.committed(1, Duration::from_millis(1), begin);
        assert_eq!(pace.expect(begin), (1, Duration::ZERO));
    }

    #[test]
    fn after_a_commit_of_several_the_next_waits_for_as_many() {
        let begin = Instant::now();
        let mut pace = Pace::new(Duration::from_millis(2));
        pace.committed(64, Duration::from_millis(1), begin);
        assert_eq!(pace.expect(begin), (64, Duration::from_micros(500)));
        let later = begin + Duration::from_millis(3);
        assert_eq!(pace.expect(later), (1, Duration::ZERO), "that was long ago");
        pace.committed(64, Duration::from_secs(1), begin);
        assert_eq!(pace.expect(begin).1, Duration::from_millis(2), "the longest window");
    }
}
