//! Versions of the libraries that take part.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Crates that are named in the report.
const CRATES: [&str; 8] = [
    "fastwebsockets",
    "sockudo-ws",
    "soketto",
    "tokio",
    "tokio-tungstenite",
    "tokio-websockets",
    "yawc",
    "zlib-rs",
];

/// Modules of Go that are named in the report, and what they are called there.
const MODULES: [(&str, &str); 3] = [
    ("github.com/coder/websocket", "coder"),
    ("github.com/gorilla/websocket", "gorilla"),
    ("github.com/lxzan/gws", "gws"),
];

/// Versions by the lock file of this workspace, and by what the peers in other languages ask for.
pub(crate) fn read(bench: &Path) -> Result<BTreeMap<String, String>> {
    let file = |name: &str| {
        let path = bench.join(name);
        fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let mut found = crates(&file("Cargo.lock")?);
    found.extend(packages(&file("peers/node/package.json")?)?);
    found.extend(requirements(&file("peers/python/requirements.txt")?));
    found.extend(modules(&file("peers/go/go.mod")?));
    Ok(found)
}

fn crates(lock: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(value) = line.strip_prefix("name = ") {
            name = value.trim_matches('"');
        } else if let Some(value) = line.strip_prefix("version = ")
            && CRATES.contains(&name)
        {
            found.insert(name.to_owned(), value.trim_matches('"').to_owned());
        }
    }
    found
}

fn packages(json: &str) -> Result<BTreeMap<String, String>> {
    let package: Value = serde_json::from_str(json)?;
    let dependencies = package["dependencies"].as_object().context("there are no dependencies")?;
    let version = |(name, version): (&String, &Value)| {
        Some((name.clone(), version.as_str()?.trim_start_matches(['^', '~']).to_owned()))
    };
    Ok(dependencies.iter().filter_map(version).collect())
}

fn requirements(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split(['#', ';', ' ', '\\']).next()?.split_once("=="))
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect()
}

fn modules(text: &str) -> BTreeMap<String, String> {
    let version = |line: &str| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        let module = words.next()?;
        let (_, name) = MODULES.iter().find(|(known, _)| *known == module)?;
        Some(((*name).to_owned(), words.next()?.trim_start_matches('v').to_owned()))
    };
    text.lines().filter_map(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_file_gives_its_versions() {
        let lock = "[[package]]\nname = \"yawc\"\nversion = \"0.5.0\"\n\n[[package]]\nname = \"x\"\nversion = \"1\"\n";
        assert_eq!(crates(lock), BTreeMap::from([("yawc".into(), "0.5.0".into())]));
        let json = r#"{"dependencies": {"ws": "8.23.0"}}"#;
        let found = packages(json).expect("sound");
        assert_eq!(found, BTreeMap::from([("ws".into(), "8.23.0".into())]));
        let found = requirements("# libraries\npicows==2.0 # why\nuvloop==0.22\n");
        let expected = [("picows".into(), "2.0".into()), ("uvloop".into(), "0.22".into())];
        assert_eq!(found, BTreeMap::from(expected));
        let text = "module peer\n\nrequire (\n\tgithub.com/lxzan/gws v1.9.1\n\tother v1.0.0 // indirect\n)\n";
        assert_eq!(modules(text), BTreeMap::from([("gws".into(), "1.9.1".into())]));
    }

    #[test]
    fn every_library_has_a_version() {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let found = read(&bench).expect("the files are there");
        let modules = MODULES.iter().map(|(_, name)| name);
        for name in CRATES.iter().chain(modules).chain(&["ws", "websockets", "picows"]) {
            assert!(found.contains_key(*name), "{name} is not in {found:?}");
        }
    }
}
