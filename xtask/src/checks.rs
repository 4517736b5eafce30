//! The checks that are no tests: format, clippy, documentation, house rules, wasm32.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::cargo::{cargo, root, stream};
use crate::{setup, tidy};

type Check = fn() -> Result<()>;

const CHECKS: &[(&str, Check)] = &[
    ("format", format),
    ("tidy", tidy::run),
    ("clippy", clippy),
    ("clippy of the benchmark", clippy_of_the_benchmark),
    ("documentation", documentation),
    ("wasm32", wasm32),
];

/// Runs all checks, whether one fails or not. Gives the names of those that did.
pub(crate) fn run_all() -> Vec<String> {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        let start = Instant::now();
        println!("== check: {name}");
        if let Err(error) = check() {
            println!("   {name} failed: {error:#}");
            failed.push(format!("check {name}"));
        }
        println!("   {:.1} s", start.elapsed().as_secs_f32());
    }
    failed
}

pub(crate) fn run() -> Result<()> {
    let failed = run_all();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn format() -> Result<()> {
    stream(&mut cargo(["fmt", "--all", "--check"]))?;
    for workspace in ["bench", "bench/micro", "fuzz"] {
        let manifest = root().join(workspace).join("Cargo.toml");
        if manifest.exists() {
            let mut fmt = cargo(["fmt", "--all", "--check", "--manifest-path"]);
            stream(fmt.arg(manifest))?;
        }
    }
    Ok(())
}

fn clippy() -> Result<()> {
    let what = ["clippy", "--quiet", "--workspace", "--all-targets", "--all-features"];
    stream(cargo(what).args(["--", "--deny", "warnings"]))
}

/// The contestants too, which no test builds: that they still compile is shown here alone.
fn clippy_of_the_benchmark() -> Result<()> {
    let what = ["clippy", "--quiet", "--manifest-path", "bench/Cargo.toml", "--workspace"];
    stream(cargo(what).args(["--all-targets", "--locked", "--", "--deny", "warnings"]))
}

fn documentation() -> Result<()> {
    let what = ["doc", "--quiet", "--workspace", "--no-deps", "--all-features"];
    stream(cargo(what).env("RUSTDOCFLAGS", "--deny warnings"))
}

fn wasm32() -> Result<()> {
    if !setup::has_wasm_target()? {
        println!("   left out: {} is not installed, and rustup could not add it", setup::WASM);
        return Ok(());
    }
    let what = ["check", "--quiet", "--all-features", "--target", setup::WASM];
    stream(cargo(what).args(["--package", "longwire-channel", "--package", "longwire-proto"]))
}
