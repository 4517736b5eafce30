//! The revision that instructions are compared with.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use longwire_toolbox::command::run as run_command;

use crate::cargo::root;

/// A commit, and why it is the one to compare with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) commit: String,
    pub(super) why: &'static str,
}

impl Base {
    /// `LONGWIRE_BASE`; else where this branch left the upstream's, or what was accepted on it since;
    /// else, on the upstream's branch itself, what was accepted last.
    pub(super) fn find() -> Result<Self> {
        if let Some(revision) = std::env::var("LONGWIRE_BASE").ok().filter(|it| !it.is_empty()) {
            let commit = commit(&revision).with_context(|| {
                format!("LONGWIRE_BASE={revision} names no commit of this clone: fetch it first")
            })?;
            return Ok(Self { commit, why: "LONGWIRE_BASE" });
        }
        let accepted = fs::read_to_string(root().join(FILE)).unwrap_or_default();
        let accepted = last_accepted(&accepted)?;
        choose(fork()?.as_deref(), accepted, &commit, &is_ancestor)
    }

    pub(super) fn short(&self) -> &str {
        self.commit.get(..10).unwrap_or(&self.commit)
    }
}

/// Appends HEAD, and the reason, to the file of what was accepted.
pub(crate) fn accept(word: &str) -> Result<()> {
    let word = word.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(!word.is_empty(), "say why: cargo xtask instructions --accept 'why'");
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    ensure!(
        changes.is_empty(),
        "HEAD is accepted, but the tree has changes that are not in it: commit them first"
    );
    let head = commit("HEAD")?;
    let date = git(&["show", "--no-patch", "--format=%cs", &head])?;
    let path = root().join(FILE);
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, format!("{before}{head} {date} {word}\n"))?;
    println!("{FILE} has it; commit this file");
    Ok(())
}

/// `fork` is where the branch left the upstream's, if this is a branch.
fn choose(
    fork: Option<&str>,
    accepted: Option<&str>,
    commit: &dyn Fn(&str) -> Result<String>,
    is_ancestor: &dyn Fn(&str, &str) -> Result<bool>,
) -> Result<Base> {
    let Some(fork) = fork else {
        let accepted = accepted.with_context(|| {
            format!(
                "there is no revision to compare with: this is no branch of the upstream's, and \
                 {FILE} names none. Set LONGWIRE_BASE, or `cargo xtask instructions --accept 'why'`"
            )
        })?;
        let commit = commit(accepted).with_context(|| {
            format!(
                "{accepted}, the last that {FILE} names, is not in this clone: `git fetch \
                 --unshallow` gets it, or set LONGWIRE_BASE to a commit that is here"
            )
        })?;
        return Ok(Base { commit, why: "accepted last" });
    };
    if let Some(Ok(accepted)) = accepted.map(commit)
        && accepted != fork
        && is_ancestor(fork, &accepted)?
    {
        return Ok(Base { commit: accepted, why: "accepted on this branch" });
    }
    Ok(Base { commit: fork.to_owned(), why: "the merge base" })
}

/// Where HEAD left the upstream's default branch; `None` if it is in it, or there is none.
fn fork() -> Result<Option<String>> {
    let Some(upstream) = UPSTREAM.iter().find_map(|name| commit(name).ok()) else {
        return Ok(None);
    };
    let head = commit("HEAD")?;
    let fork = git(&["merge-base", &head, &upstream]).context(
        "HEAD and the upstream's branch have nothing in common here: `git fetch --unshallow`, or \
         set LONGWIRE_BASE",
    )?;
    Ok((fork != head).then_some(fork))
}

/// The commit on the last line of `COMMIT DATE WORD`.
fn last_accepted(file: &str) -> Result<Option<&str>> {
    let Some(line) = file.lines().rfind(|line| !line.trim().is_empty()) else { return Ok(None) };
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(commit), Some(_), Some(_)) => Ok(Some(commit)),
        _ => bail!("the last line of {FILE} is not COMMIT DATE WORD: {line}"),
    }
}

fn commit(revision: &str) -> Result<String> {
    git(&[
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &format!("{revision}^{{commit}}"),
    ])
}

fn is_ancestor(older: &str, newer: &str) -> Result<bool> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["merge-base", "--is-ancestor", older, newer]);
    let status = git.status().context("cannot start git")?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => bail!("git cannot say whether {older} comes before {newer}: {status}"),
    }
}

/// What git prints, without the end of the line.
pub(super) fn git(arguments: &[&str]) -> Result<String> {
    let printed = run_command(Command::new("git").current_dir(root()).args(arguments))?;
    Ok(printed.trim_end().to_owned())
}

/// What was accepted, a line each.
const FILE: &str = "bench/micro/base";

/// The upstream's default branch, by the names that it may have.
const UPSTREAM: &[&str] = &["refs/remotes/origin/HEAD", "refs/remotes/origin/main"];

#[cfg(test)]
mod tests {
    use super::*;

    /// History is `a`, `b`, `c`, in this order; nothing else is in the clone.
    fn chosen(fork: Option<&str>, accepted: Option<&str>) -> Result<(String, &'static str)> {
        let commit = |name: &str| {
            ensure!("abc".contains(name), "no such commit");
            Ok(name.to_owned())
        };
        let is_ancestor = |older: &str, newer: &str| Ok(older <= newer);
        let base = choose(fork, accepted, &commit, &is_ancestor)?;
        Ok((base.commit, base.why))
    }

    #[test]
    fn a_branch_is_compared_with_where_it_began() {
        for accepted in [None, Some("a"), Some("b"), Some("gone")] {
            let (commit, why) = chosen(Some("b"), accepted).expect("there is one");
            assert_eq!((commit.as_str(), why), ("b", "the merge base"), "{accepted:?}");
        }
    }

    #[test]
    fn what_a_branch_accepted_takes_the_place_of_where_it_began() {
        let (commit, why) = chosen(Some("a"), Some("b")).expect("there is one");
        assert_eq!((commit.as_str(), why), ("b", "accepted on this branch"));
    }

    #[test]
    fn the_upstreams_branch_is_compared_with_what_was_accepted_last() {
        let (commit, why) = chosen(None, Some("a")).expect("there is one");
        assert_eq!((commit.as_str(), why), ("a", "accepted last"));
    }

    #[test]
    fn a_base_that_is_not_there_is_an_error_with_its_cure() {
        let error = chosen(None, Some("gone")).expect_err("it is shallow").to_string();
        assert!(error.contains("gone") && error.contains("git fetch --unshallow"), "{error}");
        let error = chosen(None, None).expect_err("there is none").to_string();
        assert!(error.contains("LONGWIRE_BASE") && error.contains("--accept"), "{error}");
    }

    #[test]
    fn the_last_line_counts() {
        let file = "aaa 2026-01-01 the first\nbbb 2026-02-01 more checks\n\n";
        assert_eq!(last_accepted(file).expect("two lines"), Some("bbb"));
        assert_eq!(last_accepted("\n").expect("none"), None);
        assert!(last_accepted("aaa 2026-01-01\n").is_err(), "a word is missing");
    }
}
