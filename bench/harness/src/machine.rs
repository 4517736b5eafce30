//! What figures were measured on and with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Machine and versions of a sitting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// When, in UTC.
    pub taken: String,
    /// What the processor calls itself.
    pub processor: String,
    /// How many of them.
    pub cores: usize,
    /// Memory.
    pub memory_gib: u64,
    /// The system.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
    /// The commit of `longwire`, or that it was built elsewhere.
    pub longwire: String,
    /// Versions of the libraries that take part.
    pub libraries: BTreeMap<String, String>,
    /// What runs the peers in other languages.
    #[serde(default)]
    pub runtimes: Vec<String>,
    /// The command that took the figures.
    pub command: String,
    /// Share of the two cores' time that the host of a virtual machine kept meanwhile.
    pub stolen: f64,
}

/// Clock ticks of some cores since the machine started.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// The ticks of these cores, summed (`/proc/stat`).
    pub fn read(cores: [usize; 2]) -> Result<Self> {
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

    /// Which share of all ticks since then the host kept.
    pub fn stolen_share_since(self, earlier: Self) -> f64 {
        let share = |ticks: u64| f64::from(u32::try_from(ticks).unwrap_or(u32::MAX));
        share(self.stolen.saturating_sub(earlier.stolen))
            / share(self.all.saturating_sub(earlier.all).max(1))
    }
}

impl Machine {
    /// What is known before anything is measured: this machine, the commit of this tree, and the command that runs
    /// `package`. The commit says nothing of a program that was built elsewhere.
    pub fn describe(bench: &Path, package: &str, is_built_elsewhere: bool) -> Result<Self> {
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
            longwire: if is_built_elsewhere { "built elsewhere".to_owned() } else { commit(bench) },
            libraries: BTreeMap::new(),
            runtimes: Vec::new(),
            command: format!(
                "cargo run --release --manifest-path bench/Cargo.toml -p {package} -- {}",
                arguments.join(" ")
            )
            .trim_end_matches(" -- ")
            .to_owned(),
            stolen: 0.0,
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

/// What a program that ends at once prints.
pub fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("{program} cannot be started"))?;
    anyhow::ensure!(output.status.success(), "{program} failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_of_this_tree_is_not_that_of_a_program_built_elsewhere() {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let machine = Machine::describe(&bench, "bench-runner", true).expect("described");
        assert_eq!(machine.longwire, "built elsewhere");
        assert!(machine.command.contains(" -p bench-runner"), "{}", machine.command);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
    fn what_the_host_kept_is_a_share_of_all_ticks() {
        let (before, after) = (Ticks { all: 100, stolen: 5 }, Ticks { all: 300, stolen: 55 });
        assert_eq!(after.stolen_share_since(before), 0.25);
        assert_eq!(before.stolen_share_since(before), 0.0);
    }
}
