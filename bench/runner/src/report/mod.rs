//! The report for people, and the summary for programs.

pub(crate) mod numbers;
pub(crate) mod plots;
pub(crate) mod publish;
pub(crate) mod readme;
pub(crate) mod svg;
pub(crate) mod tables;

use std::fmt::{self, Write};

use serde_json::{Map, Value, json};

use self::numbers::number;
use self::tables::{QUIET, compared, references};
use crate::kernels;
use crate::results::{Results, Sitting};
use crate::targets::{self, Verdict};

/// Writes the whole report. `pictures` are files beside it, with what they show.
pub(crate) fn render(
    results: &Results,
    pictures: &[(String, String)],
) -> Result<String, fmt::Error> {
    let mut out = String::new();
    head(&mut out, results)?;
    for (file, title) in pictures {
        writeln!(out, "![{title}]({file})\n")?;
    }
    judgement(&mut out, &targets::judge(results))?;
    tables::render(&mut out, results)?;
    kernels::render(&mut out, results)?;
    missing(&mut out, results)?;
    Ok(out.trim_end().to_owned() + "\n")
}

/// Medians, ranges, ratios and targets, for those who read the file by a program.
pub(crate) fn summary(results: &Results) -> Value {
    let mut workloads = Map::new();
    for workload in results.workloads() {
        let mut contestants = Map::new();
        for contestant in results.contestants(workload) {
            let mut line = Map::new();
            let spread = results.spread(workload, contestant, compared(workload));
            line.insert(format!("{:?}", compared(workload)), json!(spread));
            for reference in references(workload.part) {
                let names = (contestant, *reference);
                if let Some(ratio) = results.ratio(workload, names, compared(workload)) {
                    line.insert(format!("x {reference}"), json!(ratio));
                }
            }
            contestants.insert(contestant.to_owned(), Value::Object(line));
        }
        workloads.insert(workload.name(), Value::Object(contestants));
    }
    json!({ "workloads": workloads, "targets": targets::judge(results) })
}

fn head(out: &mut String, results: &Results) -> fmt::Result {
    writeln!(out, "# WebSocket libraries on one core\n")?;
    for sitting in used(results) {
        self::sitting(out, sitting)?;
    }
    writeln!(
        out,
        "Loopback, a fresh server for each measurement. Median of interleaved rounds (min-max). CPU is \
         user + system time divided by the messages that came back, or were delivered. \"x NAME\" is this \
         line's main figure divided by that contestant's in the same round (median). \"Waited\" is the \
         share of time that server / load were ready to run and something else had their core: above \
         {:.0} % (marked !) the machine was not quiet and the figures are too high. Memory is resident \
         memory of the process; what the kernel holds for sockets is not in it. A dash was not \
         measured.\n",
        QUIET * 100.0
    )
}

/// The sittings of which a run is left.
fn used(results: &Results) -> impl Iterator<Item = &Sitting> {
    (0..).zip(&results.sittings).filter_map(|(index, sitting)| {
        let has_run = results.runs.iter().any(|run| run.sitting == index);
        (has_run || sitting.kernels.is_some()).then_some(sitting)
    })
}

fn sitting(out: &mut String, sitting: &Sitting) -> fmt::Result {
    let machine = &sitting.machine;
    writeln!(
        out,
        "{}. {}, {} cores, {} GiB, {}, {}. Server on core {}, load on core {}. The host of the machine kept \
         {:.1} % of the two cores' time.",
        machine.taken,
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.rustc,
        sitting.server_cpu,
        sitting.load_cpu,
        machine.stolen * 100.0
    )?;
    let libraries: Vec<_> =
        machine.libraries.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let versions: Vec<_> = libraries.iter().chain(&machine.runtimes).map(String::as_str).collect();
    writeln!(out, "Longwire {}; {}.\n", machine.longwire, versions.join(", "))?;
    writeln!(out, "    {}\n", machine.command)
}

fn judgement(out: &mut String, verdicts: &[Verdict]) -> fmt::Result {
    writeln!(out, "## Targets\n")?;
    writeln!(out, "| workload | asked of longwire | measured | decided by | met |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for verdict in verdicts {
        let measured = verdict.measured.map_or_else(|| "not measured".to_owned(), figure);
        let met = match verdict.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "-",
        };
        let Verdict { workload, asked, by, .. } = verdict;
        writeln!(out, "| {workload} | {asked} | {measured} | {by} | {met} |")?;
    }
    writeln!(out)
}

/// A ratio may be decided by its third decimal.
fn figure(value: f64) -> String {
    if value < 10.0 { format!("{value:.3}") } else { number(value) }
}

fn missing(out: &mut String, results: &Results) -> fmt::Result {
    let left_out = results.left_out();
    if !left_out.is_empty() {
        writeln!(out, "## Not measured\n")?;
        for missing in left_out {
            writeln!(out, "- {}: {}", missing.what, one_line(&missing.why))?;
        }
        writeln!(out)?;
    }
    let failed: Vec<_> = results.failed().collect();
    if !failed.is_empty() {
        writeln!(out, "## Failed\n")?;
        for failure in failed {
            writeln!(
                out,
                "- {}, round {}, {}: {}",
                failure.workload,
                failure.round,
                failure.contestant,
                one_line(&failure.why)
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What other programs say may have several lines; a list has one for each item.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::sitting;
    use crate::results::tests::run;
    use crate::results::{Failure, Missing};

    fn results() -> Results {
        let mut results = Results { sittings: vec![sitting()], runs: Vec::new() };
        results.runs = vec![run(0, 1, "floor", 0.5), run(0, 1, "longwire", 0.55)];
        results
    }

    #[test]
    fn the_report_has_machine_command_targets_and_tables() {
        let report = render(&results(), &[("a.svg".into(), "A plot".into())]).expect("written");
        for part in [
            "A processor, 2 cores, 8 GiB",
            "    cargo run\n",
            "![A plot](a.svg)",
            "| 64 x 32 B x 16 | CPU <= 1.15 x floor | 1.100 | floor | yes |",
            "| not measured |",
            "## 64 x 32 B x 16\n",
        ] {
            assert!(report.contains(part), "{part} is not in {report}");
        }
        assert!(!report.contains("## Failed") && !report.contains("## Not measured"));
    }

    #[test]
    fn what_failed_and_what_was_left_out_is_named() {
        let mut results = results();
        results.sittings[0].left_out.push(Missing { what: "ws".into(), why: "no\nnode".into() });
        results.sittings[0].failed.push(Failure {
            round: 2,
            workload: "connect".into(),
            contestant: "floor".into(),
            why: "it ended".into(),
        });
        let report = render(&results, &[]).expect("written");
        assert!(report.contains("## Not measured\n\n- ws: no node\n"), "{report}");
        assert!(report.ends_with("## Failed\n\n- connect, round 2, floor: it ended\n"), "{report}");
    }

    #[test]
    fn the_summary_has_medians_ratios_and_targets() {
        let summary = summary(&results());
        let line = &summary["workloads"]["64 x 32 B x 16"]["longwire"];
        assert_eq!(line["Cpu"]["median"], 0.55);
        assert!(line["x floor"].as_f64().is_some_and(|ratio| (ratio - 1.1).abs() < 1e-9));
        assert_eq!(summary["targets"][0]["met"], true);
    }
}
