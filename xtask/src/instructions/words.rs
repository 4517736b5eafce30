//! Words in commits that let a scenario become worse: `Instructions: why`.

use anyhow::Result;

use super::base::git;

/// What a trailer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// The commit that says it.
    commit: String,
    /// `why`, or `SCENARIO: why`, or `GROUP, GROUP: why`.
    value: String,
}

/// All words in the commits from `base` to HEAD.
pub(super) fn since(base: &str) -> Result<Vec<Word>> {
    let format = "--format=%x1e%h%x1f%(trailers:key=Instructions,valueonly,unfold)";
    let log = git(&["log", format, &format!("{base}..HEAD")])?;
    Ok(parse(&log))
}

fn parse(log: &str) -> Vec<Word> {
    let commits = log.split('\x1e').filter_map(|record| record.split_once('\x1f'));
    let words = commits.flat_map(|(commit, values)| {
        let values = values.lines().map(str::trim).filter(|value| !value.is_empty());
        values.map(|value| Word { commit: commit.to_owned(), value: value.to_owned() })
    });
    words.collect()
}

impl Word {
    /// Whether it speaks of the scenario `name`: by its name or its group, or of all of them.
    pub(super) fn covers(&self, name: &str, all: &[&str]) -> bool {
        let Some((scope, _)) = self.value.split_once(": ") else { return true };
        let speaks_of = |part: &str, name: &str| {
            name.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut parts = scope.split(',').map(str::trim);
        // Else the colon is one of a sentence.
        let is_scope = parts.clone().all(|part| all.iter().any(|name| speaks_of(part, name)));
        !is_scope || parts.any(|part| speaks_of(part, name))
    }

    pub(super) fn shown(&self) -> String {
        format!("{} ({})", self.value, self.commit)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn word(value: &str) -> Word {
        Word { commit: "abc1234".to_owned(), value: value.to_owned() }
    }

    #[test]
    fn every_trailer_of_every_commit_is_a_word() {
        let log =
            "\x1eaaa\x1f\n\x1ebbb\x1fmask/32B: why\nheader: because\n\n\x1eccc\x1fall of it\n";
        let words: Vec<_> = parse(log).iter().map(Word::shown).collect();
        assert_eq!(words, ["mask/32B: why (bbb)", "header: because (bbb)", "all of it (ccc)"]);
    }

    #[test]
    fn a_word_covers_what_it_names_or_else_everything() {
        let all = ["mask/32B", "mask/1KiB", "header/parse", "header/encode"];
        let covered = |value: &str| {
            let word = word(value);
            all.iter().filter(|name| word.covers(name, &all)).copied().collect::<Vec<_>>()
        };
        assert_eq!(covered("mask/32B: a branch more"), ["mask/32B"]);
        assert_eq!(covered("mask: a branch more"), ["mask/32B", "mask/1KiB"]);
        assert_eq!(covered("mask/32B, header/parse: a branch: more"), ["mask/32B", "header/parse"]);
        assert_eq!(covered("one more check, see §5.2"), all);
        assert_eq!(covered("the reason: one more check"), all);
    }
}
