//! Results in files: read, written so that an interrupted run leaves what it has, and put together.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bench_harness::statistics::rounded;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::figures::Figures;
use super::{Results, Run, Sitting};

/// Reads what [`write()`] wrote.
pub(crate) fn read(file: &Path) -> Result<Results> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read; does it exist?", file.display()))?;
    let file: File = serde_json::from_str(&text).with_context(|| {
        format!("{} is not of this version of the runner; measure again", file.display())
    })?;
    let runs = file.series.into_iter().flat_map(Series::runs).collect();
    Ok(Results { sittings: file.sittings, runs })
}

/// Writes one contestant's runs under one workload a line, after the `summary`, in one step: the file is
/// never half written.
pub(crate) fn write(file: &Path, results: &Results, summary: &Value) -> Result<()> {
    let unfinished = file.with_extension("unfinished");
    fs::write(&unfinished, text(results, summary)?)
        .and_then(|()| fs::rename(&unfinished, file))
        .with_context(|| format!("{} cannot be written", file.display()))
}

/// Puts results together. A workload that several have is taken, whole, from the last of them.
pub(crate) fn merge(all: Vec<Results>) -> Results {
    let mut merged = Results::default();
    for mut results in all {
        let first = merged.sittings.len();
        merged.runs.retain(|run| !results.runs.iter().any(|new| new.workload == run.workload));
        for run in &mut results.runs {
            run.sitting += first;
        }
        merged.runs.append(&mut results.runs);
        merged.sittings.append(&mut results.sittings);
    }
    merged
}

/// The rounds that are whole: those in which every contestant of `wanted` was measured.
pub(crate) fn is_whole(runs: &[Run], round: usize, workload: &str, wanted: &[&str]) -> bool {
    wanted.iter().all(|name| {
        runs.iter()
            .any(|run| run.round == round && run.workload == workload && run.contestant == *name)
    })
}

/// The form of a file; the summary is for others.
#[derive(Debug, Deserialize)]
struct File {
    sittings: Vec<Sitting>,
    series: Vec<Series>,
}

/// A contestant's runs under one workload.
#[derive(Debug, Serialize, Deserialize)]
struct Series {
    workload: String,
    contestant: String,
    rounds: Vec<Measured>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    sitting: usize,
    round: usize,
    seconds: f64,
    #[serde(flatten)]
    figures: Figures,
}

impl Series {
    fn runs(self) -> impl Iterator<Item = Run> {
        let Self { workload, contestant, rounds } = self;
        rounds.into_iter().map(move |Measured { sitting, round, seconds, figures }| {
            let (workload, contestant) = (workload.clone(), contestant.clone());
            Run { sitting, round, workload, contestant, seconds, figures }
        })
    }
}

/// The runs by workload and contestant, in the order in which each came first.
fn series(runs: &[Run]) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for Run { sitting, round, workload, contestant, seconds, figures } in runs.iter().cloned() {
        let measured = Measured { sitting, round, seconds, figures };
        let is_same = |series: &&mut Series| {
            (&series.workload, &series.contestant) == (&workload, &contestant)
        };
        match all.iter_mut().find(is_same) {
            Some(series) => series.rounds.push(measured),
            None => all.push(Series { workload, contestant, rounds: vec![measured] }),
        }
    }
    all
}

fn text(results: &Results, summary: &Value) -> Result<String> {
    let mut lines = Vec::new();
    for series in series(&results.runs) {
        let mut value = serde_json::to_value(series)?;
        round_numbers(&mut value);
        lines.push(format!("    {value}"));
    }
    let mut summary = summary.clone();
    round_numbers(&mut summary);
    let sittings = serde_json::to_string_pretty(&results.sittings)?;
    let summary = serde_json::to_string(&summary)?;
    let series = lines.join(",\n");
    Ok(format!(
        "{{\n  \"sittings\": {sittings},\n  \"summary\": {summary},\n  \"series\": [\n{series}\n  ]\n}}\n"
    ))
}

fn round_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(short) = number.as_f64().map(rounded) {
                *value = json!(short);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(round_numbers),
        Value::Object(fields) => fields.values_mut().for_each(round_numbers),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;
    use crate::machine::tests::sitting;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.json");
        let mut results = Results { sittings: vec![sitting()], runs: Vec::new() };
        let run = |round, name, cost| run(0, round, name, cost);
        results.runs =
            vec![run(1, "longwire", 0.5), run(2, "longwire", 1.0), run(1, "floor", 0.25)];
        write(&file, &results, &json!({"a": 1.234_567_8})).expect("written");
        let read = read(&file).expect("read");
        assert_eq!(read.runs, results.runs);
        assert_eq!(read.sittings.len(), 1);
        let text = fs::read_to_string(&file).expect("read");
        assert!(text.contains("\"summary\": {\"a\":1.2346}"), "{text}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn another_form_is_refused_with_a_cure() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.json");
        fs::write(&file, "{\"machine\": 1}").expect("written");
        let error = format!("{:#}", read(&file).expect_err("it has no runs"));
        assert!(error.contains("measure again"), "{error}");
    }

    #[test]
    fn the_last_that_has_a_workload_gives_all_of_it() {
        let other = |run: Run| Run { workload: "connect".to_owned(), ..run };
        let first = Results {
            sittings: vec![sitting()],
            runs: vec![
                run(0, 1, "floor", 1.0),
                run(0, 2, "floor", 1.0),
                other(run(0, 1, "a", 1.0)),
            ],
        };
        let second = Results { sittings: vec![sitting()], runs: vec![run(0, 1, "longwire", 2.0)] };
        let merged = merge(vec![first, second]);
        assert_eq!(merged.sittings.len(), 2);
        assert_eq!(merged.runs, [other(run(0, 1, "a", 1.0)), run(1, 1, "longwire", 2.0)]);
    }

    #[test]
    fn a_round_is_whole_if_all_were_measured() {
        let runs = [run(0, 1, "floor", 1.0), run(0, 1, "longwire", 1.0), run(0, 2, "floor", 1.0)];
        let name = runs[0].workload.clone();
        assert!(is_whole(&runs, 1, &name, &["floor", "longwire"]));
        assert!(!is_whole(&runs, 2, &name, &["floor", "longwire"]));
        assert!(!is_whole(&runs, 1, "connect", &["floor"]));
    }
}
