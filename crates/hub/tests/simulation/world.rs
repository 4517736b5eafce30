//! One run: what happens, in which order, and what must hold in the end.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use longwire_channel::{
    ChannelName, Epoch, ErrorCode, Payload, Policy, Position, Publication, Push, Pushed,
    ServerMessage, Start,
};
use longwire_hub::{
    Durability, HubConfig, Identity, Input, Namespace, Namespaces, Operation, Permissions,
    Retention,
    simulation::{Chance, Clock, Contents, Node, Pipe},
};

use crate::{
    client::{Client, Face, News, Stands},
    stores::Store,
};

/// Clients, a node, and what is known to be true.
pub(crate) struct World<S: Store> {
    random: Chance,
    store: S,
    pub(crate) node: Node<S::Broker>,
    config: HubConfig,
    pub(crate) clients: Vec<Client>,
    pub(crate) channels: Vec<ChannelName>,
    /// Which content lies where, as anybody was told.
    pub(crate) contents: HashMap<(ChannelName, Epoch, u64), String>,
    /// Where each content lies, as it was acknowledged in the channel's present life.
    pub(crate) acknowledged: HashMap<(ChannelName, String), Position>,
    /// Whether retention may drop what somebody has not read.
    pub(crate) forgets: bool,
    /// Whether the broker may have refused or deleted something without its publisher hearing of it.
    refuses: bool,
    seen: Seen,
}

/// What happened in runs: a simulation in which something never happens does not test it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    published: u64,
    duplicates: u64,
    delivered: u64,
    recovered: u64,
    lost: u64,
    skipped: u64,
    resets: u64,
    truncated: u64,
    crashes: u64,
    refused: u64,
    held: u64,
    limited: u64,
    reconfigured: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, more: &Self) {
        self.published += more.published;
        self.duplicates += more.duplicates;
        self.delivered += more.delivered;
        self.recovered += more.recovered;
        self.lost += more.lost;
        self.skipped += more.skipped;
        self.resets += more.resets;
        self.truncated += more.truncated;
        self.crashes += more.crashes;
        self.refused += more.refused;
        self.held += more.held;
        self.limited += more.limited;
        self.reconfigured += more.reconfigured;
    }

    /// Everything happened.
    pub(crate) fn check(&self) {
        let counts = [
            self.published,
            self.duplicates,
            self.delivered,
            self.recovered,
            self.lost,
            self.skipped,
            self.resets,
            self.truncated,
            self.crashes,
            self.refused,
            self.held,
            self.limited,
            self.reconfigured,
        ];
        assert!(counts.iter().all(|count| *count > 0), "something never happened: {self:?}");
    }
}

impl<S: Store> World<S> {
    pub(crate) fn new(seed: u64, mut store: S) -> Self {
        let mut random = Chance::new(seed);
        let forgets = random.below(3) == 0;
        let mut namespace = Namespace::new(S::DURABILITY);
        namespace.retention = Retention {
            count: if forgets { 1 + random.below(20) } else { 1_000_000 },
            bytes: u64::MAX,
            age: Duration::from_secs(100_000),
        };
        namespace.idempotency_window = Duration::from_secs(100_000);
        let mut config = HubConfig::default();
        config.namespaces = Namespaces::new(namespace, []);
        config.page_bytes = PAGE_BYTES;
        config.max_page_reads = 1 + random.index(3);
        config.max_pending_commands = *pick(&mut random, &[5, 30, 30, 30]);
        draw(&mut config, &mut random);
        let clock = Clock::new(Instant::now());
        let node = Node::new(config.clone(), random.bits(), store.open(), clock);
        let channels: Vec<_> = (0..=random.below(3))
            .map(|number| ChannelName::new(&format!("a:{number}")).expect("valid"))
            .collect();
        let clients = (0..=random.index(5))
            .map(|name| {
                let face =
                    *pick(&mut random, &[Face::Pages, Face::Pages, Face::Messages, Face::Bare]);
                let mut client = Client::new(name, face);
                client.is_eager = random.below(3) == 0;
                for _ in 0..=random.below(3) {
                    let channel = pick(&mut random, &channels).clone();
                    let start = match random.below(4) {
                        0 => Start::Beginning,
                        1 => Start::Last(below(&mut random, 5)),
                        2 => Start::Time(clock.now().unix_ms + random.below(2_000)),
                        _ => Start::Now,
                    };
                    client.add_sub(channel, start, policy(&mut random));
                }
                client
            })
            .collect();
        Self {
            random,
            store,
            node,
            config,
            clients,
            channels,
            contents: HashMap::new(),
            acknowledged: HashMap::new(),
            forgets,
            refuses: false,
            seen: Seen::default(),
        }
    }

    /// Runs it all.
    pub(crate) fn run(mut self) -> Seen {
        self.node.hold_events = true;
        for _ in 0..STEPS {
            self.step();
            self.check_bounds();
        }
        self.come_to_rest();
        self.check_end();
        self.check_nothing_is_left();
        self.seen
    }

    fn step(&mut self) {
        let client = self.random.index(self.clients.len());
        match self.random.below(100) {
            0..20 => self.release(),
            20..45 => self.take(client),
            45..65 => self.publish(client),
            65..71 => self.publish_through_the_api(),
            71..75 => {
                let millis = self.random.below(300);
                self.node.pass(Duration::from_millis(millis));
            }
            75..79 => self.bound(client),
            79..87 => self.connect_or_hang_up(client),
            87..95 => self.change_subscription(client),
            95 => {
                self.store.fault(&mut self.random);
                self.refuses |= S::DURABILITY == Durability::Disk;
            }
            96 => self.end_or_delete(),
            97 if self.random.below(4) == 0 => self.crash(),
            98 if self.random.below(8) == 0 => {
                self.node.input(Input::Drain { window: Duration::from_secs(1) });
                self.crash();
            }
            99 if self.random.below(4) == 0 => self.reconfigure(),
            _ => self.release_all(),
        }
    }

    /// The operator gives the hub other settings, and whatever process comes next as well.
    fn reconfigure(&mut self) {
        draw(&mut self.config, &mut self.random);
        self.node.hub.reconfigure(self.config.clone());
        self.seen.reconfigured += 1;
    }

    /// Tells the hub something of what waits.
    fn release(&mut self) {
        let waiting = self.node.events.len();
        if waiting == 0 {
            return;
        }
        let place = self.random.index(waiting);
        // The one in front may always come.
        let place = if self.node.may_overtake(place) { place } else { 0 };
        self.node.release(place);
    }

    fn release_all(&mut self) {
        while !self.node.events.is_empty() {
            self.node.release(0);
        }
    }

    /// A client takes some of what its pipe has.
    fn take(&mut self, client: usize) {
        for _ in 0..=self.random.below(6) {
            if !self.take_one(client) {
                return;
            }
        }
    }

    fn take_one(&mut self, name: usize) -> bool {
        let Some(session) = self.clients[name].session else { return false };
        let Some(message) = self.node.take(session) else {
            if self.node.ending(session).is_some() {
                self.hang_up(name);
            }
            return false;
        };
        if message == ServerMessage::Ping {
            if self.random.below(10) > 0 {
                self.node.receive(session, longwire_channel::ClientMessage::Pong);
            }
            return true;
        }
        let records = records_of(&message);
        let unix_ms = self.node.clock.now().unix_ms;
        let client = &mut self.clients[name];
        match client.take(message, unix_ms) {
            News::Published(channel, position, content) => {
                self.seen.published += 1;
                learn(&mut self.contents, &channel, position, &content);
                self.acknowledged.insert((channel, content), position);
            }
            News::Read => {
                for (number, seq, content) in records {
                    let sub = client.subs.iter().find(|sub| {
                        matches!(sub.stands, Stands::Active(it) | Stands::Leaving(it, _) if it == number)
                    });
                    let Some((sub, position)) = sub.and_then(|it| Some((it, it.reader.position?)))
                    else {
                        continue;
                    };
                    let position = Position { seq, ..position };
                    learn(&mut self.contents, &sub.channel, position, &content);
                }
            }
            News::Nothing => {}
        }
        true
    }

    fn publish(&mut self, name: usize) {
        let channel = pick(&mut self.random, &self.channels).clone();
        let keyed = self.random.below(4) > 0;
        let length = self.random.index(200);
        let client = &mut self.clients[name];
        if client.publishes.len() < 20 {
            client.compose(channel, keyed, length);
        }
        self.send_unsent(name);
    }

    fn send_unsent(&mut self, name: usize) {
        let client = &mut self.clients[name];
        let may_send = client.is_connected || client.is_eager;
        let Some(session) = client.session.filter(|_| may_send) else { return };
        // What comes behind a refusal that has not reached the client, and later than that says, may pass it.
        let is_told = |pipe: &Pipe| pipe.disconnect.is_none() && !pipe.queue.iter().any(is_limit);
        if !self.node.pipe(session).is_some_and(is_told) {
            return;
        }
        for message in client.unsent(self.node.clock.now().unix_ms) {
            self.node.receive(session, message);
        }
    }

    fn publish_through_the_api(&mut self) {
        let channel = pick(&mut self.random, &self.channels).clone();
        let ephemeral = self.random.below(2) == 0;
        let publication = Publication { ephemeral, ..Publication::new(Payload::text(API)) };
        let operation = Operation::Publish { channel, publication };
        self.node.request(Identity::nameless(Permissions::all()), operation);
    }

    /// A pipe becomes narrow or wide.
    fn bound(&mut self, name: usize) {
        let budget = if self.random.below(2) == 0 { usize::MAX } else { BUDGET };
        if let Some(session) = self.clients[name].session
            && self.node.pipe(session).is_some_and(|pipe| pipe.queue.is_empty())
        {
            self.node.set_budget(session, budget);
        }
    }

    fn connect_or_hang_up(&mut self, name: usize) {
        if self.clients[name].session.is_some() {
            if self.random.below(3) == 0 {
                self.hang_up(name);
            }
            return;
        }
        let session = if self.clients[name].is_bare() {
            self.node.open_as(Identity::nameless(Permissions::all()))
        } else {
            self.node.open()
        };
        if self.random.below(2) == 0 {
            self.node.set_budget(session, BUDGET);
        }
        for message in self.clients[name].begin(session) {
            self.node.receive(session, message);
        }
    }

    pub(crate) fn hang_up(&mut self, name: usize) {
        let client = &mut self.clients[name];
        if let Some(session) = client.session {
            client.lost(self.refuses);
            self.node.hang_up(session);
        }
    }

    fn change_subscription(&mut self, name: usize) {
        let client = &mut self.clients[name];
        let Some(session) = client.session.filter(|_| client.is_connected) else { return };
        let sub = self.random.index(client.subs.len());
        let message = match client.subs[sub].stands {
            Stands::Away => Some(client.subscribe(sub)),
            Stands::Active(_) if self.random.below(3) == 0 => client.unsubscribe(sub),
            _ => None,
        };
        if let Some(message) = message
            && self.node.ending(session).is_none()
        {
            self.node.receive(session, message);
        }
    }

    fn end_or_delete(&mut self) {
        let channel = pick(&mut self.random, &self.channels).clone();
        let operation = match self.random.below(6) {
            0 => Operation::End { channel },
            _ => Operation::Delete { channel },
        };
        self.refuses = true;
        self.node.request(Identity::nameless(Permissions::all()), operation);
    }

    /// The process is gone, and another begins.
    fn crash(&mut self) {
        self.seen.crashes += 1;
        self.count();
        for name in 0..self.clients.len() {
            self.clients[name].lost(self.refuses);
        }
        self.store.crash(&mut self.random);
        let clock = self.node.clock;
        let seed = self.random.bits();
        self.node = Node::new(self.config.clone(), seed, self.store.open(), clock);
        self.node.hold_events = true;
    }

    pub(crate) fn count(&mut self) {
        let stats = self.node.stats();
        self.seen.duplicates += stats.duplicates;
        self.seen.delivered += stats.deliveries;
        self.seen.recovered += stats.recovered;
        self.seen.lost += stats.lost;
        self.seen.skipped += stats.skipped;
        self.seen.resets += stats.resets;
        self.seen.truncated += stats.recoveries.truncated;
        self.seen.refused += stats.refusals.values().sum::<u64>();
        self.seen.limited += stats.refusals.get(ErrorCode::RateLimited.name()).unwrap_or(&0);
        self.seen.held += stats.held;
    }

    /// Nothing grows beyond its bound, at any time.
    fn check_bounds(&self) {
        for (session, pipe) in self.node.sessions() {
            if pipe.budget == BUDGET {
                let most = BUDGET + SLACK;
                assert!(pipe.bytes <= most, "{session} holds {} bytes", pipe.bytes);
            }
        }
        let Contents { sessions, subscriptions, channels, timers, reads, turns, .. } =
            self.node.hub.contents();
        let subs: usize = self.clients.iter().map(|client| client.subs.len()).sum();
        assert!(sessions <= self.clients.len());
        assert!(subscriptions <= subs && channels <= self.channels.len());
        assert!(timers <= sessions + subscriptions, "{timers} timers");
        assert!(reads <= self.config.max_page_reads && turns <= self.clients.len() * 2);
    }

    /// Faults end, everybody connects and reads until nothing more comes.
    fn come_to_rest(&mut self) {
        self.store.mend();
        // Whether the log has failed shows with the next write; a new process has it in order.
        self.crash();
        self.store.mend();
        self.node.hold_events = false;
        self.read_until_quiet();
        // One more record, so that those who leave records out learn how many.
        for channel in self.channels.clone() {
            let publication = Publication::new(Payload::text(API));
            let operation = Operation::Publish { channel, publication };
            self.node.request(Identity::nameless(Permissions::all()), operation);
        }
        self.read_until_quiet();
    }

    fn read_until_quiet(&mut self) {
        let mut quiet = 0;
        for _ in 0..10_000 {
            self.release_all();
            self.node.settle();
            let mut moved = false;
            for name in 0..self.clients.len() {
                if self.clients[name].session.is_none() {
                    self.connect_or_hang_up(name);
                    moved = true;
                }
                if let Some(session) = self.clients[name].session {
                    self.node.set_budget(session, usize::MAX);
                }
                while self.take_one(name) {
                    moved = true;
                }
                if let (Some(session), true) =
                    (self.clients[name].session, self.clients[name].is_connected)
                {
                    for sub in 0..self.clients[name].subs.len() {
                        let client = &mut self.clients[name];
                        if client.subs[sub].stands == Stands::Away && !client.subs[sub].reader.ended
                        {
                            let message = client.subscribe(sub);
                            self.node.receive(session, message);
                            moved = true;
                        }
                    }
                }
                self.send_unsent(name);
                moved |= !self.clients[name].publishes.is_empty();
            }
            quiet = if moved { 0 } else { quiet + 1 };
            if quiet > 3 {
                return;
            }
            self.node.pass(Duration::from_millis(150));
        }
        panic!("it does not come to rest");
    }
}

/// Draws the rates and the pages. All others stay.
fn draw(config: &mut HubConfig, random: &mut Chance) {
    let (_, default) = config.namespaces.iter().next().expect("the default is always there");
    let mut namespace = Namespace::clone(default);
    namespace.publish_rate = (random.below(4) == 0).then(|| 1 + below(random, 20));
    config.namespaces = Namespaces::new(namespace, []);
    config.publish_rate = match random.below(2) {
        0 => 1 + below(random, 20),
        _ => HubConfig::default().publish_rate,
    };
    config.max_held_publications = 1 + random.index(10);
    config.max_held_bytes = 64 * (1 + random.index(10));
    config.page_records = 1 + below(random, 10);
}

fn is_limit(message: &ServerMessage) -> bool {
    matches!(message, ServerMessage::Error { refusal, .. } if refusal.code == ErrorCode::RateLimited)
}

/// Somebody was told that this content lies there: whoever is told again is told the same.
fn learn(
    contents: &mut HashMap<(ChannelName, Epoch, u64), String>,
    channel: &ChannelName,
    position: Position,
    content: &str,
) {
    let key = (channel.clone(), position.epoch, position.seq);
    let known = contents.entry(key).or_insert_with(|| content.to_owned());
    assert_eq!(known, content, "two contents lie at {position:?} of {channel}");
}

/// The records of a push, with its subscription.
fn records_of(message: &ServerMessage) -> Vec<(u32, u64, String)> {
    let ServerMessage::Push(Push { sub, pushed }) = message else { return Vec::new() };
    let records = match pushed {
        Pushed::Message { record, .. } if record.seq > 0 => std::slice::from_ref(record),
        Pushed::Page { records, .. } => records,
        _ => return Vec::new(),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    records.iter().map(|it| (*sub, it.seq, text(it.payload.bytes()))).collect()
}

fn policy(random: &mut Chance) -> Option<Policy> {
    let interval_ms = 10 + below(random, 200);
    Some(match random.below(8) {
        0 => Policy::Latest { interval_ms: 0 },
        1 => Policy::Latest { interval_ms },
        2 => Policy::Rollup { interval_ms },
        3 => Policy::Drop,
        4 => Policy::Disconnect,
        _ => return None,
    })
}

fn pick<'a, T>(random: &mut Chance, of: &'a [T]) -> &'a T {
    &of[random.index(of.len())]
}

fn below(random: &mut Chance, bound: u32) -> u32 {
    u32::try_from(random.below(bound.into())).expect("it is below a u32")
}

/// What is published through the API, again and again.
pub(crate) const API: &str = "through the API";

/// What happens in one run.
const STEPS: usize = 400;

/// Bytes that a narrow pipe may hold.
const BUDGET: usize = 600;

/// Bytes of a page.
const PAGE_BYTES: usize = 500;

/// What a narrow pipe is given on top: a page with a record more, with its frames, or several messages of one page;
/// and the answers to commands.
const SLACK: usize = 64 * 40 + PAGE_BYTES + 300 + 64 * 12;
