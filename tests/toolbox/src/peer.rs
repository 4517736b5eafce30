//! A peer of `tests/peers`: its source in the tree, its installation in the cache, how it starts.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command::find_program;
use crate::debian;

/// A peer that is ready to run.
#[derive(Debug, Clone)]
pub struct Peer {
    /// What it is called in test names and messages.
    pub name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Peer {
    pub(crate) fn new<A: Into<OsString>>(
        name: &'static str,
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { name, program: program.into(), arguments }
    }

    /// The command to which the arguments of the peers' contract are added.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

/// The source of the peer `name`.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers").join(name)
}

/// A short text that changes whenever a file below one of the `paths` does: the version of what is
/// built from them.
pub(crate) fn fingerprint(paths: &[PathBuf]) -> String {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        for (name, file) in files(path).expect("the source of the peers is in the tree") {
            name.hash(&mut hasher);
            fs::read(file).expect("the source of the peers is readable").hash(&mut hasher);
        }
    }
    format!("{:016x}", hasher.finish())
}

/// Copies a peer's source into its folder in the cache, for builders that write beside the source.
pub(crate) fn copy(from: &Path, into: &Path) -> Result<()> {
    for (name, file) in files(from)? {
        let target = into.join(name);
        let parent = target.parent().context("a file has a folder")?;
        fs::create_dir_all(parent)?;
        fs::copy(&file, &target).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

/// Where `program` is on the PATH, after an installation of its Debian packages if it was not.
pub(crate) fn ensure_program(program: &str, packages: &[&str]) -> Result<PathBuf> {
    if let Some(path) = find_program(program) {
        return Ok(path);
    }
    debian::ensure(packages)?;
    require_program(program)
}

/// Where `program` is on the PATH. Never installs.
pub fn require_program(program: &str) -> Result<PathBuf> {
    find_program(program)
        .with_context(|| format!("`{program}` is not on the PATH: run `cargo xtask setup`"))
}

/// What installers leave in a source folder when someone runs them there by hand.
const LEFTOVERS: [&str; 3] = ["node_modules", "target", "__pycache__"];

/// The file itself or all files below the folder, by name from there, in the order of their names.
fn files(root: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    if root.is_file() {
        folders.clear();
        found
            .push((PathBuf::from(root.file_name().context("a file has a name")?), root.to_owned()));
    }
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let path = entry?.path();
            if LEFTOVERS.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(root)?.to_owned(), path));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_follows_names_and_contents() {
        let root =
            std::env::temp_dir().join(format!("longwire-fingerprint-{}", std::process::id()));
        let inner = root.join("inner");
        fs::create_dir_all(&inner).expect("the temporary folder is writable");
        let paths = [root.clone()];
        let mut seen = vec![fingerprint(&paths)];
        fs::write(inner.join("a"), "1").expect("writes");
        seen.push(fingerprint(&paths));
        fs::write(inner.join("a"), "2").expect("writes");
        seen.push(fingerprint(&paths));
        fs::rename(inner.join("a"), root.join("a")).expect("renames");
        seen.push(fingerprint(&paths));
        assert_eq!(seen.last(), Some(&fingerprint(&paths)));
        fs::remove_dir_all(&root).expect("the scratch folder goes");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn a_copy_has_the_same_fingerprint() {
        let target = std::env::temp_dir().join(format!("longwire-copy-{}", std::process::id()));
        let source = source("java");
        copy(&source, &target).expect("copies");
        assert_eq!(fingerprint(std::slice::from_ref(&target)), fingerprint(&[source]));
        fs::remove_dir_all(&target).expect("the scratch folder goes");
    }
}
