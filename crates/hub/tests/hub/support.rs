//! A node with shorthands for what tests say again and again.

use std::{
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

use longwire_channel::{
    Capabilities, ChannelName, ChannelPattern, ClientMessage, Connect, Connected, Disconnect,
    ErrorCode, Payload, Policy, Position, Publication, Publish, Published, Pushed, Record, Refusal,
    ServerMessage, Start, Subscribe, Subscribed, Token,
};
use longwire_hub::{
    Action, Answer, HubConfig, Identity, Namespace, Namespaces, Operation, Permissions, SessionId,
    broker::{self, Memory, MemoryLimits},
    simulation::{Clock, Node},
};

/// The id of every command whose id does not matter.
pub(crate) const ID: u64 = 9;

pub(crate) struct Hall {
    node: Node<Memory>,
}

impl Deref for Hall {
    type Target = Node<Memory>;

    fn deref(&self) -> &Self::Target {
        &self.node
    }
}

impl DerefMut for Hall {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.node
    }
}

impl Hall {
    pub(crate) fn new() -> Self {
        Self::with(HubConfig::default())
    }

    pub(crate) fn with(config: HubConfig) -> Self {
        let broker = Memory::new(MemoryLimits::default(), 1);
        Self { node: Node::new(config, 2, broker, Clock::new(Instant::now())) }
    }

    /// With these namespaces in place of the default.
    pub(crate) fn in_namespace(namespace: Namespace) -> Self {
        let mut config = HubConfig::default();
        config.namespaces = Namespaces::new(namespace, []);
        Self::with(config)
    }

    /// A session that is connected and may do everything.
    pub(crate) fn connect(&mut self) -> SessionId {
        let (session, _) = self.connect_with(connect());
        session
    }

    pub(crate) fn connect_with(&mut self, connect: Connect) -> (SessionId, Connected) {
        let session = self.open();
        self.receive(session, ClientMessage::Connect(Box::new(connect)));
        match self.take(session) {
            Some(ServerMessage::Connected(connected)) => (session, *connected),
            other => panic!("no connected, but {other:?}, {:?}", self.ending(session)),
        }
    }

    /// Sends `connect` with these and waits for nothing: the broker's events are held.
    pub(crate) fn begin_connect(&mut self, subscriptions: Vec<Subscribe>) -> SessionId {
        let session = self.open();
        let connect = Connect { subscriptions, ..connect() };
        self.receive(session, ClientMessage::Connect(Box::new(connect)));
        session
    }

    /// Somebody with this name and these permissions.
    pub(crate) fn introduce(&mut self, token: &str, user: Option<&str>, permissions: Permissions) {
        let user = user.map(|user| Token::new(user).expect("valid"));
        let identity = Identity { user, permissions, expires_at_ms: None, ticket: None };
        self.identities.insert(token.to_owned(), Ok(identity));
    }

    pub(crate) fn connect_as(&mut self, token: &str) -> SessionId {
        self.connect_with(Connect { token: Some(token.to_owned()), ..connect() }).0
    }

    pub(crate) fn subscribe(
        &mut self,
        session: SessionId,
        sub: u32,
        name: &str,
        start: Start,
    ) -> Subscribed {
        self.subscribe_with(session, subscribe(sub, name, start, None))
    }

    pub(crate) fn subscribe_with(
        &mut self,
        session: SessionId,
        subscribe: Subscribe,
    ) -> Subscribed {
        match self.try_subscribe(session, subscribe) {
            Ok(subscribed) => subscribed,
            Err(refusal) => panic!("refused: {refusal}"),
        }
    }

    pub(crate) fn try_subscribe(
        &mut self,
        session: SessionId,
        subscribe: Subscribe,
    ) -> Result<Subscribed, Refusal> {
        self.receive(session, ClientMessage::Subscribe { id: ID, subscribe });
        match self.take(session) {
            Some(ServerMessage::Subscribed { id: ID, subscribed }) => Ok(subscribed),
            Some(ServerMessage::Error { id: ID, refusal }) => Err(refusal),
            other => panic!("no answer to subscribe, but {other:?}"),
        }
    }

    /// A session that has subscription 1, of channel "a", from now on.
    pub(crate) fn newcomer(&mut self, policy: Policy) -> SessionId {
        let session = self.connect();
        self.subscribe_with(session, subscribe(1, "a", Start::Now, Some(policy)));
        session
    }

    /// Sends `subscribe` for subscription 1 and waits for nothing: the broker's events are held.
    pub(crate) fn begin_subscribe(&mut self, session: SessionId, name: &str, start: Start) {
        let subscribe = subscribe(1, name, start, None);
        self.receive(session, ClientMessage::Subscribe { id: ID, subscribe });
    }

    /// The answer to `subscribe`, which has come.
    pub(crate) fn take_subscribed(&mut self, session: SessionId) -> Subscribed {
        match self.take(session) {
            Some(ServerMessage::Subscribed { subscribed, .. }) => subscribed,
            other => panic!("not subscribed, but {other:?}"),
        }
    }

    /// What the broker's next event, which is held, answers.
    pub(crate) fn next_result(&mut self) -> &mut Result<broker::Response, broker::Error> {
        match self.events.front_mut() {
            Some(broker::Event::Completed { result, .. }) => result,
            other => panic!("no answer is held, but {other:?}"),
        }
    }

    /// The page of records that it is.
    pub(crate) fn next_page(&mut self) -> &mut broker::Page {
        match self.next_result() {
            Ok(broker::Response::Page(page)) => page,
            other => panic!("no page is held, but {other:?}"),
        }
    }

    /// Publishes a text through the API.
    pub(crate) fn publish(&mut self, name: &str, text: &str) -> Position {
        let publication = Publication::new(Payload::text(text));
        match self.ask(Operation::Publish { channel: channel(name), publication }) {
            Ok(Answer::Published(Published { position: Some(position), duplicate: false })) => {
                position
            }
            other => panic!("not published: {other:?}"),
        }
    }

    /// Publishes the texts "1" to `count`, or goes on with them.
    pub(crate) fn publish_many(&mut self, name: &str, count: u64) {
        for _ in 0..count {
            let number = self.publish(name, "").seq;
            assert!(number > 0);
        }
    }

    /// Publishes a text through the API while the broker's events are held, the answer among them.
    pub(crate) fn begin_publish(&mut self, name: &str) {
        let operation =
            Operation::Publish { channel: channel(name), publication: publication("x") };
        self.begin_request(operation);
    }

    pub(crate) fn begin_request(&mut self, operation: Operation) {
        self.request(Identity::nameless(Permissions::all()), operation);
    }

    /// Tells the hub the broker's events that are held, and those that follow from them, in their order.
    pub(crate) fn release_all(&mut self) {
        while !self.events.is_empty() {
            self.release(0);
        }
    }

    pub(crate) fn publish_ephemeral(&mut self, name: &str, text: &str) {
        let mut publication = Publication::new(Payload::text(text));
        publication.ephemeral = true;
        let answer = self.ask(Operation::Publish { channel: channel(name), publication });
        let published = Published { position: None, duplicate: false };
        assert_eq!(answer, Ok(Answer::Published(published)));
    }

    /// Asks for something that may be everything, and gives the answer.
    pub(crate) fn ask(&mut self, operation: Operation) -> Result<Answer, Refusal> {
        self.ask_as(Permissions::all(), operation)
    }

    pub(crate) fn ask_as(
        &mut self,
        permissions: Permissions,
        operation: Operation,
    ) -> Result<Answer, Refusal> {
        let request = self.request(Identity::nameless(permissions), operation);
        match self.answers.pop() {
            Some((answered, outcome)) if answered == request => outcome,
            other => panic!("no answer to request {request}, but {other:?}"),
        }
    }

    /// Where a channel's stream stands.
    pub(crate) fn position(&mut self, name: &str) -> Position {
        match self.ask(Operation::Info { channel: channel(name) }) {
            Ok(Answer::Info(info)) => info.position,
            other => panic!("no info: {other:?}"),
        }
    }

    /// The next message, which is a push of subscription `sub`.
    pub(crate) fn push(&mut self, session: SessionId, sub: u32) -> Pushed {
        match self.take(session) {
            Some(ServerMessage::Push(push)) if push.sub == sub => push.pushed,
            other => panic!("no push of {sub}, but {other:?}, {:?}", self.ending(session)),
        }
    }

    /// All pushes of subscription `sub` that are there, in short.
    pub(crate) fn pushes(&mut self, session: SessionId, sub: u32) -> Vec<Short> {
        let pushes = self.take_all(session).into_iter().map(|message| match message {
            ServerMessage::Push(push) if push.sub == sub => short(push.pushed),
            other => panic!("no push of {sub}, but {other:?}"),
        });
        pushes.collect()
    }

    pub(crate) fn error(&mut self, session: SessionId) -> Refusal {
        match self.take(session) {
            Some(ServerMessage::Error { refusal, .. }) => refusal,
            other => panic!("no error, but {other:?}, {:?}", self.ending(session)),
        }
    }

    /// Sends a command that is refused, with this code and these words in its message.
    pub(crate) fn refused(
        &mut self,
        session: SessionId,
        command: ClientMessage,
        code: ErrorCode,
        words: &str,
    ) {
        self.receive(session, command);
        let refusal = self.error(session);
        assert_eq!(refusal.code, code, "{refusal}");
        assert!(refusal.message.contains(words), "{refusal}");
        assert_eq!(self.ending(session), None);
    }

    pub(crate) fn ended_with(&self, session: SessionId) -> &Disconnect {
        self.ending(session).unwrap_or_else(|| panic!("{session} goes on"))
    }

    /// Makes a pipe so narrow that the next message congests it.
    pub(crate) fn narrow(&mut self, session: SessionId) {
        self.set_budget(session, 0);
    }
}

/// A push, in short.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Short {
    /// `prev`, `skipped` and `seq`.
    Message(u64, u64, u64),
    /// An ephemeral record's text.
    Ephemeral(String),
    /// `prev`, the last `seq`, and whether there is more.
    Page(u64, u64, bool),
    Lost(u64, u64),
    Reset(u64),
    Ended(u64),
    Unsubscribed(ErrorCode),
}

pub(crate) fn short(pushed: Pushed) -> Short {
    match pushed {
        Pushed::Message { record, .. } if record.seq == 0 => Short::Ephemeral(text(&record)),
        Pushed::Message { prev, skipped, record } => Short::Message(prev, skipped, record.seq),
        Pushed::Page { prev, records, more } => {
            for (record, seq) in records.iter().zip(prev + 1..) {
                assert_eq!(record.seq, seq, "a page has no gap");
            }
            Short::Page(prev, prev + records.len() as u64, more)
        }
        Pushed::Lost(gap) => Short::Lost(gap.from, gap.to),
        Pushed::Reset { position } => Short::Reset(position.seq),
        Pushed::Ended { seq } => Short::Ended(seq),
        Pushed::Unsubscribed(unsubscribed) => Short::Unsubscribed(unsubscribed.refusal.code),
        other => panic!("{other:?} is new"),
    }
}

pub(crate) fn text(record: &Record) -> String {
    String::from_utf8_lossy(record.payload.bytes()).into_owned()
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("valid")
}

/// `connect` of a client that can do everything.
pub(crate) fn connect() -> Connect {
    Connect { id: ID, version: 1, capabilities: Capabilities::ALL, ..Connect::default() }
}

pub(crate) fn subscribe(sub: u32, name: &str, start: Start, policy: Option<Policy>) -> Subscribe {
    Subscribe { sub, channel: channel(name), start, policy }
}

pub(crate) fn publication(text: &str) -> Publication {
    Publication::new(Payload::text(text))
}

pub(crate) fn publish(id: u64, name: &str, publication: Publication) -> ClientMessage {
    let publish = Publish { channel: channel(name), publication };
    ClientMessage::Publish { id, publish: Box::new(publish) }
}

pub(crate) fn permissions(entries: &[(&str, &[Action])]) -> Permissions {
    Permissions::new(entries.iter().map(|(pattern, actions)| {
        (ChannelPattern::new(pattern).expect("valid"), actions.iter().copied().collect())
    }))
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
