//! Every broker passes the one suite.

use std::{
    cell::Cell,
    sync::{Arc, atomic::AtomicBool},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use longwire_hub::{
    Durability, Namespace, Namespaces, Now,
    broker::{Brokers, Durable, Memory, MemoryLimits},
    conformance,
    simulation::Shuffled,
};
use longwire_log::{Log, Machine, SimulatedStorage};

/// The real time: the log on disk looks at it, too, for what is too old.
fn now() -> Now {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let unix_ms = u64::try_from(since.as_millis()).expect("it is not that late");
    Now { instant: Instant::now(), unix_ms }
}

fn memory() -> Memory {
    Memory::new(MemoryLimits::default(), 7)
}

fn machine() -> Machine {
    let seed = Cell::new(1u64);
    let random = || seed.replace(seed.get() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (machine, damage) =
        Machine::new(Arc::new(SimulatedStorage::new()), random).expect("an empty disk is fine");
    assert_eq!(damage, []);
    machine
}

fn simulated() -> Durable<Machine> {
    Durable::new(machine())
}

#[test]
fn the_broker_in_memory_passes_the_suite() {
    conformance::check(memory, now());
}

#[test]
fn the_broker_on_disk_passes_the_suite_over_a_simulated_disk() {
    conformance::check(simulated, now());
}

#[test]
fn the_broker_on_disk_passes_the_suite_whenever_the_log_answers() {
    for seed in 0..300 {
        let late = || Arc::new(AtomicBool::new(false));
        conformance::check(|| Durable::new(Shuffled::new(machine(), seed, late())), now());
    }
}

#[test]
fn the_broker_on_disk_passes_the_suite_over_a_real_disk() {
    let folders = tempfile::tempdir().expect("a folder");
    let number = Cell::new(0u64);
    let make = || {
        number.set(number.get() + 1);
        let folder = folders.path().join(number.get().to_string());
        let seed = Cell::new(number.get());
        let random = move || seed.replace(seed.get() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (log, _) = Log::open(longwire_log::Config::new(folder), random, Arc::new(|| {}))
            .expect("a new folder is fine");
        Durable::new(log)
    };
    conformance::check(make, now());
}

#[test]
fn two_brokers_as_one_pass_the_suite() {
    let namespaces =
        Namespaces::new(Namespace::default(), [("a".to_owned(), Namespace::new(Durability::Disk))]);
    conformance::check(|| Brokers::new(memory(), simulated(), namespaces.clone()), now());
}
