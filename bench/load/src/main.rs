//! `bench-load`: puts load on a WebSocket echo server of this machine and measures its process.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bench_load::echo::{EchoLoad, Until};
use bench_load::idle::IdleLoad;
use clap::{Parser, Subcommand};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

/// Put load on a WebSocket echo server of this machine; verify every byte, measure its process
#[derive(Parser)]
struct Args {
    /// Address of the server
    #[arg(long, value_name = "ADDR", global = true, default_value = "127.0.0.1:9001")]
    target: SocketAddr,
    /// Process id of the server
    #[arg(long)]
    pid: u32,
    /// Run on this core only
    #[arg(long, value_name = "N", global = true)]
    cpu: Option<usize>,
    /// Print the measurement as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Keep messages in flight on every connection
    Echo {
        /// Connections to open
        #[arg(long, default_value_t = 64)]
        connections: usize,
        /// Payload bytes a message
        #[arg(long, default_value_t = 32)]
        size: usize,
        /// Messages a connection keeps on their way
        #[arg(long, default_value_t = 1)]
        in_flight: usize,
        /// Load before the measured window, in seconds
        #[arg(long, default_value_t = 0.5)]
        warm_up: f64,
        /// Length of the measured window, in seconds
        #[arg(long, default_value_t = 2.0, conflicts_with = "messages")]
        seconds: f64,
        /// End the measured window after this many echoes instead
        #[arg(long)]
        messages: Option<u64>,
    },
    /// Open connections that say nothing and read the server's resident memory
    Idle {
        /// Connections to open
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
    },
}

fn main() -> Result<()> {
    let Args { target, pid, cpu, json, load } = Args::parse();
    if let Some(cpu) = cpu {
        let mut cores = CpuSet::new();
        cores.set(cpu);
        sched_setaffinity(None, &cores).with_context(|| format!("core {cpu} cannot be used"))?;
    }
    match load {
        Load::Echo { connections, size, in_flight, warm_up, seconds, messages } => {
            let until = match messages {
                Some(count) => Until::Messages(count),
                None => Until::Elapsed(Duration::try_from_secs_f64(seconds)?),
            };
            let warm_up = Duration::try_from_secs_f64(warm_up)?;
            let load = EchoLoad { target, pid, connections, size, in_flight, warm_up, until };
            print(&load.run()?, json)
        }
        Load::Idle { connections } => print(&IdleLoad { target, pid, connections }.run()?, json),
    }
}

fn print(report: &(impl Serialize + Display), json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}
