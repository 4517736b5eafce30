//! Times of the small parts, each beside what it is compared with, in one run.
//!
//! Rounds are interleaved: every contestant of a comparison has its turn before any has the next. What
//! else the machine does only ever adds time, so the figure is the fastest turn; the median is beside
//! it, and where the two are far apart the machine was not quiet.

mod compression;
mod frames;
mod opening;
mod report;
mod utf8;

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use self::report::Figure;

/// What the command line says.
#[derive(Debug, Default)]
pub(crate) struct Options {
    json: Option<PathBuf>,
    only: Option<String>,
    quick: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(&argument) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{argument} wants a value"));
            match argument {
                "--json" => options.json = Some(value()?.into()),
                "--only" => options.only = Some((*value()?).to_owned()),
                "--quick" => options.quick = true,
                other => bail!("`time` has no option {other}; `help` lists those there are"),
            }
        }
        Ok(options)
    }
}

/// Measures all comparisons, prints them as Markdown, and writes the JSON file if there is to be one.
pub(crate) fn run(options: &Options) -> Result<()> {
    let rounds = if options.quick { 15 } else { 100 };
    let mut figures = Vec::new();
    let all = [frames::comparisons(), utf8::comparisons(), opening::comparisons()];
    for mut comparison in all.into_iter().flatten().chain(compression::comparisons()) {
        if options.only.as_ref().is_none_or(|only| comparison.name.contains(only)) {
            figures.extend(comparison.measure(rounds));
        }
    }
    if figures.is_empty() {
        bail!("no comparison has this in its name: {}", options.only.as_deref().unwrap_or(""));
    }
    print!("{}", report::markdown(&figures));
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&report::json(&figures))?;
        fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Contestants that do the same.
struct Comparison {
    name: String,
    /// Bytes that an operation goes through, where its time is in proportion to them.
    size: Option<usize>,
    /// The first is what the others are compared with.
    contestants: Vec<Contestant>,
}

struct Contestant {
    name: &'static str,
    /// Does its operation so many times.
    turn: Box<dyn FnMut(u64)>,
    /// Operations that one call of the closure was.
    operations: u32,
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparison").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One whose operation is a call of `operation`; the loop around it is compiled with it.
fn contestant(name: &'static str, operation: impl FnMut() + 'static) -> Contestant {
    script(name, 1, operation)
}

/// One of which a call does many operations.
fn script(name: &'static str, operations: u32, mut call: impl FnMut() + 'static) -> Contestant {
    let turn = Box::new(move |times| {
        for _ in 0..times {
            call();
        }
    });
    Contestant { name, turn, operations }
}

impl Comparison {
    fn measure(&mut self, rounds: usize) -> Vec<Figure> {
        let times: Vec<u64> = self.contestants.iter_mut().map(Contestant::calibrate).collect();
        let mut turns = vec![Vec::with_capacity(rounds); self.contestants.len()];
        for _ in 0..rounds {
            for ((contestant, &times), turns) in
                self.contestants.iter_mut().zip(&times).zip(&mut turns)
            {
                turns.push(contestant.nanoseconds(times));
            }
        }
        let figure = |(contestant, mut turns): (&Contestant, Vec<f64>)| {
            turns.sort_by(f64::total_cmp);
            Figure {
                name: self.name.clone(),
                size: self.size,
                contestant: contestant.name,
                fastest: turns[0],
                median: turns[turns.len() / 2],
            }
        };
        let mut figures: Vec<Figure> = self.contestants.iter().zip(turns).map(figure).collect();
        // The reference is shown last.
        figures.rotate_left(1);
        figures
    }
}

impl Contestant {
    /// Calls that take a turn's time; warms up meanwhile.
    fn calibrate(&mut self) -> u64 {
        let mut times = 1;
        loop {
            let start = Instant::now();
            (self.turn)(times);
            if start.elapsed() >= TURN {
                return times;
            }
            times *= 2;
        }
    }

    /// Time an operation.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
    fn nanoseconds(&mut self, times: u64) -> f64 {
        let start = Instant::now();
        (self.turn)(times);
        start.elapsed().as_secs_f64() * 1e9 / times as f64 / f64::from(self.operations)
    }
}

/// Long enough that the clock's own cost does not show, short enough to fit between two disturbances.
const TURN: Duration = Duration::from_micros(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let options = Options::parse(&["--quick", "--json", "a.json", "--only", "mask"]);
        let options = options.expect("all are known");
        assert!(options.quick);
        assert_eq!(options.json, Some("a.json".into()));
        assert_eq!(options.only.as_deref(), Some("mask"));
        assert!(Options::parse(&["--json"]).is_err());
        assert!(Options::parse(&["--fast"]).is_err());
    }

    #[test]
    fn every_comparison_runs_and_its_reference_comes_last() {
        let all = [frames::comparisons(), utf8::comparisons(), opening::comparisons()];
        for mut comparison in all.into_iter().flatten().chain(compression::comparisons()) {
            let reference = comparison.contestants[0].name;
            let figures = comparison.measure(1);
            assert_eq!(figures.last().map(|figure| figure.contestant), Some(reference));
            assert!(figures.iter().all(|figure| figure.fastest > 0.0), "{comparison:?}");
        }
    }

    #[test]
    fn an_operation_of_a_script_is_a_part_of_its_time() {
        let spin = || std::thread::yield_now();
        let whole = contestant("whole", spin).nanoseconds(1000);
        let part = script("part", 1_000_000, spin).nanoseconds(1000);
        assert!(part < whole, "{part} {whole}");
    }
}
