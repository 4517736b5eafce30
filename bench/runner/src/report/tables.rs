//! The tables of the report, one a workload, and one for all of the matrix.

use std::fmt::{Result, Write};

use super::numbers::{number, spread};
use crate::plan::entries;
use crate::plan::workloads::{Kind, Part, Workload};
use crate::results::Results;
use crate::results::figures::Metric;

/// Above this share of a second spent waiting for a core, the machine was not quiet.
pub(crate) const QUIET: f64 = 0.05;

/// What the sign of [`limit`] means in a closed loop.
pub(crate) const LOADED: &str = "Marked #: the load was the limit: throughput is not the server's. The load \
     generator's core was at least 97 % busy in half of the rounds or more.";
/// What it means in an open loop.
pub(crate) const LATE: &str = "Marked #: the load was the limit: latency is not the server's alone. The p99 of \
     late sending was above a quarter of the latency's p99.9 in half of the rounds or more.";

/// Writes the tables of all workloads that have runs.
pub(super) fn render(out: &mut String, results: &Results) -> Result {
    let workloads = results.workloads();
    for workload in workloads.iter().filter(|workload| workload.part != Part::Matrix) {
        table(out, results, *workload)?;
    }
    let matrix: Vec<_> =
        workloads.into_iter().filter(|workload| workload.part == Part::Matrix).collect();
    if !matrix.is_empty() {
        self::matrix(out, results, &matrix)?;
    }
    Ok(())
}

/// The contestants that all others of a table are compared with, where they take part.
pub(crate) fn references(part: Part) -> &'static [&'static str] {
    match part {
        Part::Deflate => &["longwire-deflate", "longwire-takeover"],
        Part::Broadcast => &["floor-broadcast", "longwire-prepared"],
        Part::BroadcastDeflate => &["longwire-prepared-deflate"],
        Part::Client => &["client-longwire"],
        // It has a column for what is beyond the memory without compression.
        Part::DeflateMemory => &[],
        _ => &["floor", "longwire"],
    }
}

/// The figure that a workload is about: the less the better.
pub(crate) fn compared(workload: Workload) -> Metric {
    match workload.kind {
        Kind::Idle { .. } => Metric::UsedBytes,
        Kind::Paced { .. } => Metric::P99_9,
        Kind::Echo { .. } | Kind::Connect { .. } | Kind::Broadcast { .. } => Metric::Cpu,
    }
}

/// A heading, and what is written below it.
type Column = (&'static str, fn(&Results, Workload, &str) -> String);

fn table(out: &mut String, results: &Results, workload: Workload) -> Result {
    writeln!(out, "## {}\n\n{}\n", workload.name(), workload.description())?;
    let contestants = results.contestants(workload);
    let columns = columns(workload);
    let references: Vec<_> = references(workload.part)
        .iter()
        .filter(|reference| contestants.contains(*reference))
        .collect();
    write!(out, "| contestant |")?;
    for (heading, _) in columns {
        write!(out, " {heading} |")?;
    }
    for reference in &references {
        write!(out, " x {reference} |")?;
    }
    writeln!(out, "\n|---|{}", "---|".repeat(columns.len() + references.len()))?;
    let mut is_limited = false;
    for contestant in contestants {
        let limit = limit(results, workload, contestant);
        is_limited |= !limit.is_empty();
        write!(out, "| {contestant}{limit} |")?;
        for (_, cell) in columns {
            write!(out, " {} |", cell(results, workload, contestant))?;
        }
        for reference in &references {
            let ratio = results.ratio(workload, (contestant, reference), compared(workload));
            write!(out, " {} |", optional(ratio))?;
        }
        writeln!(out)?;
    }
    if is_limited {
        let is_open = matches!(workload.kind, Kind::Paced { .. });
        writeln!(out, "\n{}", if is_open { LATE } else { LOADED })?;
    }
    writeln!(out)
}

/// A line a workload, a column a contestant.
fn matrix(out: &mut String, results: &Results, workloads: &[Workload]) -> Result {
    let mut contestants: Vec<&str> = Vec::new();
    for workload in workloads {
        for contestant in results.contestants(*workload) {
            if !contestants.contains(&contestant) {
                contestants.push(contestant);
            }
        }
    }
    contestants.sort_by_key(|contestant| entries::order(contestant));
    let is_limited = workloads
        .iter()
        .any(|workload| contestants.iter().any(|name| results.is_load_the_limit(*workload, name)));
    for (title, metric) in
        [("CPU us/message", Metric::Cpu), ("messages/s", Metric::MessagesPerSecond)]
    {
        writeln!(out, "## echo: {title}\n")?;
        writeln!(out, "Connections x size x messages in flight on each; the plain loops.\n")?;
        writeln!(out, "| workload | {} |", contestants.join(" | "))?;
        writeln!(out, "|---|{}", "---|".repeat(contestants.len()))?;
        for workload in workloads {
            write!(out, "| {} |", workload.name().trim_start_matches("echo "))?;
            for contestant in &contestants {
                let limit = limit(results, *workload, contestant);
                write!(out, " {}{limit} |", spread(results.spread(*workload, contestant, metric)))?;
            }
            writeln!(out)?;
        }
        if is_limited {
            writeln!(out, "\n{LOADED}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn columns(workload: Workload) -> &'static [Column] {
    match workload.part {
        Part::Client => &[CPU, RATE],
        Part::Deflate | Part::BroadcastDeflate => &[
            CPU,
            RATE,
            BUSY,
            WAITED,
            BYTES,
            ("compressed", |results, workload, contestant| {
                percent(median(results, workload, contestant, Metric::Compressed))
            }),
        ],
        Part::Latency => &[
            ("asked for/s", |results, workload, contestant| {
                optional(median(results, workload, contestant, Metric::AskedPerSecond))
            }),
            ("p50 us", latency::<{ P50 }>),
            ("p99 us", latency::<{ P99 }>),
            ("p99.9 us", latency::<{ P99_9 }>),
            ("rate", |results, workload, contestant| results.held(workload, contestant)),
            BUSY,
            WAITED,
        ],
        Part::Idle => &[
            ("bytes each, used", |results, workload, contestant| {
                spread(results.spread(workload, contestant, Metric::UsedBytes))
            }),
            OPEN,
            ("used / opened", |results, workload, contestant| {
                optional(median(results, workload, contestant, Metric::After))
            }),
            ("CPU us/handshake", |results, workload, contestant| {
                spread(results.spread(workload, contestant, Metric::OpeningCpu))
            }),
        ],
        Part::DeflateMemory => &[
            ("bytes each, used", |results, workload, contestant| {
                spread(results.spread(workload, contestant, Metric::UsedBytes))
            }),
            OPEN,
            ("bytes each beyond off", |results, workload, contestant| {
                optional(beyond(results, workload, contestant))
            }),
            ("KiB shared", |results, workload, contestant| {
                let bytes = median(results, workload, contestant, Metric::SharedBytes);
                optional(bytes.map(|bytes| bytes / 1024.0))
            }),
        ],
        Part::Connect => &[
            ("CPU us/handshake", |results, workload, contestant| {
                spread(results.spread(workload, contestant, Metric::Cpu))
            }),
            ("handshakes/s", |results, workload, contestant| {
                spread(results.spread(workload, contestant, Metric::MessagesPerSecond))
            }),
            ("p50 us", latency::<{ P50 }>),
            ("p99 us", latency::<{ P99 }>),
            BUSY,
            WAITED,
        ],
        _ => &[CPU, RATE, BUSY, WAITED],
    }
}

const CPU: Column = ("CPU us/message", |results, workload, contestant| {
    spread(results.spread(workload, contestant, Metric::Cpu))
});
const RATE: Column = ("messages/s", |results, workload, contestant| {
    spread(results.spread(workload, contestant, Metric::MessagesPerSecond))
});
const BUSY: Column = ("busy", |results, workload, contestant| {
    percent(median(results, workload, contestant, Metric::Busy))
});
const WAITED: Column = ("waited", |results, workload, contestant| {
    let server = median(results, workload, contestant, Metric::Waited);
    let load = median(results, workload, contestant, Metric::LoadWaited);
    let mark = if is_noisy(results, workload, contestant) { " !" } else { "" };
    format!("{} / {}{mark}", percent(server), percent(load))
});
const BYTES: Column = ("bytes to / from it", |results, workload, contestant| {
    let bytes = |metric| optional(median(results, workload, contestant, metric));
    format!("{} / {}", bytes(Metric::BytesToServer), bytes(Metric::BytesFromServer))
});
const OPEN: Column = ("bytes each, only opened", |results, workload, contestant| {
    spread(results.spread(workload, contestant, Metric::OpenBytes))
});

/// Whether server or load waited for a core for too long, in the median of the rounds.
pub(crate) fn is_noisy(results: &Results, workload: Workload, contestant: &str) -> bool {
    let waited = [Metric::Waited, Metric::LoadWaited];
    waited
        .into_iter()
        .filter_map(|metric| median(results, workload, contestant, metric))
        .any(|waited| waited > QUIET)
}

/// The sign of a line whose load generator was the limit; nothing for others.
pub(crate) fn limit(results: &Results, workload: Workload, contestant: &str) -> &'static str {
    if results.is_load_the_limit(workload, contestant) { " #" } else { "" }
}

/// Memory beyond that of the same server without compression.
pub(crate) fn beyond(results: &Results, workload: Workload, contestant: &str) -> Option<f64> {
    let plain = entries::plain(contestant)?;
    let metric = Metric::UsedBytes;
    results.paired(workload, (contestant, plain), metric, |own, plain| own - plain)
}

fn median(results: &Results, workload: Workload, contestant: &str, metric: Metric) -> Option<f64> {
    results.spread(workload, contestant, metric).map(|spread| spread.median)
}

const P50: u16 = 500;
const P99: u16 = 990;
const P99_9: u16 = 999;

/// A percentile, in thousandths.
fn latency<const THOUSANDTHS: u16>(
    results: &Results,
    workload: Workload,
    contestant: &str,
) -> String {
    let metric = match THOUSANDTHS {
        P50 => Metric::P50,
        P99 => Metric::P99,
        _ => Metric::P99_9,
    };
    spread(results.spread(workload, contestant, metric))
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), number)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::workloads::{HALF, MAXIMUM};
    use crate::results::Run;
    use crate::results::tests::run;

    #[test]
    fn a_table_has_a_line_a_contestant_and_no_figure_that_was_not_measured() {
        let mut results = Results::default();
        for (name, cost) in [("floor", 0.5), ("longwire", 0.75)] {
            results.runs.push(run(0, 1, name, cost));
        }
        results.runs[1].figures.waited = Some(0.2);
        let mut out = String::new();
        table(&mut out, &results, MAXIMUM).expect("written");
        let lines: Vec<_> = out.lines().skip(4).collect();
        assert_eq!(
            lines[..4],
            [
                "| contestant | CPU us/message | messages/s | busy | waited | x floor | x longwire |",
                "|---|---|---|---|---|---|---|",
                "| floor | **0.50** (0.50-0.50) | **2000000** (2000000-2000000) | - | - / - | 1.00 | 0.67 |",
                "| longwire | **0.75** (0.75-0.75) | **1333333** (1333333-1333333) | - | 20 % / - ! | 1.50 | 1.00 |",
            ]
        );
    }

    #[test]
    fn a_line_whose_load_was_the_limit_is_marked_and_the_sign_explained() {
        let mut results = Results::default();
        for (name, busy) in [("floor", 0.98), ("longwire", 0.9)] {
            results.runs.push(run(0, 1, name, 0.5));
            results.runs.last_mut().expect("just added").figures.load_busy = Some(busy);
        }
        let mut out = String::new();
        table(&mut out, &results, MAXIMUM).expect("written");
        assert!(out.contains("| floor # |") && out.contains("| longwire |"), "{out}");
        assert!(out.contains(LOADED), "{out}");
        results.runs.remove(0);
        let mut out = String::new();
        table(&mut out, &results, MAXIMUM).expect("written");
        assert!(!out.contains("Marked #"), "{out}");
    }

    #[test]
    fn a_rate_that_was_not_held_has_a_reason_and_no_latency() {
        let mut results = Results::default();
        for (round, came) in [(1, 900.0), (2, 1000.0)] {
            let mut paced = Run { workload: HALF.name(), ..run(0, round, "ws", 1.0) };
            paced.figures.asked_per_second = Some(1000.0);
            paced.figures.messages_per_second = Some(came);
            paced.figures.p99_9 = Some(70.0);
            results.runs.push(paced);
        }
        assert!(results.held(HALF, "ws").starts_with("not held in 1 of 2 rounds: 900 of 1000"));
        results.runs.pop();
        assert!(results.held(HALF, "ws").starts_with("cannot hold: 900 of 1000"));
        assert_eq!(latency::<P99_9>(&results, HALF, "ws"), "-");
    }
}
