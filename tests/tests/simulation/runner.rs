//! Runs seeds, on all cores, and tells which of them fail.

use std::{
    any::Any,
    ops::Range,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{sabotage::Bug, tally::Tally, world::World};

/// What came of some seeds.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// Those that failed, in their order, with the words of each.
    pub(crate) failures: Vec<(u64, String)>,
}

/// Runs these seeds; each run has one thread. Ends early once `most` have failed.
pub(crate) fn run(seeds: Range<u64>, bug: Option<Bug>, most: usize) -> Outcome {
    let next = AtomicU64::new(seeds.start);
    let outcome = Mutex::new(Outcome::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let run = panic::catch_unwind(AssertUnwindSafe(|| World::run(seed, bug)));
            let mut outcome = outcome.lock().expect("nobody panics with it");
            match run {
                Ok(tally) => outcome.tally.add(&tally),
                Err(panic) => {
                    eprintln!("LONGWIRE_SEED={seed} fails");
                    outcome.failures.push((seed, words(&*panic)));
                }
            }
            if outcome.failures.len() >= most {
                return;
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let mut outcome = outcome.into_inner().expect("nobody panics with it");
    outcome.failures.sort();
    outcome
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
