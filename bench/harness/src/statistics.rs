//! Medians and ranges.

use serde::{Deserialize, Serialize};

/// Median and range of one figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle value.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of all the values; `None` if there is none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        Some(Self {
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            median: median(values)?,
        })
    }
}

/// The middle value, or the mean of the two in the middle; `None` if there is none.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let above = *values.get(values.len() / 2)?;
    Some(f64::midpoint(values[(values.len() - 1) / 2], above))
}

/// A count, to be calculated with.
#[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
pub fn real(count: usize) -> f64 {
    count as f64
}

/// Five significant digits: what is written down of a figure that is good for two or three.
pub fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_and_even_counts_and_of_none() {
        assert_eq!(median([5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median([]), None);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn the_range_is_that_of_all_values() {
        let spread = Spread { median: 3.0, min: 1.0, max: 5.0 };
        assert_eq!(Spread::of([5.0, 1.0, 3.0]), Some(spread));
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "both are the nearest number to the same decimals")]
    fn five_digits_are_kept() {
        let values = [0.364_000_4, 1_234_567.0, 0.0, -2.0].map(rounded);
        assert_eq!(values, [0.364, 1_234_600.0, 0.0, -2.0]);
    }
}
