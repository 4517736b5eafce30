//! `bench-engines`: the durable log and this disk's bare fsync, and the storage engines that could be below it.
//!
//! Each part runs in a process of its own, so that its memory is its own.

mod engines;
mod log;
mod measure;

use std::{env, path::PathBuf, process::Command, time::Duration};

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use engines::Kind;

/// Measure the durable log, its floor and its alternatives
#[derive(Parser)]
struct Args {
    /// Folder on the disk to measure; a new one is made in it, and removed
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds: each measures everything once
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Clone, Debug, Subcommand)]
enum Part {
    /// The log: appenders with one append under way each, beside bare fdatasync
    Append {
        /// Appenders
        #[arg(long, default_value_t = 64)]
        appenders: u64,
        /// Streams that they append to
        #[arg(long, default_value_t = 64)]
        streams: u64,
        /// Bytes of a record
        #[arg(long, default_value_t = 100)]
        size: usize,
    },
    /// The log: 100,000 streams of 3 records are written, and opened
    Open,
    /// An engine: batches of 64 records with fsync, pages of 256 records, opening with 100,000 streams
    Engine {
        /// Which
        kind: Kind,
        /// What is measured
        work: Work,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Work {
    Batches,
    Pages,
    Streams,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let time = Duration::from_secs(args.seconds);
    let folder = tempfile::tempdir_in(&args.folder)?;
    match &args.part {
        None => all(&args),
        Some(Part::Append { appenders, streams, size }) => {
            log::append(folder.path(), *appenders, *streams, *size, time)
        }
        Some(Part::Open) => log::open(folder.path()),
        Some(Part::Engine { kind, work }) => match work {
            Work::Batches => engines::batches(*kind, folder.path(), time),
            Work::Pages => engines::pages(*kind, folder.path(), time),
            Work::Streams => engines::streams(*kind, folder.path()),
        },
    }
}

/// All parts in turn, round by round.
fn all(args: &Args) -> Result<()> {
    let mut parts = vec!["append".to_owned(), "append --appenders 1 --streams 1".to_owned()];
    parts.push("open".into());
    for work in ["batches", "pages", "streams"] {
        for kind in ["fjall", "redb", "sqlite"] {
            parts.push(format!("engine {kind} {work}"));
        }
    }
    for round in 1..=args.rounds {
        println!("round {round}");
        for part in &parts {
            let status = Command::new(env::current_exe()?)
                .arg("--folder")
                .arg(&args.folder)
                .args(["--seconds", &args.seconds.to_string()])
                .args(part.split(' '))
                .status()?;
            ensure!(status.success(), "{part}: {status}");
        }
    }
    Ok(())
}
