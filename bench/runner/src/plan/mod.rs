//! What a run measures, how often and for how long: the profiles, and how long they take.

pub(crate) mod entries;
pub(crate) mod workloads;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::entries::{Entry, Group, Source};
use self::workloads::{
    BROADCAST, BURSTS, COMPRESSED, HALF, HEADLINE, IDLE, Kind, MAXIMUM, Part, Workload,
};

/// A tidy set of measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// A short look at the lines that the targets are about.
    Quick,
    /// What the front page shows.
    Headline,
    /// Everything.
    #[default]
    Full,
}

/// What is chosen of a profile.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) profile: Profile,
    pub(crate) workloads: Vec<Workload>,
    /// Whether the micro kernels are measured as well.
    pub(crate) kernels: bool,
    /// In place of the profile's own.
    pub(crate) rounds: Option<usize>,
    pub(crate) seconds: Option<f64>,
}

impl Profile {
    fn rounds(self, workload: Workload) -> usize {
        match (self, workload.part) {
            (Self::Quick, _) => 2,
            // It takes long, and does not differ from round to round.
            (_, Part::DeflateMemory) => 1,
            (_, Part::Matrix) => 3,
            (_, Part::Idle) if BURSTS.contains(&workload) => 3,
            (Self::Headline | Self::Full, _) => 5,
        }
    }

    fn seconds(self, part: Part) -> f64 {
        match (self, part) {
            // Enough messages for the thousandth of them that waits longest.
            (Self::Headline | Self::Full, Part::Latency) => 2.0,
            (Self::Quick, _) | (_, Part::Matrix) => 0.5,
            (Self::Headline | Self::Full, _) => 1.0,
        }
    }

    fn has(self, workload: Workload) -> bool {
        match self {
            Self::Full => true,
            Self::Headline => {
                workload.part == Part::Headline
                    || BURSTS.contains(&workload)
                    || [HALF, IDLE, BROADCAST, COMPRESSED].contains(&workload)
            }
            Self::Quick => {
                workload.part == Part::Headline || [HALF, IDLE, BROADCAST].contains(&workload)
            }
        }
    }

    /// Whether a contestant is measured under a workload.
    pub(crate) fn measures(self, entry: &Entry, workload: Workload) -> bool {
        let is_meant = match self {
            Self::Quick => !matches!(entry.group, Group::Other | Group::OtherBest),
            // The slow ones by their plain loops, where they say something; one that was given says it everywhere.
            Self::Headline => match entry.group {
                Group::Other => {
                    matches!(entry.source, Source::Given(_)) || WITH_ALL.contains(&workload)
                }
                group => group != Group::OtherBest,
            },
            Self::Full => true,
        };
        is_meant && entry.parts.contains(&workload.part)
    }
}

impl Plan {
    /// The workloads of a profile whose names start with one of `starts`; all of it if there is none.
    ///
    /// Where a start names none in the profile, the whole suite has it.
    pub(crate) fn new(profile: Profile, starts: &[String]) -> Self {
        let all = workloads::all();
        let mut chosen: Vec<Workload> = if starts.is_empty() {
            all.iter().copied().filter(|workload| profile.has(*workload)).collect()
        } else {
            let is_meant = |workload: &Workload| {
                starts.iter().any(|start| workload.name().starts_with(start.as_str()))
            };
            all.iter().copied().filter(is_meant).collect()
        };
        if chosen.contains(&HALF) && !chosen.contains(&MAXIMUM) {
            // Half of it is what is asked for.
            chosen.insert(0, MAXIMUM);
        }
        let kernels = match starts {
            [] => profile != Profile::Quick,
            starts => starts.iter().any(|start| KERNELS.starts_with(start.as_str())),
        };
        Self { profile, workloads: chosen, kernels, rounds: None, seconds: None }
    }

    pub(crate) fn rounds(&self, workload: Workload) -> usize {
        self.rounds.unwrap_or_else(|| self.profile.rounds(workload))
    }

    pub(crate) fn seconds(&self, workload: Workload) -> f64 {
        self.seconds.unwrap_or_else(|| self.profile.seconds(workload.part))
    }

    /// Whether a contestant is measured under a workload.
    pub(crate) fn measures(&self, entry: &Entry, workload: Workload) -> bool {
        self.profile.measures(entry, workload)
    }

    /// Every round of every workload, in the order of measuring: all workloads before any comes again.
    pub(crate) fn steps(&self) -> Vec<(usize, Workload)> {
        let most = self.workloads.iter().map(|workload| self.rounds(*workload)).max().unwrap_or(0);
        (1..=most)
            .flat_map(|round| {
                let in_round = move |workload: &&Workload| round <= self.rounds(**workload);
                self.workloads.iter().filter(in_round).map(move |workload| (round, *workload))
            })
            .collect()
    }

    /// How long the measurements take, builds and installations apart.
    pub(crate) fn estimate(&self, entries: &[Entry]) -> Duration {
        let mut sum = 0.0;
        for (_, workload) in self.steps() {
            let count = entries.iter().filter(|entry| self.measures(entry, workload)).count();
            for _ in 0..count {
                sum += seconds_of(workload, self.seconds(workload));
            }
        }
        Duration::from_secs_f64(sum)
    }

    /// What is going to happen, in words; with every workload and who takes part, if `is_list`.
    pub(crate) fn announce(&self, entries: &[Entry], is_list: bool) -> String {
        let mut lines = Vec::new();
        for workload in self.workloads.iter().filter(|_| is_list) {
            let names: Vec<_> = entries
                .iter()
                .filter(|entry| self.measures(entry, *workload))
                .map(|entry| entry.name)
                .collect();
            let (rounds, seconds) = (self.rounds(*workload), self.seconds(*workload));
            let (workload, names) = (workload.name(), names.join(", "));
            lines.push(format!("{workload}: {rounds} rounds of {seconds} s: {names}\n"));
        }
        if is_list && self.kernels {
            lines.push(format!("{KERNELS}: bench-micro\n"));
        }
        let minutes = self.estimate(entries).as_secs_f64() / 60.0;
        lines.push(format!(
            "{} workloads, {} contestants: about {minutes:.0} minutes, builds apart\n",
            self.workloads.len(),
            entries.len()
        ));
        lines.concat()
    }
}

/// How long one measurement takes, about: a server and a load that start, connections that open, and the
/// messages themselves.
pub(crate) fn seconds_of(workload: Workload, seconds: f64) -> f64 {
    let opened = f64::from(u32::try_from(workload.connections()).unwrap_or(u32::MAX));
    let opening = START + opened / OPENED_A_SECOND;
    match workload.kind {
        Kind::Idle { connections, messages, .. } => {
            let count = u32::try_from(connections * messages).unwrap_or(u32::MAX);
            opening + SETTLE + f64::from(count) / ECHOED_A_SECOND
        }
        Kind::Connect { .. } => START + seconds * 1.25,
        Kind::Echo { .. } | Kind::Paced { .. } | Kind::Broadcast { .. } => opening + seconds * 1.25,
    }
}

/// What the micro kernels are called by `--workload`.
pub(crate) const KERNELS: &str = "kernels";

/// What every language takes part in on the front page.
const WITH_ALL: [Workload; 3] = [MAXIMUM, HEADLINE[1], IDLE];

/// Seconds for a server and a load generator to start, and to end.
const START: f64 = 0.2;
/// Seconds until a server that does nothing is believed to be at rest, three times.
const SETTLE: f64 = 1.1;
/// Opening handshakes a second: of a server in Rust, one at a time.
const OPENED_A_SECOND: f64 = 8000.0;
/// Messages a second, one at a time.
const ECHOED_A_SECOND: f64 = 20_000.0;

#[cfg(test)]
mod tests {
    use super::entries::ENTRIES;
    use super::*;

    fn minutes(profile: Profile) -> f64 {
        Plan::new(profile, &[]).estimate(ENTRIES).as_secs_f64() / 60.0
    }

    #[test]
    fn the_profiles_take_as_long_as_the_manual_says() {
        for (profile, expected) in
            [(Profile::Quick, 3.0), (Profile::Headline, 25.0), (Profile::Full, 70.0)]
        {
            let minutes = minutes(profile);
            assert!((minutes / expected - 1.0).abs() < 0.15, "{profile:?}: {minutes}");
        }
    }

    #[test]
    fn more_rounds_and_seconds_take_longer() {
        let plan = Plan::new(Profile::Quick, &["64 x 32 B x 16".to_owned()]);
        let longer = Plan { rounds: Some(4), ..plan.clone() };
        assert_eq!(longer.estimate(ENTRIES), plan.estimate(ENTRIES) * 2);
        let longer = Plan { seconds: Some(5.0), ..plan.clone() };
        assert!(longer.estimate(ENTRIES) > plan.estimate(ENTRIES) * 4);
    }

    #[test]
    fn rounds_are_interleaved_and_a_workload_has_its_own_number() {
        let mut plan = Plan::new(
            Profile::Full,
            &["64 x 32 B x 1".to_owned(), "echo 8 x 20 B x 16".to_owned()],
        );
        assert_eq!(plan.workloads.len(), 3);
        let steps: Vec<_> =
            plan.steps().into_iter().map(|(round, load)| (round, load.name())).collect();
        let names = ["64 x 32 B x 16", "64 x 32 B x 1", "echo 8 x 20 B x 16"].map(str::to_owned);
        let all: Vec<_> =
            (1..=5).flat_map(|round| names.clone().map(|name| (round, name))).collect();
        let expected: Vec<_> = all
            .into_iter()
            .filter(|(round, name)| *round <= 3 || !name.starts_with("echo"))
            .collect();
        assert_eq!(steps, expected);
        plan.rounds = Some(1);
        assert_eq!(plan.steps().len(), 3);
    }

    #[test]
    fn half_of_the_maximum_brings_the_maximum_in_front() {
        let plan = Plan::new(Profile::Full, &["latency half".to_owned()]);
        assert_eq!(plan.workloads, [MAXIMUM, HALF]);
    }

    #[test]
    fn the_announcement_has_the_time_and_the_list_who_takes_part() {
        let plan = Plan::new(Profile::Quick, &["connect".to_owned()]);
        let entries = ENTRIES[..2].to_vec();
        let text = plan.announce(&entries, true);
        assert!(text.starts_with("connect: 2 rounds of 0.5 s: floor, longwire\n"), "{text}");
        assert!(text.ends_with("1 workloads, 2 contestants: about 0 minutes, builds apart\n"));
        assert_eq!(plan.announce(&entries, false).lines().count(), 1);
    }

    #[test]
    fn kernels_are_part_of_all_but_the_short_look() {
        assert!(Plan::new(Profile::Full, &[]).kernels);
        assert!(!Plan::new(Profile::Quick, &[]).kernels);
        assert!(Plan::new(Profile::Quick, &["kernels".to_owned()]).kernels);
        assert!(!Plan::new(Profile::Full, &["connect".to_owned()]).kernels);
    }

    #[test]
    fn an_unknown_workload_is_no_workload() {
        assert_eq!(Plan::new(Profile::Full, &["no such".to_owned()]).workloads, []);
    }
}
