//! What a seed draws for its run: how many take part, how everything is set, and which faults happen how often.

use std::{collections::BTreeMap, time::Duration};

use longwire_channel::{ChannelName, Policy, Start};
use longwire_hub::{Access, Durability, HubConfig, Namespace, Namespaces, Retention};

use crate::chance::Chance;

/// The plan of a run. Each seed has some of the faults only, so that none hides what another one shows.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    pub(crate) clients: usize,
    pub(crate) callers: usize,
    pub(crate) channels: Vec<ChannelPlan>,
    /// How long faults happen.
    pub(crate) troubled: Duration,
    pub(crate) latency_ms: u64,
    /// Bytes between the two sides of a connection.
    pub(crate) window: u64,
    /// Bytes of a session's pipe before it is congested.
    pub(crate) budget: u64,
    /// Bytes that a client sends ahead of the network.
    pub(crate) client_buffer: u64,
    pub(crate) hub: HubConfig,
    /// The most records and bytes of a page, with any of the hub's settings so far.
    pub(crate) largest_page: (u32, usize),
    /// The longest fsync.
    pub(crate) sync_ms: u64,
    /// Publications that a client or a caller makes at the most.
    pub(crate) publications: u64,
    /// The longest pause between two things that it does.
    pub(crate) pause_ms: u64,
    /// Bytes of the largest content.
    pub(crate) content: usize,
    pub(crate) token_ms: u64,
    /// How often each fault happens: the mean time between two. Those that are not there do not.
    pub(crate) faults: BTreeMap<Fault, Duration>,
}

/// A channel, and what its namespace says.
#[derive(Clone, Debug)]
pub(crate) struct ChannelPlan {
    pub(crate) name: ChannelName,
    pub(crate) durable: bool,
    pub(crate) retention: Retention,
    /// How long keys are remembered: milliseconds.
    pub(crate) window_ms: u64,
    /// The policy of those who ask for none.
    pub(crate) policy: Policy,
    /// Where those begin who do not say.
    pub(crate) start: Start,
}

impl ChannelPlan {
    /// Whether keys are forgotten while publications with them may still be sent again.
    pub(crate) fn forgets_keys(&self) -> bool {
        self.window_ms < 600_000
    }

    /// How long a stream in memory is kept that nobody uses: milliseconds.
    pub(crate) fn memory_keeps_ms(&self) -> u64 {
        u64::try_from(self.retention.age.as_millis()).expect("short").max(self.window_ms)
    }
}

/// Something that goes wrong, or that somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A connection breaks at any byte; its sides learn of it soon.
    Cut,
    /// A connection carries nothing any more, and nobody is told.
    Silence,
    /// The server's process is killed.
    Kill,
    /// The server's machine loses its power: clients are not told either.
    PowerLoss,
    /// An fsync fails; a while later the server is started again.
    FailedSync,
    /// The disk is full for a while.
    FullDisk,
    /// Reading fails for a while.
    Unreadable,
    /// The log has too much to do for a while.
    Overload,
    /// A record on the disk changes.
    Spoilt,
    /// The server is asked to stop, and started again.
    Drain,
    /// The server's process gets no time for a while.
    Stall,
    /// The operator gives the hub other settings.
    Reconfigure,
    /// The API ends a session, which may come back.
    Disconnect,
    /// The API ends a session for good.
    Ban,
    /// A stream is ended.
    End,
    /// A stream is deleted.
    Delete,
    /// A client reads slowly for a while.
    SlowReader,
    /// An application takes what it is told slowly for a while.
    SlowApplication,
    /// A client's process gets no time for a while.
    Asleep,
    /// A client's process ends, by itself or not, and another one goes on where it stood.
    ClientRestart,
    /// A token callback fails for a while.
    NoTokens,
}

impl Fault {
    const ALL: [Self; 21] = [
        Self::Cut,
        Self::Silence,
        Self::Kill,
        Self::PowerLoss,
        Self::FailedSync,
        Self::FullDisk,
        Self::Unreadable,
        Self::Overload,
        Self::Spoilt,
        Self::Drain,
        Self::Stall,
        Self::Reconfigure,
        Self::Disconnect,
        Self::Ban,
        Self::End,
        Self::Delete,
        Self::SlowReader,
        Self::SlowApplication,
        Self::Asleep,
        Self::ClientRestart,
        Self::NoTokens,
    ];
}

impl Swarm {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let namespaces = namespaces(chance);
        let channels = channels(chance, &namespaces);
        let is_busy = chance.percent(10);
        let content = index(chance.scaled(1, if is_busy { 300 } else { 2_000 }));
        let clients = index(chance.between(1, 5));
        let hub = hub(chance, &namespaces, clients);
        Self {
            clients,
            callers: index(chance.between(1, 3)),
            troubled: chance.millis(5_000, 40_000),
            latency_ms: chance.scaled(1, 200),
            window: chance.scaled(300, 64 << 10),
            budget: chance.scaled(500, 32 << 10),
            client_buffer: chance.scaled(300, 64 << 10),
            largest_page: (hub.page_records, hub.page_bytes),
            hub,
            sync_ms: chance.scaled(1, 80),
            publications: if is_busy { 400 } else { 60 },
            pause_ms: if is_busy { chance.scaled(20, 150) } else { chance.scaled(100, 3_000) },
            content,
            token_ms: chance.between(4_000, 30_000),
            faults: faults(chance),
            channels,
        }
    }

    /// Draws other rates, pages, turns and times. What streams are known by stays, and so do the bounds on what may be
    /// there at a time, which hold for what comes.
    pub(crate) fn reconfigure(&mut self, chance: &mut Chance) {
        let named = self.hub.namespaces.iter().filter(|(name, _)| !name.is_empty());
        let namespaces: Vec<_> = named
            .map(|(name, namespace)| {
                let mut namespace = Namespace::clone(namespace);
                namespace.publish_rate = chance.percent(10).then_some(5);
                (name.to_owned(), namespace)
            })
            .collect();
        let former = std::mem::replace(&mut self.hub, hub(chance, &namespaces, self.clients));
        let hub = &mut self.hub;
        hub.max_sessions = former.max_sessions;
        hub.max_requests = former.max_requests;
        hub.max_pending_commands = former.max_pending_commands;
        hub.max_pending_bytes = former.max_pending_bytes;
        let (records, bytes) = self.largest_page;
        self.largest_page = (records.max(hub.page_records), bytes.max(hub.page_bytes));
    }
}

fn faults(chance: &mut Chance) -> BTreeMap<Fault, Duration> {
    let share = chance.pick(&[0, 10, 30, 50]);
    let mut faults = BTreeMap::new();
    for fault in Fault::ALL {
        if chance.percent(share) {
            faults.insert(fault, Duration::from_millis(chance.scaled(500, 30_000)));
        }
    }
    faults
}

fn namespaces(chance: &mut Chance) -> Vec<(String, Namespace)> {
    let mut of = |name: &str, durability, retention: Option<Retention>| {
        let mut namespace = Namespace::new(durability);
        namespace.retention = retention.unwrap_or(namespace.retention);
        namespace.access = Access::OPEN;
        namespace.policy = policy(chance);
        namespace.start = chance.pick(&[Start::Now, Start::Now, Start::Beginning, Start::Last(3)]);
        namespace.max_message_bytes = MAX_CONTENT;
        if chance.percent(10) {
            namespace.publish_rate = Some(5);
        }
        if chance.percent(10) {
            namespace.idempotency_window = chance.millis(100, 5_000);
        }
        (name.to_owned(), namespace)
    };
    let small = Retention { count: 10, bytes: 10_000, age: Duration::from_secs(20) };
    let few = Retention { count: 1, ..Retention::DISK };
    vec![
        of("disk", Durability::Disk, None),
        of("short", Durability::Disk, Some(small)),
        of("value", Durability::Disk, Some(few)),
        of("memory", Durability::Memory, None),
        of("brief", Durability::Memory, Some(small)),
    ]
}

fn channels(chance: &mut Chance, namespaces: &[(String, Namespace)]) -> Vec<ChannelPlan> {
    let count = chance.between(1, 4);
    let channel = |number| {
        // Every other one keeps all, on the disk.
        let of = if chance.percent(50) { 0 } else { chance.index(namespaces.len()) };
        let (name, namespace) = &namespaces[of];
        ChannelPlan {
            name: ChannelName::new(&format!("{name}:{number}")).expect("valid"),
            durable: namespace.durability == Durability::Disk,
            retention: namespace.retention,
            window_ms: u64::try_from(namespace.idempotency_window.as_millis()).expect("short"),
            policy: namespace.policy,
            start: namespace.start,
        }
    };
    (0..count).map(channel).collect()
}

/// Any policy; most often every record.
pub(crate) fn policy(chance: &mut Chance) -> Policy {
    let interval_ms = u32::try_from(chance.scaled(1, 2_000)).expect("small");
    match chance.below(10) {
        0 => Policy::Latest { interval_ms: 0 },
        1 => Policy::Latest { interval_ms },
        2 => Policy::Rollup { interval_ms },
        3 => Policy::Drop,
        4 => Policy::Disconnect,
        _ => Policy::All,
    }
}

fn hub(chance: &mut Chance, namespaces: &[(String, Namespace)], clients: usize) -> HubConfig {
    let mut hub = HubConfig::default();
    hub.namespaces = Namespaces::new(Namespace::default(), namespaces.iter().cloned());
    hub.max_message_bytes = MAX_MESSAGE;
    hub.max_subscriptions = 32;
    hub.publish_rate = small(chance.scaled(5, 1_000));
    if chance.percent(10) {
        // As many as a client has in flight, with its other commands, so that it is never sent away for them.
        hub.max_pending_commands = small(chance.scaled(300, 1_024));
        hub.max_pending_bytes = index(chance.scaled(4_000, 64_000));
    }
    if chance.percent(30) {
        hub.max_held_publications = index(chance.scaled(1, 256));
        hub.max_held_bytes = index(chance.scaled(1_000, 1 << 20));
    }
    if chance.percent(10) {
        hub.max_pending_requests = index(chance.scaled(20, 1_000));
    }
    hub.page_records = small(chance.scaled(1, 256));
    hub.page_bytes = index(chance.scaled(1, 16 << 10));
    hub.max_page_reads = index(chance.between(1, 4));
    hub.connect_timeout = chance.millis(1_000, 10_000);
    hub.ping_interval = chance.millis(500, 20_000);
    hub.pong_timeout = chance.millis(1_000, 10_000);
    hub.stall_timeout = chance.millis(2_000, 60_000);
    hub.expiry_grace = chance.millis(0, 5_000);
    hub.reconnect_window = chance.millis(0, 1_000);
    if chance.percent(10) {
        hub.max_sessions = clients;
    }
    if chance.percent(10) {
        hub.max_requests = 2;
    }
    hub
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("small")
}

fn small(number: u64) -> u32 {
    u32::try_from(number).expect("small")
}

/// Bytes of the largest message from a client; some contents are larger once they are encoded.
const MAX_MESSAGE: u64 = 1_600;

/// Bytes of the largest content that any channel takes.
pub(crate) const MAX_CONTENT: usize = 1_700;
