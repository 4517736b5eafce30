//! What the application is told: by a subscription, and of the connection.

use std::{fmt, sync::Arc, time::Duration};

use longwire_channel::{Epoch, Position, Record, Token};

use crate::{Cause, SubscribeError};

/// What a subscription tells, in this order of the stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A record.
    Message(Message),
    /// Records that cannot be had any more.
    Lost(Lost),
    /// The stream began anew: it was deleted, or a memory channel's server was started again. What was known of it is of
    /// another stream; the records behind this position follow.
    Reset(Position),
    /// A change of state. [`SubscriptionState::Live`] behind [`SubscriptionState::Recovering`] means that all that was
    /// missed has come.
    State(SubscriptionState),
    /// The stream has ended behind this `seq`, and all of it has come. Nothing follows.
    Ended {
        /// Of the last record.
        seq: u64,
    },
    /// The subscription is over. Nothing follows.
    Failed(SubscribeError),
}

impl Event {
    /// Bytes of content that this holds.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Message(message) => message.record.payload.len(),
            _ => 0,
        }
    }
}

/// A record, as a subscription gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The record.
    pub record: Arc<Record>,
    /// The stream's epoch.
    pub epoch: Epoch,
    /// Records before this one that the subscription's policy left out.
    pub skipped: u64,
}

impl Message {
    /// Where it lies: a later subscription may begin behind it. `None` for an ephemeral one.
    pub fn position(&self) -> Option<Position> {
        (self.record.seq > 0).then_some(Position { epoch: self.epoch, seq: self.record.seq })
    }
}

/// Records that cannot be had any more: those with `from < seq <= to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The stream's epoch.
    pub epoch: Epoch,
    /// The `seq` before the first of them.
    pub from: u64,
    /// The `seq` of the last of them.
    pub to: u64,
}

/// How a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionState {
    /// There is no connection, or the server has not answered.
    Subscribing,
    /// What was missed is on its way.
    Recovering,
    /// All that was missed has come.
    Live,
    /// The application has not taken what came: nothing is subscribed until it has.
    Paused,
}

/// How the connection stands.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Nothing was asked for yet.
    Idle,
    /// An attempt is under way.
    Connecting,
    /// The server has answered.
    Open(Session),
    /// The next attempt has its time.
    Waiting {
        /// Why there is no connection.
        cause: Cause,
        /// How long until the attempt begins, from the moment of this state.
        delay: Duration,
    },
    /// For good.
    Closed(Cause),
}

impl ConnectionState {
    /// Whether the connection is open.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Connecting => f.write_str("connecting"),
            Self::Open(session) => write!(f, "open as {}", session.id),
            Self::Waiting { cause, delay } => write!(f, "connecting again in {delay:?}: {cause}"),
            Self::Closed(cause) => write!(f, "closed: {cause}"),
        }
    }
}

/// Who the server takes this client for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The session's name, as the HTTP API shows it. Each connection has its own.
    pub id: String,
    /// The user that the token names.
    pub user: Option<Token>,
}

/// What a client has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records given to subscriptions.
    pub received: u64,
    /// Records that came again and were dropped.
    pub doubled: u64,
    /// Gaps that were found, and repaired.
    pub gaps: u64,
    /// Records that were told as lost.
    pub lost: u64,
    /// Records that policies left out.
    pub skipped: u64,
    /// Streams that began anew.
    pub resets: u64,
    /// How often a subscription's application was behind.
    pub paused: u64,
    /// How often the connection was open again.
    pub reconnects: u64,
    /// Publications that the server took.
    pub published: u64,
    /// Publications that wait for their answers.
    pub pending: usize,
}
