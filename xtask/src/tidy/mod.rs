//! `cargo xtask tidy`: the house rules that no other tool knows, each in a file of its own.

mod banned;
mod dependencies;
mod documents;
mod hygiene;
mod licences;
mod sources;
mod tree;

use anyhow::{Result, bail};

use crate::cargo::root;
use crate::metadata::Metadata;
use tree::Tree;

/// Runs all rules, prints what breaks them, and fails if anything does.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(root())?;
    let metadata = Metadata::read()?;
    let findings: Vec<String> = [
        dependencies::check(&metadata.members()),
        licences::check(&metadata.packages),
        banned::check(&tree),
        sources::check(&tree),
        documents::check(&tree),
        hygiene::check(&tree),
    ]
    .concat();
    for finding in &findings {
        println!("   {finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("a house rule is broken"),
        number => bail!("house rules are broken in {number} places"),
    }
}
