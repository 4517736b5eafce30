//! Many connections for a long time, without growth:
//! `cargo run --release -p longwire-tests --bin soak -- --connections 15000 --minutes 10`.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use longwire_tests::{binaries, soak};

/// Keep many connections on one server under light traffic, and fail if it loses, doubles or grows
#[derive(Debug, Parser)]
struct Args {
    /// Connections with one subscription each
    #[arg(long, value_name = "N", default_value_t = 15_000)]
    connections: usize,
    /// Time under traffic
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0)]
    minutes: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let time = Duration::from_secs_f64(args.minutes * 60.0);
    let every = (time / 60).clamp(Duration::from_secs(1), Duration::from_secs(10));
    let plan = soak::Plan { connections: args.connections, time, every };
    let report = soak::run(&binaries::longwire()?, plan, |sample| {
        println!(
            "{:>5.0} s  {:>8} KiB resident  {:>8} bytes queued  {} sessions  {} delivered",
            sample.at.as_secs_f64(),
            sample.resident >> 10,
            sample.queued,
            sample.sessions,
            sample.delivered
        );
    })?;
    println!(
        "{} records delivered, each once and in order; {} connections came back, {} records were read again; no growth",
        report.delivered, report.reconnects, report.recovered
    );
    Ok(())
}
