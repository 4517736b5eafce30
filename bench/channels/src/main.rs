//! `bench-channels`: measures `longwire serve`, each figure beside its floor in the same round.

mod args;
mod durable;
mod fan_out;
mod fleet;
mod latency;
mod plan;
mod report;
mod results;
mod sessions;
mod stage;
mod start;
mod words;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use bench_harness::build::build_program;
use bench_harness::cores::raise_open_files;
use bench_harness::machine::{Machine, Ticks};
use clap::Parser;
use longwire_load::process::pin;

use crate::args::Args;
use crate::plan::{LINES, Line};
use crate::results::{Failure, Results};
use crate::stage::Stage;

fn main() -> Result<()> {
    let args = Args::parse();
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in bench/");
    let lines: Vec<_> = LINES.iter().filter(|line| is_meant(&args, line)).collect();
    ensure!(!lines.is_empty(), "no line has such a name; there are {:?}", LINES.map(|it| it.name));
    let stage = stage(&args, bench)?;
    raise_open_files(stage.connections as u64 + 100)?;
    let mut results = Results {
        machine: Machine::describe(bench, "bench-channels", args.longwire.is_some())?,
        seconds: stage.time.as_secs_f64(),
        connections: stage.connections,
        streams: stage.streams,
        lines: Vec::new(),
        failed: Vec::new(),
    };
    let before = Ticks::read([args.server_cpu, args.load_cpu])?;
    // The servers are started on a core of their own.
    pin(args.load_cpu)?;
    run(&lines, if args.quick { 1 } else { args.rounds }, &stage, &mut results)?;
    results.machine.stolen =
        Ticks::read([args.server_cpu, args.load_cpu])?.stolen_share_since(before);
    let text = report::render(&results)?;
    print!("{text}");
    if args.publish {
        let folder = bench.join("results");
        fs::write(folder.join("channels.md"), &text)?;
        fs::write(folder.join("channels.json"), serde_json::to_string_pretty(&results)? + "\n")?;
    }
    let failed = results.failed.len();
    ensure!(failed == 0, "{failed} measurements failed; the report names them");
    Ok(())
}

fn is_meant(args: &Args, line: &Line) -> bool {
    args.only.is_empty() || args.only.iter().any(|prefix| line.name.starts_with(prefix.as_str()))
}

fn stage(args: &Args, bench: &Path) -> Result<Stage> {
    let folder = args.folder.clone().unwrap_or_else(|| bench.join("target"));
    fs::create_dir_all(&folder)?;
    let longwire = match &args.longwire {
        Some(program) => program.clone(),
        None => build_program(&bench.join("../Cargo.toml"), "longwire-cli", "longwire")?,
    };
    let broadcast = build_program(&bench.join("Cargo.toml"), "bench-broadcast", "bench-broadcast")?;
    let (seconds, connections, streams) =
        if args.quick { (0.5, 1000, 10_000) } else { (args.seconds, 10_000, 100_000) };
    let time = Duration::from_secs_f64(seconds);
    Ok(Stage {
        longwire,
        broadcast,
        server_cpu: args.server_cpu,
        folder,
        time,
        connections,
        streams,
    })
}

/// Measures every line once a round. What fails is told, and the others go on.
fn run(lines: &[&Line], rounds: u32, stage: &Stage, results: &mut Results) -> Result<()> {
    let streams = if lines.iter().any(|line| line.needs_streams()) {
        eprintln!("{} streams are written", stage.streams);
        Some(start::folder(stage)?)
    } else {
        None
    };
    for round in 1..=rounds {
        for line in lines {
            match line.measure(stage, streams.as_ref().map(tempfile::TempDir::path)) {
                Ok(figures) => {
                    eprintln!("round {round}, {}: {}", line.name, shown(&figures));
                    results.add(line.name, round, &figures);
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    eprintln!("round {round}, {}: FAILED, {why}", line.name);
                    results.failed.push(Failure { line: line.name, round, why });
                }
            }
        }
    }
    Ok(())
}

fn shown(figures: &stage::Figures) -> String {
    let shown: Vec<_> = figures.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
    shown.join(", ")
}
