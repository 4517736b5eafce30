//! What the project asks of itself, and how far the measurements are from it.

use serde::Serialize;

use crate::field::Absent;
use crate::kernels;
use crate::plan::entries::{self, Group};
use crate::plan::workloads::{
    self, BROADCAST, BURSTS, HALF, HEADLINE, IDLE, MAXIMUM, Part, Workload,
};
use crate::results::Results;
use crate::results::figures::Metric;

/// One thing that is asked.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    workload: Workload,
    /// Whose figure.
    contestant: &'static str,
    metric: Metric,
    against: Against,
    bound: Bound,
}

/// How one target stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) workload: String,
    pub(crate) asked: String,
    /// `None` where it was not measured.
    pub(crate) measured: Option<f64>,
    /// The contestant that decides it, or why there is no figure.
    pub(crate) by: String,
    /// `None` where it was not decided.
    pub(crate) met: Option<bool>,
}

/// What the figure is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Against {
    Nothing,
    Contestant(&'static str),
    /// Every contestant of a kind; the one with the worst ratio decides.
    Every(Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Peer,
    RustPlain,
}

/// How a target stands, without what was asked.
struct Standing {
    measured: Option<f64>,
    met: Option<bool>,
    by: String,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    Below(f64),
    AtLeast(f64),
}

/// Every target that a workload decides; those of the kernels are in `kernels.rs`.
pub(crate) fn all() -> Vec<Target> {
    use Against::{Contestant, Every, Nothing};
    use Bound::{AtLeast, AtMost, Below};
    let cpu = |workload, against, bound| Target {
        workload,
        contestant: "longwire",
        metric: Metric::Cpu,
        against,
        bound,
    };
    let [_, small, kilobyte, sixteen, megabyte] = HEADLINE;
    let floor = Contestant("floor");
    let mut targets = vec![
        cpu(MAXIMUM, floor, AtMost(1.15)),
        cpu(MAXIMUM, Every(Kind::RustPlain), AtMost(0.1)),
        cpu(MAXIMUM, Every(Kind::Peer), AtMost(1.0)),
        cpu(small, floor, AtMost(1.1)),
        cpu(small, Every(Kind::Peer), Below(1.0)),
        cpu(kilobyte, floor, AtMost(1.1)),
        cpu(kilobyte, Every(Kind::Peer), Below(1.0)),
        cpu(sixteen, Every(Kind::Peer), AtMost(1.05)),
        Target {
            metric: Metric::MessagesPerSecond,
            ..cpu(megabyte, Every(Kind::Peer), AtLeast(1.1))
        },
    ];
    for bytes in [AT_REST, 600.0] {
        targets.push(Target { metric: Metric::UsedBytes, ..cpu(IDLE, Nothing, AtMost(bytes)) });
    }
    for workload in BURSTS {
        targets
            .push(Target { metric: Metric::UsedBytes, ..cpu(workload, Nothing, AtMost(AT_REST)) });
        targets.push(Target { metric: Metric::After, ..cpu(workload, Nothing, AtMost(BACK)) });
    }
    for workload in workloads::all() {
        if workload.part == Part::Threads {
            targets.push(Target {
                contestant: "longwire-2-threads",
                metric: Metric::MessagesPerSecond,
                ..cpu(workload, Contestant("longwire"), AtLeast(1.9))
            });
        }
    }
    targets.push(Target {
        contestant: "longwire-prepared",
        ..cpu(BROADCAST, Contestant("floor-broadcast"), AtMost(1.15))
    });
    targets.push(Target { metric: Metric::P99_9, ..cpu(HALF, Every(Kind::Peer), Below(1.0)) });
    targets
}

/// How all targets stand, by what was measured.
pub(crate) fn judge(results: &Results) -> Vec<Verdict> {
    all().iter().map(|target| target.judge(results)).chain(kernels::judge(results)).collect()
}

impl Target {
    fn judge(&self, results: &Results) -> Verdict {
        let Standing { measured, met, mut by } = self.standing(results);
        let limited = self.limited(results);
        if measured.is_some() && !limited.is_empty() {
            by = format!("{by}; the load was the limit of {}", limited.join(", "));
        }
        Verdict { workload: self.workload.name(), asked: self.asked(), measured, by, met }
    }

    fn standing(&self, results: &Results) -> Standing {
        if self.metric.is_latency() && results.unheld(self.workload, self.contestant) > 0 {
            let by =
                format!("{}: {}", self.contestant, results.held(self.workload, self.contestant));
            return Standing { measured: None, met: Some(false), by };
        }
        let against = |other: &str| {
            let names = (self.contestant, other);
            self.decided(results, results.ratio(self.workload, names, self.metric), other)
        };
        match self.against {
            Against::Nothing => {
                let spread = results.spread(self.workload, self.contestant, self.metric);
                self.decided(results, spread.map(|spread| spread.median), self.contestant)
            }
            Against::Contestant(other) => against(other),
            Against::Every(kind) => self.against_every(results, kind),
        }
    }

    /// Whose throughput is the load generator's.
    fn limited<'a>(&self, results: &'a Results) -> Vec<&'a str> {
        let is_meant = |name: &&str| {
            *name == self.contestant
                || match self.against {
                    Against::Nothing => false,
                    Against::Contestant(other) => *name == other,
                    Against::Every(kind) => kind.has(entries::group(name)),
                }
        };
        let mut names = results.contestants(self.workload);
        names.retain(|name| {
            self.metric == Metric::MessagesPerSecond
                && is_meant(name)
                && results.is_load_the_limit(self.workload, name)
        });
        names
    }

    /// How it stands by one figure.
    fn decided(&self, results: &Results, figure: Option<f64>, by: &str) -> Standing {
        Standing {
            measured: figure,
            met: figure.map(|figure| self.bound.allows(figure)),
            by: figure.map_or_else(|| self.missing(results, by), |_| by.to_owned()),
        }
    }

    /// The worst ratio decides, once everyone who is expected has one. A peer that does not hold its rate is
    /// worse than any that does.
    fn against_every(&self, results: &Results, kind: Kind) -> Standing {
        let of_kind = |name: &&str| kind.has(entries::group(name));
        let peers: Vec<_> =
            results.contestants(self.workload).into_iter().filter(of_kind).collect();
        let (unheld, able): (Vec<_>, Vec<_>) = peers
            .into_iter()
            .partition(|name| self.metric.is_latency() && results.unheld(self.workload, name) > 0);
        let ratio = |name: &&str| {
            let ratio = results.ratio(self.workload, (self.contestant, *name), self.metric)?;
            Some((ratio, (*name).to_owned()))
        };
        let ratios: Vec<_> = able.iter().filter_map(ratio).collect();
        let own = results.spread(self.workload, self.contestant, self.metric);
        if own.is_none() || ratios.is_empty() && unheld.is_empty() {
            return self.decided(results, None, kind.name());
        }
        let mut compared = unheld.clone();
        compared.extend(ratios.iter().map(|(_, name)| name.as_str()));
        let absent = Absent::of(results, self.workload, &compared, |entry| kind.has(entry.group));
        let count = compared.len();
        let worst = ratios.iter().max_by(|(one, _), (other, _)| self.bound.badness(*one, *other));
        let measured = worst.map(|(ratio, _)| *ratio);
        let decider = worst.map_or_else(
            || format!("none of {count} holds the rate"),
            |(_, other)| format!("{other}, of {count}"),
        );
        let mut by = vec![decider];
        for (names, what) in [
            (unheld.as_slice(), "do not hold the rate"),
            (&absent.failed, "failed"),
            (&absent.unmeasured, "not decided, for these were not measured"),
        ] {
            if !names.is_empty() {
                by.push(format!("{what}: {}", names.join(", ")));
            }
        }
        let met = measured.is_none_or(|ratio| self.bound.allows(ratio));
        let met = absent.unmeasured.is_empty().then_some(met);
        Standing { measured, met, by: by.join("; ") }
    }

    /// Why there is no figure: what the sittings say of it, or who was not there.
    fn missing(&self, results: &Results, other: &str) -> String {
        let workload = self.workload.name();
        let left_out = results.left_out();
        if let Some(missing) = left_out.iter().find(|missing| missing.what == workload) {
            return missing.why.clone();
        }
        let own = results.spread(self.workload, self.contestant, self.metric);
        let who = if own.is_none() { self.contestant } else { other };
        format!("no figure of {who}")
    }

    fn asked(&self) -> String {
        let what = match self.metric {
            Metric::Cpu => "CPU",
            Metric::MessagesPerSecond => "throughput",
            Metric::UsedBytes => "bytes a connection at rest",
            Metric::After => "memory after the burst / before it",
            Metric::P99_9 => "p99.9",
            other => return format!("{other:?}"),
        };
        let than = match self.against {
            Against::Nothing => String::new(),
            Against::Contestant(name) => format!(" {name}"),
            Against::Every(kind) => format!(" every {}", kind.name()),
        };
        let times = if self.against == Against::Nothing { "" } else { " x" };
        match self.bound {
            Bound::AtMost(bound) => format!("{what} <= {bound}{times}{than}"),
            Bound::Below(bound) => format!("{what} < {bound}{times}{than}"),
            Bound::AtLeast(bound) => format!("{what} >= {bound}{times}{than}"),
        }
    }
}

impl Kind {
    fn has(self, group: Group) -> bool {
        match self {
            Self::Peer => group.is_peer(),
            Self::RustPlain => group == Group::RustPlain,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::RustPlain => "Rust peer's plain loop",
        }
    }
}

impl Bound {
    fn allows(self, figure: f64) -> bool {
        match self {
            Self::AtMost(bound) => figure <= bound,
            Self::Below(bound) => figure < bound,
            Self::AtLeast(bound) => figure >= bound,
        }
    }

    /// Orders figures by how far they are from being allowed.
    fn badness(self, one: f64, other: f64) -> std::cmp::Ordering {
        match self {
            Self::AtMost(_) | Self::Below(_) => one.total_cmp(&other),
            Self::AtLeast(_) => other.total_cmp(&one),
        }
    }
}

/// Resident bytes that a connection at rest may have.
const AT_REST: f64 = 1200.0;
/// Memory that is back to what it was: no more than this times as much, for what an allocator keeps.
const BACK: f64 = 1.1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::sitting;
    use crate::plan::entries::ENTRIES;
    use crate::plan::{Plan, Profile};
    use crate::results::tests::run;
    use crate::results::{Failure, Missing, Run};

    fn verdicts(results: &Results, workload: Workload) -> Vec<Verdict> {
        let name = workload.name();
        judge(results).into_iter().filter(|verdict| verdict.workload == name).collect()
    }

    #[test]
    fn the_headline_run_decides_every_target_but_two_threads() {
        let plan = Plan::new(Profile::Headline, &[]);
        assert!(plan.kernels);
        for target in all().iter().filter(|target| target.workload.part != Part::Threads) {
            assert!(plan.workloads.contains(&target.workload), "{}", target.workload.name());
        }
    }

    #[test]
    fn nothing_measured_is_nothing_met() {
        for verdict in judge(&Results::default()) {
            assert_eq!((verdict.measured, verdict.met), (None, None), "{verdict:?}");
            assert!(!verdict.by.is_empty());
        }
    }

    #[test]
    fn the_worst_ratio_decides() {
        let mut results = Results::default();
        for (name, cost) in [
            ("longwire", 1.0),
            ("floor", 1.0),
            ("tokio-websockets", 20.0),
            ("fastwebsockets", 5.0),
            ("tokio-tungstenite-best", 0.5),
        ] {
            results.runs.push(run(0, 1, name, cost));
        }
        let found = verdicts(&results, MAXIMUM);
        let short: Vec<_> = found
            .iter()
            .map(|verdict| (verdict.measured, verdict.by.as_str(), verdict.met))
            .collect();
        assert_eq!(
            short,
            [
                (Some(1.0), "floor", Some(true)),
                (Some(0.2), "fastwebsockets, of 2", Some(false)),
                (Some(2.0), "tokio-tungstenite-best, of 3", Some(false)),
            ]
        );
        assert_eq!(found[1].asked, "CPU <= 0.1 x every Rust peer's plain loop");
    }

    #[test]
    fn throughput_is_better_the_more_it_is() {
        let megabyte = HEADLINE[4];
        let mut results = Results::default();
        for (name, cost) in [("longwire", 1.0), ("yawc", 4.0), ("tokio-websockets", 2.0)] {
            results.runs.push(Run { workload: megabyte.name(), ..run(0, 1, name, cost) });
        }
        let found = verdicts(&results, megabyte);
        assert_eq!((found[0].measured, found[0].met), (Some(2.0), Some(true)));
        assert_eq!(found[0].by, "tokio-websockets, of 2");
        results.runs[0].figures.load_busy = Some(0.99);
        let by = &verdicts(&results, megabyte)[0].by;
        assert_eq!(by, "tokio-websockets, of 2; the load was the limit of longwire");
    }

    #[test]
    fn a_peer_that_is_expected_and_not_measured_leaves_a_target_undecided() {
        let mut results = Results { sittings: vec![sitting()], runs: Vec::new() };
        for entry in ENTRIES.iter().filter(|entry| entry.parts.contains(&Part::Headline)) {
            let cost = if entry.group == Group::Longwire { 1.0 } else { 20.0 };
            results.runs.push(run(0, 1, entry.name, cost));
        }
        let last = |results: &Results| verdicts(results, MAXIMUM).pop().expect("a target");
        assert_eq!(last(&results).met, Some(true));
        results.runs.retain(|run| run.contestant != "ws");
        let verdict = last(&results);
        assert_eq!(verdict.met, None);
        assert!(
            verdict.by.ends_with("; not decided, for these were not measured: ws"),
            "{}",
            verdict.by
        );
        results.sittings[0].failed.push(Failure {
            round: 1,
            workload: MAXIMUM.name(),
            contestant: "ws".to_owned(),
            why: "it ended".to_owned(),
        });
        let verdict = last(&results);
        assert_eq!(verdict.met, Some(true));
        assert!(verdict.by.ends_with("; failed: ws"), "{}", verdict.by);
    }

    /// A round in which half of the maximum was asked for.
    fn paced(name: &str, round: usize, p99_9: f64, is_held: bool) -> Run {
        let mut paced = Run { workload: HALF.name(), ..run(0, round, name, 1.0) };
        paced.figures.asked_per_second = Some(1000.0);
        paced.figures.messages_per_second = Some(if is_held { 1000.0 } else { 500.0 });
        paced.figures.p99_9 = Some(p99_9);
        paced
    }

    #[test]
    fn a_rate_that_longwire_does_not_hold_in_one_round_is_a_target_that_is_not_met() {
        let mut results = Results::default();
        for (round, is_held) in [(1, true), (2, false)] {
            results.runs.push(paced("longwire", round, 10.0, is_held));
            results.runs.push(paced("yawc", round, 100.0, true));
        }
        let verdict = &verdicts(&results, HALF)[0];
        assert_eq!((verdict.measured, verdict.met), (None, Some(false)));
        assert!(verdict.by.starts_with("longwire: not held in 1 of 2 rounds"), "{}", verdict.by);
    }

    #[test]
    fn a_peer_that_does_not_hold_is_worse_than_any_that_does_and_named() {
        let mut results = Results::default();
        results.runs.push(paced("longwire", 1, 10.0, true));
        results.runs.push(paced("yawc", 1, 1.0, false));
        let verdict = &verdicts(&results, HALF)[0];
        assert_eq!((verdict.measured, verdict.met), (None, Some(true)));
        assert!(verdict.by.ends_with("do not hold the rate: yawc"), "{}", verdict.by);
        results.runs.push(paced("soketto", 1, 20.0, true));
        let verdict = &verdicts(&results, HALF)[0];
        assert_eq!((verdict.measured, verdict.met), (Some(0.5), Some(true)));
        assert!(verdict.by.starts_with("soketto, of 2; do not hold"), "{}", verdict.by);
    }

    #[test]
    fn an_absolute_bound_needs_nobody_else() {
        let mut results = Results::default();
        let mut used = Run { workload: IDLE.name(), ..run(0, 1, "longwire", 1.0) };
        used.figures.used_bytes = Some(900.0);
        results.runs.push(used);
        let met: Vec<_> = verdicts(&results, IDLE).into_iter().map(|verdict| verdict.met).collect();
        assert_eq!(met, [Some(true), Some(false)]);
    }

    #[test]
    fn a_burst_has_the_bound_of_rest_and_that_of_the_memory_before_it() {
        for (before, after, met) in [
            (1100.0, 1150.0, [true, true]),
            (1000.0, 1150.0, [true, false]),
            (2000.0, 2050.0, [false, true]),
        ] {
            let mut results = Results::default();
            let mut burst = Run { workload: BURSTS[1].name(), ..run(0, 1, "longwire", 1.0) };
            (burst.figures.open_bytes, burst.figures.used_bytes) = (Some(before), Some(after));
            results.runs.push(burst);
            let found = verdicts(&results, BURSTS[1]);
            assert_eq!(found[0].asked, "bytes a connection at rest <= 1200");
            assert_eq!(found[1].asked, "memory after the burst / before it <= 1.1");
            assert_eq!((found[0].measured, found[1].measured), (Some(after), Some(after / before)));
            assert_eq!([found[0].met, found[1].met], met.map(Some));
        }
    }

    #[test]
    fn what_the_machine_could_not_do_is_said() {
        let mut results = Results { sittings: vec![sitting()], runs: Vec::new() };
        let threads = |workload: &Workload| workload.part == Part::Threads;
        let threads = workloads::all().into_iter().find(threads).expect("a workload");
        let why = "needs four cores, this machine has 2".to_owned();
        let what = threads.name();
        results.sittings[0].left_out.push(Missing { what, why: why.clone() });
        let found = verdicts(&results, threads);
        assert_eq!((found[0].measured, &found[0].by), (None, &why));
    }
}
