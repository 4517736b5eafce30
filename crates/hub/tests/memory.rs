//! What the hub and the broker in memory hold: counted by the allocator.

#![allow(unsafe_code, reason = "a global allocator that counts; tests only")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::{Duration, Instant},
};

use longwire_channel::{
    Capabilities, ChannelName, ClientMessage, Connect, Payload, Producer, Publication, Publish,
    Start, Subscribe, Token,
};
use longwire_hub::{
    Effect, Hub, HubConfig, Identity, Input, Now, Permissions, PipeInfo, Retention, SessionId,
    Transport,
    broker::{Broker, Error, Event, Memory, MemoryLimits, Request, Response},
};

struct Counting;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
}

fn count(taken: usize, freed: usize) {
    HELD.set(HELD.get() + (taken.cast_signed() - freed.cast_signed()) as i64);
}

// SAFETY: each method does what `System` does, and counts in a cell that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's contract is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A hub and its broker, whose effects go nowhere else.
struct Process {
    hub: Hub,
    broker: Memory,
    now: Now,
    delivered: usize,
}

impl Process {
    fn new() -> Self {
        let now = Now { instant: Instant::now(), unix_ms: 1_767_225_600_000 };
        let hub = Hub::new(HubConfig::default(), 1, now);
        Self { hub, broker: Memory::new(MemoryLimits::default(), 2), now, delivered: 0 }
    }

    fn input(&mut self, input: Input) {
        self.hub.handle(input, self.now);
        loop {
            while let Some(effect) = self.hub.poll_effect() {
                match effect {
                    Effect::Broker { token, request } => {
                        self.broker.submit(token, request, self.now);
                    }
                    Effect::Authenticate { session, .. } => {
                        let outcome = Ok(Identity::nameless(Permissions::none()));
                        self.hub.handle(Input::Authenticated { session, outcome }, self.now);
                    }
                    Effect::Deliver { to, .. } => self.delivered += to.len(),
                    _ => {}
                }
            }
            let Some(event) = self.broker.poll(self.now) else { return };
            self.hub.handle(Input::Broker(event), self.now);
        }
    }

    fn connect(&mut self, slot: u32, channel: &str) {
        let session = SessionId::new(slot, 1);
        let info = PipeInfo { transport: Transport::WebSocket, address: None };
        self.input(Input::Opened { session, info });
        let subscribe = Subscribe {
            sub: 1,
            channel: ChannelName::new(channel).expect("valid"),
            start: Start::Now,
            policy: None,
        };
        let connect = Connect {
            version: 1,
            capabilities: Capabilities::ALL,
            subscriptions: vec![subscribe],
            ..Connect::default()
        };
        let message = ClientMessage::Connect(Box::new(connect));
        self.input(Input::Received { session, message, bytes: 100 });
    }

    fn publish(&mut self, channel: &str) {
        let operation = longwire_hub::Operation::Publish {
            channel: ChannelName::new(channel).expect("valid"),
            publication: Publication::new(Payload::text("x")),
        };
        let identity = Identity::nameless(Permissions::all());
        self.input(Input::Requested { request: 1, identity, operation });
    }

    /// A session's command to publish to "b".
    fn send(&mut self, slot: u32, id: u64, publication: Publication) {
        let bytes = publication.payload.len() + 100;
        let channel = ChannelName::new("b").expect("valid");
        let publish = Box::new(Publish { channel, publication });
        let message = ClientMessage::Publish { id, publish };
        self.input(Input::Received { session: SessionId::new(slot, 1), message, bytes });
    }

    /// Everybody may subscribe and publish, so that identities are as small as they can be.
    fn opens(&mut self, publish_rate: Option<u32>) {
        let mut namespace = longwire_hub::Namespace::default();
        namespace.access = longwire_hub::Access::OPEN;
        namespace.publish_rate = publish_rate;
        let mut config = HubConfig::default();
        config.namespaces = longwire_hub::Namespaces::new(namespace, []);
        self.hub.reconfigure(config);
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix_ms += u64::try_from(time.as_millis()).expect("a short time");
        self.hub.handle_timeout(self.now);
        self.input(Input::Gone { session: SessionId::new(u32::MAX, 0) });
    }
}

fn open_process() -> Process {
    let mut process = Process::new();
    process.opens(None);
    process
}

const SESSIONS: u32 = 10_000;

#[test]
fn an_idle_session_with_a_subscription_holds_little() {
    let mut process = open_process();
    process.connect(0, "a");
    let before = HELD.get();
    for slot in 1..=SESSIONS {
        process.connect(slot, "a");
    }
    let each = (HELD.get() - before) / i64::from(SESSIONS);
    println!("{each} bytes a session with its subscription");
    assert!(each < 400, "{each} bytes a session");
    assert_eq!(process.hub.stats().subscriptions.live, u64::from(SESSIONS) + 1);
    process.publish("a");
    assert_eq!(process.delivered, SESSIONS as usize + 1);
}

#[test]
fn a_channel_of_its_own_for_each_session_holds_little_more() {
    let mut process = open_process();
    process.connect(0, "a");
    let before = HELD.get();
    for slot in 1..=SESSIONS {
        process.connect(slot, &format!("user:{slot}"));
    }
    let each = (HELD.get() - before) / i64::from(SESSIONS);
    println!("{each} bytes a session with its channel");
    assert!(each < 900, "{each} bytes a session with its channel, in the hub and the broker");
}

#[test]
fn what_sessions_held_is_given_back() {
    let mut process = open_process();
    let before = HELD.get();
    for round in 0..5 {
        for slot in 0..2_000 {
            process.connect(slot, &format!("user:{round}:{}", slot / 2));
            process.publish(&format!("user:{round}:{}", slot / 2));
        }
        for slot in 0..2_000 {
            process.input(Input::Gone { session: SessionId::new(slot, 1) });
        }
        process.now.instant += Duration::from_hours(2);
        process.now.unix_ms += 2 * 60 * 60 * 1_000;
        assert_eq!(process.broker.poll(process.now), None);
        assert_eq!((process.broker.streams(), process.broker.bytes()), (0, 0));
    }
    // Tables keep the places of those who were there at a time, for those who come.
    let held = HELD.get() - before;
    assert!(held < 2_000 * 250, "{held} bytes");
}

#[test]
fn what_is_held_over_the_rate_is_bounded_and_given_back() {
    const PUBLISHERS: u32 = 20;
    const BOUND: i64 = 1 << 20;
    let mut process = open_process();
    for slot in 0..PUBLISHERS {
        process.connect(slot, "a");
    }
    let before = HELD.get();
    for slot in 0..PUBLISHERS {
        for id in 0..3_000 {
            let publication = Publication {
                ephemeral: true,
                ..Publication::new(Payload::text("x".repeat(10_000)))
            };
            process.send(slot, id, publication);
        }
    }
    let each = (HELD.get() - before) / i64::from(PUBLISHERS);
    println!("{each} bytes a publisher that is too fast");
    assert!((BOUND / 2..BOUND * 11 / 10).contains(&each), "{each} bytes a publisher");
    for slot in 0..PUBLISHERS {
        process.input(Input::Gone { session: SessionId::new(slot, 1) });
    }
    assert!(HELD.get() <= before, "{} bytes are left", HELD.get() - before);
}

#[test]
fn a_rate_of_a_namespace_is_forgotten_once_it_makes_no_difference() {
    let mut process = open_process();
    process.connect(0, "a");
    process.opens(Some(10));
    let ephemeral = || Publication { ephemeral: true, ..Publication::new(Payload::text("x")) };
    // Tables grow with what comes first.
    process.send(0, 1, ephemeral());
    process.pass(Duration::from_secs(3));
    let before = HELD.get();
    process.send(0, 2, ephemeral());
    assert!(HELD.get() > before);
    process.pass(Duration::from_secs(3));
    assert_eq!(HELD.get() - before, 0);
}

#[test]
fn rates_of_namespaces_that_were_replaced_are_given_back() {
    const ROUNDS: u64 = 100;
    let mut process = open_process();
    process.connect(0, "a");
    let mut publish_to_new_namespaces = |id| {
        for id in id..id + ROUNDS {
            process.opens(Some(10));
            process.send(0, id, Publication::new(Payload::text("x")));
            process.pass(Duration::from_secs(2));
        }
        assert_eq!(process.hub.stats().publications, id + ROUNDS);
        HELD.get()
    };
    let before = publish_to_new_namespaces(0);
    let held = publish_to_new_namespaces(ROUNDS) - before;
    // The records of the second round are among them.
    println!("{held} bytes of namespaces");
    assert!(held < 180 * ROUNDS.cast_signed(), "{held} bytes of {ROUNDS} namespaces");
}

fn append(channel: &str, publication: Publication) -> Request {
    Request::Append {
        channel: ChannelName::new(channel).expect("valid"),
        publication,
        retention: Retention::MEMORY,
        window_ms: 60_000,
    }
}

fn limited(streams: usize, bytes: u64) -> (Memory, Now) {
    let mut limits = MemoryLimits::default();
    limits.streams = streams;
    limits.bytes = bytes;
    let now = Now { instant: Instant::now(), unix_ms: 1_767_225_600_000 };
    (Memory::new(limits, 3), now)
}

fn ask(memory: &mut Memory, request: Request, now: Now) -> Result<Response, Error> {
    memory.submit(1, request, now);
    match memory.poll(now) {
        Some(Event::Completed { result, .. }) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_stream_that_rested_longest_makes_room_for_another() {
    let (mut memory, mut now) = limited(3, u64::MAX);
    for name in ["a", "b", "c"] {
        ask(&mut memory, append(name, Publication::new(Payload::text("x"))), now).expect("room");
        now.instant += Duration::from_secs(1);
    }
    // "a" is used again, so "b" has rested longest.
    ask(&mut memory, append("a", Publication::new(Payload::text("x"))), now).expect("room");
    ask(&mut memory, append("d", Publication::new(Payload::text("x"))), now).expect("room");
    let kept = |memory: &mut Memory, name| {
        let channel = ChannelName::new(name).expect("valid");
        matches!(ask(memory, Request::Info { channel }, now), Ok(Response::Info(Some(_))))
    };
    let all = ["a", "b", "c", "d"].map(|name| kept(&mut memory, name));
    assert_eq!(all, [true, false, true, true]);
}

#[test]
fn a_stream_in_use_drops_what_is_too_old_whenever_it_came() {
    let (mut memory, mut now) = limited(3, u64::MAX);
    let channel = ChannelName::new("a").expect("valid");
    ask(&mut memory, Request::Attach { channel }, now).expect("room");
    let empty = memory.bytes();
    for _ in 0..3 {
        // It is looked at while it has something, and then no more.
        assert_eq!(memory.poll_timeout(), None);
        memory.submit(1, append("a", Publication::new(Payload::text("x"))), now);
        while memory.poll(now).is_some() {}
        assert!(memory.bytes() > empty);
        while let Some(due) = memory.poll_timeout() {
            now.unix_ms += u64::try_from((due - now.instant).as_millis()).expect("it is soon");
            now.instant = due;
            assert_eq!(memory.poll(now), None);
        }
        assert_eq!(memory.bytes(), empty);
    }
}

#[test]
fn streams_in_use_are_kept_and_there_is_no_room_for_others() {
    let (mut memory, now) = limited(2, u64::MAX);
    for name in ["a", "b"] {
        let channel = ChannelName::new(name).expect("valid");
        ask(&mut memory, Request::Attach { channel }, now).expect("room");
    }
    let publication = Publication::new(Payload::text("x"));
    let refused = ask(&mut memory, append("c", publication.clone()), now);
    assert_eq!(refused, Err(Error::NoRoom));
    memory.submit(2, Request::Detach { channel: ChannelName::new("b").expect("valid") }, now);
    ask(&mut memory, append("c", publication), now).expect("room");
    assert_eq!(memory.streams(), 2);
}

#[test]
fn records_and_keys_together_stay_below_the_limit() {
    const LIMIT: u64 = 2 << 20;
    // What is counted is what was asked for; tables have some room beyond it.
    const HELD_AT_MOST: i64 = 3 << 20;
    let (mut memory, now) = limited(100_000, LIMIT);
    let before = HELD.get();
    for number in 0..20_000u32 {
        let key = Token::new(&format!("key {number}")).expect("valid");
        let content = Payload::text("x".repeat(number as usize % 500));
        let publication = Publication { key: Some(key), ..Publication::new(content) };
        let name = format!("a:{}", number % 50);
        ask(&mut memory, append(&name, publication), now).expect("room is made");
        assert!(memory.bytes() <= LIMIT);
    }
    let held = HELD.get() - before;
    assert!(held < HELD_AT_MOST, "{held} bytes are held, {} counted", memory.bytes());
}

#[test]
fn keys_that_are_forgotten_leave_no_room_behind() {
    const KEYS: u32 = 20_000;
    let (mut memory, mut now) = limited(100, u64::MAX);
    let ask_with_key = |memory: &mut Memory, now: Now, key: u32| {
        let key = Some(Token::new(&format!("key {key}")).expect("valid"));
        let publication = Publication { key, ..Publication::new(Payload::text("x")) };
        ask(memory, append("a", publication), now).expect("room");
        HELD.get()
    };
    // A producer is known as long as the stream is, and the tables stay.
    let producer = Some(Producer { id: Token::new("p").expect("valid"), epoch: 1, seq: 1 });
    let publication = Publication { producer, ..Publication::new(Payload::text("x")) };
    ask(&mut memory, append("a", publication), now).expect("room");
    let before = ask_with_key(&mut memory, now, 0);
    for key in 1..KEYS {
        ask_with_key(&mut memory, now, key);
    }
    now.instant += Duration::from_secs(61);
    now.unix_ms += 61_000;
    // The stream keeps its records, and one key.
    let records = i64::from(1_000 * 200);
    let held = ask_with_key(&mut memory, now, KEYS) - before;
    println!("{held} bytes behind {KEYS} keys");
    assert!(held < records, "{held} bytes behind {KEYS} keys");
}

#[test]
fn a_stream_is_kept_as_long_as_its_keys_are_remembered() {
    let (mut memory, mut now) = limited(100, u64::MAX);
    let keyed = |window_ms| {
        let key = Token::new("k").expect("valid");
        Request::Append {
            channel: ChannelName::new("a").expect("valid"),
            publication: Publication { key: Some(key), ..Publication::new(Payload::text("x")) },
            retention: Retention { age: Duration::from_secs(1), ..Retention::MEMORY },
            window_ms,
        }
    };
    let duplicate = |answer| match answer {
        Ok(Response::Published(published)) => published.duplicate,
        other => panic!("{other:?}"),
    };
    assert!(!duplicate(ask(&mut memory, keyed(60_000), now)));
    now.instant += Duration::from_secs(50);
    now.unix_ms += 50_000;
    assert_eq!(memory.poll(now), None);
    assert!(duplicate(ask(&mut memory, keyed(60_000), now)));
    now.instant += Duration::from_secs(61);
    now.unix_ms += 61_000;
    assert_eq!(memory.poll(now), None);
    assert_eq!(memory.streams(), 0);
}
