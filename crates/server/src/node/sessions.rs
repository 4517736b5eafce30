//! The pipes of the sessions, by slot, and which of them are congested.

use std::{future::Future, pin::Pin};

use longwire_channel::{Disconnect, ServerMessage};
use longwire_hub::SessionId;

use crate::pipe::{Form, Live, Pipe};

/// The pipes of all sessions.
pub(super) struct Sessions {
    slots: Vec<Option<Session>>,
    newly_congested: Vec<SessionId>,
    budget: usize,
}

struct Session {
    id: SessionId,
    form: Form,
    congested: bool,
    pipe: Box<dyn Pipe>,
}

impl Sessions {
    /// None yet; `budget` bytes may wait for one before it is congested.
    pub(super) fn new(budget: usize) -> Self {
        Self { slots: Vec::new(), newly_congested: Vec::new(), budget }
    }

    pub(super) fn open(&mut self, id: SessionId, pipe: Box<dyn Pipe>) {
        if self.slots.len() <= id.slot() {
            self.slots.resize_with(id.slot() + 1, || None);
        }
        self.slots[id.slot()] = Some(Session { id, form: pipe.form(), congested: false, pipe });
    }

    /// Drops the pipe.
    pub(super) fn forget(&mut self, id: SessionId) {
        if let Some(slot) = self.slots.get_mut(id.slot())
            && slot.as_ref().is_some_and(|session| session.id == id)
        {
            *slot = None;
        }
    }

    pub(super) fn send(&mut self, id: SessionId, message: &ServerMessage) {
        self.write(id, |session| session.pipe.send(message));
    }

    /// Gives a session a live record, in the form that it wants.
    pub(super) fn deliver(&mut self, id: SessionId, live: impl FnOnce(Form) -> Live) {
        self.write(id, |session| session.pipe.deliver(live(session.form)));
    }

    /// Sends the last word, and drops the pipe.
    pub(super) fn close(&mut self, id: SessionId, disconnect: &Disconnect) {
        if let Some(session) = self.get_mut(id) {
            session.pipe.close(disconnect);
        }
        self.forget(id);
    }

    /// A session that has got more than its budget since it was last asked about.
    pub(super) fn newly_congested(&mut self) -> Option<SessionId> {
        self.newly_congested.pop()
    }

    pub(super) fn drained(
        &self,
        id: SessionId,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        self.get(id).map(|session| session.pipe.drained())
    }

    /// Notes that a session was said to have room again; says whether it was congested.
    pub(super) fn has_drained(&mut self, id: SessionId) -> bool {
        self.get_mut(id).is_some_and(|session| std::mem::take(&mut session.congested))
    }

    /// Bytes that wait for all clients together.
    pub(super) fn buffered(&self) -> usize {
        self.slots.iter().flatten().map(|session| session.pipe.buffered()).sum()
    }

    fn write(&mut self, id: SessionId, write: impl FnOnce(&mut Session)) {
        let budget = self.budget;
        let Some(session) = self.get_mut(id) else { return };
        write(session);
        if !session.congested && session.pipe.buffered() > budget {
            session.congested = true;
            self.newly_congested.push(id);
        }
    }

    fn get(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(id.slot())?.as_ref().filter(|session| session.id == id)
    }

    fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots.get_mut(id.slot())?.as_mut().filter(|session| session.id == id)
    }
}
