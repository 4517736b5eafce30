//! The shape of Rust sources: a first line that says the subject, and a bounded length.

use super::tree::{Tree, ending};

const MAX_LINES: usize = 700;

/// Files that are longer, with their length when they were let in. A number may only go down.
const LONGER: &[(&str, usize)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<String> {
    check_against(tree, LONGER)
}

fn check_against(tree: &Tree, longer: &[(&str, usize)]) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts(&[]).filter(|(path, _)| ending(path) == "rs") {
        if !text.starts_with("//! ") {
            findings.push(format!("{path}: the first line must be `//!` and the file's subject"));
        }
        let lines = text.lines().count();
        let exception = longer.iter().find(|(listed, _)| *listed == path).map(|(_, lines)| *lines);
        let limit = exception.unwrap_or(MAX_LINES);
        if lines > limit {
            findings.push(format!("{path}: {lines} lines, at most {limit}: split it by subject"));
        } else if exception.is_some() && lines < limit {
            findings.push(format!(
                "{path}: shrank to {lines} lines; say so in xtask/src/tidy/sources.rs"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(number: usize) -> String {
        "//! Subject.\n".repeat(number)
    }

    #[test]
    fn a_file_says_its_subject_first() {
        assert_eq!(check(&Tree::of(&[("a.rs", "//! Frames.\n")])), [""; 0]);
        for text in ["", "use std::io;\n", "\n//! Late.\n", "//!\n", "// no\n"] {
            assert_eq!(check(&Tree::of(&[("a.rs", text)])).len(), 1, "{text:?}");
        }
        assert_eq!(check(&Tree::of(&[("a.py", "import sys\n")])), [""; 0]);
    }

    #[test]
    fn a_long_file_fails() {
        assert_eq!(check(&Tree::of(&[("a.rs", &lines(MAX_LINES))])), [""; 0]);
        assert_eq!(check(&Tree::of(&[("a.rs", &lines(MAX_LINES + 1))])).len(), 1);
    }

    #[test]
    fn an_exception_only_shrinks() {
        let found =
            |number| check_against(&Tree::of(&[("a.rs", &lines(number))]), &[("a.rs", 800)]);
        assert!(found(801)[0].contains("at most 800"));
        assert_eq!(found(800), [""; 0]);
        assert!(found(799)[0].contains("shrank to 799"));
    }
}
