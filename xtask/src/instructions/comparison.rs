//! Counts of instructions side by side, and which are worse.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::program::Counts;
use super::words::Word;

/// The counts of an earlier revision and of now.
#[derive(Debug)]
pub(super) struct Comparison {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    before: Option<u64>,
    now: Option<u64>,
    /// Why it may be worse.
    word: Option<Word>,
}

impl Comparison {
    pub(super) fn new(before: &Counts, now: &Counts, words: &[Word]) -> Self {
        let names: BTreeSet<&str> = before.keys().chain(now.keys()).map(String::as_str).collect();
        let all: Vec<&str> = names.into_iter().collect();
        let row = |&name: &&str| Row {
            name: name.to_owned(),
            before: before.get(name).copied(),
            now: now.get(name).copied(),
            word: words.iter().find(|word| word.covers(name, &all)).cloned(),
        };
        Self { rows: all.iter().map(row).collect() }
    }

    /// What is worse without a word, one by one.
    pub(super) fn failures(&self) -> Vec<String> {
        let failed = self.rows.iter().filter(|row| row.is_worse() && row.word.is_none());
        failed.map(|row| format!("{} {}", row.name, row.change())).collect()
    }

    pub(super) fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let shown = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let mut text =
            format!("{:width$}  {:>12}  {:>12}  change\n", "instructions", "base", "now");
        for row in &self.rows {
            let verdict = match &row.word {
                _ if !row.is_worse() => String::new(),
                None => "  <-- WORSE".to_owned(),
                Some(word) => format!("  accepted: {}", word.shown()),
            };
            let (before, now, change) = (shown(row.before), shown(row.now), row.change());
            writeln!(text, "{:width$}  {before:>12}  {now:>12}  {change}{verdict}", row.name)
                .expect("a String takes everything");
        }
        text
    }

    /// One line for the end of a run.
    pub(super) fn summary(&self, base: &str) -> String {
        let worse = self.rows.iter().filter(|row| row.is_worse()).count();
        let new = self.rows.iter().filter(|row| row.before.is_none()).count();
        let mut text = format!(
            "Instructions of {} scenarios against {base}: {worse} worse by more than {LIMIT} %",
            self.rows.len()
        );
        let accepted = worse - self.failures().len();
        if accepted > 0 {
            write!(text, ", {accepted} of them accepted").expect("a String takes everything");
        }
        if new > 0 {
            write!(text, "; {new} NOT COMPARED, new since").expect("a String takes everything");
        }
        text
    }
}

impl Row {
    /// Beyond the limit, or not counted any more. What is new has nothing to be compared with.
    fn is_worse(&self) -> bool {
        match (self.before, self.now) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(before), Some(now)) => {
                u128::from(now) * 100 > u128::from(before) * u128::from(100 + LIMIT)
            }
        }
    }

    fn change(&self) -> String {
        match (self.before, self.now) {
            (None, _) => "NOT COMPARED: the base lacks it".to_owned(),
            (Some(_), None) => "gone".to_owned(),
            (Some(before), Some(now)) => {
                let difference = i128::from(now) - i128::from(before);
                let hundredths = difference * 10_000 / i128::from(before).max(1);
                let sign = if hundredths < 0 { '-' } else { '+' };
                let size = hundredths.abs();
                format!("{sign}{}.{:02} %", size / 100, size % 100)
            }
        }
    }
}

/// Per cent more that need a word.
const LIMIT: u64 = 3;

#[cfg(test)]
mod tests {
    use super::super::words::tests::word;
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> Counts {
        counts.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
    }

    fn compared(before: &[(&str, u64)], now: &[(&str, u64)], words: &[&str]) -> Comparison {
        let words: Vec<Word> = words.iter().map(|value| word(value)).collect();
        Comparison::new(&counts(before), &counts(now), &words)
    }

    #[test]
    fn more_than_three_per_cent_fails_and_less_passes() {
        for (now, fails) in
            [(1_029, false), (1_030, false), (1_031, true), (2_000, true), (1, false)]
        {
            let comparison = compared(&[("mask/32B", 1_000)], &[("mask/32B", now)], &[]);
            assert_eq!(!comparison.failures().is_empty(), fails, "{now}");
            assert_eq!(comparison.table().contains("WORSE"), fails, "{now}");
        }
        let comparison = compared(&[("mask/32B", 1_000)], &[("mask/32B", 1_031)], &[]);
        assert_eq!(comparison.failures(), ["mask/32B +3.10 %"]);
    }

    #[test]
    fn a_count_that_is_missing_now_fails() {
        let comparison = compared(&[("a/x", 10), ("b/x", 10)], &[("b/x", 10)], &[]);
        assert_eq!(comparison.failures(), ["a/x gone"]);
        let comparison = compared(&[("a/x", 10)], &[], &[]);
        assert_eq!(comparison.failures(), ["a/x gone"]);
    }

    #[test]
    fn what_the_base_lacks_is_told_and_passes() {
        let comparison = compared(&[("a/x", 10)], &[("a/x", 10), ("b/x", 10)], &[]);
        assert_eq!(comparison.failures(), [""; 0]);
        assert!(comparison.table().contains("NOT COMPARED"), "{}", comparison.table());
        assert!(comparison.summary("abc").contains("1 NOT COMPARED"));
    }

    #[test]
    fn a_word_accepts_what_it_covers_and_is_shown() {
        let (before, now) = ([("a/x", 100), ("b/x", 100)], [("a/x", 110), ("b/x", 110)]);
        let comparison = compared(&before, &now, &["a/x: one more check"]);
        assert_eq!(comparison.failures(), ["b/x +10.00 %"]);
        let table = comparison.table();
        assert!(table.contains("accepted: a/x: one more check (abc1234)"), "{table}");
        let summary = comparison.summary("abc");
        assert!(summary.ends_with("2 worse by more than 3 %, 1 of them accepted"), "{summary}");
        assert_eq!(compared(&before, &now, &["a word"]).failures(), [""; 0]);
    }

    #[test]
    fn a_change_is_shown_with_its_sign() {
        let row =
            |now| Row { name: String::new(), before: Some(20_000), now: Some(now), word: None };
        let shown = [20_000, 20_010, 19_990, 18_000].map(|now| row(now).change());
        assert_eq!(shown, ["+0.00 %", "+0.05 %", "-0.05 %", "-10.00 %"]);
    }
}
