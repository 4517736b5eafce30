//! Who takes part, and how each is built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The contestant that every other is compared with first.
pub(crate) const FLOOR: &str = "floor";

/// A server that is ready to be started with `--listen ADDR` behind its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: &'static [&'static str],
}

struct Entry {
    name: &'static str,
    package: &'static str,
    arguments: &'static [&'static str],
}

const ENTRIES: [Entry; 6] = [
    Entry { name: FLOOR, package: "bench-floor", arguments: &[] },
    Entry { name: LONGWIRE, package: "longwire-cli", arguments: &["echo", "--threads", "1"] },
    Entry { name: "tokio-websockets", package: "bench-peer-tokio-websockets", arguments: &[] },
    Entry { name: "fastwebsockets", package: "bench-peer-fastwebsockets", arguments: &[] },
    Entry { name: "tokio-tungstenite", package: "bench-peer-tokio-tungstenite", arguments: &[] },
    Entry {
        name: "tokio-tungstenite-forward",
        package: "bench-peer-tokio-tungstenite",
        arguments: &["--forward"],
    },
];

const LONGWIRE: &str = "longwire";

/// Builds the contestants named in `only` (all if empty). One that cannot be built is skipped with a word.
pub(crate) fn build(
    bench: &Path,
    only: &[String],
    longwire: Option<&Path>,
) -> Result<Vec<Contestant>> {
    for name in only {
        let known = ENTRIES.map(|entry| entry.name);
        ensure!(known.contains(&name.as_str()), "no contestant {name}; there are {known:?}");
    }
    let mut contestants = Vec::new();
    for Entry { name, package, arguments } in ENTRIES {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
            continue;
        }
        let program = match (name, longwire) {
            (LONGWIRE, Some(program)) => Ok(program.to_owned()),
            (LONGWIRE, None) => build_package(&bench.join("../Cargo.toml"), package),
            _ => build_package(&bench.join("Cargo.toml"), package),
        };
        match program {
            Ok(program) => contestants.push(Contestant { name, program, arguments }),
            Err(error) => eprintln!("{name}: skipped, {error:#}"),
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
