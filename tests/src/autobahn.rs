//! A run of the Autobahn testsuite in either role, and the strict verdict on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use longwire_toolbox::autobahn::{Autobahn, VERSION};
use serde::Deserialize;

use crate::processes::Process;

/// The categories that run, each with its number of cases.
pub const CATEGORIES: &[(&str, usize)] = &[
    ("1", 16),
    ("2", 11),
    ("3", 7),
    ("4", 10),
    ("5", 20),
    ("6", 145),
    ("7", 37),
    ("9", 54),
    ("10", 1),
    ("12", 90),
    ("13", 126),
];

/// The cases on which the suite passes no judgement, whatever the peer does.
const INFORMATIONAL: &[&str] = &["7.1.6", "7.13.1", "7.13.2"];

/// Compression takes the suite most of its time: ten minutes on an idle machine.
const RUN_LIMIT: Duration = Duration::from_mins(40);
const START_LIMIT: Duration = Duration::from_mins(1);

/// Runs all cases against the server at `url`. Gives a line that sums the verdicts up; fails
/// unless all are strict. The suite's report stays in `reports`.
pub fn check_server(suite: &Autobahn, url: &str, reports: &Path) -> Result<String> {
    let reports = empty(reports)?;
    let spec = serde_json::json!({
        "outdir": reports,
        "servers": [{ "agent": "longwire", "url": url }],
        "cases": patterns(),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    run_to_end(&wstest(suite, "fuzzingclient", &spec, &reports)?)?;
    verdict("server", &reports)
}

/// Runs all cases against a client: the program that `client` makes for the suite's address, which
/// asks for the number of cases, runs each, and asks for the report. Result as for
/// [`check_server`].
pub fn check_client(
    suite: &Autobahn,
    client: impl FnOnce(&str) -> Command,
    reports: &Path,
) -> Result<String> {
    let reports = empty(reports)?;
    let spec = serde_json::json!({
        "url": "ws://127.0.0.1:9001",
        "outdir": reports,
        "cases": patterns(),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    let server = wstest(suite, "fuzzingserver", &spec, &reports)?;
    let url = server
        .wait_for_line(START_LIMIT, |line| Some(line.strip_prefix("listening on ")?.to_owned()))?;
    run_to_end(&Process::start(client(&url))?)?;
    verdict("client", &reports)
}

fn patterns() -> Vec<String> {
    CATEGORIES.iter().map(|(category, _)| format!("{category}.*")).collect()
}

fn wstest(
    suite: &Autobahn,
    mode: &str,
    spec: &serde_json::Value,
    reports: &Path,
) -> Result<Process> {
    let file = reports.with_extension("json");
    fs::write(&file, spec.to_string())?;
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/autobahn/driver.py");
    // Port 0 means no web server for the reports.
    let mut command = suite.python();
    command.arg(driver).args(["--webport", "0", "--mode", mode, "--spec"]).arg(file);
    Process::start(command)
}

fn run_to_end(process: &Process) -> Result<()> {
    let status = process.wait(RUN_LIMIT)?;
    ensure!(status.success(), "failed: {}", process.description());
    Ok(())
}

fn empty(dir: &Path) -> Result<PathBuf> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir.to_owned())
}

fn verdict(role: &str, reports: &Path) -> Result<String> {
    let path = reports.join("index.json");
    let index = fs::read_to_string(&path).with_context(|| {
        format!("the suite wrote no {}: did the peer end before the last case?", path.display())
    })?;
    let (summary, faults) = judge(&index, CATEGORIES)?;
    let summary = format!("Autobahn {VERSION}, {role} role: {summary}");
    if faults.is_empty() {
        return Ok(summary);
    }
    bail!(
        "{summary}\nnot strict:\n  {}\neach case's report is in {}",
        faults.join("\n  "),
        reports.display()
    )
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    behavior: String,
    behavior_close: String,
    reportfile: String,
}

/// Sums up the suite's `index.json`, and lists everything in it that is less than strict.
fn judge(index: &str, categories: &[(&str, usize)]) -> Result<(String, Vec<String>)> {
    let agents: BTreeMap<String, BTreeMap<String, Case>> =
        serde_json::from_str(index).context("the suite's index.json is of another form")?;
    let mut agents = agents.into_values();
    let (Some(cases), None) = (agents.next(), agents.next()) else {
        bail!("the suite's index.json does not have exactly one agent");
    };

    let mut faults = Vec::new();
    for &(category, wanted) in categories {
        let ran = cases.keys().filter(|id| id.split('.').next() == Some(category)).count();
        if ran != wanted {
            faults.push(format!("category {category}: {ran} of {wanted} cases ran"));
        }
    }
    let wanted: usize = categories.iter().map(|(_, wanted)| wanted).sum();
    if cases.len() != wanted {
        faults.push(format!("{} of {wanted} cases ran", cases.len()));
    }
    for (id, case) in &cases {
        let strict = if INFORMATIONAL.contains(&id.as_str()) {
            ["OK", "INFORMATIONAL"].as_slice()
        } else {
            &["OK"]
        };
        for (what, got) in [("behaviour", &case.behavior), ("close", &case.behavior_close)] {
            if !strict.contains(&got.as_str()) {
                faults.push(format!("{id}: {what} {got} ({})", case.reportfile));
            }
        }
    }

    let summary = format!(
        "{} cases; behaviour {}; close {}",
        cases.len(),
        counts(cases.values().map(|case| case.behavior.as_str())),
        counts(cases.values().map(|case| case.behavior_close.as_str())),
    );
    Ok((summary, faults))
}

fn counts<'a>(verdicts: impl Iterator<Item = &'a str>) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for verdict in verdicts {
        *counts.entry(verdict).or_default() += 1;
    }
    // What ought to be nought is said as well.
    counts.entry("OK").or_default();
    counts.entry("NON-STRICT").or_default();
    counts.entry("FAILED").or_default();
    let mut line = String::new();
    for (verdict, count) in counts.iter().rev() {
        let comma = if line.is_empty() { "" } else { ", " };
        write!(line, "{comma}{count} {verdict}").expect("a String takes everything");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATEGORIES: &[(&str, usize)] = &[("1", 1), ("7", 2), ("10", 1)];
    const STRICT: &[(&str, &str, &str)] = &[
        ("1.1", "OK", "OK"),
        ("7.1.5", "OK", "OK"),
        ("7.1.6", "INFORMATIONAL", "INFORMATIONAL"),
        ("10.1.1", "OK", "OK"),
    ];

    fn faults(cases: &[(&str, &str, &str)]) -> String {
        let cases: serde_json::Map<_, _> = cases
            .iter()
            .map(|&(id, behavior, close)| {
                let case = serde_json::json!({
                    "behavior": behavior, "behaviorClose": close, "duration": 1,
                    "remoteCloseCode": 1000, "reportfile": "x.json",
                });
                (id.to_owned(), case)
            })
            .collect();
        let index = serde_json::json!({ "longwire": cases }).to_string();
        judge(&index, CATEGORIES).expect("the index is well formed").1.join("\n")
    }

    fn with(index: usize, case: (&'static str, &'static str, &'static str)) -> String {
        let mut cases = STRICT.to_vec();
        cases[index] = case;
        faults(&cases)
    }

    #[test]
    fn all_ok_passes() {
        assert_eq!(faults(STRICT), "");
        assert_eq!(with(2, ("7.1.6", "OK", "OK")), "");
    }

    #[test]
    fn anything_less_than_ok_fails_in_either_result() {
        for verdict in ["NON-STRICT", "FAILED", "UNIMPLEMENTED", "INFORMATIONAL", "NO CLOSE"] {
            let found = with(0, ("1.1", verdict, "OK"));
            assert_eq!(found, format!("1.1: behaviour {verdict} (x.json)"));
        }
        for verdict in ["WRONG CODE", "UNCLEAN", "FAILED BY CLIENT", "INFORMATIONAL"] {
            let found = with(3, ("10.1.1", "OK", verdict));
            assert_eq!(found, format!("10.1.1: close {verdict} (x.json)"));
        }
        assert_eq!(
            with(2, ("7.1.6", "FAILED", "INFORMATIONAL")),
            "7.1.6: behaviour FAILED (x.json)"
        );
    }

    #[test]
    fn a_case_that_did_not_run_fails() {
        assert!(faults(&STRICT[1..]).contains("category 1: 0 of 1 cases ran"));
        assert!(faults(&[]).contains("0 of 4 cases ran"));
        assert!(with(3, ("2.1", "OK", "OK")).contains("category 10: 0 of 1"));
    }

    #[test]
    fn an_index_without_an_agent_or_of_two_fails() {
        judge("{}", CATEGORIES).expect_err("no agent");
        judge(r#"{"a":{},"b":{}}"#, CATEGORIES).expect_err("two agents");
        judge("", CATEGORIES).expect_err("no JSON");
    }

    #[test]
    fn the_summary_counts_by_verdict() {
        let line = counts(["OK", "OK", "INFORMATIONAL"].into_iter());
        assert_eq!(line, "2 OK, 0 NON-STRICT, 1 INFORMATIONAL, 0 FAILED");
    }
}
