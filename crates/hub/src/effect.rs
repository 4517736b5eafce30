//! What the hub wants done outside.

use std::sync::Arc;

use longwire_channel::{Disconnect, Epoch, Record, Refusal, ServerMessage};

use crate::{Answer, Credentials, SessionId, broker};

/// Something to do. Effects are done in the order in which they come.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "a driver does all of them")]
pub enum Effect {
    /// Send a message.
    Send {
        /// To whom.
        session: SessionId,
        /// What.
        message: ServerMessage,
    },
    /// Push one live record to many, as `message`. Its form depends on the codec, `sub`, `prev` and `skipped` alone,
    /// so it is encoded once for each combination of them.
    Deliver {
        /// The life of the stream it belongs to; the session's pushes said the same before.
        epoch: Epoch,
        /// The record; its `seq` is 0 where it is ephemeral.
        record: Arc<Record>,
        /// To whom.
        to: Vec<Target>,
    },
    /// Find out who it is; answered by [`Input::Authenticated`](crate::Input::Authenticated).
    Authenticate {
        /// Whose they are.
        session: SessionId,
        /// What it shows.
        credentials: Credentials,
    },
    /// Submit a request to the broker.
    Broker {
        /// The request's number, which its completion repeats.
        token: u64,
        /// What.
        request: broker::Request,
    },
    /// Answer a request of the HTTP API.
    Respond {
        /// Which.
        request: u64,
        /// With what.
        outcome: Result<Answer, Refusal>,
    },
    /// Send the last word, then end the pipe with its code. The hub has forgotten the session already.
    Disconnect {
        /// Which.
        session: SessionId,
        /// The last word.
        disconnect: Disconnect,
    },
}

/// One receiver of a live record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The session.
    pub session: SessionId,
    /// Its number for the subscription.
    pub sub: u32,
    /// The `seq` that the subscription saw before.
    pub prev: u64,
    /// Records that its policy left out between `prev` and this one.
    pub skipped: u64,
}
