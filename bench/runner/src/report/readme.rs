//! The performance section of the front page, made from the published results.

use std::fmt::{self, Write};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::numbers::number;
use super::plots;
use super::publish::FILE;
use super::tables::{LATE, LOADED, QUIET, beyond, compared, is_noisy, limit};
use crate::field::Absent;
use crate::plan::entries::{self, Group};
use crate::plan::workloads::{
    self, BROADCAST, BURSTS, COMPRESSED, HALF, HEADLINE, IDLE, Kind, MAXIMUM, Part, Workload,
};
use crate::results::figures::Metric;
use crate::results::{Results, store};

/// Writes the section into the front page, from the published results.
pub(crate) fn write(bench: &Path) -> Result<()> {
    let file = bench.join("results").join(FILE);
    let results = store::read(&file).context("publish a run first, by --publish")?;
    let page = bench.join("../README.md");
    let text = fs::read_to_string(&page).context("the front page cannot be read")?;
    let spliced = splice(&text, &section(&results)?)?;
    fs::write(&page, spliced).context("the front page cannot be written")
}

/// The text with everything between the two marks replaced.
fn splice(text: &str, section: &str) -> Result<String> {
    let (before, after) = around(text)?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", section.trim_end()))
}

/// What is before the first mark and behind the second.
fn around(text: &str) -> Result<(&str, &str)> {
    let are_there = [BEGIN, END].iter().all(|mark| text.matches(mark).count() == 1);
    ensure!(are_there, "the front page needs the lines {BEGIN} and {END}, each once");
    let (before, rest) = text.split_once(BEGIN).context("the first mark is there")?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{END} is before {BEGIN}"))?;
    Ok((before, after))
}

fn section(results: &Results) -> Result<String, fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "\nServer CPU a message in microseconds, latency in microseconds, memory in bytes; each library by \
         the loop that its documentation shows, on one thread and one core. Medians of {} interleaved \
         rounds; every byte that comes back is verified.\n",
        results.rounds(MAXIMUM, "longwire")
    )?;
    table(&mut out, results)?;
    for workload in PICTURES {
        if results.workloads().contains(&workload) {
            let file = plots::file(workload);
            writeln!(out, "![{}](bench/results/{file})\n", workload.name())?;
        }
    }
    behind(&mut out, results)?;
    compression(&mut out, results)?;
    failed(&mut out, results)?;
    for sitting in super::used(results) {
        let machine = &sitting.machine;
        writeln!(
            out,
            "{}: {}, {} cores, {}, {}, Longwire {}:\n\n```console\n{}\n```\n",
            machine.taken,
            machine.processor,
            machine.cores,
            machine.kernel,
            machine.rustc,
            machine.longwire,
            machine.command
        )?;
    }
    writeln!(
        out,
        "[bench/results](bench/results/README.md) has every table and plot, the targets, and the versions; \
         [bench/README.md](bench/README.md) has the method."
    )?;
    Ok(out)
}

/// A line a contestant with a plain loop, a column a workload.
fn table(out: &mut String, results: &Results) -> fmt::Result {
    let measured = results.workloads();
    let columns: Vec<_> =
        COLUMNS.iter().filter(|(workload, _)| measured.contains(workload)).collect();
    let mut names: Vec<&str> = Vec::new();
    for (workload, _) in &columns {
        for name in results.contestants(*workload) {
            if entries::group(name).is_plain() && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.sort_by_key(|name| entries::order(name));
    write!(out, "| |")?;
    for (_, heading) in &columns {
        write!(out, " {heading} |")?;
    }
    writeln!(out, "\n|---|{}", "---|".repeat(columns.len()))?;
    let (mut is_loud, mut loaded, mut late) = (false, false, false);
    for name in names {
        let strong = if name == "longwire" { "**" } else { "" };
        write!(out, "| {strong}{name}{strong} |")?;
        for (workload, _) in &columns {
            let spread = results.spread(*workload, name, compared(*workload));
            let none = match results.unheld(*workload, name) {
                0 => "-".to_owned(),
                unheld => {
                    format!("not held in {unheld} of {} rounds", results.rounds(*workload, name))
                }
            };
            let figure = spread.map_or(none, |spread| number(spread.median));
            let noise = if is_noisy(results, *workload, name) { " !" } else { "" };
            let limit = limit(results, *workload, name);
            is_loud |= !noise.is_empty();
            let is_open = matches!(workload.kind, Kind::Paced { .. });
            loaded |= !limit.is_empty() && !is_open;
            late |= !limit.is_empty() && is_open;
            write!(out, " {strong}{figure}{strong}{noise}{limit} |")?;
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    let footnote = format!(
        "Marked !: server or load waited for a core for more than {:.0} % of the time: the machine was not \
         quiet and the figure is too high.",
        QUIET * 100.0
    );
    for (is_there, words) in [(is_loud, footnote.as_str()), (loaded, LOADED), (late, LATE)] {
        if is_there {
            writeln!(out, "{words}\n")?;
        }
    }
    Ok(())
}

/// Where longwire is first and among whom, where it is not and by whom, and where that is not known.
fn behind(out: &mut String, results: &Results) -> fmt::Result {
    let (mut first, mut behind, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let measured = HEADLINE.into_iter().chain([HALF, IDLE]).chain(BURSTS).chain([BROADCAST]);
    for workload in measured.filter(|workload| results.workloads().contains(workload)) {
        let own = if workload.part == Part::Broadcast { "longwire-prepared" } else { "longwire" };
        let metric = compared(workload);
        let what = match metric {
            Metric::P99_9 => "p99.9",
            Metric::UsedBytes => "bytes",
            _ => "CPU",
        };
        let line = |words: &str| format!("- {}, {what}: {words}", workload.name());
        if results.spread(workload, own, metric).is_none() {
            unknown.push(line(&match results.unheld(workload, own) {
                0 => format!("{own} not measured"),
                _ => format!("{own}, {}", results.held(workload, own)),
            }));
            continue;
        }
        let (mut names, mut cheaper) = (Vec::new(), Vec::new());
        for name in results.contestants(workload) {
            if !entries::group(name).is_peer() {
                continue;
            }
            let ratio = results.ratio(workload, (name, own), metric);
            if ratio.is_some() || metric.is_latency() && results.unheld(workload, name) > 0 {
                names.push(name);
            }
            if let Some(ratio) = ratio.filter(|ratio| *ratio < 1.0) {
                cheaper.push(format!("{name} {}", number(ratio)));
            }
        }
        let absent = Absent::of(results, workload, &names, |entry| entry.group.is_peer()).words();
        if !cheaper.is_empty() {
            behind.push(line(&cheaper.join(", ")));
        } else if absent.is_none() && !names.is_empty() {
            first.push(line(&names.join(", ")));
        }
        if let Some(words) = absent {
            unknown.push(line(&words));
        }
    }
    for (heading, lines) in [
        ("Where longwire is not first, best loops included, as a part of its figure:", behind),
        ("No library is below longwire where these were compared, best loops included:", first),
        ("What is not decided, for want of a figure:", unknown),
    ] {
        if !lines.is_empty() {
            writeln!(out, "{heading}\n\n{}\n", lines.join("\n"))?;
        }
    }
    Ok(())
}

/// One sentence that names what failed.
fn failed(out: &mut String, results: &Results) -> fmt::Result {
    let names: Vec<_> = results
        .failed()
        .map(|failure| {
            format!("{} in {} (round {})", failure.contestant, failure.workload, failure.round)
        })
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out, "Measurements that failed, and have no figure here: {}.\n", names.join(", "))
}

fn compression(out: &mut String, results: &Results) -> fmt::Result {
    let workload = COMPRESSED;
    if !results.workloads().contains(&workload) {
        return Ok(());
    }
    let memory = |workload: &Workload| workload.part == Part::DeflateMemory;
    let memory: Vec<_> = workloads::all().into_iter().filter(memory).collect();
    writeln!(out, "With compression: {}", workload.description())?;
    writeln!(
        out,
        "Memory is what an idle connection has beyond the same server without compression, after one \
         message, and after 64.\n"
    )?;
    writeln!(out, "| | CPU | bytes sent | memory |\n|---|---|---|---|")?;
    for name in results.contestants(workload) {
        let figure = |metric| {
            let spread = results.spread(workload, name, metric);
            spread.map_or_else(|| "-".to_owned(), |spread| number(spread.median))
        };
        let beyond: Vec<_> = memory
            .iter()
            .map(|memory| beyond(results, *memory, name).map_or_else(|| "-".to_owned(), number))
            .collect();
        let strong = if entries::group(name) == Group::Longwire { "**" } else { "" };
        writeln!(
            out,
            "| {strong}{name}{strong} | {} | {} | {} |",
            figure(Metric::Cpu),
            figure(Metric::BytesFromServer),
            beyond.join(", ")
        )?;
    }
    writeln!(out)
}

const BEGIN: &str = "<!-- performance: begin -->";
const END: &str = "<!-- performance: end -->";

const PICTURES: [Workload; 2] = [MAXIMUM, HALF];

const COLUMNS: [(Workload, &str); 7] = [
    (HEADLINE[0], "64 connections, 32 B, 16 in flight"),
    (HEADLINE[1], "32 B, 1 in flight"),
    (HEADLINE[2], "1 KiB, 1 in flight"),
    (HEADLINE[3], "8 connections, 16 KiB"),
    (HEADLINE[4], "4 connections, 1 MiB"),
    (HALF, "p99.9 at half of the maximum"),
    (IDLE, "idle connection, used"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::sitting;
    use crate::plan::entries::{ENTRIES, Entry};
    use crate::results::Failure;
    use crate::results::tests::run;

    fn results() -> Results {
        let mut results = Results { sittings: vec![sitting()], runs: Vec::new() };
        for (name, cost) in [("floor", 0.5), ("longwire", 1.0), ("yawc", 10.0)] {
            results.runs.push(run(0, 1, name, cost));
        }
        results
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("# A\n\n{BEGIN}\nold\n{END}\n\n## B\n");
        let spliced = splice(&page, "new\n\n").expect("both marks are there");
        assert_eq!(spliced, format!("# A\n\n{BEGIN}\nnew\n{END}\n\n## B\n"));
        assert_eq!(splice(&spliced, "new").expect("still there"), spliced);
    }

    #[test]
    fn a_page_without_both_marks_in_order_is_left_alone() {
        for page in [
            "# A\n".to_owned(),
            format!("{BEGIN}\n"),
            format!("{END}\n{BEGIN}\n"),
            format!("{BEGIN}\n{BEGIN}\n{END}\n"),
        ] {
            assert!(splice(&page, "new").is_err(), "{page}");
        }
    }

    #[test]
    fn a_contestant_that_is_cheaper_is_named() {
        let mut results = results();
        results.runs.push(run(0, 1, "tokio-tungstenite-best", 0.8));
        let section = section(&results).expect("written");
        let line = "- 64 x 32 B x 16, CPU: tokio-tungstenite-best 0.80\n";
        assert!(section.contains(line), "{section}");
        // The floor is no library.
        assert!(!section.contains("floor 0.50"), "{section}");
    }

    #[test]
    fn longwire_is_called_first_only_where_everyone_expected_has_a_figure() {
        let few = section(&results()).expect("written");
        assert!(!few.contains("No library is below longwire"), "{few}");
        let unknown = "- 64 x 32 B x 16, CPU: tokio-websockets, tokio-websockets-best, fast";
        assert!(few.contains(unknown) && !few.contains("uwebsockets"), "{few}");

        let mut results = results();
        results.runs.retain(|run| run.contestant != "yawc");
        let is_peer = |entry: &&Entry| entry.group.is_peer();
        for entry in ENTRIES.iter().filter(is_peer) {
            if entry.parts.contains(&Part::Headline) {
                results.runs.push(run(0, 1, entry.name, 10.0));
            }
        }
        let all = section(&results).expect("written");
        let line = "\n- 64 x 32 B x 16, CPU: tokio-websockets, tokio-websockets-best, fast";
        assert!(all.contains("No library is below longwire") && all.contains(line), "{all}");
        assert!(!all.contains("not decided"), "{all}");
    }

    #[test]
    fn figures_of_a_noisy_machine_or_a_busy_load_are_marked() {
        let mut results = results();
        results.runs[0].figures.load_busy = Some(1.0);
        results.runs[1].figures.waited = Some(QUIET + 0.01);
        let section = section(&results).expect("written");
        for part in ["| floor | 0.50 # |", "| **1.00** ! |", "Marked !: ", LOADED] {
            assert!(section.contains(part), "{part} is not in {section}");
        }
        assert!(!section.contains(LATE), "{section}");
    }

    #[test]
    fn what_failed_is_named_in_a_sentence() {
        let mut results = results();
        assert!(!section(&results).expect("written").contains("failed"));
        results.sittings[0].failed.push(Failure {
            round: 2,
            workload: MAXIMUM.name(),
            contestant: "floor".to_owned(),
            why: "it ended".to_owned(),
        });
        let section = section(&results).expect("written");
        let sentence = "no figure here: floor in 64 x 32 B x 16 (round 2).\n";
        assert!(section.contains(sentence), "{section}");
    }

    #[test]
    fn the_section_has_table_picture_machine_and_command() {
        let section = section(&results()).expect("written");
        for part in [
            "| | 64 connections, 32 B, 16 in flight |\n|---|---|\n| floor | 0.50 |\n",
            "| **longwire** | **1.00** |",
            "![64 x 32 B x 16](bench/results/64-x-32-b-x-16.svg)",
            "A processor, 2 cores",
            "```console\ncargo run\n```",
        ] {
            assert!(section.contains(part), "{part} is not in {section}");
        }
        // What was not measured has no column and no picture.
        assert!(!section.contains("latency-half.svg") && !section.contains("1 MiB"));
    }

    #[test]
    fn the_front_page_shows_what_the_published_results_give() {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let page = fs::read_to_string(bench.join("../README.md")).expect("the front page");
        let file = bench.join("results").join(FILE);
        if file.exists() {
            let results = store::read(&file).expect("the published results");
            let section = section(&results).expect("written");
            let expected = splice(&page, &section).expect("both marks are there");
            assert!(page == expected, "run `bench-runner --readme`: README.md is out of date");
        } else {
            around(&page).expect("there is a place for what will be published");
        }
    }
}
