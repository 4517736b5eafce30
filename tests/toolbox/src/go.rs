//! `gorilla/websocket`, built by Go.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use anyhow::Result;

use crate::cache::Recipe;
use crate::command::run;
use crate::peer::{self, Peer};

static VERSION: LazyLock<String> = LazyLock::new(|| peer::fingerprint(&[peer::source("go")]));

/// Builds the peer if it is missing or its source has changed.
pub fn ensure() -> Result<Peer> {
    let go = peer::ensure_program("go", &["golang-go"])?;
    let dir = recipe().ensure(|dir| {
        run(Command::new(go)
            .args(["build", "-trimpath", "-buildvcs=false", "-o"])
            .args([&dir.join("peer"), Path::new(".")])
            .env("CGO_ENABLED", "0") // no C compiler is needed
            .current_dir(peer::source("go")))
        .map(drop)
    })?;
    Ok(started_from(&dir))
}

/// The peer, if it is built.
pub fn find() -> Result<Peer> {
    Ok(started_from(&recipe().find()?))
}

fn recipe() -> Recipe {
    Recipe { name: "peer-go", version: &VERSION }
}

fn started_from(dir: &Path) -> Peer {
    Peer::new("gorilla", dir.join("peer"), [""; 0])
}
