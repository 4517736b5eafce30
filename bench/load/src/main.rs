//! `bench-load`: puts load on a WebSocket server of this machine and measures its process.

mod args;

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context, Result};
use bench_load::broadcast::BroadcastLoad;
use bench_load::echo::EchoLoad;
use bench_load::idle::IdleLoad;
use clap::Parser;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

use crate::args::{Args, Load};

fn main() -> Result<()> {
    let Args { target, pid, cpu, json, load } = Args::parse();
    if let Some(cpu) = cpu {
        let mut cores = CpuSet::new();
        cores.set(cpu);
        sched_setaffinity(None, &cores).with_context(|| format!("core {cpu} cannot be used"))?;
    }
    match load {
        Load::Echo { connections, size, in_flight, content, span } => {
            let load = EchoLoad {
                target,
                pid,
                connections,
                kind: content.kind(),
                size: size.unwrap_or(content.default_size()),
                in_flight,
                warm_up: Duration::try_from_secs_f64(span.warm_up)?,
                until: span.until()?,
            };
            print(&load.run()?, json)
        }
        Load::Idle { connections, size, messages, warm, content } => {
            let (kind, size) = (content.kind(), size.unwrap_or(content.default_size()));
            let load = IdleLoad { target, pid, connections, kind, size, messages, warm };
            print(&load.run()?, json)
        }
        Load::Broadcast { connections, size, form, span } => {
            let load = BroadcastLoad {
                target,
                pid,
                receivers: connections,
                size,
                form: form.form(),
                warm_up: Duration::try_from_secs_f64(span.warm_up)?,
                until: span.until()?,
            };
            print(&load.run()?, json)
        }
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
