//! What was measured, round by round.

use std::collections::BTreeMap;

use bench_harness::machine::Machine;
use bench_harness::statistics::{Spread, rounded};
use serde::Serialize;

use crate::plan::Target;
use crate::stage::Figures;

/// All that was measured, and on what.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) seconds: f64,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    pub(crate) lines: Vec<Measured>,
    pub(crate) failed: Vec<Failure>,
}

/// A line's figures, one set a round.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) rounds: BTreeMap<u32, BTreeMap<&'static str, f64>>,
}

/// A measurement that failed.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) line: &'static str,
    pub(crate) round: u32,
    pub(crate) why: String,
}

impl Results {
    pub(crate) fn add(&mut self, line: &'static str, round: u32, figures: &Figures) {
        let figures = figures.iter().map(|(name, value)| (*name, rounded(*value))).collect();
        let known = self.lines.iter_mut().find(|measured| measured.name == line);
        if let Some(measured) = known {
            measured.rounds.insert(round, figures);
        } else {
            let rounds = BTreeMap::from([(round, figures)]);
            self.lines.push(Measured { name: line, rounds });
        }
    }

    /// A figure over the rounds.
    pub(crate) fn spread(&self, line: &str, figure: &str) -> Option<Spread> {
        Spread::of(self.rounds(line)?.values().filter_map(|figures| figures.get(figure)).copied())
    }

    /// A target's figure over the rounds; a ratio is made of two figures of one round.
    pub(crate) fn of_target(&self, target: &Target) -> Option<Spread> {
        let (line, figure) = target.figure;
        let Some((other, other_figure)) = target.against else { return self.spread(line, figure) };
        let (own, others) = (self.rounds(line)?, self.rounds(other)?);
        Spread::of(own.iter().filter_map(|(round, figures)| {
            Some(figures.get(figure)? / others.get(round)?.get(other_figure)?)
        }))
    }

    fn rounds(&self, line: &str) -> Option<&BTreeMap<u32, BTreeMap<&'static str, f64>>> {
        self.lines.iter().find(|measured| measured.name == line).map(|measured| &measured.rounds)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::Bound;

    pub(crate) fn results() -> Results {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let machine = Machine::describe(&bench, "bench-channels", true).expect("described");
        let mut results = Results {
            machine,
            seconds: 1.0,
            connections: 10,
            streams: 10,
            lines: Vec::new(),
            failed: Vec::new(),
        };
        for (round, rate, syncs) in [(1, 300.0, 10.0), (2, 400.0, 40.0), (3, 500.0, 10.0)] {
            results.add("durable 64 x 1", round, &vec![("a second", rate)]);
            results.add("fdatasync", round, &vec![("a second", syncs)]);
        }
        results
    }

    #[test]
    fn a_ratio_is_of_the_figures_of_one_round() {
        let results = results();
        let target = Target {
            asked: "",
            figure: ("durable 64 x 1", "a second"),
            against: Some(("fdatasync", "a second")),
            bound: Bound::Told,
        };
        let expected = Spread { median: 30.0, min: 10.0, max: 50.0 };
        assert_eq!(results.of_target(&target), Some(expected));
        let alone = Target { against: None, ..target };
        assert_eq!(results.of_target(&alone).map(|spread| spread.median), Some(400.0));
        let absent = Target { against: Some(("echo 1", "a second")), ..target };
        assert_eq!(results.of_target(&absent), None);
    }
}
