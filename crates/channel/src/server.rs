//! What a server says.

use std::sync::Arc;

use crate::{Capabilities, CloseCode, Epoch, Position, Record, Refusal, Token};

/// A message from a server: the answer to a command, or a push.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServerMessage {
    /// Answers `connect`.
    Connected(Box<Connected>),
    /// Answers `subscribe`. Its records follow as pushes.
    Subscribed {
        /// Of the command.
        id: u64,
        /// How it stands.
        subscribed: Subscribed,
    },
    /// Answers `unsubscribe`.
    Unsubscribed {
        /// Of the command.
        id: u64,
        /// Which.
        sub: u32,
    },
    /// Answers `publish`.
    Published {
        /// Of the command.
        id: u64,
        /// Where it lies.
        published: Published,
    },
    /// Answers `history`.
    History {
        /// Of the command.
        id: u64,
        /// What was found.
        page: HistoryPage,
    },
    /// Answers `refresh`.
    Refreshed {
        /// Of the command.
        id: u64,
        /// When the new token expires: milliseconds from now.
        expires_in_ms: Option<u64>,
        /// A new resume ticket.
        ticket: Option<String>,
    },
    /// Answers any command that failed.
    Error {
        /// Of the command.
        id: u64,
        /// Why.
        refusal: Refusal,
    },
    /// Something happened to a subscription.
    Push(Push),
    /// Asks for a `pong`.
    Ping,
    /// The last message: the connection ends with this code.
    Disconnect(Disconnect),
}

/// The content of `connected`.
#[derive(Clone, Debug, PartialEq)]
pub struct Connected {
    /// Of the command.
    pub id: u64,
    /// The session's name, as the HTTP API shows it.
    pub session: String,
    /// The user that the token names.
    pub user: Option<Token>,
    /// What both sides can do.
    pub capabilities: Capabilities,
    /// The server pings after so many milliseconds without a message of the client's. Without any message for this
    /// time and `pong_timeout_ms` more, the client may take the connection for dead.
    pub ping_interval_ms: u64,
    /// How long the server waits for anything behind a `ping`: milliseconds.
    pub pong_timeout_ms: u64,
    /// When the token expires: milliseconds from now.
    pub expires_in_ms: Option<u64>,
    /// Whoever loses this connection without a word waits a random time up to this before the first attempt: milliseconds.
    pub reconnect_window_ms: u64,
    /// A resume ticket, to connect with in place of a token.
    pub ticket: Option<String>,
    /// What the server allows this session.
    pub limits: Limits,
    /// The outcome of each subscription of `connect`, in its order.
    pub subscriptions: Vec<(u32, Result<Subscribed, Refusal>)>,
}

/// What a server allows a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the largest message from a client.
    pub max_message_bytes: u64,
    /// Subscriptions at a time.
    pub max_subscriptions: u32,
    /// Publications a second, over some seconds.
    pub publish_rate: u32,
}

/// The content of `subscribed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Which.
    pub sub: u32,
    /// The stream's last record. What follows begins behind `outcome`'s place and reaches this one.
    pub position: Position,
    /// What follows.
    pub outcome: Outcome,
}

/// How a subscription begins: never silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// What is published from now on. Nothing was asked for, or nothing was missed.
    Live,
    /// Every record behind the given place follows, `after` being its `seq`.
    Deltas {
        /// The first push has it as its `prev`.
        after: u64,
    },
    /// The last records follow, as they were asked for.
    Snapshot {
        /// The first push has it as its `prev`.
        after: u64,
    },
    /// The place is no longer kept, or belongs to another epoch: all that is kept follows, and what lies between is lost.
    Truncated {
        /// The first push has it as its `prev`; the first record that is kept has one more.
        after: u64,
    },
}

/// The content of `published`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where it lies; `None` for an ephemeral one.
    pub position: Option<Position>,
    /// Whether it was there before.
    pub duplicate: bool,
}

/// The content of `history`.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryPage {
    /// The stream's epoch.
    pub epoch: Epoch,
    /// The `seq` of the first record that is kept; one more than `last` if none is.
    pub first: u64,
    /// The `seq` of the last record, 0 before the first.
    pub last: u64,
    /// The records, in the order that was asked for.
    pub records: Vec<Arc<Record>>,
    /// Whether more lies behind them.
    pub more: bool,
}

/// Something that happened to a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// Which.
    pub sub: u32,
    /// What.
    pub pushed: Pushed,
}

/// What happened to a subscription.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Pushed {
    /// A record, live.
    Message {
        /// The `seq` that this subscription saw before. If the client saw another, it has a gap, and subscribes anew.
        prev: u64,
        /// Records that the subscription's policy left out between `prev` and this one.
        skipped: u64,
        /// The record. With `seq` 0 it is ephemeral, and `prev` says nothing.
        record: Arc<Record>,
    },
    /// Records in order: of a recovery, or of a rollup.
    Page {
        /// The `seq` that this subscription saw before the first of them.
        prev: u64,
        /// The records.
        records: Vec<Arc<Record>>,
        /// Whether the recovery goes on behind them.
        more: bool,
    },
    /// Records are lost to this subscription: the stream no longer keeps them. What follows has `to` as its `prev`.
    Lost(Gap),
    /// The stream began anew, because it was deleted or its memory was lost. What follows has `seq`s of this epoch.
    Reset {
        /// The stream's position now: what follows has its `seq` as `prev`.
        position: Position,
    },
    /// The stream has ended behind this `seq`; nothing follows, and the subscription is over.
    Ended {
        /// Of the last record.
        seq: u64,
    },
    /// The server ended the subscription.
    Unsubscribed(Unsubscribed),
}

/// Records that are lost: those with `from < seq <= to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The `seq` that this subscription saw last.
    pub from: u64,
    /// The `seq` of the last record that is lost.
    pub to: u64,
}

/// Why the server ended a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsubscribed {
    /// The code and its words. A temporary one means: subscribe again.
    pub refusal: Refusal,
}

/// The content of `disconnect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Disconnect {
    /// The code, which is the Close frame's as well. It carries the verdict.
    pub code: CloseCode,
    /// What happened, and the cure.
    pub reason: String,
    /// When to come back: milliseconds from now. Without it the client takes its own backoff.
    pub retry_after_ms: Option<u64>,
}
