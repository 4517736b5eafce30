//! What the figures were measured on and with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use bench_load::process::as_f64;
use serde::Serialize;

use crate::versions;

/// Machine and versions of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) taken: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) longwire: String,
    pub(crate) libraries: BTreeMap<String, String>,
    pub(crate) command: String,
    /// Share of the two cores' time that the host of a virtual machine kept during the run.
    pub(crate) stolen: f64,
}

/// Clock ticks of some cores since the machine started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// The ticks of these cores, summed (`/proc/stat`).
    pub(crate) fn read(cores: [usize; 2]) -> Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let names = cores.map(|core| format!("cpu{core}"));
        let mut ticks = Self { all: 0, stolen: 0 };
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            if fields.next().is_none_or(|name| !names.iter().any(|wanted| wanted == name)) {
                continue;
            }
            // user, nice, system, idle, iowait, irq, softirq, steal; guest time is within user.
            for (column, field) in fields.take(8).enumerate() {
                let count: u64 = field.parse()?;
                ticks.all += count;
                ticks.stolen += if column == 7 { count } else { 0 };
            }
        }
        Ok(ticks)
    }

    fn stolen_share_since(self, earlier: Self) -> f64 {
        as_f64(self.stolen.saturating_sub(earlier.stolen))
            / as_f64(self.all.saturating_sub(earlier.all).max(1))
    }
}

impl Machine {
    pub(crate) fn describe(bench: &Path, before: Ticks, after: Ticks) -> Result<Self> {
        let uname = rustix::system::uname();
        let memory = rustix::system::sysinfo();
        let quoted = |word: String| if word.contains(' ') { format!("'{word}'") } else { word };
        let arguments: Vec<_> = std::env::args().skip(1).map(quoted).collect();
        Ok(Self {
            taken: output("date", &["-u", "+%Y-%m-%d %H:%M UTC"])?,
            processor: processor()?,
            cores: available_parallelism()?.get(),
            memory_gib: (u64::from(memory.mem_unit) * memory.totalram).div_ceil(1 << 30),
            kernel: format!(
                "{} {} {}",
                uname.sysname().to_string_lossy(),
                uname.release().to_string_lossy(),
                uname.machine().to_string_lossy()
            ),
            rustc: output("rustc", &["--version"])?,
            longwire: commit(bench),
            libraries: versions::read(bench)?,
            command: format!(
                "cargo run --release --manifest-path bench/Cargo.toml -p bench-runner -- {}",
                arguments.join(" ")
            )
            .trim_end_matches([' ', '-'])
            .to_owned(),
            stolen: after.stolen_share_since(before),
        })
    }
}

fn processor() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    Ok(name.unwrap_or_else(|| "unknown processor".to_owned()))
}

fn commit(bench: &Path) -> String {
    let root = bench.join("..").display().to_string();
    output("git", &["-C", &root, "describe", "--always", "--dirty", "--tags"])
        .unwrap_or_else(|_| "not committed".to_owned())
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("{program} cannot be started"))?;
    anyhow::ensure!(output.status.success(), "{program} failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
