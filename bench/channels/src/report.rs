//! The report: targets, and a table of every line.

use std::fmt::{Result, Write};

use bench_harness::statistics::Spread;

use crate::plan::{LINES, TARGETS};
use crate::results::Results;

/// The report as Markdown.
pub(crate) fn render(results: &Results) -> std::result::Result<String, std::fmt::Error> {
    let mut out = String::new();
    head(&mut out, results)?;
    targets(&mut out, results)?;
    tables(&mut out, results)?;
    if !results.failed.is_empty() {
        writeln!(out, "## Failed\n")?;
        for failure in &results.failed {
            writeln!(out, "- {}, round {}: {}", failure.line, failure.round, failure.why)?;
        }
    }
    Ok(out)
}

fn head(out: &mut String, results: &Results) -> Result {
    let machine = &results.machine;
    writeln!(out, "# The server of channels\n")?;
    writeln!(
        out,
        "{}. {}, {} cores, {} GiB, {}, {}. Longwire {}. The host of the machine kept {:.1} % of the two cores' time.\n",
        machine.taken,
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.rustc,
        machine.longwire,
        machine.stolen * 100.0
    )?;
    writeln!(out, "    {}\n", machine.command)?;
    writeln!(
        out,
        "Loopback, JSON, a fresh server on one thread and one core for each measurement, the load on the other core; {} s \
         each, {} connections at rest and in the fan-out, {} streams on disk at the start. Median of interleaved rounds \
         (min-max); a ratio is made of two figures of one round. How it is measured is in \
         [bench/README.md](../README.md#the-server-of-channels).\n",
        results.seconds, results.connections, results.streams
    )
}

fn targets(out: &mut String, results: &Results) -> Result {
    writeln!(out, "## Targets\n\n| asked, or told | measured | met |\n|---|---|---|")?;
    for target in &TARGETS {
        let spread = results.of_target(target);
        let met = match spread.and_then(|spread| target.bound.allows(spread.median)) {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "-",
        };
        writeln!(out, "| {} | {} | {met} |", target.asked, cell(spread))?;
    }
    writeln!(out)
}

fn tables(out: &mut String, results: &Results) -> Result {
    writeln!(out, "## Figures\n")?;
    for line in &LINES {
        let Some(measured) = results.lines.iter().find(|measured| measured.name == line.name)
        else {
            continue;
        };
        writeln!(out, "### {}\n\n{}.\n", line.name, line.what)?;
        writeln!(out, "| figure | median (min-max) |\n|---|---|")?;
        let mut names: Vec<&str> = Vec::new();
        for name in measured.rounds.values().flat_map(|figures| figures.keys()) {
            if !names.contains(name) {
                names.push(name);
            }
        }
        for name in names {
            writeln!(out, "| {name} | {} |", cell(results.spread(line.name, name)))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn cell(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "-".to_owned(),
        |Spread { median, min, max }| {
            format!("**{}** ({}-{})", number(median), number(min), number(max))
        },
    )
}

/// Three significant digits or so.
fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::results;

    #[test]
    fn a_target_says_whether_it_is_met_or_that_it_was_not_measured() {
        let text = render(&results()).expect("a text takes all");
        assert!(text.contains("20 x fdatasync's | **30.0** (10.0-50.0) | yes |"), "{text}");
        assert!(text.contains("| publish 1: p50 <= 200 us | - | - |"), "{text}");
        assert!(text.contains("| a second | **400** (300-500) |"), "{text}");
    }
}
