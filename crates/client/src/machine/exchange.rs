//! What a driver exchanges with the machine, beside the messages of the protocol.

use longwire_channel::{CloseCode, HistoryPage, Published};

use crate::{ConnectionState, Event, HistoryError, PublishError};

/// What the driver is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Call the token callback and hand its answer to [`Machine::handle_token`](super::Machine::handle_token). An earlier call is no longer waited for.
    AskToken,
    /// Open a transport, then [`Machine::handle_open`](super::Machine::handle_open) or [`Machine::handle_closed`](super::Machine::handle_closed).
    Open,
    /// Close the transport, or give up opening it, with this code. Nothing more of it is handed in.
    Close(CloseCode),
}

/// What the machine tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The connection changed its state.
    State(ConnectionState),
    /// A subscription tells something.
    Subscription(SubscriptionId, Event),
    /// A publication is over.
    Published(PublicationId, Result<Published, PublishError>),
    /// A request for history is over.
    History(RequestId, Result<HistoryPage, HistoryError>),
}

/// How a transport ended, or why it could not be opened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TransportEnd {
    /// It could not be opened, or ended without a Close frame.
    Lost(String),
    /// A Close frame came.
    Closed {
        /// Its code.
        code: CloseCode,
        /// Its reason.
        reason: String,
    },
    /// The request is wrong, so that no other attempt would do better.
    Impossible(String),
}

/// One subscription of a [`Machine`](super::Machine).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub(super) u64);

/// One publication of a [`Machine`](super::Machine).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationId(pub(super) u64);

/// One request for history of a [`Machine`](super::Machine).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);
