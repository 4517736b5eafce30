//! What the HTTP API asks of the hub, and what it is answered.

use core::net::IpAddr;

use longwire_channel::{
    ChannelName, History, HistoryPage, Position, Publication, Published, Refusal, Token,
};

use crate::{SessionId, Transport};

/// Something that the HTTP API asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation {
    /// Publishes. Answered by [`Answer::Published`].
    Publish {
        /// Where to.
        channel: ChannelName,
        /// What.
        publication: Publication,
    },
    /// Publishes several, each by itself. Answered by [`Answer::Batch`], in their order.
    Batch(Vec<(ChannelName, Publication)>),
    /// Publishes one to several channels. Answered by [`Answer::Batch`], in their order.
    Broadcast {
        /// Where to.
        channels: Vec<ChannelName>,
        /// What.
        publication: Publication,
    },
    /// Reads what a channel keeps. Answered by [`Answer::History`].
    History(History),
    /// Ends a stream: nothing can be published to it any more. Answered by [`Answer::Ended`].
    End {
        /// Of which channel.
        channel: ChannelName,
    },
    /// Deletes a stream, ended or not; the channel begins anew. Answered by [`Answer::Deleted`].
    Delete {
        /// Of which channel.
        channel: ChannelName,
    },
    /// Looks at one channel. Answered by [`Answer::Info`].
    Info {
        /// Which.
        channel: ChannelName,
    },
    /// Lists channels that keep something, by name. Answered by [`Answer::Channels`].
    Channels {
        /// Those behind this one.
        after: Option<ChannelName>,
        /// The most to give; 1,000 at the most.
        limit: u32,
    },
    /// Lists sessions, in an order of their own. Answered by [`Answer::Connections`].
    Connections {
        /// Those behind this one.
        after: Option<SessionId>,
        /// Of this user only.
        user: Option<Token>,
        /// The most to give; 1,000 at the most.
        limit: u32,
    },
    /// Ends sessions. Answered by [`Answer::Disconnected`].
    Disconnect {
        /// Whose.
        whom: Whom,
        /// Whether they may come back: 4006 if so, else 4504.
        come_back: bool,
    },
}

/// Which sessions to end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whom {
    /// This one.
    Session(SessionId),
    /// All of this user.
    User(Token),
}

/// What an [`Operation`] is answered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// To `Publish`.
    Published(Published),
    /// To `Batch` and `Broadcast`: each by itself.
    Batch(Vec<Result<Published, Refusal>>),
    /// To `History`.
    History(HistoryPage),
    /// To `End`: the position of the last record.
    Ended(Position),
    /// To `Delete`.
    Deleted,
    /// To `Info`.
    Info(ChannelInfo),
    /// To `Channels`.
    Channels {
        /// Those that the identity may manage.
        channels: Vec<ChannelInfo>,
        /// The last that was looked at, if more lie behind it: ask for those after it.
        next: Option<ChannelName>,
    },
    /// To `Connections`.
    Connections {
        /// The sessions.
        connections: Vec<ConnectionInfo>,
        /// Whether more lie behind them.
        more: bool,
    },
    /// To `Disconnect`: so many sessions.
    Disconnected(u64),
}

/// A channel, seen from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelInfo {
    /// Its name.
    pub channel: ChannelName,
    /// Its last record.
    pub position: Position,
    /// The `seq` of the first record that is kept; one more than the last if none is.
    pub first: u64,
    /// Bytes that are kept.
    pub bytes: u64,
    /// Whether its stream has ended.
    pub ended: bool,
    /// Subscriptions to it, here.
    pub subscriptions: u64,
}

/// A session, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Its name.
    pub session: SessionId,
    /// Whose it is.
    pub user: Option<Token>,
    /// What carries it.
    pub transport: Transport,
    /// From where.
    pub address: Option<IpAddr>,
    /// How long it has been there: milliseconds.
    pub connected_ms: u64,
    /// Its subscriptions.
    pub subscriptions: u32,
    /// Whether its pipe is congested.
    pub congested: bool,
}
