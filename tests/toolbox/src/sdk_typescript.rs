//! The TypeScript client's compiler and bundler, and a place where its source is built and tested.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context as _, Result};

use crate::cache::Recipe;
use crate::{node, peer};

static VERSION: LazyLock<String> = LazyLock::new(|| peer::fingerprint(&manifests()));

/// A copy of the client's source, with the modules that its scripts need.
#[derive(Debug, Clone)]
pub struct Package {
    node: PathBuf,
    folder: PathBuf,
}

impl Package {
    /// Copies the source below `root`, an empty folder. Never installs.
    pub fn copy_below(root: &Path) -> Result<Self> {
        let node = peer::require_program("node")?;
        let modules = recipe().find()?.join("node_modules");
        let folder = root.join("sdk/typescript");
        peer::copy(&source(), &folder)?;
        // The fixtures, which all implementations share.
        peer::copy(&tree().join("specs"), &root.join("specs"))?;
        symlink(&modules, folder.join("node_modules"))
            .with_context(|| format!("cannot link to {}", modules.display()))?;
        Ok(Self { node, folder })
    }

    /// Runs a script of the package.
    pub fn script(&self, path: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(path).current_dir(&self.folder);
        command
    }

    /// Checks all types.
    pub fn check(&self) -> Command {
        let mut command = self.script("node_modules/typescript/bin/tsc");
        command.arg("--noEmit");
        command
    }
}

/// Installs compiler and bundler if they are missing or others are named.
pub fn ensure() -> Result<()> {
    node::install(recipe(), &manifests()).map(drop)
}

/// The package's folder in the tree.
pub fn source() -> PathBuf {
    tree().join("sdk/typescript")
}

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What names the modules: only these decide whether they are installed anew.
fn manifests() -> [PathBuf; 2] {
    ["package.json", "package-lock.json"].map(|name| source().join(name))
}

fn recipe() -> Recipe {
    Recipe { name: "sdk-typescript", version: &VERSION }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_and_copied_is_in_the_tree() {
        for file in manifests() {
            assert!(file.is_file(), "{}", file.display());
        }
        assert!(source().join("scripts/build.js").is_file());
        assert!(tree().join("specs/fixtures").is_dir());
    }
}
