//! Programs, built in the release profile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

/// Builds one program in the release profile and gives its path.
pub fn build_program(manifest: &Path, package: &str, program: &str) -> Result<PathBuf> {
    let mut programs = build_programs(manifest, &BTreeSet::from([package]))?;
    programs
        .remove(program)
        .with_context(|| format!("package {package} gives no program {program}; see above"))
}

/// Builds packages together in the release profile, so that what they share is built once, and gives the
/// paths of their programs. What does not build is not there.
pub fn build_programs(
    manifest: &Path,
    packages: &BTreeSet<&str>,
) -> Result<BTreeMap<String, PathBuf>> {
    if packages.is_empty() {
        return Ok(BTreeMap::new());
    }
    let output = Command::new("cargo")
        .args(["build", "--release", "--bins", "--keep-going"])
        .args(["--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(manifest)
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started; is it on the PATH?")?;
    Ok(programs(&String::from_utf8(output.stdout)?))
}

/// The programs in cargo's messages, one of which is a line.
fn programs(messages: &str) -> BTreeMap<String, PathBuf> {
    let program = |line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let path = PathBuf::from(message["executable"].as_str()?);
        Some((message["target"]["name"].as_str()?.to_owned(), path))
    };
    messages.lines().filter_map(program).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_messages_of_cargo() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"lib"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"floor"},"executable":"/a/floor"}"#,
            "\nnoise\n"
        );
        let expected = BTreeMap::from([("floor".to_owned(), PathBuf::from("/a/floor"))]);
        assert_eq!(programs(messages), expected);
    }
}
