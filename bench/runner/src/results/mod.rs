//! What was measured: runs, with the sittings in which they were taken, and how they are asked for.

pub(crate) mod figures;
pub(crate) mod store;

use std::collections::BTreeMap;

use bench_harness::statistics::{Spread, median};
use serde::{Deserialize, Serialize};

use self::figures::{Figures, Metric};
use crate::kernels::Kernel;
use crate::machine::Machine;
use crate::plan::workloads::{self, Kind, Part, Workload};
use crate::plan::{KERNELS, Profile, entries};

/// All that is known. A run without its sitting says nothing, so they stay together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    pub(crate) sittings: Vec<Sitting>,
    pub(crate) runs: Vec<Run>,
}

/// One start of the runner: where and how its runs were taken, and what it could not take.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sitting {
    pub(crate) machine: Machine,
    /// Where it is not written, everyone is expected.
    #[serde(default)]
    pub(crate) profile: Profile,
    pub(crate) server_cpu: usize,
    pub(crate) load_cpu: usize,
    /// What was not tried, and why.
    pub(crate) left_out: Vec<Missing>,
    /// What was tried and failed.
    pub(crate) failed: Vec<Failure>,
    /// What `bench-micro` printed, where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kernels: Option<Vec<Kernel>>,
}

/// What has no figure, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Missing {
    pub(crate) what: String,
    pub(crate) why: String,
}

/// A measurement that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) round: usize,
    pub(crate) workload: String,
    pub(crate) contestant: String,
    pub(crate) why: String,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) sitting: usize,
    pub(crate) round: usize,
    pub(crate) workload: String,
    pub(crate) contestant: String,
    /// Seconds that were asked for.
    pub(crate) seconds: f64,
    pub(crate) figures: Figures,
}

impl Results {
    /// The workloads that have runs, in the order of the suite.
    pub(crate) fn workloads(&self) -> Vec<Workload> {
        let mut all = workloads::all();
        all.retain(|workload| {
            let name = workload.name();
            self.runs.iter().any(|run| run.workload == name)
        });
        all
    }

    /// The contestants of a workload, in the order of the field.
    pub(crate) fn contestants(&self, workload: Workload) -> Vec<&str> {
        let name = workload.name();
        let runs = self.runs.iter().filter(|run| run.workload == name);
        let found: BTreeMap<_, _> = runs
            .map(|run| run.contestant.as_str())
            .map(|contestant| ((entries::order(contestant), contestant), contestant))
            .collect();
        found.into_values().collect()
    }

    /// Median and range of a figure over the rounds; `None` if it was not measured, or if it is a latency
    /// and a round's rate was not held: the rounds that remain would be the lucky ones.
    pub(crate) fn spread(
        &self,
        workload: Workload,
        contestant: &str,
        metric: Metric,
    ) -> Option<Spread> {
        if metric.is_latency() && self.unheld(workload, contestant) > 0 {
            return None;
        }
        Spread::of(self.of(workload, contestant).filter_map(|run| metric.of(&run.figures)))
    }

    /// What `compare` makes of one contestant's figure and another's in the same round: the median of the
    /// rounds, so that slow drift cancels out. `None` if no round has both, or one of them has no latency.
    pub(crate) fn paired(
        &self,
        workload: Workload,
        (own, other): (&str, &str),
        metric: Metric,
        compare: fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let is_unheld = |name| self.unheld(workload, name) > 0;
        if metric.is_latency() && (is_unheld(own) || is_unheld(other)) {
            return None;
        }
        median(self.of(workload, own).filter_map(|run| {
            let is_pair = |other: &&Run| (other.sitting, other.round) == (run.sitting, run.round);
            let pair = self.of(workload, other).find(is_pair)?;
            Some(compare(metric.of(&run.figures)?, metric.of(&pair.figures)?))
        }))
    }

    /// One contestant's figure divided by another's.
    pub(crate) fn ratio(
        &self,
        workload: Workload,
        names: (&str, &str),
        metric: Metric,
    ) -> Option<f64> {
        self.paired(workload, names, metric, |own, other| own / other)
    }

    /// Rounds in which a contestant could not hold the rate of an open loop.
    pub(crate) fn unheld(&self, workload: Workload, contestant: &str) -> usize {
        let runs = self.of(workload, contestant);
        runs.filter(|run| run.figures.overload().is_some()).count()
    }

    /// What is to say of a rate: held, or in how many rounds it was not, and how that showed.
    pub(crate) fn held(&self, workload: Workload, contestant: &str) -> String {
        let runs = self.of(workload, contestant);
        let reasons: Vec<_> = runs.filter_map(|run| run.figures.overload()).collect();
        let rounds = self.rounds(workload, contestant);
        match reasons.first() {
            None => "held".to_owned(),
            Some(why) if reasons.len() == rounds => format!("cannot hold: {why}"),
            Some(why) => format!("not held in {} of {rounds} rounds: {why}", reasons.len()),
        }
    }

    /// Whether the load generator was the limit in at least half of the rounds.
    pub(crate) fn is_load_the_limit(&self, workload: Workload, contestant: &str) -> bool {
        // The load of a broadcast never sleeps, so that it is busy says nothing.
        if matches!(workload.kind, Kind::Idle { .. } | Kind::Broadcast { .. }) {
            return false;
        }
        let cores = if workload.part == Part::Threads { 2.0 } else { 1.0 };
        let runs = self.of(workload, contestant);
        let limited = runs.filter(|run| run.figures.is_load_the_limit(cores)).count();
        limited > 0 && limited * 2 >= self.rounds(workload, contestant)
    }

    /// Rounds that a contestant has.
    pub(crate) fn rounds(&self, workload: Workload, contestant: &str) -> usize {
        self.of(workload, contestant).count()
    }

    /// The runs of a contestant under a workload.
    pub(crate) fn of(&self, workload: Workload, contestant: &str) -> impl Iterator<Item = &Run> {
        let name = workload.name();
        self.runs.iter().filter(move |run| run.contestant == contestant && run.workload == name)
    }

    /// Puts a run in the place of one of the same round, if there is one.
    pub(crate) fn add(&mut self, run: Run) {
        self.runs.retain(|other| {
            (other.round, &other.workload, &other.contestant)
                != (run.round, &run.workload, &run.contestant)
        });
        self.runs.push(run);
    }

    /// The latest sitting with figures of the kernels.
    pub(crate) fn kernels(&self) -> Option<&[Kernel]> {
        self.sittings.iter().rev().find_map(|sitting| sitting.kernels.as_deref())
    }

    /// What was not tried, unless it was in another sitting.
    pub(crate) fn left_out(&self) -> Vec<&Missing> {
        let is_measured = |missing: &Missing| {
            let runs = &self.runs;
            runs.iter().any(|run| run.contestant == missing.what || run.workload == missing.what)
                || missing.what == KERNELS && self.kernels().is_some()
        };
        let mut left_out: Vec<&Missing> = Vec::new();
        for missing in self.sittings.iter().flat_map(|sitting| &sitting.left_out) {
            if !is_measured(missing) && !left_out.contains(&missing) {
                left_out.push(missing);
            }
        }
        left_out
    }

    /// What failed, unless it was measured later.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &Failure> {
        let is_open = |failure: &&Failure| {
            !self.runs.iter().any(|run| {
                (run.round, &run.workload, &run.contestant)
                    == (failure.round, &failure.workload, &failure.contestant)
            })
        };
        self.sittings.iter().flat_map(|sitting| &sitting.failed).filter(is_open)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::machine::tests::sitting;
    use crate::plan::workloads::MAXIMUM;

    /// A run of the closed loop that costs so much.
    pub(crate) fn run(sitting: usize, round: usize, contestant: &str, cost: f64) -> Run {
        Run {
            sitting,
            round,
            workload: MAXIMUM.name(),
            contestant: contestant.to_owned(),
            seconds: 1.0,
            figures: Figures {
                cpu_us: Some(cost),
                messages_per_second: Some(1e6 / cost),
                ..Figures::default()
            },
        }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_within_rounds_of_one_sitting() {
        let mut results = Results::default();
        for (round, (own, other)) in (1..).zip([(1.0, 2.0), (30.0, 10.0), (4.0, 4.0)]) {
            results.runs.push(run(0, round, "longwire", own));
            results.runs.push(run(0, round, "floor", other));
        }
        // A round of another sitting has no pair.
        results.runs.push(run(1, 1, "longwire", 100.0));
        let ratio = results.ratio(MAXIMUM, ("longwire", "floor"), Metric::Cpu);
        assert_eq!(ratio, Some(1.0));
        let spread = results.spread(MAXIMUM, "floor", Metric::Cpu).expect("it was measured");
        assert_eq!((spread.median, spread.min, spread.max), (4.0, 2.0, 10.0));
    }

    #[test]
    fn what_was_not_measured_has_no_figure() {
        let mut results = Results::default();
        results.runs.push(run(0, 1, "longwire", 1.0));
        assert!(results.spread(MAXIMUM, "floor", Metric::Cpu).is_none());
        assert!(results.spread(MAXIMUM, "longwire", Metric::P99).is_none());
        assert!(results.ratio(MAXIMUM, ("longwire", "floor"), Metric::Cpu).is_none());
    }

    #[test]
    fn a_run_takes_the_place_of_one_of_its_round() {
        let mut results = Results::default();
        results.add(run(0, 1, "longwire", 1.0));
        results.add(run(1, 1, "longwire", 2.0));
        results.add(run(1, 2, "longwire", 3.0));
        assert_eq!(results.runs, [run(1, 1, "longwire", 2.0), run(1, 2, "longwire", 3.0)]);
    }

    #[test]
    fn contestants_are_in_the_order_of_the_field() {
        let mut results = Results::default();
        for name in ["of its own", "longwire", "floor", "longwire"] {
            results.runs.push(run(0, 1, name, 1.0));
        }
        assert_eq!(results.contestants(MAXIMUM), ["floor", "longwire", "of its own"]);
    }

    #[test]
    fn what_was_left_out_is_told_once_and_until_it_was_measured() {
        let mut results = Results { sittings: vec![sitting(), sitting()], runs: Vec::new() };
        for sitting in &mut results.sittings {
            for what in ["floor", KERNELS] {
                let why = "not there".to_owned();
                sitting.left_out.push(Missing { what: what.to_owned(), why });
            }
        }
        let what = |results: &Results| -> Vec<String> {
            results.left_out().iter().map(|missing| missing.what.clone()).collect()
        };
        assert_eq!(what(&results), ["floor", KERNELS]);
        results.add(run(1, 1, "floor", 1.0));
        results.sittings[1].kernels = Some(Vec::new());
        assert_eq!(what(&results), [""; 0]);
    }

    #[test]
    fn a_failure_counts_until_it_was_measured() {
        let mut results = Results { sittings: vec![sitting()], runs: Vec::new() };
        results.sittings[0].failed.push(Failure {
            round: 1,
            workload: MAXIMUM.name(),
            contestant: "floor".to_owned(),
            why: "it ended".to_owned(),
        });
        results.add(run(0, 2, "floor", 1.0));
        assert_eq!(results.failed().count(), 1);
        results.add(run(0, 1, "floor", 1.0));
        assert_eq!(results.failed().count(), 0);
    }
}
