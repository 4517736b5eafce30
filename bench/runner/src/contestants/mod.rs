//! How each contestant is built, installed or found, and the command that starts it.

pub(crate) mod certificate;
mod external;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use bench_harness::build::build_programs;

use self::certificate::Certificate;
use crate::plan::Plan;
use crate::plan::entries::{ENTRIES, Entry, Source};
use crate::plan::workloads::Part;
use crate::results::Missing;

/// A program that is ready to be started.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) entry: Entry,
    launch: Launch,
}

/// A program, and what it needs to run at all.
#[derive(Clone, Debug)]
struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Contestant {
    pub(crate) fn name(&self) -> &str {
        self.entry.name
    }

    /// The command that starts it as a server, on a port that the system chooses.
    pub(crate) fn server(&self, part: Part, certificate: &Certificate) -> Command {
        let mut command = self.command();
        command.args(["--listen", "127.0.0.1:0"]);
        if part == Part::Tls {
            command.arg("--cert").arg(certificate.chain()).arg("--key").arg(certificate.key());
        }
        command
    }

    /// The command that starts it, without what its contract asks for.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.launch.program);
        command
            .args(&self.launch.arguments)
            .args(self.entry.arguments)
            // Go keeps to one thread by this alone.
            .env("GOMAXPROCS", "1");
        command
    }
}

impl From<PathBuf> for Launch {
    fn from(program: PathBuf) -> Self {
        Self { program, arguments: Vec::new() }
    }
}

/// The entries that a plan needs: those named in `only`, or all.
pub(crate) fn chosen(plan: &Plan, only: &[String]) -> Result<Vec<Entry>> {
    let mut entries = ENTRIES.to_vec();
    for name in only {
        let known: Vec<_> = entries.iter().map(|entry| entry.name).collect();
        ensure!(known.contains(&name.as_str()), "no contestant {name}; there are {known:?}");
    }
    entries.retain(|entry| {
        let is_meant = only.is_empty() || only.iter().any(|name| *name == entry.name);
        is_meant && plan.workloads.iter().any(|workload| plan.measures(entry, *workload))
    });
    Ok(entries)
}

/// Builds, installs or finds the programs of `entries`. What cannot be had is told, and left out.
pub(crate) fn build(
    bench: &Path,
    entries: Vec<Entry>,
    longwire: &Path,
) -> Result<(Vec<Contestant>, Vec<Missing>)> {
    let packages: BTreeSet<_> = entries.iter().filter_map(|entry| package(entry.source)).collect();
    let programs = build_programs(&bench.join("Cargo.toml"), &packages)?;
    let mut builder = Builder { programs, installed: BTreeMap::new(), longwire };
    let mut contestants = Vec::new();
    let mut left_out = Vec::new();
    for entry in entries {
        match builder.launch(&entry) {
            Ok(launch) => contestants.push(Contestant { entry, launch }),
            Err(why) => {
                eprintln!("{}: LEFT OUT, {why}", entry.name);
                left_out.push(Missing { what: entry.name.to_owned(), why });
            }
        }
    }
    Ok((contestants, left_out))
}

/// The package of this workspace that a program is in.
fn package(source: Source) -> Option<&'static str> {
    match source {
        Source::Package(name) => Some(name),
        Source::Client(_) => Some("bench-clients"),
        Source::Longwire | Source::External(_) | Source::Given(_) => None,
    }
}

struct Builder<'a> {
    /// What was built.
    programs: BTreeMap<String, PathBuf>,
    /// What was installed, or why it was not: nothing is tried twice.
    installed: BTreeMap<String, Result<Launch, String>>,
    longwire: &'a Path,
}

impl Builder<'_> {
    fn launch(&mut self, entry: &Entry) -> Result<Launch, String> {
        match entry.source {
            Source::Longwire => Ok(self.longwire.to_owned().into()),
            Source::Given(variable) => env::var_os(variable)
                .map(|program| PathBuf::from(program).into())
                .ok_or_else(|| format!("{variable} names no program; see bench/README.md")),
            Source::Package(name) | Source::Client(name) => {
                let program = self.programs.get(name).cloned();
                program.map(Launch::from).ok_or_else(|| format!("{name} does not build"))
            }
            Source::External(server) => self
                .installed
                .entry(format!("{server:?}"))
                .or_insert_with(|| external::ensure(server).map_err(|error| format!("{error:#}")))
                .clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Profile;

    #[test]
    fn chosen_are_those_that_take_part_and_are_meant() {
        let plan = Plan::new(Profile::Full, &["connect".to_owned()]);
        let all = chosen(&plan, &[]).expect("sound");
        assert!(all.iter().any(|entry| entry.name == "floor"));
        assert!(!all.iter().any(|entry| entry.name == "longwire-takeover"));
        let floor = chosen(&plan, &["floor".to_owned()]).expect("sound");
        assert_eq!(floor.iter().map(|entry| entry.name).collect::<Vec<_>>(), ["floor"]);
        let error = chosen(&plan, &["no such".to_owned()]).expect_err("nobody").to_string();
        assert!(error.contains("no contestant no such"), "{error}");
    }
}
