//! Whom a workload has to be compared with, and who of them has no figure.

use crate::plan::entries::{ENTRIES, Entry, Source};
use crate::plan::workloads::Workload;
use crate::results::Results;

/// The libraries that a workload is not compared with, though its sittings' profiles have them.
#[derive(Debug, Default)]
pub(crate) struct Absent {
    /// They were tried and failed; the report lists how.
    pub(crate) failed: Vec<&'static str>,
    pub(crate) unmeasured: Vec<&'static str>,
}

impl Absent {
    /// Those of `is_meant` that are not among `compared`.
    pub(crate) fn of(
        results: &Results,
        workload: Workload,
        compared: &[&str],
        is_meant: impl Fn(&Entry) -> bool,
    ) -> Self {
        let name = workload.name();
        let has_failed = |entry: &&'static str| {
            results
                .failed()
                .any(|failure| failure.contestant == **entry && failure.workload == name)
        };
        let (failed, unmeasured) = ENTRIES
            .iter()
            .filter(|entry| is_expected(results, workload, entry) && is_meant(entry))
            .map(|entry| entry.name)
            .filter(|entry| !compared.contains(entry))
            .partition(has_failed);
        Self { failed, unmeasured }
    }

    /// What is to be said of them; nothing if there is nobody.
    pub(crate) fn words(&self) -> Option<String> {
        let say = |names: &[&str], what: &str| {
            (!names.is_empty()).then(|| format!("{} {what}", names.join(", ")))
        };
        let words: Vec<_> = say(&self.failed, "failed")
            .into_iter()
            .chain(say(&self.unmeasured, "not measured"))
            .collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// Whether a sitting that measured the workload has the entry in its profile. A slot for a program that
/// no registry serves is expected of nobody.
fn is_expected(results: &Results, workload: Workload, entry: &Entry) -> bool {
    if matches!(entry.source, Source::Given(_)) {
        return false;
    }
    let name = workload.name();
    let mut runs = results.runs.iter().filter(|run| run.workload == name);
    runs.any(|run| {
        let sitting = results.sittings.get(run.sitting);
        sitting.is_some_and(|sitting| sitting.profile.measures(entry, workload))
    })
}
