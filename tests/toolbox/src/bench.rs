//! The benchmark's servers in other languages, with the libraries that `bench/peers` names.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Result, anyhow};

use crate::cache::Recipe;
use crate::peer::{self, Peer};
use crate::{go, node, python};

/// One library's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// coder/websocket, on Go.
    Coder,
    /// gorilla/websocket, on Go.
    Gorilla,
    /// gws, on Go.
    Gws,
    /// picows, on Python.
    Picows,
    /// `websockets`, on Python.
    Websockets,
    /// `ws`, on Node.
    Ws,
}

impl Server {
    /// The server; it is built, or its libraries are installed, if they are missing or others are named.
    pub fn ensure(self) -> Result<Peer> {
        let recipe = self.recipe();
        let dir = match self {
            Self::Coder | Self::Gorilla | Self::Gws => go::build(recipe, &source("go"))?,
            Self::Picows | Self::Websockets => python::install(recipe, &requirements())?,
            Self::Ws => node::install(recipe, &[source("node")])?,
        };
        self.started_from(&dir)
    }

    /// The server, if it is there.
    pub fn find(self) -> Result<Peer> {
        let dir = self.recipe().find().map_err(|_| {
            anyhow!("{self:?} is not installed as it is now: run the benchmark, which installs it")
        })?;
        self.started_from(&dir)
    }

    fn recipe(self) -> Recipe {
        match self {
            Self::Coder | Self::Gorilla | Self::Gws => Recipe { name: "bench-go", version: &GO },
            Self::Picows | Self::Websockets => Recipe { name: "bench-python", version: &PYTHON },
            Self::Ws => Recipe { name: "bench-node", version: &NODE },
        }
    }

    fn started_from(self, dir: &Path) -> Result<Peer> {
        let go = |name| Peer::new(name, dir.join("peer"), ["--library", name]);
        let python = |name, program| python::run_by(name, dir, source("python").join(program));
        Ok(match self {
            Self::Coder => go("coder"),
            Self::Gorilla => go("gorilla"),
            Self::Gws => go("gws"),
            Self::Picows => python("picows", "picows_server.py"),
            Self::Websockets => python("websockets", "websockets_server.py"),
            Self::Ws => Peer::new("ws", peer::require_program("node")?, [dir.join("server.cjs")]),
        })
    }
}

static GO: LazyLock<String> = LazyLock::new(|| peer::fingerprint(&[source("go")]));
static NODE: LazyLock<String> = LazyLock::new(|| peer::fingerprint(&[source("node")]));
static PYTHON: LazyLock<String> = LazyLock::new(|| peer::fingerprint(&[requirements()]));

fn requirements() -> PathBuf {
    source("python").join("requirements.txt")
}

fn source(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/peers").join(language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_and_started_is_in_the_tree() {
        assert!(requirements().is_file());
        for file in ["go/go.mod", "node/package-lock.json", "node/server.cjs"] {
            assert!(source("").join(file).is_file(), "{file}");
        }
        for server in [Server::Picows, Server::Websockets] {
            let peer = server.started_from(Path::new("/cache")).expect("Python is in the cache");
            let command = peer.command();
            let program = command.get_args().last().expect("it has a program");
            assert!(Path::new(program).is_file(), "{}", program.display());
        }
    }
}
