//! What must not get into the tree: large files, and the places of one machine or one registry.

use super::tree::{File, Tree};

const MAX_SIZE: u64 = 512 * 1024;

/// Folders that exist on somebody's machine, not on everybody's.
const MACHINE_PATHS: &[&str] = &["/root/", "/home/"];

/// Registries are used through their clients, which know where they are; the address in a file
/// breaks behind a mirror.
const REGISTRIES: &[&str] = &[
    "deb.debian.org",
    "files.pythonhosted.org",
    "index.crates.io",
    "proxy.golang.org",
    "pypi.org/simple",
    "registry.npmjs.org",
    "registry.yarnpkg.com",
    "repo.maven.apache.org",
    "repo1.maven.org",
    "security.debian.org",
    "static.crates.io",
    "static.rust-lang.org",
];

const SELF: &str = "xtask/src/tidy/";

pub(super) fn check(tree: &Tree) -> Vec<String> {
    let mut findings: Vec<String> = tree.files.iter().filter_map(too_large).collect();
    for (path, text) in tree.texts(&[SELF]) {
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(found) = MACHINE_PATHS.iter().find(|found| has_absolute(line, found)) {
                findings.push(format!("{path}:{number}: `{found}` is a folder of one machine"));
            }
            if let Some(found) = REGISTRIES.iter().find(|found| line.contains(**found)) {
                findings.push(format!("{path}:{number}: the address of a registry, {found}"));
            }
        }
    }
    findings
}

fn too_large(file: &File) -> Option<String> {
    let kibibytes = file.size.div_ceil(1024);
    let limit = MAX_SIZE / 1024;
    (file.size > MAX_SIZE)
        .then(|| format!("{}: {kibibytes} KiB, at most {limit}: fetch or make it", file.path))
}

/// Whether `line` has `path` at the beginning of a path, not in the middle of one or of a URL.
fn has_absolute(line: &str, path: &str) -> bool {
    let goes_on = |char: char| char.is_alphanumeric() || "._-*~/}".contains(char);
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(goes_on))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        check(&Tree::of(&[("a.md", text)]))
    }

    #[test]
    fn a_large_file_fails_whether_text_or_not() {
        let file = |size| File { path: "a.bin".into(), size, text: None };
        assert_eq!(too_large(&file(MAX_SIZE)), None);
        assert!(too_large(&file(MAX_SIZE + 1)).is_some());
        let text = "x".repeat(512 * 1024 + 1);
        assert_eq!(findings(&text).len(), 1);
    }

    #[test]
    fn a_machines_folder_fails() {
        for path in MACHINE_PATHS {
            assert_eq!(findings(&format!("see `{path}x`")).len(), 1, "{path}");
            assert_eq!(findings(&format!("{path}x")).len(), 1, "{path}");
            assert_eq!(findings(&format!("https://example.com{path}x")), [""; 0], "{path}");
            assert_eq!(findings(&format!("a{path}x")), [""; 0], "{path}");
        }
    }

    #[test]
    fn a_registrys_address_fails() {
        for host in REGISTRIES {
            assert_eq!(findings(&format!("https://{host}/x")).len(), 1, "{host}");
        }
        assert_eq!(findings("published on crates.io"), [""; 0]);
    }
}
