//! What is known of a connection's end, boxed: an open connection has nothing of it.

use std::{
    ops::{Deref, DerefMut},
    time::Instant,
};

use super::{Cause, Closed};
use crate::{Close, ProtocolError};

/// An obligation that the caller's answer to an event may precede.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owed {
    AnswerClose,
    Fail(ProtocolError),
}

/// What is known of the end.
#[derive(Debug)]
pub(super) struct Facts {
    /// What the last event obliges us to do before the next one.
    pub(super) owed: Option<Owed>,
    pub(super) sent: Option<Close>,
    pub(super) received: Option<Close>,
    pub(super) peer_first: bool,
    /// The cause, where it is known before the end.
    pub(super) cause: Option<Cause>,
    /// When patience with the closing handshake ends.
    pub(super) deadline: Option<Instant>,
    /// When it ends although the transport still takes bytes.
    pub(super) limit: Option<Instant>,
    /// Whether the caller was told to end its direction of the transport.
    pub(super) fin_told: bool,
    /// Whether the peer ended its direction of the transport.
    pub(super) peer_fin: bool,
    /// The end, until the caller was told of it.
    pub(super) closed: Option<Box<Closed>>,
}

/// [`Facts`], which take no memory until the first is known.
#[derive(Debug, Default)]
pub(super) struct Ending(Option<Box<Facts>>);

impl Ending {
    /// Whether anything is known of the end.
    pub(super) fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// What is owed, from now on no more.
    pub(super) fn take_owed(&mut self) -> Option<Owed> {
        self.0.as_mut()?.owed.take()
    }

    /// The end, if the caller was not told of it.
    pub(super) fn take_closed(&mut self) -> Option<Box<Closed>> {
        self.0.as_mut()?.closed.take()
    }
}

static NOTHING: Facts = Facts {
    owed: None,
    sent: None,
    received: None,
    peer_first: false,
    cause: None,
    deadline: None,
    limit: None,
    fin_told: false,
    peer_fin: false,
    closed: None,
};

impl Deref for Ending {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Ending {
    fn deref_mut(&mut self) -> &mut Facts {
        self.0.get_or_insert_with(|| {
            Box::new(Facts { sent: None, received: None, cause: None, closed: None, ..NOTHING })
        })
    }
}
