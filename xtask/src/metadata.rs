//! What `cargo metadata` says of the workspace, as far as the scripts need it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use longwire_toolbox::command::run;
use serde::Deserialize;

use crate::cargo::cargo;

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    pub(crate) target_directory: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// `None` for a folder of this tree.
    pub(crate) source: Option<String>,
    pub(crate) license: Option<String>,
    /// Where it may be published: nowhere when empty, anywhere when `None`.
    pub(crate) publish: Option<Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Package {
    pub(crate) fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }
}

impl Metadata {
    /// The workspace with everything it depends on.
    pub(crate) fn read() -> Result<Self> {
        let json = run(&mut cargo(["metadata", "--format-version", "1", "--all-features"]))?;
        serde_json::from_str(&json).context("`cargo metadata` answers in another form")
    }

    /// The packages of this tree.
    pub(crate) fn members(&self) -> Vec<&Package> {
        self.packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id))
            .collect()
    }
}
