//! Jetty, built by Maven.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use anyhow::Result;

use crate::cache::Recipe;
use crate::command::run;
use crate::peer::{self, Peer};

static VERSION: LazyLock<String> = LazyLock::new(|| peer::fingerprint(&[peer::source("java")]));

/// Builds the peer if it is missing or its source has changed.
pub fn ensure() -> Result<Peer> {
    peer::ensure_program("javac", &["default-jdk-headless"])?;
    let maven = peer::ensure_program("mvn", &["maven"])?;
    let dir = recipe().ensure(|dir| {
        peer::copy(&peer::source("java"), dir)?;
        run(Command::new(maven).args(["--batch-mode", "--quiet", "package"]).current_dir(dir))
            .map(drop)
    })?;
    started_from(&dir)
}

/// The peer, if it is built.
pub fn find() -> Result<Peer> {
    started_from(&recipe().find()?)
}

fn recipe() -> Recipe {
    Recipe { name: "peer-java", version: &VERSION }
}

fn started_from(dir: &Path) -> Result<Peer> {
    // A second of work starts sooner without the optimising compiler and a parallel collector.
    let arguments: [OsString; 4] = [
        "-XX:TieredStopAtLevel=1".into(),
        "-XX:+UseSerialGC".into(),
        "-jar".into(),
        dir.join("target/peer.jar").into(),
    ];
    Ok(Peer::new("jetty", peer::require_program("java")?, arguments))
}
