//! `gorilla/websocket`, built by Go.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::Result;

use crate::cache::Recipe;
use crate::command::run;
use crate::peer::{self, Peer};

static VERSION: LazyLock<String> = LazyLock::new(|| peer::fingerprint(&[peer::source("go")]));

/// Builds the peer if it is missing or its source has changed.
pub fn ensure() -> Result<Peer> {
    Ok(started_from(&build(recipe(), &peer::source("go"))?))
}

/// The peer, if it is built.
pub fn find() -> Result<Peer> {
    Ok(started_from(&recipe().find()?))
}

/// The folder with the program `peer`, built from the module in `source`.
pub(crate) fn build(recipe: Recipe, source: &Path) -> Result<PathBuf> {
    let go = peer::ensure_program("go", &["golang-go"])?;
    recipe.ensure(|dir| {
        run(Command::new(go)
            .args(["build", "-trimpath", "-buildvcs=false", "-o"])
            .args([&dir.join("peer"), Path::new(".")])
            .env("CGO_ENABLED", "0") // no C compiler is needed
            .current_dir(source))
        .map(drop)
    })
}

fn recipe() -> Recipe {
    Recipe { name: "peer-go", version: &VERSION }
}

fn started_from(dir: &Path) -> Peer {
    Peer::new("gorilla", dir.join("peer"), [""; 0])
}
