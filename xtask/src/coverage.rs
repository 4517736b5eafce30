//! Coverage of `crates/proto` by its own tests: lines and branches, and which are left out.
//!
//! A line that no test can reach says why in a comment, on the line or above it, that begins with
//! `not covered:`. The report lists it apart from those that are merely not tested.

mod lcov;
mod report;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use longwire_toolbox::command::{find_program, run as run_command};
use serde::Deserialize;

use crate::cargo::{cargo, root, sysroot};
use crate::metadata::Metadata;
use crate::test;

const PACKAGE: &str = "longwire-proto";
const SOURCES: &str = "crates/proto/src";

/// Measures, prints the report, and leaves it in the target folder's `summaries`.
pub(crate) fn run() -> Result<()> {
    let tools = llvm_tools()?;
    let target = Metadata::read()?.target_directory;
    let dir = target.join("coverage");
    let profiles = dir.join("profiles");

    let instrumented = |arguments: &[&str]| {
        let mut cargo = cargo(["test", "--quiet", "--package", PACKAGE, "--all-features"]);
        cargo.args(["--lib", "--tests", "--no-fail-fast"]).args(arguments);
        cargo.env("CARGO_TARGET_DIR", &dir);
        cargo.env("LLVM_PROFILE_FILE", profiles.join("%p-%m.profraw"));
        // Branches are measured behind an unstable switch. The variable lets the stable compiler
        // take it, so that coverage is that of the compiler in use and needs no second one.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo.env("RUSTFLAGS", "-C instrument-coverage -Z coverage-options=branch");
        cargo
    };
    let built = run_command(&mut instrumented(&["--no-run", "--message-format=json"]))?;
    // What build scripts have left.
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    // Captured: these tests are not to be counted a second time.
    let tested = run_command(&mut instrumented(&[]));

    let merged = dir.join("merged.profdata");
    let mut merge = Command::new(tools.join("llvm-profdata"));
    merge.args(["merge", "--sparse", "--output"]).arg(&merged);
    for entry in fs::read_dir(&profiles).context("the tests have left no profile")? {
        merge.arg(entry?.path());
    }
    run_command(&mut merge)?;

    let mut export = Command::new(tools.join("llvm-cov"));
    export.args(["export", "--format=lcov", "--instr-profile"]).arg(&merged);
    for program in programs(&built) {
        export.arg("--object").arg(program);
    }
    let lcov = run_command(export.arg("--sources").arg(root().join(SOURCES)))?;
    let files = lcov::parse(&lcov, &root().join(SOURCES));
    ensure!(!files.is_empty(), "the profile names no file of {SOURCES}");
    let files =
        report::judge(files, |path| Ok(fs::read_to_string(root().join(SOURCES).join(path))?))?;
    println!("{}", report::table(&files));
    test::keep_summary(&target, "coverage", &report::summary(&files))?;
    tested.map(drop).context("the report is of tests that fail")
}

/// LLVM's programs of the very version that the compiler has, which rustup puts beside it.
pub(crate) fn llvm_tools() -> Result<PathBuf> {
    let host =
        run_command(Command::new("rustc").current_dir(root()).args(["--print", "host-tuple"]))?;
    let tools = sysroot()?.join("lib/rustlib").join(host.trim()).join("bin");
    if !tools.join("llvm-cov").exists() {
        ensure!(
            find_program("rustup").is_some(),
            "{} has no llvm-cov, and there is no rustup to add its component llvm-tools",
            tools.display()
        );
        let mut add = Command::new("rustup");
        run_command(add.current_dir(root()).args(["component", "add", "llvm-tools"]))?;
    }
    Ok(tools)
}

/// The test programs in cargo's messages.
fn programs(messages: &str) -> Vec<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    let parsed = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    parsed.filter_map(|message| message.executable).collect()
}
