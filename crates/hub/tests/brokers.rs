//! Every broker passes the one suite; and what the one on disk makes of a disk that fails.

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{Arc, atomic::AtomicBool},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use longwire_channel::{ChannelName, Epoch, Gap, Order, Payload, Publication, Published, Token};
use longwire_hub::{
    Durability, Namespace, Namespaces, Now, Retention,
    broker::{
        Broker, Brokers, Durable, Error, Event, From, Memory, MemoryLimits, Request, Response,
    },
    conformance,
    simulation::Shuffled,
};
use longwire_log::{
    Batch, Completion, Handle, Log, LogError, Machine, SimulatedStorage, Storage as _, Table,
};

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
    machine_over(Arc::new(SimulatedStorage::new()))
}

fn machine_over(storage: Arc<SimulatedStorage>) -> Machine {
    let seed = Cell::new(1u64);
    let random = || seed.replace(seed.get() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (machine, damage) = Machine::new(storage, random).expect("the disk is in order");
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

fn ask<B: Broker>(broker: &mut B, request: Request) -> Result<Response, Error> {
    let now = now();
    broker.submit(1, request, now);
    match broker.poll(now) {
        Some(Event::Completed { token: 1, result }) => result,
        other => panic!("{other:?}"),
    }
}

fn append(key: &str) -> Request {
    append_to("a", key)
}

fn append_to(channel: &str, key: &str) -> Request {
    let key = Some(Token::new(key).expect("valid"));
    Request::Append {
        channel: ChannelName::new(channel).expect("valid"),
        publication: Publication { key, ..Publication::new(Payload::text("x")) },
        retention: Retention::DISK,
        window_ms: 600_000,
    }
}

fn read() -> Request {
    Request::Read {
        channel: ChannelName::new("a").expect("valid"),
        from: From::Edge,
        order: Order::Forwards,
        records: 10,
        bytes: usize::MAX,
    }
}

#[test]
fn a_record_that_the_disk_damaged_is_told_with_its_place() {
    let storage = Arc::new(SimulatedStorage::new());
    let mut broker = Durable::new(machine_over(Arc::clone(&storage)));
    for key in ["k", "l", "m"] {
        ask(&mut broker, append(key)).expect("there is room");
    }
    let keys = storage.keys(Table::Records);
    storage.spoil_value(Table::Records, &keys[1]);
    match ask(&mut broker, read()) {
        Ok(Response::Page(page)) => {
            let seqs: Vec<_> = page.records.iter().map(|record| record.seq).collect();
            assert_eq!((seqs, page.damaged), (vec![1, 3], vec![Gap { from: 1, to: 2 }]));
        }
        other => panic!("{other:?}"),
    }
}

/// The disk loses what it has of its only stream, but for the name.
fn lose(storage: &SimulatedStorage, epoch: Epoch) {
    let mut lost = Batch::default();
    for key in storage.keys(Table::Records) {
        lost.remove(Table::Records, key);
    }
    storage.commit(&lost).expect("there is room");
    storage.spoil_value(Table::States, &epoch.get().to_be_bytes());
}

/// A log that looks at no stream for now: too much waits to be read.
struct Busy {
    machine: Machine,
    refused: VecDeque<u64>,
}

impl Handle for Busy {
    fn submit(&mut self, token: u64, request: longwire_log::Request) {
        match request {
            longwire_log::Request::Info { .. } => self.refused.push_back(token),
            request => Handle::submit(&mut self.machine, token, request),
        }
    }

    fn poll(&mut self) -> Option<Completion> {
        let refused = self.refused.pop_front();
        let refused = refused.map(|token| Completion { token, result: Err(LogError::Overloaded) });
        refused.or_else(|| Handle::poll(&mut self.machine))
    }
}

#[test]
fn a_list_that_cannot_be_made_for_now_is_refused_and_not_cut() {
    let mut broker = Durable::new(Busy { machine: machine(), refused: VecDeque::new() });
    let list = Request::Channels { after: None, limit: 10 };
    let nothing = Ok(Response::Channels { channels: vec![], next: None });
    assert_eq!(ask(&mut broker, list.clone()), nothing);
    ask(&mut broker, append("k")).expect("there is room");
    let error = ask(&mut broker, list).expect_err("the stream cannot be looked at");
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
}

#[test]
fn a_list_goes_on_behind_streams_that_cannot_be_shown() {
    let storage = Arc::new(SimulatedStorage::new());
    let mut broker = Durable::new(machine_over(Arc::clone(&storage)));
    let published = ask(&mut broker, append("k"));
    let Ok(Response::Published(Published { position: Some(position), .. })) = published else {
        panic!("{published:?}")
    };
    lose(&storage, position.epoch);
    ask(&mut broker, append_to("b", "k")).expect("there is room");
    let mut list = |after| match ask(&mut broker, Request::Channels { after, limit: 1 }) {
        Ok(Response::Channels { channels, next }) => (channels.len(), next),
        other => panic!("{other:?}"),
    };
    let (count, next) = list(None);
    assert_eq!((count, next.as_ref().map(ChannelName::as_str)), (0, Some("a")));
    assert_eq!(list(next), (1, None));
}

#[test]
fn a_stream_that_the_disk_lost_begins_anew_for_whoever_is_attached() {
    let storage = Arc::new(SimulatedStorage::new());
    let mut broker = Durable::new(machine_over(Arc::clone(&storage)));
    let channel = ChannelName::new("a").expect("valid");
    ask(&mut broker, append("k")).expect("there is room");
    let attached = ask(&mut broker, Request::Attach { channel });
    let Ok(Response::Attached(info)) = attached else { panic!("{attached:?}") };
    lose(&storage, info.position.epoch);
    broker.submit(1, read(), now());
    let Some(Event::Reset { position, .. }) = broker.poll(now()) else { panic!("it is told") };
    assert_ne!(position.epoch, info.position.epoch);
    match broker.poll(now()) {
        Some(Event::Completed { token: 1, result: Ok(Response::Page(page)) }) => {
            assert_eq!((page.epoch, page.last), (position.epoch, 0));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_and_a_failed_one_have_their_errors_and_reads_go_on() {
    let storage = Arc::new(SimulatedStorage::new());
    let mut broker = Durable::new(machine_over(Arc::clone(&storage)));
    ask(&mut broker, append("k")).expect("there is room");
    storage.set_full(true);
    assert_eq!(ask(&mut broker, append("l")), Err(Error::Full));
    storage.set_full(false);
    ask(&mut broker, append("l")).expect("there is room again");
    storage.fail_next_sync();
    for _ in 0..2 {
        assert!(matches!(ask(&mut broker, append("m")), Err(Error::Failed(_))));
    }
    assert!(
        matches!(ask(&mut broker, read()), Ok(Response::Page(page)) if page.records.len() == 2)
    );

    // Another process: what was answered is known again.
    drop(broker);
    storage.restart(false);
    let mut broker = Durable::new(machine_over(storage));
    match ask(&mut broker, append("l")) {
        Ok(Response::Published(published)) => {
            assert_eq!(published.position.map(|position| position.seq), Some(2));
            assert!(published.duplicate);
        }
        other => panic!("{other:?}"),
    }
}
