//! `ws` of npm, on Node, and Node's own client.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::Result;

use crate::cache::Recipe;
use crate::command::run;
use crate::peer::{self, Peer};

static VERSION: LazyLock<String> = LazyLock::new(|| peer::fingerprint(&[peer::source("node")]));

/// Installs the peer if it is missing or its source has changed.
pub fn ensure() -> Result<Peer> {
    started_from(&install(recipe(), &[peer::source("node")])?)
}

/// The peer, if it is installed.
pub fn find() -> Result<Peer> {
    started_from(&recipe().find()?)
}

/// The client that is part of Node, beside the peer.
pub fn find_native() -> Result<Peer> {
    let script = recipe().find()?.join("native.js");
    // Node 22 and later have it without the flag, and take the flag.
    let arguments = ["--experimental-websocket".into(), script.into_os_string()];
    Ok(Peer::new("node", peer::require_program("node")?, arguments))
}

/// The folder with a copy of `sources` and the modules that the lock file among them names.
pub(crate) fn install(recipe: Recipe, sources: &[PathBuf]) -> Result<PathBuf> {
    peer::ensure_program("node", &["nodejs"])?;
    let npm = peer::ensure_program("npm", &["npm"])?;
    recipe.ensure(|dir| {
        for source in sources {
            peer::copy(source, dir)?;
        }
        run(Command::new(npm)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(dir))
        .map(drop)
    })
}

fn recipe() -> Recipe {
    Recipe { name: "peer-node", version: &VERSION }
}

fn started_from(dir: &Path) -> Result<Peer> {
    Ok(Peer::new("ws", peer::require_program("node")?, [dir.join("peer.js")]))
}
