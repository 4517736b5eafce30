//! What a client says.

use crate::{ChannelName, Position, Publication, Token};

/// A message from a client. Each command has an `id` of the client's choice, which its answer repeats.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientMessage {
    /// The first message: who it is and what it wants. Answered by `connected`, or by a `disconnect`.
    Connect(Box<Connect>),
    /// Reads a channel from some place on. Answered by `subscribed`.
    Subscribe {
        /// Of the command.
        id: u64,
        /// What, and from where.
        subscribe: Subscribe,
    },
    /// Ends a subscription. Answered by `unsubscribed`; nothing of it follows that.
    Unsubscribe {
        /// Of the command.
        id: u64,
        /// Which.
        sub: u32,
    },
    /// Publishes. Answered by `published`, once the namespace's durability is reached.
    Publish {
        /// Of the command.
        id: u64,
        /// Where to and what.
        publish: Box<Publish>,
    },
    /// Reads what a channel keeps. Answered by `history`.
    History {
        /// Of the command.
        id: u64,
        /// What of it.
        history: History,
    },
    /// Replaces the token before it expires. Answered by `refreshed`.
    Refresh {
        /// Of the command.
        id: u64,
        /// The new token.
        token: String,
    },
    /// The answer to `ping`. Has no id and no answer.
    Pong,
}

/// The content of `connect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// Of the command.
    pub id: u64,
    /// The protocol's version; 1 is the only one.
    pub version: u32,
    /// What the client can do; the answer has what both can.
    pub capabilities: Capabilities,
    /// A JSON Web Token or an API key.
    pub token: Option<String>,
    /// The resume ticket of an earlier session, in place of a token.
    pub ticket: Option<String>,
    /// Name and version of the client's software, for logs.
    pub client: Option<String>,
    /// Subscriptions to begin with, each as in `subscribe`.
    pub subscriptions: Vec<Subscribe>,
}

impl Default for Connect {
    /// Version 1, and nothing else.
    fn default() -> Self {
        Self {
            id: 0,
            version: 1,
            capabilities: Capabilities::default(),
            token: None,
            ticket: None,
            client: None,
            subscriptions: Vec::new(),
        }
    }
}

/// A bit mask of what a side can do. Unknown bits are kept out of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// Takes `page`: several records of one subscription in one message.
    pub const PAGES: Self = Self(1);
    /// Answers `ping`, and wants them.
    pub const PINGS: Self = Self(1 << 1);
    /// Keeps a resume ticket.
    pub const TICKETS: Self = Self(1 << 2);
    /// All that this crate knows.
    pub const ALL: Self = Self(0b111);

    /// Whether all bits of `other` are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What both have.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// The content of `subscribe`.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribe {
    /// The client's number for it, free in this session; every push names it. One channel may be subscribed twice.
    pub sub: u32,
    /// Which channel.
    pub channel: ChannelName,
    /// Where to begin.
    pub start: Start,
    /// What happens when the client is slower than the channel; `None` is the namespace's.
    pub policy: Option<Policy>,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// With what is published from now on. A namespace may put its own default in its place.
    #[default]
    Now,
    /// Behind this position.
    After(Position),
    /// With the first record that is kept.
    Beginning,
    /// With the last so many records that are kept; 1 is the latest value.
    Last(u32),
    /// With the first record of this time or later: milliseconds since 1970.
    Time(u64),
}

/// What happens to a subscription whose client takes less than is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// Every record, in order: a slow client reads them from the stream, as fast as it can.
    All,
    /// Only the latest record, at most one each `interval_ms` milliseconds (0: whenever the client can take one).
    Latest {
        /// Milliseconds.
        interval_ms: u32,
    },
    /// Every record, gathered into one page each `interval_ms` milliseconds.
    Rollup {
        /// Milliseconds, from 1.
        interval_ms: u32,
    },
    /// What comes while the client is not ready is dropped; the next push says how many.
    Drop,
    /// The client is disconnected with 4001.
    Disconnect,
}

/// The content of `publish`.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Where to.
    pub channel: ChannelName,
    /// What. Its `publisher` is the server's to fill.
    pub publication: Publication,
}

/// The content of `history`.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// Which channel.
    pub channel: ChannelName,
    /// Oldest or newest first.
    pub order: Order,
    /// Only what lies behind this position in that order: after it, or before it.
    pub from: Option<Position>,
    /// Only what was published at this time or later: milliseconds since 1970.
    pub since: Option<u64>,
    /// The most records to give. `None` is the server's own limit, which also bounds this one.
    pub limit: Option<u32>,
}

/// In which order history is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    #[default]
    Forwards,
    /// Newest first.
    Backwards,
}

impl Publish {
    /// The idempotency key, if it has one.
    pub fn key(&self) -> Option<&Token> {
        self.publication.key.as_ref()
    }
}
