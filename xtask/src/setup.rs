//! Everything that tests and checks need from outside the tree.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};
use longwire_toolbox::command::{find_program, run as run_command};
use longwire_toolbox::{
    autobahn, chromium, go, java, node, playwright, proxies, python, sdk_typescript, valgrind,
};

use crate::cargo::sysroot;
use crate::coverage;

/// The target that keeps the sans-IO crates honest: it has no sockets and no clock.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

type Install = fn() -> Result<()>;

const TOOLS: &[(&str, Install)] = &[
    ("Autobahn testsuite", || autobahn::ensure().map(drop)),
    ("peer in Node", || node::ensure().map(drop)),
    ("peer in Python", || python::ensure().map(drop)),
    ("peer in Go", || go::ensure().map(drop)),
    ("peer in Java", || java::ensure().map(drop)),
    ("compiler of the TypeScript client", || sdk_typescript::ensure()),
    ("Chromium", || chromium::ensure().map(drop)),
    ("Playwright", || playwright::ensure().map(drop)),
    ("nginx, HAProxy, Apache", || proxies::ensure().map(drop)),
    ("valgrind", || valgrind::ensure().map(drop)),
];

/// Installs what is missing, and goes on when one tool cannot be had: its tests will say so.
pub(crate) fn run_all() -> Vec<String> {
    let mut failed = Vec::new();
    for (name, install) in TOOLS {
        let start = Instant::now();
        println!("== set-up: {name}");
        match install() {
            Ok(()) => println!("   ready after {:.1} s", start.elapsed().as_secs_f32()),
            Err(error) => {
                println!("   failed: {error:#}");
                failed.push(format!("set-up of {name}"));
            }
        }
    }
    println!("== set-up: {WASM}, llvm-tools");
    if let Err(error) = wasm_target().and_then(|()| coverage::llvm_tools().map(drop)) {
        println!("   not all there, so a check will be left out: {error:#}");
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

/// Adds the target to the toolchain. Where that cannot be done its check is left out, aloud.
fn wasm_target() -> Result<()> {
    if has_wasm_target()? {
        return Ok(());
    }
    if find_program("rustup").is_none() {
        bail!("this toolchain is not rustup's; install its standard library for {WASM} by hand");
    }
    run_command(Command::new("rustup").args(["target", "add", WASM])).map(drop)
}

pub(crate) fn has_wasm_target() -> Result<bool> {
    Ok(sysroot()?.join("lib/rustlib").join(WASM).join("lib").is_dir())
}
