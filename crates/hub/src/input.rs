//! What happens outside the hub and is told to it.

use core::net::IpAddr;
use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use longwire_channel::{ClientMessage, CloseCode, Refusal};

use crate::{Identity, Operation, broker};

/// The time, on both clocks. The first never goes back: an earlier instant counts as the latest that was seen. The other
/// may be put right.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The clock that deadlines are counted on.
    pub instant: Instant,
    /// The clock of records and tokens: milliseconds since 1970.
    pub unix_ms: u64,
}

/// A session's name, given by the driver: the low 32 bits are a slot, small and used again; the high ones say which
/// use of the slot it is. No session ever has the name of another.
///
/// Written as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl SessionId {
    /// The name of the `generation`th use of `slot`.
    pub fn new(slot: u32, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::from(slot))
    }

    /// The slot.
    pub fn slot(self) -> usize {
        u32::try_from(self.0 & u64::from(u32::MAX)).map_or(0, |slot| slot as usize)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = InvalidSession;

    fn from_str(text: &str) -> Result<Self, InvalidSession> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(InvalidSession)
    }
}

/// A text names no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSession;

impl fmt::Display for InvalidSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session's name has 16 hexadecimal digits: `connected` and the list of connections have it")
    }
}

impl std::error::Error for InvalidSession {}

/// What the driver knows of a pipe when it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeInfo {
    /// What carries the session.
    pub transport: Transport,
    /// Who is at the other end.
    pub address: Option<IpAddr>,
}

/// What carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// The protocol over a WebSocket.
    WebSocket,
    /// One channel, bare, over a WebSocket.
    Socket,
    /// One channel, bare, as server-sent events.
    Events,
    /// The HTTP API, and whoever lives within the process.
    Internal,
}

impl Transport {
    /// Its name in lists and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Socket => "socket",
            Self::Events => "events",
            Self::Internal => "internal",
        }
    }
}

/// Something that happened. Exhaustive, and each may come at any time: what is about something that is gone does nothing.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "a driver makes all of them")]
pub enum Input {
    /// A pipe opened. Its first message is to be `connect`.
    Opened {
        /// The new session.
        session: SessionId,
        /// Of its pipe.
        info: PipeInfo,
    },
    /// A pipe opened for somebody who is known already: no `connect`, no pings, and records come in pages
    /// where there are several. For the bare faces.
    OpenedAs {
        /// The new session.
        session: SessionId,
        /// Of its pipe.
        info: PipeInfo,
        /// Whose it is.
        identity: Identity,
    },
    /// A message came in.
    Received {
        /// From where.
        session: SessionId,
        /// What.
        message: ClientMessage,
        /// Its size on the wire.
        bytes: usize,
    },
    /// Something came in that is no message. With the id of a command it is refused; without, the session ends with 4500.
    Malformed {
        /// From where.
        session: SessionId,
        /// The command's id, if it was seen.
        id: Option<u64>,
        /// What is wrong with it, and the cure.
        reason: String,
    },
    /// The answer to [`Effect::Authenticate`](crate::Effect::Authenticate).
    Authenticated {
        /// Whose.
        session: SessionId,
        /// Who it is.
        outcome: Result<Identity, Denied>,
    },
    /// The pipe holds more than its budget. What is sent nevertheless is still to be taken: it is bounded.
    Congested {
        /// Which.
        session: SessionId,
    },
    /// The pipe has room again.
    Drained {
        /// Which.
        session: SessionId,
    },
    /// The pipe has ended.
    Gone {
        /// Which.
        session: SessionId,
    },
    /// A request of the HTTP API. Answered by [`Effect::Respond`](crate::Effect::Respond), always.
    Requested {
        /// The driver's number for it.
        request: u64,
        /// Who asks.
        identity: Identity,
        /// For what.
        operation: Operation,
    },
    /// Something happened in the broker.
    Broker(broker::Event),
    /// The server goes away: every session is told to come back, after a random part of this time.
    Drain {
        /// Over which the clients are spread.
        window: Duration,
    },
}

/// What a client shows to be let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// A JSON Web Token or an API key.
    pub token: Option<String>,
    /// A resume ticket.
    pub ticket: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |secret: &Option<String>| secret.as_ref().map(|_| "(secret)");
        f.debug_struct("Credentials")
            .field("token", &shown(&self.token))
            .field("ticket", &shown(&self.ticket))
            .finish()
    }
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq)]
pub struct Denied {
    /// What the session ends with, if this was its `connect`.
    pub close: CloseCode,
    /// What the command is answered with otherwise; its words are the close's reason.
    pub refusal: Refusal,
}
