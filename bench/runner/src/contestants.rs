//! How each contestant is built, or found.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::entries::{ENTRIES, Entry, Source};
use crate::external;
use crate::workloads::Part;

/// A server that is ready to be started with `--listen ADDR` behind its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) entry: Entry,
    pub(crate) launch: Launch,
}

/// A program, and what it needs to run as a server at all.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

impl Contestant {
    /// The command that starts it on an address.
    pub(crate) fn command(&self, listen: &str) -> Command {
        let mut command = Command::new(&self.launch.program);
        command
            .args(&self.launch.arguments)
            .args(self.entry.arguments)
            .args(["--listen", listen])
            .envs(self.launch.environment.iter().cloned());
        command
    }

    pub(crate) fn takes_part_in(&self, part: Part) -> bool {
        self.entry.parts.contains(&part)
    }
}

impl From<PathBuf> for Launch {
    fn from(program: PathBuf) -> Self {
        Self { program, arguments: Vec::new(), environment: Vec::new() }
    }
}

/// Builds the contestants named in `only` (all if empty) that take part in any of `parts`. One that cannot
/// be built or found is skipped with a word.
pub(crate) fn build(
    bench: &Path,
    only: &[String],
    parts: &[Part],
    longwire: Option<&Path>,
) -> Result<Vec<Contestant>> {
    for name in only {
        let known: Vec<_> = ENTRIES.iter().map(|entry| entry.name).collect();
        ensure!(known.contains(&name.as_str()), "no contestant {name}; there are {known:?}");
    }
    let mut built: BTreeMap<&str, PathBuf> = BTreeMap::new();
    let mut contestants = Vec::new();
    for &entry in ENTRIES {
        let wanted = only.is_empty() || only.iter().any(|name| name == entry.name);
        if !wanted || !entry.parts.iter().any(|part| parts.contains(part)) {
            continue;
        }
        let mut package = |manifest: &str, name| -> Result<Launch> {
            if let Some(program) = built.get(name) {
                return Ok(program.clone().into());
            }
            let program = build_package(&bench.join(manifest), name)?;
            built.insert(name, program.clone());
            Ok(program.into())
        };
        let launch = match (entry.source, longwire) {
            (Source::Longwire, Some(program)) => Ok(program.to_owned().into()),
            (Source::Longwire, None) => package("../Cargo.toml", "longwire-cli"),
            (Source::Package(name), _) => package("Cargo.toml", name),
            (Source::Ws, _) => external::ws(bench),
            (Source::Websockets, _) => external::websockets(bench),
        };
        match launch {
            Ok(launch) => contestants.push(Contestant { entry, launch }),
            Err(error) => eprintln!("{}: skipped, {error:#}", entry.name),
        }
    }
    Ok(contestants)
}

/// Builds one package in the release profile and gives the path of its program.
pub(crate) fn build_package(manifest: &Path, package: &str) -> Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["build", "--release", "--message-format", "json-render-diagnostics", "--package"])
        .arg(package)
        .arg("--manifest-path")
        .arg(manifest)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    ensure!(output.status.success(), "package {package} does not build");
    String::from_utf8(output.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .with_context(|| format!("package {package} has no program"))
}
