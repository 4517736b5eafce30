//! The micro kernels, which a program of their own measures: how they are run, judged and shown.

use std::fmt::{self, Write};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use bench_harness::build::build_program;
use bench_harness::cores::spawn_on;
use serde::{Deserialize, Serialize};

use crate::report::numbers::number;
use crate::results::Results;
use crate::targets::Verdict;

/// One line of what `bench-micro` measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kernel {
    name: String,
    /// Bytes that an operation goes through, where its time is in proportion to them.
    size: Option<usize>,
    contestant: String,
    /// Nanoseconds of the fastest turn.
    ns_per_op: f64,
    median_ns_per_op: f64,
    bytes_per_second: Option<f64>,
}

/// Builds `bench-micro` and has it measure all kernels on a core.
pub(crate) fn measure(bench: &Path, core: usize) -> Result<Vec<Kernel>> {
    let manifest = bench.join("micro/Cargo.toml");
    ensure!(manifest.exists(), "there is no bench/micro");
    let program = build_program(&manifest, "bench-micro", "bench-micro")?;
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let file = folder.path().join("kernels.json");
    let mut command = Command::new(program);
    command.args(["time", "--json"]).arg(&file).stdout(Stdio::null());
    let status = spawn_on(&[core], &mut command)?.wait()?;
    ensure!(status.success(), "bench-micro failed; see above");
    let text = fs::read_to_string(file).context("bench-micro wrote no file")?;
    serde_json::from_str(&text).context("what bench-micro wrote is not as agreed")
}

/// How the targets of the kernels stand: a share of another's speed, where the slowest size decides.
pub(crate) fn judge(results: &Results) -> Vec<Verdict> {
    let kernels = results.kernels().unwrap_or_default();
    TARGETS.iter().map(|target| target.judge(kernels)).collect()
}

/// The table, where kernels were measured.
pub(crate) fn render(out: &mut String, results: &Results) -> fmt::Result {
    let Some(kernels) = results.kernels() else { return Ok(()) };
    writeln!(out, "## kernels\n\nThe fastest of the turns of each; one thread, nothing else.\n")?;
    writeln!(out, "| what | bytes | contestant | ns | ns, median | GB/s |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for kernel in kernels {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            kernel.name,
            kernel.size.map_or_else(|| "-".to_owned(), |size| size.to_string()),
            kernel.contestant,
            number(kernel.ns_per_op),
            number(kernel.median_ns_per_op),
            kernel.bytes_per_second.map_or_else(|| "-".to_owned(), |rate| number(rate / 1e9))
        )?;
    }
    writeln!(out)
}

/// Speed that is asked of longwire, as a share of another's.
#[derive(Debug)]
struct Target {
    /// How the names of the kernels begin.
    names: &'static str,
    /// From how many bytes on.
    from: usize,
    other: &'static str,
    share: f64,
}

const TARGETS: &[Target] = &[
    Target { names: "mask", from: 4096, other: "memcpy", share: 0.8 },
    Target { names: "UTF-8", from: 0, other: "simdutf8", share: 1.0 },
];

impl Target {
    fn judge(&self, kernels: &[Kernel]) -> Verdict {
        let slowest = kernels
            .iter()
            .filter(|own| own.contestant == "longwire" && own.name.starts_with(self.names))
            .filter(|own| own.size.is_some_and(|size| size >= self.from))
            .filter_map(|own| {
                let is_other = |other: &&Kernel| {
                    other.contestant == self.other
                        && (&other.name, other.size) == (&own.name, own.size)
                };
                let other = kernels.iter().find(is_other)?;
                Some((other.ns_per_op / own.ns_per_op, own))
            })
            .min_by(|(one, _), (other, _)| one.total_cmp(other));
        let from = if self.from > 0 { format!(", {} B and up", self.from) } else { String::new() };
        let (measured, by) = match slowest {
            Some((share, own)) => {
                (Some(share), format!("{}, {} B", own.name, own.size.unwrap_or_default()))
            }
            None => (None, "the kernels were not measured".to_owned()),
        };
        Verdict {
            workload: format!("kernels: {}{from}", self.names),
            asked: format!("speed >= {} x {}", self.share, self.other),
            measured,
            by,
            met: measured.map(|share| share >= self.share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::sitting;

    fn kernel(name: &str, size: usize, contestant: &str, ns_per_op: f64) -> Kernel {
        Kernel {
            name: name.to_owned(),
            size: Some(size),
            contestant: contestant.to_owned(),
            ns_per_op,
            median_ns_per_op: ns_per_op,
            bytes_per_second: Some(1e9),
        }
    }

    #[test]
    fn the_slowest_size_decides_and_small_ones_do_not_count() {
        let mut sitting = sitting();
        sitting.kernels = Some(vec![
            kernel("mask", 32, "longwire", 100.0),
            kernel("mask", 32, "memcpy", 1.0),
            kernel("mask", 4096, "longwire", 100.0),
            kernel("mask", 4096, "memcpy", 90.0),
            kernel("mask", 65536, "longwire", 100.0),
            kernel("mask", 65536, "memcpy", 75.0),
        ]);
        let results = Results { sittings: vec![sitting], runs: Vec::new() };
        let verdicts = judge(&results);
        assert_eq!((verdicts[0].measured, verdicts[0].met), (Some(0.75), Some(false)));
        assert_eq!(verdicts[0].by, "mask, 65536 B");
        // No text was measured.
        assert_eq!((verdicts[1].measured, verdicts[1].met), (None, None));
        let mut out = String::new();
        render(&mut out, &results).expect("written");
        assert!(out.contains("| mask | 32 | longwire | 100 | 100 | 1.00 |"), "{out}");
    }

    #[test]
    fn without_kernels_there_is_no_table() {
        let mut out = String::new();
        render(&mut out, &Results::default()).expect("written");
        assert_eq!(out, "");
    }
}
