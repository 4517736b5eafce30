//! `websockets`, from the Python package index, in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::Result;

use crate::cache::Recipe;
use crate::command::run;
use crate::peer::{self, Peer};

static VERSION: LazyLock<String> = LazyLock::new(|| peer::fingerprint(&[requirements()]));

/// Installs the peer's library if it is missing or `requirements.txt` has changed.
pub fn ensure() -> Result<Peer> {
    Ok(started_from(&install(recipe(), &requirements())?))
}

/// The peer, if its library is installed.
pub fn find() -> Result<Peer> {
    Ok(started_from(&recipe().find()?))
}

/// The folder with the environment `venv`, which has what `requirements` names.
pub(crate) fn install(recipe: Recipe, requirements: &Path) -> Result<PathBuf> {
    let python = peer::ensure_program("python3", &["python3", "python3-venv"])?;
    recipe.ensure(|dir| {
        let venv = dir.join("venv");
        run(Command::new(python).args(["-m", "venv"]).arg(&venv))?;
        run(Command::new(venv.join("bin/pip"))
            .args(["install", "--disable-pip-version-check", "--no-input", "--requirement"])
            .arg(requirements))
        .map(drop)
    })
}

fn recipe() -> Recipe {
    Recipe { name: "peer-python", version: &VERSION }
}

fn requirements() -> PathBuf {
    peer::source("python").join("requirements.txt")
}

fn started_from(dir: &Path) -> Peer {
    run_by("websockets", dir, peer::source("python").join("peer.py"))
}

/// A program of the tree, run by the environment in `dir`.
pub(crate) fn run_by(name: &'static str, dir: &Path, program: PathBuf) -> Peer {
    // -B: the program runs from the tree, where no compiled files may land.
    Peer::new(name, dir.join("venv/bin/python"), ["-B".into(), program])
}
