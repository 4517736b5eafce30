//! Rates, memory, and chance.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use bench_harness::statistics::real;
use longwire_log::Histogram;

/// So many in so long, a second.
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    real(count) / time.as_secs_f64()
}

/// The mean of what was recorded.
#[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
pub(crate) fn mean(histogram: &Histogram) -> f64 {
    histogram.sum() as f64 / histogram.count() as f64
}

/// What the process has in memory, and had at most, in MiB.
pub(crate) fn memory() -> Result<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").context("this needs Linux")?;
    let read = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let missing = "the kernel tells no memory";
    Ok((read("VmRSS:").context(missing)? >> 10, read("VmHWM:").context(missing)? >> 10))
}

/// Chance that a seed decides (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
