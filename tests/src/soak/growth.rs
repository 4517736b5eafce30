//! Whether something grows.

/// The medians of the second and of the last quarter, if the latter is more than 3 % and more than `least` beyond the former:
/// in the first quarter everything fills up.
pub(super) fn growth(values: &[u64], least: u64) -> Option<(u64, u64)> {
    let quarter = values.len() / 4;
    let before = median(&values[quarter..2 * quarter])?;
    let after = median(&values[values.len() - quarter..])?;
    (after > before + (before * 3 / 100).max(least)).then_some((before, after))
}

fn median(values: &[u64]) -> Option<u64> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_fills_up_and_then_rests_does_not_grow() {
        let values: Vec<u64> = (0..40).map(|at| 100 * MIB + at.min(9) * MIB).collect();
        assert_eq!(growth(&values, MIB), None);
        // A peak is no growth either.
        let peak: Vec<u64> =
            (0..40).map(|at| if at == 39 { 500 * MIB } else { 100 * MIB }).collect();
        assert_eq!(growth(&peak, MIB), None);
    }

    #[test]
    fn what_goes_on_growing_is_told() {
        let values: Vec<u64> = (0..40).map(|at| (100 + at) * MIB).collect();
        assert_eq!(growth(&values, MIB), Some((115 * MIB, 135 * MIB)));
        // Three hundredths of little are nothing.
        let little: Vec<u64> = (0..40).map(|at| 1000 + at * 100).collect();
        assert_eq!(growth(&little, MIB), None);
    }
}
