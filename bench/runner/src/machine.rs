//! What the figures of the suite were measured on and with.

use std::path::Path;

use anyhow::Result;
use bench_harness::machine::output;
pub(crate) use bench_harness::machine::{Machine, Ticks};

use crate::versions;

/// The machine, and the versions of all that takes part.
pub(crate) fn describe(bench: &Path, is_built_elsewhere: bool) -> Result<Machine> {
    Ok(Machine {
        libraries: versions::read(bench)?,
        runtimes: RUNTIMES.map(|(name, argument)| runtime(name, argument)).to_vec(),
        ..Machine::describe(bench, "bench-runner", is_built_elsewhere)?
    })
}

/// What a runtime says of its version, or that it is not there.
fn runtime(program: &str, argument: &str) -> String {
    match output(program, &[argument]) {
        Ok(version) if version.starts_with('v') => format!("{program} {version}"),
        Ok(version) => version,
        Err(_) => format!("{program} absent"),
    }
}

/// Go, Node and Python, and how each is asked for its version.
const RUNTIMES: [(&str, &str); 3] =
    [("go", "version"), ("node", "--version"), ("python3", "--version")];

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::Profile;
    use crate::results::Sitting;

    /// A sitting on a machine that does not exist.
    pub(crate) fn sitting() -> Sitting {
        Sitting {
            machine: Machine {
                taken: "2026-01-02 03:04 UTC".to_owned(),
                processor: "A processor".to_owned(),
                cores: 2,
                memory_gib: 8,
                kernel: "Linux 6.18 x86_64".to_owned(),
                rustc: "rustc 1.95.0".to_owned(),
                longwire: "abc".to_owned(),
                libraries: BTreeMap::from([("tokio".to_owned(), "1.54.1".to_owned())]),
                runtimes: vec!["node v24.1.0".to_owned(), "go absent".to_owned()],
                command: "cargo run".to_owned(),
                stolen: 0.01,
            },
            profile: Profile::Full,
            server_cpu: 0,
            load_cpu: 1,
            left_out: Vec::new(),
            failed: Vec::new(),
            kernels: None,
        }
    }

    #[test]
    fn a_runtime_that_is_not_there_is_absent() {
        assert_eq!(runtime("no-such-program", "--version"), "no-such-program absent");
    }

    #[test]
    fn every_runtime_is_told_of() {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let machine = describe(&bench, true).expect("described");
        assert_eq!(machine.runtimes.len(), RUNTIMES.len());
    }
}
