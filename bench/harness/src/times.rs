//! Times of single operations.

use std::time::Duration;

/// Times of single operations, to a microsecond.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<u32>);

impl Times {
    /// One more.
    pub fn record(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The times that 50 %, 99 % and all are within, in microseconds.
    pub fn percentiles(&mut self) -> [u32; 3] {
        self.0.sort_unstable();
        let at = |share: usize| {
            let last = self.0.len().saturating_sub(1);
            self.0.get(last * share / 100).copied().unwrap_or(0)
        };
        [at(50), at(99), at(100)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_that_was_recorded() {
        let mut times = Times::default();
        assert_eq!(times.percentiles(), [0; 3]);
        (0..=100).rev().for_each(|micros| times.record(Duration::from_micros(micros)));
        assert_eq!((times.count(), times.percentiles()), (101, [50, 99, 100]));
    }
}
