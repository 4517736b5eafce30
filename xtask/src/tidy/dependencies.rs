//! Which crate may use which: the table of the design, checked against `cargo metadata`.

use crate::metadata::Package;

/// The published crates and what each may use of ours. Whoever adds a crate adds a line.
const MAY_USE: &[(&str, &[&str])] = &[
    ("longwire-proto", &[]),
    ("longwire", &["longwire-proto"]),
    ("longwire-load", &["longwire-proto"]),
    ("longwire-channel", &[]),
    ("longwire-log", &[]),
    ("longwire-hub", &["longwire-channel", "longwire-log"]),
    ("longwire-client", &["longwire", "longwire-channel"]),
    ("longwire-server", &["longwire", "longwire-channel", "longwire-hub", "longwire-log"]),
    (
        "longwire-cli",
        &[
            "longwire",
            "longwire-channel",
            "longwire-client",
            "longwire-load",
            "longwire-proto",
            "longwire-server",
        ],
    ),
];

/// Crates without I/O, and what would give them a runtime, sockets, clocks or randomness.
const SANS_IO: &[&str] = &["longwire-channel", "longwire-hub", "longwire-proto"];
const DRIVERS: &[&str] = &[
    "async-std",
    "fastrand",
    "futures-timer",
    "getrandom",
    "mio",
    "rand",
    "rand_core",
    "rustix",
    "smol",
    "socket2",
    "tokio",
    "tokio-util",
];

pub(super) fn check(members: &[&Package]) -> Vec<String> {
    let mut findings = Vec::new();
    for package in members.iter().filter(|package| package.is_published()) {
        let name = package.name.as_str();
        let Some((_, allowed)) = MAY_USE.iter().find(|(listed, _)| *listed == name) else {
            findings.push(format!(
                "{name} is published, but not in the table of xtask/src/tidy/dependencies.rs"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let used = dependency.name.as_str();
            let ours = members.iter().find(|member| member.name == used && used != name);
            if let Some(ours) = ours {
                if !ours.is_published() {
                    findings.push(format!("{name} is published and uses {used}, which is not"));
                } else if !allowed.contains(&used) {
                    findings.push(format!("{name} must not use {used}"));
                }
            }
            let in_library = dependency.kind.is_none();
            if in_library && SANS_IO.contains(&name) && DRIVERS.contains(&used) {
                findings.push(format!("{name} does no I/O and must not use {used}"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    fn package(name: &str, published: bool, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependency = |&(name, kind): &(&str, Option<&str>)| Dependency {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
        };
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            source: None,
            license: None,
            publish: if published { None } else { Some(Vec::new()) },
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    fn findings(packages: &[Package]) -> Vec<String> {
        check(&packages.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_direction_of_the_design_passes() {
        let found = findings(&[
            package("longwire-proto", true, &[("bytes", None), ("tokio", Some("dev"))]),
            package("longwire", true, &[("longwire-proto", None), ("tokio", None)]),
            package("longwire-cli", true, &[("longwire", None)]),
            package("longwire-tests", false, &[("longwire", None), ("xtask", None)]),
            package("xtask", false, &[]),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn the_other_direction_fails() {
        let found = findings(&[
            package("longwire-proto", true, &[("longwire", None)]),
            package("longwire", true, &[]),
        ]);
        assert_eq!(found, ["longwire-proto must not use longwire"]);
    }

    #[test]
    fn a_published_crate_that_needs_the_tests_fails() {
        let found = findings(&[
            package("longwire", true, &[("longwire-tests", Some("dev"))]),
            package("longwire-tests", false, &[]),
        ]);
        assert_eq!(found, ["longwire is published and uses longwire-tests, which is not"]);
    }

    #[test]
    fn a_runtime_below_the_drivers_fails() {
        let found = findings(&[package("longwire-proto", true, &[("tokio", None)])]);
        assert_eq!(found, ["longwire-proto does no I/O and must not use tokio"]);
    }

    #[test]
    fn a_new_crate_needs_its_line() {
        assert!(findings(&[package("longwire-new", true, &[])])[0].contains("not in the table"));
    }
}
