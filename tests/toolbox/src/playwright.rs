//! Playwright without browsers of its own: it drives Debian's Chromium.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::Result;

use crate::cache::Recipe;
use crate::{chromium, node, peer};

static VERSION: LazyLock<String> = LazyLock::new(|| peer::fingerprint(&[manifest()]));

/// Playwright, and the programs that it needs.
#[derive(Debug, Clone)]
pub struct Playwright {
    /// Node's program.
    pub node: PathBuf,
    /// The folder with the module `playwright-core`.
    pub folder: PathBuf,
    /// Chromium's program.
    pub chromium: PathBuf,
}

/// Installs what is missing.
pub fn ensure() -> Result<Playwright> {
    chromium::ensure()?;
    node::install(recipe(), &[manifest()])?;
    find()
}

/// Playwright, if it is installed.
pub fn find() -> Result<Playwright> {
    Ok(Playwright {
        node: peer::require_program("node")?,
        folder: recipe().find()?,
        chromium: chromium::find()?,
    })
}

/// The folder of the files that name the version. The scripts beside it are run where they are.
fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/playwright")
}

fn recipe() -> Recipe {
    Recipe { name: "playwright", version: &VERSION }
}
