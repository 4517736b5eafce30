//! The hub as a machine: inputs in, effects out.

mod bucket;
mod channel;
mod commands;
mod delivery;
mod held;
mod history;
mod lifecycle;
mod listing;
mod opening;
mod pending;
mod publishing;
mod reading;
mod requests;
mod session;
mod state;
mod steps;
mod subscription;
mod timers;

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use longwire_channel::{CloseCode, Disconnect, Pushed, Refusal, ServerMessage};
use slab::Slab;

use self::{
    channel::Channels,
    pending::{Group, Pending},
    session::Sessions,
    subscription::Subscription,
    timers::{Tick, Timer, Timers},
};
use crate::{Effect, HubConfig, Input, Now, SessionId, Stats, broker, random::Random};

/// Sessions, channels and subscriptions of one process, without I/O.
///
/// - **handlers** ([`handle`](Self::handle), [`handle_timeout`](Self::handle_timeout)): what happened outside;
/// - **polls** ([`poll_effect`](Self::poll_effect), [`poll_timeout`](Self::poll_timeout)): what to do next;
/// - **commands** ([`reconfigure`](Self::reconfigure)) and getters.
///
/// **After any handler, do all effects until there are no more.**
///
/// # What it costs
///
/// Nothing that a client does takes memory without limit; [`HubConfig`] has the numbers.
///
/// - A session at rest: some 250 bytes, and some 130 for each of its subscriptions, `max_subscriptions` at the most.
///   While it is busy: at most `max_pending_commands` commands of `max_pending_bytes` together. Of these at most
///   `max_held_publications` of `max_held_bytes` are publications that are held because they came too fast.
/// - A subscription keeps no records: one that is behind reads them from the broker again, a page at a time.
/// - A channel is there while it has subscriptions. It keeps one record if any of them has the policy `latest`.
/// - What is given to a pipe that is congested: one page that was on its way, one answer of history, the answers
///   to `max_pending_commands` commands, and for each subscription its end.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    start: Instant,
    now: Tick,
    unix_ms: u64,
    random: Random,
    sessions: Sessions,
    subscriptions: Slab<Subscription>,
    channels: Channels,
    timers: Timers,
    pending: HashMap<u64, Pending>,
    next_token: u64,
    /// Requests of the HTTP API that wait for their answers.
    requests: usize,
    groups: Slab<Group>,
    /// Sessions that wait for their turn to read a page.
    turns: VecDeque<SessionId>,
    /// Pages that the broker reads now.
    reads: usize,
    /// Set once the server goes away.
    draining: Option<Duration>,
    effects: VecDeque<Effect>,
    /// Keys of subscriptions while they are gone through.
    scratch: Vec<u32>,
    stats: Stats,
}

impl Hub {
    /// A hub without sessions. `seed` is where its random numbers come from.
    pub fn new(config: HubConfig, seed: u64, now: Now) -> Self {
        Self {
            config,
            start: now.instant,
            now: 0,
            unix_ms: now.unix_ms,
            random: Random::new(seed),
            sessions: Sessions::default(),
            subscriptions: Slab::new(),
            channels: Channels::default(),
            timers: Timers::default(),
            pending: HashMap::new(),
            next_token: subscription::NO_TOKEN,
            requests: 0,
            groups: Slab::new(),
            turns: VecDeque::new(),
            reads: 0,
            draining: None,
            effects: VecDeque::new(),
            scratch: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Something happened.
    pub fn handle(&mut self, input: Input, now: Now) {
        self.tell_time(now);
        match input {
            Input::Opened { session, info } => self.opened(session, info, None),
            Input::OpenedAs { session, info, identity } => {
                self.opened(session, info, Some(identity));
            }
            Input::Received { session, message, bytes } => self.received(session, message, bytes),
            Input::Malformed { session, id, reason } => self.malformed(session, id, reason),
            Input::Authenticated { session, outcome } => self.authenticated(session, outcome),
            Input::Congested { session } => self.congested(session),
            Input::Drained { session } => self.drained(session),
            Input::Gone { session } => self.remove_session(session),
            Input::Requested { request, identity, operation } => {
                self.requested(request, &identity, operation);
            }
            Input::Broker(event) => self.told(event),
            Input::Drain { window } => self.drain(window),
        }
        self.give_turns();
    }

    /// The instant that [`Self::poll_timeout`] named has come, or an earlier one.
    pub fn handle_timeout(&mut self, now: Now) {
        self.tell_time(now);
        while let Some(timer) = self.timers.pop(self.now) {
            match timer {
                Timer::Session(session) => self.session_is_due(session),
                Timer::Subscription(key) => self.subscription_is_due(key),
            }
        }
        self.give_turns();
    }

    /// What to do next.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.start.checked_add(Duration::from_millis(self.timers.first()?))
    }

    /// What was counted.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Puts other settings in place of those there are. They hold for what comes: no subscription or session ends by
    /// it. The durability of a namespace is the broker's, which has its own copy of the namespaces.
    pub fn reconfigure(&mut self, config: HubConfig) {
        self.config = config;
    }

    /// What there is of everything that might grow.
    #[cfg(feature = "simulation")]
    pub fn contents(&self) -> Contents {
        Contents {
            sessions: self.sessions.len(),
            subscriptions: self.subscriptions.len(),
            channels: self.channels.len(),
            records: self.channels.held(),
            timers: self.timers.len(),
            pending: self.pending.len(),
            requests: self.requests,
            groups: self.groups.len(),
            turns: self.turns.len(),
            reads: self.reads,
        }
    }

    fn tell_time(&mut self, now: Now) {
        let elapsed = millis(now.instant.saturating_duration_since(self.start));
        self.now = self.now.max(elapsed);
        self.unix_ms = now.unix_ms;
    }

    /// Takes an event of the broker.
    fn told(&mut self, event: broker::Event) {
        match event {
            broker::Event::Completed { token, result } => self.completed(token, result),
            broker::Event::Appended { channel, epoch, record } => {
                self.appended(&channel, epoch, record);
            }
            broker::Event::Reset { channel, position } => self.reset(&channel, position),
            broker::Event::Ended { channel } => self.ended(&channel),
        }
    }

    /// Submits a request, and keeps for what.
    fn submit(&mut self, request: broker::Request, pending: Pending) -> u64 {
        let token = self.new_token();
        self.submit_as(token, request, pending);
        token
    }

    fn submit_as(&mut self, token: u64, request: broker::Request, pending: Pending) {
        self.pending.insert(token, pending);
        self.effects.push_back(Effect::Broker { token, request });
    }

    fn new_token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    fn send(&mut self, session: SessionId, message: ServerMessage) {
        self.effects.push_back(Effect::Send { session, message });
    }

    /// Answers a command with an error.
    fn refuse(&mut self, session: SessionId, id: u64, refusal: Refusal) {
        self.count_refusal(&refusal);
        self.send(session, ServerMessage::Error { id, refusal });
    }

    fn count_refusal(&mut self, refusal: &Refusal) {
        *self.stats.refusals.entry(refusal.code.name()).or_default() += 1;
    }

    /// Pushes to one subscription.
    fn push(&mut self, key: u32, pushed: Pushed) {
        let sub = &self.subscriptions[key as usize];
        let push = longwire_channel::Push { sub: sub.number, pushed };
        self.send(sub.session, ServerMessage::Push(push));
    }

    /// Ends a session with a last word.
    fn disconnect(&mut self, session: SessionId, code: CloseCode, reason: impl Into<String>) {
        self.disconnect_for(session, code, reason.into(), None);
    }

    fn disconnect_for(
        &mut self,
        session: SessionId,
        code: CloseCode,
        reason: String,
        retry_after_ms: Option<u64>,
    ) {
        self.remove_session(session);
        *self.stats.disconnects.entry(code.0).or_default() += 1;
        let disconnect = Disconnect { code, reason, retry_after_ms };
        self.effects.push_back(Effect::Disconnect { session, disconnect });
    }
}

/// What a hub has of everything that might grow.
#[cfg(feature = "simulation")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// Sessions.
    pub sessions: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Channels with subscriptions.
    pub channels: usize,
    /// Records that channels keep.
    pub records: usize,
    /// Deadlines.
    pub timers: usize,
    /// Requests to the broker that are not completed.
    pub pending: usize,
    /// Requests of the HTTP API that are not answered.
    pub requests: usize,
    /// Those of them that publish several.
    pub groups: usize,
    /// Sessions that wait for their turn to read.
    pub turns: usize,
    /// Pages that are read.
    pub reads: usize,
}

/// Milliseconds, as long as anybody waits.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
