//! What brokers keep their streams in, and how it fails.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use longwire_hub::{
    Durability,
    broker::{Broker, Durable, Memory, MemoryLimits},
    simulation::{Chance, Shuffled},
};
use longwire_log::{Machine, SimulatedStorage};

/// Where streams are kept from one life of the process to the next.
pub(crate) trait Store {
    type Broker: Broker + std::fmt::Debug;

    const DURABILITY: Durability;

    /// The broker of a new process.
    fn open(&mut self) -> Self::Broker;

    /// Something breaks, or is in order again.
    fn fault(&mut self, random: &mut Chance);

    /// Everything is in order from now on, but for what only a new process puts in order.
    fn mend(&mut self);

    /// The process is gone.
    fn crash(&mut self, random: &mut Chance);
}

/// Nothing: each process begins with nothing.
pub(crate) struct InMemory(Chance);

impl InMemory {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Chance::new(seed ^ 0x6d65_6d6f))
    }
}

impl Store for InMemory {
    type Broker = Memory;

    const DURABILITY: Durability = Durability::Memory;

    fn open(&mut self) -> Memory {
        Memory::new(MemoryLimits::default(), self.0.bits())
    }

    fn fault(&mut self, _: &mut Chance) {}

    fn mend(&mut self) {}

    fn crash(&mut self, _: &mut Chance) {}
}

/// A disk that is full now and then, and whose fsync fails, below a log whose answers come late.
pub(crate) struct Disk {
    storage: Arc<SimulatedStorage>,
    random: Chance,
    prompt: Arc<AtomicBool>,
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        let storage = Arc::new(SimulatedStorage::new());
        let prompt = Arc::new(AtomicBool::new(false));
        Self { storage, random: Chance::new(seed ^ 0x6469_736b), prompt }
    }
}

impl Store for Disk {
    type Broker = Durable<Shuffled>;

    const DURABILITY: Durability = Durability::Disk;

    fn open(&mut self) -> Durable<Shuffled> {
        let storage = Arc::clone(&self.storage);
        let (machine, damage) =
            Machine::new(storage, || self.random.bits()).expect("the disk is in order");
        assert_eq!(damage, []);
        Durable::new(Shuffled::new(machine, self.random.bits(), Arc::clone(&self.prompt)))
    }

    fn fault(&mut self, random: &mut Chance) {
        match random.below(4) {
            0 => self.storage.fail_next_sync(),
            1 | 2 => self.storage.set_full(true),
            _ => self.storage.set_full(false),
        }
    }

    fn mend(&mut self) {
        self.storage.set_full(false);
        self.prompt.store(true, Ordering::Relaxed);
    }

    fn crash(&mut self, random: &mut Chance) {
        self.storage.set_full(false);
        self.storage.restart(random.below(2) == 0);
    }
}
