//! Latencies: HDR histograms in nanoseconds, of three digits.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Latencies in nanoseconds.
pub(crate) type Latencies = Histogram<u64>;

/// What latencies amount to, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
#[non_exhaustive]
pub struct Latency {
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub p99_99: f64,
    pub max: f64,
    /// Latencies measured.
    pub count: u64,
}

/// An empty histogram. What is beyond ten minutes counts as ten minutes.
pub(crate) fn histogram() -> Latencies {
    Histogram::new_with_bounds(1, 600_000_000_000, 3).expect("constants within its bounds")
}

impl Latency {
    /// `None` if nothing was measured.
    pub(crate) fn of(latencies: &Latencies) -> Option<Self> {
        let at = |quantile| quantile_us(latencies, quantile);
        (!latencies.is_empty()).then(|| Self {
            min: micros(latencies.min()),
            mean: latencies.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: micros(latencies.max()),
            count: latencies.len(),
        })
    }
}

/// The latency below which this share of all is, in microseconds.
pub(crate) fn quantile_us(latencies: &Latencies, quantile: f64) -> f64 {
    // Its buckets have width: what it names may be above the largest that was measured.
    micros(latencies.value_at_quantile(quantile).min(latencies.max()))
}

/// The curve of latencies by percentile: shares of all, and microseconds. Denser the rarer they are.
pub(crate) fn curve(latencies: &Latencies) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for value in latencies.iter_quantiles(5) {
        let share = value.quantile_iterated_to();
        let latency = micros(value.value_iterated_to().min(latencies.max()));
        if points.last().is_none_or(|(before, _)| *before < share) {
            points.push((share, latency));
        }
    }
    points
}

#[allow(clippy::cast_precision_loss, reason = "ten minutes are far below 2^53 ns")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

/// A count as a floating-point number; exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// A number of events a second.
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    as_f64(count) / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_three_digits() {
        let mut all = histogram();
        let mut one = histogram();
        for micros in 1..=10_000_u64 {
            one.saturating_record(micros * 1000);
        }
        all.add(&one).expect("the same bounds");
        let latency = Latency::of(&all).expect("not empty");
        for (found, expected) in [
            (latency.min, 1.0),
            (latency.mean, 5000.5),
            (latency.p50, 5000.0),
            (latency.p90, 9000.0),
            (latency.p99, 9900.0),
            (latency.p99_9, 9990.0),
            (latency.p99_99, 9999.0),
            (latency.max, 10_000.0),
        ] {
            assert!((found / expected - 1.0).abs() < 0.002, "{found}, {expected}");
        }
        assert_eq!(latency.count, 10_000);
        let curve = curve(&all);
        assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
        assert_eq!(curve.last().map(|(share, _)| *share), Some(1.0));
        assert_eq!(Latency::of(&histogram()), None);
    }
}
