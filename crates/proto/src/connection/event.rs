//! What a connection tells its caller.

use std::{fmt, time::Duration};

use crate::{Close, CloseCode, ControlPayload, Fragment, Message, ProtocolError};

/// What happened on the connection, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message arrived whole (§6.2).
    Message(Message),
    /// A part of a message arrived, with [`Delivery::Fragments`](crate::Delivery::Fragments).
    Fragment(Fragment),
    /// A Ping arrived; its Pong is queued (§5.5.2).
    Ping(ControlPayload),
    /// A Pong arrived (§5.5.3).
    Pong {
        /// Its payload.
        payload: ControlPayload,
        /// The number of the Ping it answers and the time since that Ping was queued; `None` for a
        /// Pong that nobody asked for.
        answers: Option<(u64, Duration)>,
    },
    /// The peer's Close frame arrived (§7.1.3). Our own is queued by the next
    /// [`poll_event`](crate::Connection::poll_event), so what is sent before that still goes out.
    CloseReceived(Close),
    /// The peer broke the protocol. The connection is failed (§7.1.7) by the next
    /// [`poll_event`](crate::Connection::poll_event), so what is sent before that still goes out.
    Violation(ProtocolError),
    /// The connection is over (§7.1.4): let go of the transport. The last event, exactly once.
    Closed(Box<Closed>),
}

/// How a connection ended: both Close frames, their order, and the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The Close frame that we sent, if we did.
    pub sent: Option<Close>,
    /// The Close frame that the peer sent, if it arrived.
    pub received: Option<Close>,
    /// Whether the peer's Close frame came before ours.
    pub peer_first: bool,
    /// Why the connection ended.
    pub cause: Cause,
}

impl Closed {
    /// The WebSocket Connection Close Code (§7.1.5): the peer's, 1005 if its Close frame had none,
    /// 1006 if no Close frame arrived.
    pub fn code(&self) -> CloseCode {
        self.received.as_ref().map_or(CloseCode::ABNORMAL_CLOSURE, |close| close.code)
    }

    /// The WebSocket Connection Close Reason (§7.1.6): the peer's, or the empty string.
    pub fn reason(&self) -> &str {
        self.received.as_ref().map_or("", |close| &close.reason)
    }

    /// Whether the closing handshake was completed (§7.1.4).
    pub fn is_clean(&self) -> bool {
        self.cause == Cause::Clean
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Clean => {}
            Cause::Violation(ProtocolError::LimitExceeded(limit)) => {
                write!(f, "the peer sent more than is allowed here: {limit}; ")?;
            }
            Cause::Violation(error) => write!(f, "the peer broke the protocol: {error}; ")?,
            Cause::Failed => f.write_str("this end failed the connection; ")?,
            Cause::Lost => {
                f.write_str("the transport ended before the closing handshake did; ")?;
            }
            Cause::TimedOut(timer) => write!(f, "{timer}; ")?,
        }
        match (&self.received, &self.sent) {
            (Some(received), Some(sent)) if self.peer_first => {
                write!(f, "received {received}; then sent {sent}")
            }
            (Some(received), Some(sent)) => write!(f, "sent {sent}; then received {received}"),
            (Some(received), None) => write!(f, "received {received}; sent no close frame"),
            (None, Some(sent)) => write!(f, "sent {sent}; received no close frame"),
            (None, None) => f.write_str("no close frame sent or received"),
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The closing handshake was completed.
    Clean,
    /// The peer broke the protocol.
    Violation(ProtocolError),
    /// Our caller failed the connection.
    Failed,
    /// The transport ended first.
    Lost,
    /// A time was up.
    TimedOut(Timer),
}

/// The times that can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// [`Config::close_timeout`](crate::Config::close_timeout).
    Close,
    /// [`Keepalive::timeout`](crate::Keepalive::timeout).
    Keepalive,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Close => "the peer did not finish the closing handshake in time",
            Self::Keepalive => "the peer did not answer a keepalive ping in time",
        })
    }
}
