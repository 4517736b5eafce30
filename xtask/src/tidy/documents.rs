//! Documents: every relative link, heading and path in them leads somewhere.

use super::tree::{Tree, ending};

pub(super) fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts(&[]).filter(|(path, _)| ending(path) == "md") {
        for (number, line) in prose(text) {
            for target in links(line).filter(|target| !is_elsewhere(target)) {
                if let Some(fault) = broken(tree, path, target) {
                    findings.push(format!("{path}:{number}: {fault}"));
                }
            }
            for quoted in code_spans(line).filter(|quoted| is_path_of_ours(tree, quoted)) {
                let from_here = join(path, quoted).filter(|path| tree.has(path));
                if !tree.has(quoted) && from_here.is_none() && !tree.is_ignored(quoted) {
                    findings.push(format!("{path}:{number}: there is no `{quoted}`"));
                }
            }
        }
    }
    findings
}

/// Lines with their numbers, without fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    })
}

/// Targets of `[text](target)` and `[label]: target`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let reference = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
        .and_then(|(_, target)| target.split(' ').next());
    inline.chain(reference)
}

fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

fn broken(tree: &Tree, from: &str, target: &str) -> Option<String> {
    let (file, heading) = match target.split_once('#') {
        Some((file, heading)) => (file, Some(heading)),
        None => (target, None),
    };
    let file = if file.is_empty() { Some(from.to_owned()) } else { join(from, file) };
    let Some(file) = file.filter(|file| tree.has(file)) else {
        return Some(format!("the link to {target} leads nowhere"));
    };
    let heading = heading?;
    let (_, text) = tree.texts(&[]).find(|(path, _)| *path == file)?;
    let is_there = prose(text).any(|(_, line)| anchor(line).as_deref() == Some(heading));
    (!is_there).then(|| format!("{file} has no heading #{heading}"))
}

/// The anchor of a heading, as code hosts make it.
fn anchor(line: &str) -> Option<String> {
    let heading = line.trim_start_matches('#');
    if heading.len() == line.len() || !heading.starts_with(' ') {
        return None;
    }
    let kept = heading.trim().to_lowercase();
    Some(
        kept.chars()
            .filter(|char| char.is_alphanumeric() || " -_".contains(*char))
            .map(|char| if char == ' ' { '-' } else { char })
            .collect(),
    )
}

/// Whether the words in backticks claim to be a path of this tree.
fn is_path_of_ours(tree: &Tree, quoted: &str) -> bool {
    let is_plain = quoted.chars().all(|char| char.is_ascii_alphanumeric() || "._-/".contains(char));
    let Some((first, rest)) = quoted.split_once('/') else {
        // `README.md` and its like; other bare names may be of any folder.
        return is_plain && quoted.starts_with(char::is_uppercase) && ending(quoted) == "md";
    };
    is_plain && !first.is_empty() && !rest.is_empty() && tree.has(first)
}

/// The path `relative` as seen from the file `from`; `None` when it leaves the tree.
fn join(from: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let source = ("crates/proto/src/lib.rs", "");
        check(&Tree::of(&[("README.md", "# The Title\n"), source, ("docs/a.md", text)]))
    }

    #[test]
    fn a_link_leads_somewhere() {
        for target in ["../README.md", "../crates/proto", "a.md", "https://example.com/x", ".."] {
            assert_eq!(findings(&format!("see [x]({target}) and\n[y]: {target}\n")), [""; 0]);
        }
        for target in ["README.md", "../crates/prot", "b.md", "../../outside.md"] {
            let found = findings(&format!("# A\nsee [x]({target})\n"));
            assert_eq!(found, [format!("docs/a.md:2: the link to {target} leads nowhere")]);
            assert_eq!(findings(&format!("[x]: {target}\n")).len(), 1, "{target}");
        }
        assert_eq!(findings("```\n[x](b.md)\n```\n"), [""; 0]);
    }

    #[test]
    fn a_heading_is_there() {
        assert_eq!(
            findings("[x](../README.md#the-title) [y](#b-is-here)\n## B is *here*!\n"),
            [""; 0]
        );
        let found = findings("[x](../README.md#title)");
        assert_eq!(found, ["docs/a.md:1: README.md has no heading #title"]);
        assert_eq!(findings("[x](#b)\n#b\n").len(), 1);
    }

    #[test]
    fn a_path_in_backticks_is_there() {
        let fine = "`crates/proto`, `crates/proto/src/lib.rs`, `README.md`, `a.md`, `any.md`, `GET /x`, \
                    `target/x.md/y`, `crates/*/src`, `and/or`";
        assert_eq!(findings(fine), [""; 0]);
        for gone in ["crates/gone", "crates/proto/src/gone.rs", "GONE.md", "docs/b.md"] {
            let found = findings(&format!("`x` and `{gone}`"));
            assert_eq!(found, [format!("docs/a.md:1: there is no `{gone}`")]);
        }
    }
}
