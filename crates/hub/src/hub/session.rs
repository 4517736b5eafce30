//! What the hub keeps of a session.

use core::net::IpAddr;
use std::collections::VecDeque;

use longwire_channel::{Capabilities, ClientMessage, Connect, History, Published, Refusal, Token};
use smallvec::SmallVec;

use super::{
    bucket::Bucket,
    held::{Held, Rates},
    timers::{NEVER, Tick},
};
use crate::{Permissions, PipeInfo, SessionId, Transport};

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) transport: Transport,
    pub(super) phase: Phase,
    /// Whether it waits among the sessions that want to read a page.
    pub(super) queued: bool,
    /// Whether a page of its own is on its way from the broker.
    pub(super) reading: bool,
    /// Whether a ping waits for anything; `ping_at` is then when that is too late.
    pub(super) pinged: bool,
    pub(super) capabilities: Capabilities,
    /// Commands that came since its pipe is congested.
    pub(super) stuffed: u32,
    /// Requests to the broker on their way for its subscriptions that have not begun, or no longer are.
    pub(super) looking: u32,
    pub(super) address: Option<IpAddr>,
    pub(super) user: Option<Token>,
    pub(super) permissions: Permissions,
    pub(super) opened_at: Tick,
    pub(super) expires_at: Tick,
    pub(super) ping_at: Tick,
    /// Since when its pipe is congested; [`NEVER`] if it is not.
    pub(super) congested_at: Tick,
    /// Its deadline, as the timers have it.
    pub(super) due: Tick,
    pub(super) bucket: Bucket,
    /// Numbers and keys of its subscriptions, by number.
    pub(super) subs: SmallVec<[(u32, u32); 2]>,
    /// What it is busy with; nothing while it rests.
    pub(super) busy: Option<Box<Busy>>,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// `connect` is to come.
    Opened,
    /// It is being found out who it is.
    Authenticating,
    /// Its first subscriptions are being opened.
    Beginning,
    /// It is connected.
    Open,
}

/// What a session is busy with. Invariant: at most `max_pending_commands` of all kinds together.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// Its `connect`, until it is known who it is.
    pub(super) connect: Option<Box<Connect>>,
    pub(super) beginning: Option<Box<Beginning>>,
    /// Commands that came before it was connected, with their sizes.
    pub(super) early: VecDeque<(ClientMessage, usize)>,
    /// Publications in their order, until they are answered in it.
    pub(super) publishes: VecDeque<Outstanding>,
    /// Commands that read history, or why they may not, in their order; the first one is on its way if `history`.
    pub(super) histories: VecDeque<(u64, Result<History, Refusal>, usize)>,
    pub(super) history: bool,
    /// The id of its `refresh`.
    pub(super) refresh: Option<u64>,
    /// Keys of subscriptions that wait for their turn to read a page.
    pub(super) readers: VecDeque<u32>,
    /// Sizes of all commands above.
    pub(super) bytes: usize,
    /// Publications that came faster than their rate; they are among `publishes` as well.
    pub(super) held: Held,
    /// How often it published in each namespace that limits that.
    pub(super) rates: Rates,
}

/// A session's first subscriptions.
#[derive(Debug)]
pub(super) struct Beginning {
    /// The id of `connect`.
    pub(super) id: u64,
    pub(super) ticket: Option<String>,
    /// Each number with its subscription's key.
    pub(super) subs: Vec<(u32, Result<u32, Refusal>)>,
    /// Those whose place is not found yet.
    pub(super) missing: usize,
}

/// A publication that was not answered.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) id: u64,
    pub(super) bytes: usize,
    /// The token of its request, and then its answer.
    pub(super) answer: Result<Result<Published, Refusal>, u64>,
}

impl Session {
    pub(super) fn new(id: SessionId, info: PipeInfo, now: Tick) -> Self {
        Self {
            id,
            transport: info.transport,
            phase: Phase::Opened,
            queued: false,
            reading: false,
            pinged: false,
            capabilities: Capabilities::default(),
            stuffed: 0,
            looking: 0,
            address: info.address,
            user: None,
            permissions: Permissions::none(),
            opened_at: now,
            expires_at: NEVER,
            ping_at: NEVER,
            congested_at: NEVER,
            due: NEVER,
            bucket: Bucket::new(now),
            subs: SmallVec::new(),
            busy: None,
        }
    }

    pub(super) fn is_congested(&self) -> bool {
        self.congested_at != NEVER
    }

    pub(super) fn busy(&mut self) -> &mut Busy {
        self.busy.get_or_insert_default()
    }

    /// Gives the memory back where nothing is under way.
    pub(super) fn tidy(&mut self) {
        self.busy.take_if(|busy| busy.is_idle());
    }

    /// The key of its subscription of this number.
    pub(super) fn sub(&self, number: u32) -> Option<u32> {
        let at = self.subs.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(self.subs[at].1)
    }

    pub(super) fn add_sub(&mut self, number: u32, key: u32) {
        if let Err(at) = self.subs.binary_search_by_key(&number, |(number, _)| *number) {
            self.subs.reserve_exact(1);
            self.subs.insert(at, (number, key));
        }
    }

    pub(super) fn remove_sub(&mut self, number: u32, key: u32) {
        if let Ok(at) = self.subs.binary_search_by_key(&number, |(number, _)| *number) {
            self.subs.remove(at);
        }
        if let Some(busy) = &mut self.busy {
            busy.readers.retain(|reader| *reader != key);
        }
    }
}

impl Busy {
    /// Commands that wait for their answers.
    pub(super) fn commands(&self) -> usize {
        self.early.len()
            + self.publishes.len()
            + self.histories.len()
            + usize::from(self.refresh.is_some())
    }

    fn is_idle(&self) -> bool {
        self.commands() == 0
            && self.connect.is_none()
            && self.beginning.is_none()
            && self.readers.is_empty()
            && !self.held.is_shut()
            && self.rates.is_empty()
    }
}

/// Sessions by slot.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    count: usize,
}

impl Sessions {
    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(id.slot())?.as_deref().filter(|session| session.id == id)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots.get_mut(id.slot())?.as_deref_mut().filter(|session| session.id == id)
    }

    /// Takes a session in; says `false` where its slot is taken.
    pub(super) fn insert(&mut self, session: Session) -> bool {
        let slot = session.id.slot();
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, || None);
        }
        if self.slots[slot].is_some() {
            return false;
        }
        self.slots[slot] = Some(Box::new(session));
        self.count += 1;
        true
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Box<Session>> {
        self.get(id)?;
        self.count -= 1;
        self.slots.get_mut(id.slot())?.take()
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Those in slots behind `after`, by slot.
    pub(super) fn behind(&self, after: Option<SessionId>) -> impl Iterator<Item = &Session> {
        let from = after.map_or(0, |id| id.slot() + 1);
        self.slots.get(from..).unwrap_or_default().iter().filter_map(Option::as_deref)
    }
}
