//! How figures are written.

use bench_harness::statistics::Spread;

/// Median and range; a dash if there is none.
pub(crate) fn spread(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "-".to_owned(),
        |Spread { median, min, max }| {
            format!("**{}** ({}-{})", number(median), number(min), number(max))
        },
    )
}

/// Three significant digits or so: enough for figures that differ by a tenth from run to run.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(
            [0.364, 5.41, 63.04, 246.2, 137_000.4].map(number),
            ["0.36", "5.41", "63.0", "246", "137000"]
        );
    }

    #[test]
    fn nothing_is_a_dash() {
        assert_eq!(spread(None), "-");
    }
}
