//! The report on coverage: a table, and the lines and branches that no test takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;

use super::lcov::Measured;

const REASON: &str = "not covered:";

/// One file, without its tests.
#[derive(Debug, Default)]
pub(super) struct File {
    path: String,
    lines: Part,
    branches: Part,
    /// Reasons that the source gives, by line.
    reasons: BTreeMap<usize, String>,
}

#[derive(Debug, Default)]
struct Part {
    total: usize,
    covered: usize,
    /// The lines in which something is left out, without those that have a reason.
    left_out: BTreeSet<usize>,
}

/// Takes the tests out of what was measured, and the reasons from the sources.
pub(super) fn judge(
    measured: BTreeMap<String, Measured>,
    source: impl Fn(&str) -> Result<String>,
) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for (path, measured) in measured {
        if path == "tests.rs" || path.ends_with("/tests.rs") || path.contains("tests/") {
            continue;
        }
        let source = source(&path)?;
        let reasons = reasons(&source);
        let end = source.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
        let lines = measured.lines.into_iter().filter(|(line, _)| *line <= end);
        let branches = measured.branches.into_iter().filter(|((line, _), _)| *line <= end);
        files.push(File {
            lines: Part::of(lines, &reasons),
            branches: Part::of(branches.map(|((line, _), count)| (line, count)), &reasons),
            reasons,
            path,
        });
    }
    Ok(files)
}

/// The reasons by the lines they speak of: their own if it has code, else the next that has.
fn reasons(source: &str) -> BTreeMap<usize, String> {
    let mut reasons = BTreeMap::new();
    let mut pending: Option<String> = None;
    for (number, line) in (1..).zip(source.lines()) {
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        if let Some(reason) = comment.trim().strip_prefix(REASON) {
            pending = Some(reason.trim().to_owned());
        } else if let Some(reason) = &mut pending
            && code.trim().is_empty()
        {
            write!(reason, " {}", comment.trim()).expect("a String takes everything");
        }
        if !code.trim().is_empty()
            && let Some(reason) = pending.take()
        {
            reasons.insert(number, reason);
        }
    }
    reasons
}

impl Part {
    fn of(counts: impl Iterator<Item = (usize, u64)>, reasons: &BTreeMap<usize, String>) -> Self {
        let mut part = Self::default();
        for (line, count) in counts {
            part.total += 1;
            if count > 0 {
                part.covered += 1;
            } else if !reasons.contains_key(&line) {
                part.left_out.insert(line);
            }
        }
        part
    }

    fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            total: sum.total + part.total,
            covered: sum.covered + part.covered,
            left_out: BTreeSet::new(),
        })
    }

    fn shown(&self) -> String {
        if self.total == 0 {
            return "-".to_owned();
        }
        // Rounded down: 100 % means all.
        let tenths = self.covered * 1000 / self.total;
        format!("{}.{} % of {}", tenths / 10, tenths % 10, self.total)
    }
}

/// What of a file is listed, as text; empty for nothing.
type List = fn(&File) -> String;

/// The whole report.
pub(super) fn table(files: &[File]) -> String {
    let width = files.iter().map(|file| file.path.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut row = |path: &str, lines: &str, branches: &str| {
        writeln!(text, "{path:width$}  {lines:>18}  {branches:>18}")
            .expect("a String takes everything");
    };
    row("", "lines", "branches");
    for file in files {
        row(&file.path, &file.lines.shown(), &file.branches.shown());
    }
    let (lines, branches) = totals(files);
    row("all", &lines.shown(), &branches.shown());

    let lists: [(&str, List); 3] = [
        ("lines that no test runs", |file| ranges(&file.lines.left_out)),
        ("further lines with a branch that no test takes", |file| {
            ranges(&file.branches.left_out.difference(&file.lines.left_out).copied().collect())
        }),
        ("left out for a reason", |file| {
            let reasons: Vec<_> =
                file.reasons.iter().map(|(line, reason)| format!("{line} ({reason})")).collect();
            reasons.join("; ")
        }),
    ];
    for (title, list) in lists {
        for (index, (path, listed)) in files
            .iter()
            .map(|file| (&file.path, list(file)))
            .filter(|(_, listed)| !listed.is_empty())
            .enumerate()
        {
            if index == 0 {
                writeln!(text, "\n{title}:").expect("a String takes everything");
            }
            writeln!(text, "  {path}: {listed}").expect("a String takes everything");
        }
    }
    text
}

/// One line for the end of a run.
pub(super) fn summary(files: &[File]) -> String {
    let (lines, branches) = totals(files);
    format!(
        "Coverage of crates/proto by its own tests: lines {}, branches {}",
        lines.shown(),
        branches.shown()
    )
}

fn totals(files: &[File]) -> (Part, Part) {
    let lines = Part::sum(files.iter().map(|file| &file.lines));
    (lines, Part::sum(files.iter().map(|file| &file.branches)))
}

/// `1, 4-6` for 1, 4, 5, 6.
fn ranges(lines: &BTreeSet<usize>) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &line in lines {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == line => *last = line,
            _ => ranges.push((line, line)),
        }
    }
    let shown = ranges.iter().map(|&(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(source: &str, lines: &[(usize, u64)], branches: &[(usize, u64)]) -> Vec<File> {
        let named =
            |(index, &(line, count)): (usize, &(usize, u64))| ((line, index.to_string()), count);
        let measured = Measured {
            lines: lines.iter().copied().collect(),
            branches: branches.iter().enumerate().map(named).collect(),
        };
        let files = BTreeMap::from([("a.rs".to_owned(), measured)]);
        judge(files, |_| Ok(source.to_owned())).expect("the source is at hand")
    }

    #[test]
    fn lists_what_no_test_takes() {
        let source = "a\nb\nc\nd\n";
        let files = judged(source, &[(1, 1), (2, 0), (3, 0), (4, 9)], &[(4, 0), (4, 5), (2, 0)]);
        let table = table(&files);
        assert!(table.contains("no test runs:\n  a.rs: 2-3\n"), "{table}");
        assert!(table.contains("no test takes:\n  a.rs: 4\n"), "{table}");
        assert!(summary(&files).ends_with("lines 50.0 % of 4, branches 33.3 % of 3"));
    }

    #[test]
    fn tests_do_not_count_as_covered_code() {
        let files = judged("a\n#[cfg(test)]\nmod tests {\n}\n", &[(1, 0), (3, 5), (4, 5)], &[]);
        assert!(summary(&files).ends_with("lines 0.0 % of 1, branches -"));
    }

    #[test]
    fn a_reason_takes_a_line_off_the_list_and_not_out_of_the_count() {
        let source =
            "a\nb // not covered: the caller checks\n// not covered: see\n// above\nc\nd\n";
        let files = judged(source, &[(1, 1), (2, 0), (5, 0), (6, 0)], &[]);
        let table = table(&files);
        assert!(table.contains("no test runs:\n  a.rs: 6\n"), "{table}");
        assert!(table.contains("a.rs: 2 (the caller checks); 5 (see above)"), "{table}");
        assert!(summary(&files).contains("lines 25.0 % of 4"));
    }

    #[test]
    fn all_but_one_is_not_all() {
        let part = Part { total: 10_000, covered: 9_999, left_out: BTreeSet::new() };
        assert_eq!(part.shown(), "99.9 % of 10000");
    }
}
