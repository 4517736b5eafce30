//! A machine with a clock of its own, and the messages that tests say to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use longwire_client::{
    Cause, ConnectionState, Event, Lost, SubscriptionState,
    channel::{
        Capabilities, ChannelName, ClientMessage, CloseCode, Connect, Connected, Disconnect, Epoch,
        ErrorCode, Gap, Limits, Outcome, Payload, Position, Publication, Publish, Published, Push,
        Pushed, Record, Refusal, ServerMessage, Start, Subscribe, Subscribed, Unsubscribed,
    },
    machine::{Action, Machine, Notice, PublicationId, SubscriptionId, TokenSource, TransportEnd},
};

pub(crate) struct Rig {
    pub(crate) machine: Machine,
    pub(crate) now: Instant,
    /// The random bits: all delays are the longest at first.
    pub(crate) random: Arc<AtomicU64>,
}

impl Rig {
    pub(crate) fn new(tokens: TokenSource) -> Self {
        let now = Instant::now();
        let random = Arc::new(AtomicU64::new(u64::MAX));
        let bits = random.clone();
        let machine = Machine::new(tokens, move || bits.load(Ordering::Relaxed), now);
        Self { machine, now, random }
    }

    /// A client without a token whose connection is open, and who has told all.
    pub(crate) fn open() -> Self {
        let mut rig = Self::new(TokenSource::None);
        rig.machine.connect(rig.now);
        rig.open_transport();
        rig.greet();
        rig.told();
        rig
    }

    /// The transport opens.
    pub(crate) fn open_transport(&mut self) {
        assert_eq!(self.actions(), [Action::Open]);
        self.machine.handle_open();
    }

    /// `connect` is answered as [`connected`] does; gives `connect`.
    pub(crate) fn greet(&mut self) -> Connect {
        let connect = self.sent_connect();
        self.say(ServerMessage::Connected(Box::new(connected(connect.id))));
        connect
    }

    pub(crate) fn sent_connect(&mut self) -> Connect {
        match self.machine.poll_transmit() {
            Some(ClientMessage::Connect(connect)) => *connect,
            other => panic!("connect is due, not {other:?}"),
        }
    }

    /// The transport ends without a word, and the next one is open.
    pub(crate) fn reconnect(&mut self) -> Connect {
        self.lose();
        self.come_back()
    }

    pub(crate) fn lose(&mut self) {
        self.machine.handle_closed(TransportEnd::Lost("cut".into()), self.now);
    }

    /// The time of the next attempt comes, and the attempt succeeds.
    pub(crate) fn come_back(&mut self) -> Connect {
        self.pass(Duration::from_secs(20));
        self.open_transport();
        self.greet()
    }

    pub(crate) fn say(&mut self, message: ServerMessage) {
        self.machine.handle_message(message, self.now);
    }

    pub(crate) fn push(&mut self, sub: u32, pushed: Pushed) {
        self.say(ServerMessage::Push(Push { sub, pushed }));
    }

    pub(crate) fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.machine.poll_action()).collect()
    }

    pub(crate) fn sent(&mut self) -> Vec<ClientMessage> {
        std::iter::from_fn(|| self.machine.poll_transmit()).collect()
    }

    pub(crate) fn told(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.machine.poll_notice()).collect()
    }

    pub(crate) fn states(&mut self) -> Vec<ConnectionState> {
        let states = self.told().into_iter().filter_map(|notice| match notice {
            Notice::State(state) => Some(state),
            _ => None,
        });
        states.collect()
    }

    /// What is told of subscriptions.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        let events = self.told().into_iter().filter_map(|notice| match notice {
            Notice::Subscription(_, event) => Some(event),
            _ => None,
        });
        events.collect()
    }

    /// Lets time pass, up to an action.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.machine.poll_timeout().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            let before = (self.now, self.machine.poll_timeout());
            self.machine.handle_timeout(self.now);
            let after = (self.now, self.machine.poll_timeout());
            assert_ne!(before, after, "a timer that came stays where it is");
        }
        self.now = end;
    }

    /// Lets time pass, and asserts that nothing was due.
    pub(crate) fn rest(&mut self, time: Duration) {
        let end = self.now + time;
        assert!(self.machine.poll_timeout().is_none_or(|due| due > end), "something is due");
        self.now = end;
    }

    pub(crate) fn subscribe(&mut self, start: Start) -> SubscriptionId {
        self.machine.subscribe(channel("a"), start, None).expect("open")
    }

    /// The one `subscribe` that is due.
    pub(crate) fn sent_subscribe(&mut self) -> (u64, Subscribe) {
        match self.sent().as_slice() {
            [ClientMessage::Subscribe { id, subscribe }] => (*id, subscribe.clone()),
            other => panic!("subscribe is due, not {other:?}"),
        }
    }

    /// Subscribes with this outcome; gives the number. All is told.
    pub(crate) fn subscribed(&mut self, outcome: Outcome, seq: u64) -> (SubscriptionId, u32) {
        let id = self.subscribe(Start::Now);
        let (command, subscribe) = self.sent_subscribe();
        self.say(subscribed(command, subscribe.sub, at(seq), outcome));
        self.told();
        (id, subscribe.sub)
    }

    /// A subscription that is live at `seq`.
    pub(crate) fn live(&mut self, seq: u64) -> (SubscriptionId, u32) {
        self.subscribed(Outcome::Live, seq)
    }

    pub(crate) fn publish(&mut self, channel: &str, text: &str) -> PublicationId {
        self.machine.publish(publish(channel, text), None, self.now).expect("room")
    }

    /// The publications that are due: their commands and texts.
    pub(crate) fn sent_publications(&mut self) -> Vec<(u64, Publish)> {
        let publications = self.sent().into_iter().map(|message| match message {
            ClientMessage::Publish { id, publish } => (id, *publish),
            other => panic!("only publications are due, not {other:?}"),
        });
        publications.collect()
    }

    pub(crate) fn results(&mut self) -> Vec<Notice> {
        let mut told = self.told();
        told.retain(|notice| matches!(notice, Notice::Published(..) | Notice::History(..)));
        told
    }
}

/// A millisecond less.
pub(crate) fn just_before(time: Duration) -> Duration {
    time.saturating_sub(Duration::from_millis(1))
}

pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(25);
pub(crate) const PONG_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const WINDOW: Duration = Duration::from_millis(700);

pub(crate) fn connected(id: u64) -> Connected {
    Connected {
        id,
        session: "s".into(),
        user: None,
        capabilities: Capabilities::ALL,
        ping_interval_ms: 25_000,
        pong_timeout_ms: 10_000,
        expires_in_ms: None,
        reconnect_window_ms: 700,
        ticket: None,
        limits: Limits { max_message_bytes: 65_536, max_subscriptions: 100, publish_rate: 100 },
        subscriptions: Vec::new(),
    }
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("a name")
}

pub(crate) fn epoch(number: u64) -> Epoch {
    Epoch::from_random(number)
}

/// A place in the first epoch.
pub(crate) fn at(seq: u64) -> Position {
    Position { epoch: epoch(1), seq }
}

pub(crate) fn subscribed(id: u64, sub: u32, position: Position, outcome: Outcome) -> ServerMessage {
    ServerMessage::Subscribed { id, subscribed: Subscribed { sub, position, outcome } }
}

pub(crate) fn record(seq: u64) -> Arc<Record> {
    Arc::new(Record {
        seq,
        time: seq,
        payload: Payload::text(seq.to_string()),
        event: None,
        publisher: None,
    })
}

pub(crate) fn message(prev: u64, seq: u64) -> Pushed {
    Pushed::Message { prev, skipped: 0, record: record(seq) }
}

pub(crate) fn page(prev: u64, seqs: impl IntoIterator<Item = u64>, more: bool) -> Pushed {
    Pushed::Page { prev, records: seqs.into_iter().map(record).collect(), more }
}

pub(crate) fn lost(from: u64, to: u64) -> Pushed {
    Pushed::Lost(Gap { from, to })
}

pub(crate) fn unsubscribed(code: ErrorCode) -> Pushed {
    Pushed::Unsubscribed(Unsubscribed { refusal: Refusal::new(code, "words") })
}

/// A record given out, in the first epoch.
pub(crate) fn got(seq: u64) -> Event {
    got_in(1, seq)
}

pub(crate) fn got_in(epoch_number: u64, seq: u64) -> Event {
    Event::Message(longwire_client::Message {
        record: record(seq),
        epoch: epoch(epoch_number),
        skipped: 0,
    })
}

pub(crate) fn told_lost(from: u64, to: u64) -> Event {
    Event::Lost(Lost { epoch: epoch(1), from, to })
}

pub(crate) fn state(state: SubscriptionState) -> Event {
    Event::State(state)
}

pub(crate) fn refused(id: u64, code: ErrorCode) -> ServerMessage {
    ServerMessage::Error { id, refusal: Refusal::new(code, "words") }
}

pub(crate) fn refused_for(id: u64, code: ErrorCode, retry_after_ms: u64) -> ServerMessage {
    let refusal = Refusal { retry_after_ms: Some(retry_after_ms), ..Refusal::new(code, "words") };
    ServerMessage::Error { id, refusal }
}

pub(crate) fn disconnect(code: CloseCode, retry_after_ms: Option<u64>) -> ServerMessage {
    ServerMessage::Disconnect(disconnected(code, retry_after_ms))
}

pub(crate) fn disconnected(code: CloseCode, retry_after_ms: Option<u64>) -> Disconnect {
    Disconnect { code, reason: "words".into(), retry_after_ms }
}

pub(crate) fn waiting(cause: Cause, delay: Duration) -> ConnectionState {
    ConnectionState::Waiting { cause, delay }
}

pub(crate) fn publish(name: &str, text: &str) -> Publish {
    let publication = Publication::new(Payload::text(text));
    Publish { channel: channel(name), publication }
}

pub(crate) fn published(id: u64, seq: u64) -> ServerMessage {
    let published = Published { position: Some(at(seq)), duplicate: false };
    ServerMessage::Published { id, published }
}
