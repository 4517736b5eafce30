//! The files of the tree as the rules see them: what is tracked, or would be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use longwire_toolbox::command::run;

#[derive(Debug)]
pub(super) struct File {
    /// Relative to the root, with slashes.
    pub(super) path: String,
    pub(super) size: u64,
    /// `None` for what is no text.
    pub(super) text: Option<String>,
}

#[derive(Debug)]
pub(super) struct Tree {
    /// `None` in tests, whose trees are not on disk.
    root: Option<PathBuf>,
    pub(super) files: Vec<File>,
}

impl Tree {
    /// Everything that git tracks, and new files that it does not ignore.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let list =
            ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
        let list = run(Command::new("git").current_dir(root).args(list))
            .context("the rules need git to know which files belong to the tree")?;
        let mut files = Vec::new();
        for path in list.split_terminator('\0') {
            // Deleted, but not yet for git.
            let Ok(bytes) = fs::read(root.join(path)) else { continue };
            let size = bytes.len() as u64;
            files.push(File { path: path.to_owned(), size, text: String::from_utf8(bytes).ok() });
        }
        Ok(Self { root: Some(root.to_owned()), files })
    }

    /// Texts by path, except those under any of `without`.
    pub(super) fn texts(&self, without: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter(move |file| !without.iter().any(|prefix| file.path.starts_with(prefix)))
            .filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
    }

    /// Whether a file or folder is at `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        if path.is_empty() {
            return true;
        }
        self.files.iter().any(|file| {
            file.path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Whether git ignores what would be at `path`: something that our programs write.
    pub(super) fn is_ignored(&self, path: &str) -> bool {
        self.root.as_deref().is_some_and(|root| {
            let mut check = Command::new("git");
            check.current_dir(root).args(["check-ignore", "--quiet", path]);
            check.status().is_ok_and(|status| status.success())
        })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File {
            path: path.to_owned(),
            size: text.len() as u64,
            text: Some(text.to_owned()),
        };
        Self { root: None, files: files.iter().map(file).collect() }
    }
}

/// What comes after the last dot of a path's last part; empty when there is none.
pub(super) fn ending(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// Whether `text` has `word` where no identifier goes on before or after it.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let goes_on = |char: char| char.is_alphanumeric() || char == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let starts = !word.starts_with(goes_on) || !before.ends_with(goes_on);
        let ends = !word.ends_with(goes_on) || !after.starts_with(goes_on);
        starts && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_when_a_file_in_it_is() {
        let tree = Tree::of(&[("crates/proto/src/lib.rs", "")]);
        for path in ["crates", "crates/proto/", "crates/proto/src/lib.rs"] {
            assert!(tree.has(path), "{path}");
        }
        for path in ["crate", "crates/prot", "lib.rs"] {
            assert!(!tree.has(path), "{path}");
        }
    }

    #[test]
    fn an_ending_belongs_to_the_last_part() {
        assert_eq!(ending("a.b/c.rs"), "rs");
        assert_eq!(ending("a.rs/c"), "");
    }

    #[test]
    fn a_word_is_not_a_part_of_another() {
        assert!(has_word("use rand::Rng;", "rand"));
        assert!(has_word("Instant::now()", "Instant::now"));
        assert!(!has_word("operand::x strand", "rand"));
        assert!(!has_word("MyInstant::now_or_never()", "Instant::now"));
    }
}
