//! Figures of a log at work.

use std::time::Duration;

use crate::{LogError, Response};

/// Figures since the log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records that were appended.
    pub records: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Appends that were repetitions.
    pub duplicates: u64,
    /// Records that retention or deletion removed.
    pub removed: u64,
    /// Writes that were refused since the disk was full.
    pub full: u64,
    /// Whether every write is refused, after a failed write or fsync.
    pub failed: bool,
    /// Pages that were read.
    pub pages: u64,
    /// Places of corruption that reads met.
    pub corrupt: u64,
    /// How long commits took, fsync and all, in microseconds.
    pub commit_us: Histogram,
    /// How long their fsyncs took, in microseconds.
    pub sync_us: Histogram,
    /// How many requests a commit had.
    pub commit_requests: Histogram,
}

impl Stats {
    pub(crate) fn count_read(&mut self, result: &Result<Response, LogError>) {
        match result {
            Ok(Response::Page(page)) => {
                self.pages += 1;
                self.corrupt += page.corrupt.len() as u64;
            }
            Err(LogError::Corrupt(_)) => self.corrupt += 1,
            _ => {}
        }
    }
}

/// How often a value was how large.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; Self::BUCKETS],
    sum: u64,
}

impl Histogram {
    /// How many buckets there are. Bucket `n` has the values up to 2^n that are in no bucket before it; the last has all
    /// that are larger.
    pub const BUCKETS: usize = 28;

    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        let bucket = (u64::BITS - value.saturating_sub(1).leading_zeros()) as usize;
        self.counts[bucket.min(Self::BUCKETS - 1)] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Counts a time, in microseconds.
    pub fn record_time(&mut self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// The buckets: the largest value of each (none for the last), and how many values are in it.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let last = Self::BUCKETS - 1;
        self.counts.iter().enumerate().map(move |(n, &count)| ((n < last).then(|| 1 << n), count))
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_bucket_that_it_fits_into() {
        let mut histogram = Histogram::default();
        for value in [0, 1, 2, 3, 4, 5, u64::MAX] {
            histogram.record(value);
        }
        let filled: Vec<_> = histogram.buckets().filter(|&(_, count)| count > 0).collect();
        assert_eq!(filled, [(Some(1), 2), (Some(2), 1), (Some(4), 2), (Some(8), 1), (None, 1)]);
        assert_eq!(histogram.count(), 7);
    }
}
