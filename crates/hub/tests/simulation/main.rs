//! Clients, a hub and its broker through crashes, faults and reorderings, each run from a seed.
//!
//! A seed that fails is printed; `LONGWIRE_SEED=17 cargo test -p longwire-hub --test simulation` runs it alone, and
//! `LONGWIRE_SEEDS=100000` runs more than the usual number.

mod checks;
mod client;
mod stores;
mod world;

use std::{env, panic};

use crate::{
    stores::{Disk, InMemory, Store},
    world::World,
};

#[test]
fn clients_of_channels_in_memory_see_every_record_once() {
    run(InMemory::new);
}

#[test]
fn clients_of_channels_on_disk_see_every_record_once() {
    run(Disk::new);
}

fn run<S: Store>(make: fn(u64) -> S) {
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("LONGWIRE_SEED") {
        World::new(seed, make(seed)).run();
        return;
    }
    let seeds: u64 = number("LONGWIRE_SEEDS").unwrap_or(SEEDS);
    let mut seen = world::Seen::default();
    for seed in 0..seeds {
        let result = panic::catch_unwind(|| World::new(seed, make(seed)).run());
        match result {
            Ok(more) => seen.add(&more),
            Err(cause) => {
                eprintln!("seed {seed} failed: run it alone with LONGWIRE_SEED={seed}");
                panic::resume_unwind(cause);
            }
        }
    }
    println!("{seeds} seeds: {seen:?}");
    seen.check();
}

/// Runs of a usual test: some seconds.
const SEEDS: u64 = 300;
