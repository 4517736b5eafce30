//! Lines that outlive a test run: `cargo xtask test` prints them at its end.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Keeps `line` under `name` in the folder `summaries` of cargo's `target` folder, and prints it.
pub fn write(target: &Path, name: &str, line: &str) -> Result<()> {
    println!("{line}");
    let dir = target.join("summaries");
    fs::create_dir_all(&dir)?;
    let file = dir.join(format!("{name}.txt"));
    fs::write(&file, format!("{line}\n"))
        .with_context(|| format!("cannot write {}", file.display()))
}
