//! The whole of it under virtual time: clients, hub and log with crashes, torn writes, failed fsyncs, full disks, broken
//! connections, slow readers and reordered wake-ups, by seeds.
//!
//! What must hold is in `invariant.rs`. A failing seed is printed:
//! `LONGWIRE_SEED=<seed> cargo test -p longwire-tests --test simulation` runs it alone, and `LONGWIRE_SEEDS=<count>` sets
//! how many are run.

mod caller;
mod chance;
mod client;
mod content;
mod disk;
mod invariant;
mod log;
mod network;
mod runner;
mod sabotage;
mod server;
mod stage;
mod swarm;
mod tally;
mod truth;
mod watch;
mod world;

use std::ops::Range;

use invariant::Invariant;
use sabotage::Bug;
use world::World;

#[test]
fn nothing_is_lost_doubled_or_reordered_whatever_happens() {
    let seeds = seeds();
    let outcome = runner::run(seeds.clone(), None, FAILURES);
    for (seed, words) in &outcome.failures {
        eprintln!(
            "LONGWIRE_SEED={seed} cargo test -p longwire-tests --test simulation\n    {words}\n"
        );
    }
    println!("{:#?}", outcome.tally);
    assert!(outcome.failures.is_empty(), "{} seeds of {seeds:?} fail", outcome.failures.len());
    let runs = seeds.end - seeds.start;
    if runs >= SEEDS {
        outcome.tally.check(runs);
    }
}

#[test]
fn a_seed_is_a_run_to_the_last_step() {
    for seed in 0..REPEATED {
        let [one, other] = [0, 1].map(|_| World::run(seed, None));
        assert_eq!((one.steps, one.trace), (other.steps, other.trace), "seed {seed}");
    }
}

#[test]
fn each_planted_bug_is_found() {
    use Invariant as I;
    let canaries: [(Bug, &[Invariant]); 14] = [
        // Behind the last record of all no gap shows.
        (Bug::Drops, &[I::NoGap, I::Converges]),
        (Bug::CutsPages, &[I::Converges, I::NoGap, I::EndIsTrue]),
        (Bug::HidesLoss, &[I::NoGap]),
        (Bug::LosesMore, &[I::LostIsGone]),
        (Bug::Doubles, &[I::NoDouble]),
        (Bug::AnswersTwice, &[I::AnsweredOnce]),
        (Bug::Misplaces, &[I::AckedIsThere]),
        (Bug::AcksBeforeSync, &[I::OnDisk]),
        (
            Bug::LosesSynced,
            &[I::AckedIsThere, I::OneContent, I::History, I::LostIsGone, I::ResetIsTrue],
        ),
        (Bug::Reorders, &[I::InOrder, I::RefusedRightly]),
        (Bug::ForgetsKeys, &[I::StoredOnce]),
        (Bug::KeepsLess, &[I::Kept, I::LostIsGone, I::History]),
        (Bug::HidesCongestion, &[I::Bounded]),
        (Bug::HidesEnds, &[I::Converges]),
    ];
    for (bug, expected) in canaries {
        let outcome = runner::run(0..CANARY_SEEDS, Some(bug), 1);
        let Some((seed, words)) = outcome.failures.first() else {
            panic!("{bug:?} is not found by {CANARY_SEEDS} seeds");
        };
        println!("{bug:?} is found by seed {seed}: {words:.120}");
        let found = expected.iter().any(|it| words.contains(&format!("invariant {it:?} ")));
        assert!(found, "{bug:?} is found by seed {seed}, as something else: {words}");
    }
}

/// The seeds to run: one of the environment's, or the first so many.
fn seeds() -> Range<u64> {
    let variable = |name| std::env::var(name).ok().map(|it| it.parse().expect("a number"));
    match variable("LONGWIRE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("LONGWIRE_SEEDS").unwrap_or(SEEDS),
    }
}

/// What an ordinary test runs.
const SEEDS: u64 = 2_000;

/// So many are run twice.
const REPEATED: u64 = 50;

/// So many find each planted bug.
const CANARY_SEEDS: u64 = 500;

/// So many failing seeds are enough to tell.
const FAILURES: usize = 10;
