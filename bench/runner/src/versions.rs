//! Versions of the libraries that take part.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Crates that are named in the report.
const CRATES: [&str; 6] =
    ["fastwebsockets", "tokio", "tokio-tungstenite", "tokio-websockets", "yawc", "zlib-rs"];

/// Versions by the lock files: of this workspace, and of the peers that the toolbox installs.
pub(crate) fn read(bench: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = crates(&fs::read_to_string(bench.join("Cargo.lock"))?);
    let peers = bench.join("../tests/peers");
    let package: Value = serde_json::from_slice(&fs::read(peers.join("node/package.json"))?)?;
    let ws = package["dependencies"]["ws"].as_str().context("package.json lacks ws")?;
    found.insert("ws".to_owned(), ws.to_owned());
    let requirements = fs::read_to_string(peers.join("python/requirements.txt"))?;
    let websockets = requirements.lines().find_map(|line| line.strip_prefix("websockets=="));
    let websockets = websockets.context("requirements.txt lacks websockets")?;
    found.insert("websockets".to_owned(), websockets.trim().to_owned());
    Ok(found)
}

fn crates(lock: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(value) = line.strip_prefix("name = ") {
            name = value.trim_matches('"');
        } else if let Some(value) = line.strip_prefix("version = ")
            && CRATES.contains(&name)
        {
            found.insert(name.to_owned(), value.trim_matches('"').to_owned());
        }
    }
    found
}
