//! `bench-runner`: builds the contestants, measures them in turn, writes medians and ratios.

mod contestants;
mod entries;
mod external;
mod machine;
mod markdown;
mod measure;
mod summary;
mod tables;
mod versions;
mod workloads;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use bench_load::opening::raise_open_files;
use clap::Parser;
use serde::Serialize;

use crate::contestants::Contestant;
use crate::machine::{Machine, Ticks};
use crate::measure::{Server, Setting};
use crate::summary::{Run, Table};
use crate::workloads::Workload;

/// Measure WebSocket servers side by side: build, pin, interleave, report medians and ratios
#[derive(Parser)]
struct Args {
    /// A short look: 2 rounds of half a second, 1,000 idle connections
    #[arg(long)]
    quick: bool,
    /// Rounds; each measures every contestant once under every workload [default: 5]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds a measurement; a quarter more is spent to warm up [default: 2]
    #[arg(long)]
    seconds: Option<f64>,
    /// Only this contestant (repeatable)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Only workloads whose name starts so, such as `64 x 32 B` (repeatable)
    #[arg(long, value_name = "NAME")]
    workload: Vec<String>,
    /// Core of the server
    #[arg(long, value_name = "N", default_value_t = 0)]
    server_cpu: usize,
    /// Core of the load generator
    #[arg(long, value_name = "N", default_value_t = 1)]
    load_cpu: usize,
    /// Use this `longwire` program instead of building one
    #[arg(long, value_name = "FILE")]
    longwire: Option<PathBuf>,
    /// Keep the result as bench/results/kept/NAME.{md,json} instead of bench/results/latest.*
    #[arg(long, value_name = "NAME")]
    keep: Option<String>,
}

#[derive(Serialize)]
struct Results<'a> {
    machine: &'a Machine,
    setting: Setting,
    rounds: usize,
    tables: &'a [Table],
    runs: &'a [Run],
    failures: &'a [String],
}

fn main() -> Result<()> {
    let args = Args::parse();
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in bench/");
    let rounds = args.rounds.unwrap_or(if args.quick { 2 } else { 5 });
    let seconds = args.seconds.unwrap_or(if args.quick { 0.5 } else { 2.0 });
    let setting = Setting { server_cpu: args.server_cpu, load_cpu: args.load_cpu, seconds };
    let workloads = chosen(&args);
    ensure!(rounds > 0, "at least one round is needed");
    ensure!(!workloads.is_empty(), "no workload has such a name");
    // The servers inherit it. Each needs one file a connection.
    raise_open_files(10_100)?;

    let load = contestants::build_package(&bench.join("Cargo.toml"), "bench-load")?;
    let parts: Vec<_> = workloads.iter().map(|workload| workload.part()).collect();
    let mut contestants = contestants::build(bench, &args.only, &parts, args.longwire.as_deref())?;
    contestants.retain(|contestant| match Server::start(contestant, setting.server_cpu) {
        Ok(_) => true,
        Err(error) => {
            eprintln!("{}: skipped, {error:#}", contestant.entry.name);
            false
        }
    });
    ensure!(!contestants.is_empty(), "no contestant is left that takes part in these workloads");

    let cores = [setting.server_cpu, setting.load_cpu];
    let before = Ticks::read(cores)?;
    let (runs, failures) = measure_all(&contestants, &workloads, rounds, &load, setting);
    let machine = Machine::describe(bench, before, Ticks::read(cores)?)?;
    let tables = summary::summarise(&runs);
    let report = markdown::render(&machine, setting, rounds, &tables, &failures)?;
    let results = Results {
        machine: &machine,
        setting,
        rounds,
        tables: &tables,
        runs: &runs,
        failures: &failures,
    };
    write(&bench.join("results"), args.keep.as_deref(), &report, &results)?;
    print!("{report}");
    ensure!(failures.is_empty(), "{} measurements failed", failures.len());
    Ok(())
}

fn chosen(args: &Args) -> Vec<Workload> {
    let mut workloads = workloads::all(args.quick);
    if !args.workload.is_empty() {
        workloads.retain(|workload| {
            args.workload.iter().any(|start| workload.name().starts_with(start.as_str()))
        });
    }
    workloads
}

/// A B C A B C: what drifts on the machine touches every contestant alike.
///
/// A measurement that fails is told in the report; the others go on.
fn measure_all(
    contestants: &[Contestant],
    workloads: &[Workload],
    rounds: usize,
    load: &Path,
    setting: Setting,
) -> (Vec<Run>, Vec<String>) {
    let mut runs = Vec::new();
    let mut failures = Vec::new();
    for round in 1..=rounds {
        for &workload in workloads.iter().filter(|workload| workload.is_in_round(round)) {
            for contestant in contestants {
                if !contestant.takes_part_in(workload.part()) {
                    continue;
                }
                let entry = &contestant.entry;
                let name = entry.name;
                eprintln!("round {round}/{rounds}: {}, {name}", workload.name());
                let report = Server::start(contestant, setting.server_cpu)
                    .and_then(|server| server.measure(load, workload, entry.load, setting));
                match report {
                    Ok(report) => runs.push(Run { round, contestant: name, workload, report }),
                    Err(error) => {
                        let failure =
                            format!("round {round}, {}, {name}: {error:#}", workload.name());
                        eprintln!("failed: {failure}");
                        failures.push(failure);
                    }
                }
            }
        }
    }
    (runs, failures)
}

fn write(folder: &Path, keep: Option<&str>, report: &str, results: &Results<'_>) -> Result<()> {
    let (folder, name) = match keep {
        Some(name) => (folder.join("kept"), name),
        None => (folder.to_owned(), "latest"),
    };
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{name}.md")), report)?;
    fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(results)? + "\n")?;
    eprintln!("written: {name}.md and {name}.json in {}", folder.display());
    Ok(())
}
