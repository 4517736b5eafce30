//! What we build on: licences that ask for no more than a notice, and no source but the registry.
//!
//! `cargo xtask deny` asks the same of cargo-deny, which takes long to build; this needs nothing.

use crate::metadata::Package;

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// How the sources of registries begin, crates.io's or a mirror's; those of git begin otherwise.
const REGISTRIES: &[&str] = &["registry+", "sparse+"];

pub(super) fn check(packages: &[Package]) -> Vec<String> {
    let mut findings = Vec::new();
    for Package { name, version, source, license, .. } in packages {
        if let Some(source) = source
            && !REGISTRIES.iter().any(|registry| source.starts_with(registry))
        {
            findings.push(format!("{name} {version} comes from {source}, not from a registry"));
        }
        match license {
            None => findings.push(format!("{name} {version} names no licence")),
            Some(license) if !is_allowed(license) => findings.push(format!(
                "{name} {version} has the licence `{license}`; if it asks for a notice only, add \
                 it to xtask/src/tidy/licences.rs and deny.toml"
            )),
            Some(_) => {}
        }
    }
    findings
}

/// Whether an SPDX expression can be met with allowed licences alone.
fn is_allowed(expression: &str) -> bool {
    // `/` is how crates wrote OR before SPDX.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) == Some(true) && rest.is_empty()
}

/// `all-of (OR all-of)*`; `None` for what is no expression.
fn any_of(words: &mut &[&str]) -> Option<bool> {
    let mut met = all_of(words)?;
    while words.split_off_first_if("OR") {
        met |= all_of(words)?;
    }
    Some(met)
}

/// `one (AND one)*`
fn all_of(words: &mut &[&str]) -> Option<bool> {
    let mut met = one(words)?;
    while words.split_off_first_if("AND") {
        met &= one(words)?;
    }
    Some(met)
}

/// `( any-of )`, or a licence, which may have an exception.
fn one(words: &mut &[&str]) -> Option<bool> {
    if words.split_off_first_if("(") {
        let met = any_of(words)?;
        return words.split_off_first_if(")").then_some(met);
    }
    let licence = *words.split_off_first()?;
    if words.split_off_first_if("WITH") {
        let exception = words.split_off_first()?;
        return Some(ALLOWED.contains(&format!("{licence} WITH {exception}").as_str()));
    }
    Some(ALLOWED.contains(&licence))
}

trait Words {
    fn split_off_first_if(&mut self, word: &str) -> bool;
}

impl Words for &[&str] {
    fn split_off_first_if(&mut self, word: &str) -> bool {
        let is_next = self.first() == Some(&word);
        if is_next {
            *self = &self[1..];
        }
        is_next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(license: Option<&str>, source: Option<&str>) -> Vec<String> {
        check(&[Package {
            id: String::new(),
            name: "dep".to_owned(),
            version: "1.0.0".to_owned(),
            source: source.map(str::to_owned),
            license: license.map(str::to_owned),
            publish: None,
            dependencies: Vec::new(),
        }])
    }

    #[test]
    fn an_expression_is_met_or_not() {
        for met in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(is_allowed(met), "{met}");
        }
        for unmet in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND MPL-2.0",
            "MIT WITH strange-exception",
            "",
            "MIT OR",
            "(MIT",
            "MIT MIT",
        ] {
            assert!(!is_allowed(unmet), "{unmet}");
        }
    }

    #[test]
    fn a_licence_that_is_not_listed_or_missing_fails() {
        assert_eq!(findings(Some("MIT"), None), [""; 0]);
        assert!(findings(Some("AGPL-3.0"), None)[0].contains("`AGPL-3.0`"));
        assert!(findings(None, None)[0].contains("names no licence"));
    }

    #[test]
    fn a_dependency_from_elsewhere_than_the_registry_fails() {
        assert_eq!(findings(Some("MIT"), Some("registry+https://example.com/index")), [""; 0]);
        let git = "git+https://example.com/dep";
        assert!(findings(Some("MIT"), Some(git))[0].contains("comes from git+"));
    }
}
