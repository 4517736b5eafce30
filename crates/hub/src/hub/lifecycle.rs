//! Sessions from their opening to their end: `connect`, pings, expiry, congestion.

use std::time::Duration;

use longwire_channel::{
    Capabilities, CloseCode, Connect, Connected, ErrorCode, Limits, Refusal, ServerMessage,
};

use super::{
    Hub, millis,
    session::{Beginning, Phase, Session},
    state::Event,
    timers::{NEVER, Tick, Timer},
};
use crate::{Credentials, Denied, Effect, Identity, PipeInfo, SessionId};

impl Hub {
    pub(super) fn opened(&mut self, id: SessionId, info: PipeInfo, identity: Option<Identity>) {
        let mut session = Session::new(id, info, self.now);
        if let Some(identity) = identity {
            session.phase = Phase::Open;
            session.capabilities = Capabilities::PAGES;
            session.expires_at = self.tick_of(identity.expires_at_ms);
            session.user = identity.user;
            session.permissions = identity.permissions;
        }
        if !self.sessions.insert(session) {
            return;
        }
        self.stats.sessions = self.sessions.len() as u64;
        self.stats.opened += 1;
        if let Some(window) = self.draining {
            self.send_away(id, window);
        } else if self.sessions.len() > self.config.max_sessions {
            let most = self.config.max_sessions;
            let reason =
                format!("the server has {most} sessions, as many as it may: come back later");
            let retry = self.spread(OVERLOADED_SPREAD);
            self.disconnect_for(id, CloseCode::OVERLOADED, reason, Some(retry));
        } else {
            self.arm(id);
        }
    }

    /// The time of a token's expiry. One beyond the protocol's numbers, in 285,000 years, cannot be told, and is none.
    fn tick_of(&self, unix_ms: Option<u64>) -> Tick {
        let unix_ms = unix_ms.filter(|at| *at <= MAX_INTEGER);
        unix_ms.map_or(NEVER, |at| self.now.saturating_add(at.saturating_sub(self.unix_ms)))
    }

    /// `connect` came: the only message that a session may begin with, and only once.
    pub(super) fn connect(&mut self, id: SessionId, connect: Box<Connect>) {
        if connect.version != VERSION {
            let reason = format!(
                "version {} of the protocol is not spoken here: use version {VERSION}",
                connect.version
            );
            return self.disconnect(id, CloseCode::UNSUPPORTED, reason);
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.phase = Phase::Authenticating;
        session.capabilities = connect.capabilities.common(Capabilities::ALL);
        let credentials =
            Credentials { token: connect.token.clone(), ticket: connect.ticket.clone() };
        session.busy().connect = Some(connect);
        self.effects.push_back(Effect::Authenticate { session: id, credentials });
    }

    /// It is known who it is, or that it is nobody.
    pub(super) fn authenticated(&mut self, id: SessionId, outcome: Result<Identity, Denied>) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.phase == Phase::Authenticating {
            match outcome {
                Ok(identity) => self.begin_session(id, identity),
                Err(denied) => self.disconnect(id, denied.close, denied.refusal.message),
            }
        } else if let Some(command) = session.busy.as_mut().and_then(|busy| busy.refresh.take()) {
            session.tidy();
            match outcome {
                Ok(identity) => self.refreshed(id, command, identity),
                Err(denied) => self.refuse(id, command, denied.refusal),
            }
        }
    }

    fn begin_session(&mut self, id: SessionId, mut identity: Identity) {
        if identity.expires_at_ms.is_some_and(|at| at <= self.unix_ms) {
            let reason = "the token has expired: take a fresh one and connect again";
            return self.disconnect(id, CloseCode::TOKEN_EXPIRED, reason);
        }
        let ticket = identity.ticket.take();
        let expires_at = self.tick_of(identity.expires_at_ms);
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(connect) = session.busy().connect.take() else { return };
        session.phase = Phase::Beginning;
        session.user = identity.user;
        session.permissions = identity.permissions;
        session.expires_at = expires_at;
        let wanted = connect.subscriptions.len().min(self.config.max_subscriptions as usize);
        session.subs.reserve_exact(wanted);
        session.busy().beginning = Some(Box::new(Beginning {
            id: connect.id,
            ticket: ticket.filter(|_| session.capabilities.has(Capabilities::TICKETS)),
            subs: Vec::with_capacity(connect.subscriptions.len()),
            missing: 1,
        }));
        for subscribe in connect.subscriptions {
            let number = subscribe.sub;
            let opened = self.open_subscription(id, None, subscribe);
            let Some(session) = self.sessions.get_mut(id) else { return };
            let Some(beginning) = &mut session.busy().beginning else { return };
            beginning.missing += usize::from(opened.is_ok());
            if let Err(refusal) = &opened {
                let name = refusal.code.name();
                *self.stats.refusals.entry(name).or_default() += 1;
            }
            beginning.subs.push((number, opened));
        }
        // Places that are known at once, and the one that stood for this loop.
        let keys: Vec<u32> = self
            .sessions
            .get(id)
            .map_or_else(Vec::new, |session| session.subs.iter().map(|(_, key)| *key).collect());
        for key in keys {
            self.find_place(key);
        }
        self.place_is_found(id);
    }

    /// One more of a session's first subscriptions is ready; with the last of them it is connected.
    pub(super) fn place_is_found(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(beginning) = &mut session.busy().beginning else { return };
        beginning.missing -= 1;
        if beginning.missing == 0 {
            self.connected(id);
        }
    }

    fn connected(&mut self, id: SessionId) {
        let first_ping = 1 + self.random.below(millis(self.config.ping_interval).max(1));
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(beginning) = session.busy().beginning.take() else { return };
        session.phase = Phase::Open;
        if session.capabilities.has(Capabilities::PINGS) {
            session.ping_at = self.now.saturating_add(first_ping);
        }
        let mut begun = Vec::new();
        let mut subscriptions = Vec::with_capacity(beginning.subs.len());
        for (number, opened) in beginning.subs {
            let subscribed = opened.map(|key| {
                begun.push(key);
                self.begin_subscription(key)
            });
            subscriptions.push((number, subscribed));
        }
        let Some(session) = self.sessions.get_mut(id) else { return };
        let connected = Connected {
            id: beginning.id,
            session: id.to_string(),
            user: session.user.clone(),
            capabilities: session.capabilities,
            ping_interval_ms: millis(self.config.ping_interval),
            pong_timeout_ms: millis(self.config.pong_timeout),
            expires_in_ms: expires_in(session, self.now),
            reconnect_window_ms: millis(self.config.reconnect_window),
            ticket: beginning.ticket,
            limits: Limits {
                max_message_bytes: self.config.max_message_bytes,
                max_subscriptions: self.config.max_subscriptions,
                publish_rate: self.config.publish_rate,
            },
            subscriptions,
        };
        let early = std::mem::take(&mut session.busy().early);
        let bytes: usize = early.iter().map(|(_, bytes)| bytes).sum();
        session.busy().bytes -= bytes;
        // A publication that was refused came behind all of these.
        let shut_until = session.busy().held.open();
        session.tidy();
        self.send(id, ServerMessage::Connected(Box::new(connected)));
        for key in begun {
            self.subscription_begun(key);
        }
        for (message, bytes) in early {
            self.command(id, message, bytes);
        }
        if let Some(session) = self.sessions.get_mut(id).filter(|_| shut_until > self.now) {
            session.busy().held.shut(shut_until);
        }
        self.arm(id);
    }

    /// A new token was shown, by the same user.
    fn refreshed(&mut self, id: SessionId, command: u64, mut identity: Identity) {
        let ticket = identity.ticket.take();
        let expires_at = self.tick_of(identity.expires_at_ms);
        let Some(session) = self.sessions.get_mut(id) else { return };
        if identity.user != session.user {
            let refusal = Refusal::new(
                ErrorCode::Forbidden,
                "the token names another user: connect again to be somebody else",
            );
            return self.refuse(id, command, refusal);
        }
        session.permissions = identity.permissions;
        session.expires_at = expires_at;
        let refreshed = ServerMessage::Refreshed {
            id: command,
            expires_in_ms: expires_in(session, self.now),
            ticket: ticket.filter(|_| session.capabilities.has(Capabilities::TICKETS)),
        };
        self.send(id, refreshed);
        self.end_forbidden(id);
        self.arm(id);
    }

    /// The client showed that it lives.
    pub(super) fn heard(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.ping_at != NEVER {
            session.pinged = false;
            session.ping_at = self.now.saturating_add(millis(self.config.ping_interval));
        }
    }

    /// Puts a session's deadline to the earliest that it has. One that moved away is noticed when it comes.
    pub(super) fn arm(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let deadline = match session.phase {
            Phase::Opened => session.opened_at.saturating_add(millis(self.config.connect_timeout)),
            Phase::Authenticating | Phase::Beginning => NEVER,
            Phase::Open => {
                let grace = millis(self.config.expiry_grace);
                let stall = millis(self.config.stall_timeout);
                let expiry = session.expires_at.saturating_add(grace);
                let busy = session.busy.as_ref();
                let held = busy.map_or(NEVER, |busy| busy.held.due().min(busy.rates.due()));
                let stalled = session.congested_at.saturating_add(stall);
                expiry.min(session.ping_at).min(stalled).min(held)
            }
        };
        if deadline < session.due {
            self.timers.set(Timer::Session(id), &mut session.due, deadline);
        }
    }

    pub(super) fn session_is_due(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.due = NEVER;
        if session.phase == Phase::Opened {
            let waited = self.config.connect_timeout.as_secs();
            if session.opened_at.saturating_add(millis(self.config.connect_timeout)) <= self.now {
                let reason = format!("no connect came within {waited} s: send it first");
                return self.disconnect(id, CloseCode::CONNECT_TIMEOUT, reason);
            }
        }
        let grace = millis(self.config.expiry_grace);
        if session.expires_at.saturating_add(grace) <= self.now {
            let reason = "the token has expired: take a fresh one and connect again";
            return self.disconnect(id, CloseCode::TOKEN_EXPIRED, reason);
        }
        let stall = self.config.stall_timeout;
        if session.congested_at.saturating_add(millis(stall)) <= self.now {
            let reason = format!(
                "the connection took nothing for {} s: connect again and read what comes",
                stall.as_secs()
            );
            return self.disconnect(id, CloseCode::PONG_TIMEOUT, reason);
        }
        if session.ping_at <= self.now {
            let timeout = millis(self.config.pong_timeout).max(1);
            // A ping behind much else takes its time: then the pipe's own deadline holds.
            if session.pinged && !session.is_congested() {
                let reason = format!("nothing came for {timeout} ms behind a ping: connect again");
                return self.disconnect(id, CloseCode::PONG_TIMEOUT, reason);
            }
            session.ping_at = self.now.saturating_add(timeout);
            if !session.pinged {
                session.pinged = true;
                self.send(id, ServerMessage::Ping);
            }
        }
        self.submit_held(id);
        self.arm(id);
    }

    pub(super) fn congested(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.is_congested() {
            return;
        }
        session.congested_at = self.now;
        session.stuffed = 0;
        self.stats.congested += 1;
        self.arm(id);
        self.step_all(id, Event::Congested);
    }

    pub(super) fn drained(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if !session.is_congested() {
            return;
        }
        session.congested_at = NEVER;
        self.stats.congested -= 1;
        if session.pinged {
            session.ping_at = self.now.saturating_add(millis(self.config.pong_timeout));
        }
        self.arm(id);
        self.tell_resets(id);
        self.step_all(id, Event::Drained);
        self.queue_session(id);
        self.next_history(id);
    }

    /// Forgets a session and all of its subscriptions.
    pub(super) fn remove_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        self.timers.set(Timer::Session(id), &mut session.due, NEVER);
        self.stats.congested -= u64::from(session.is_congested());
        let subs = std::mem::take(&mut session.subs);
        for (_, key) in subs {
            self.remove_subscription(key);
        }
        self.sessions.remove(id);
        self.stats.sessions = self.sessions.len() as u64;
    }

    /// The server goes away.
    pub(super) fn drain(&mut self, window: Duration) {
        self.draining = Some(window);
        let all: Vec<SessionId> = self.sessions.behind(None).map(|session| session.id).collect();
        for id in all {
            self.send_away(id, window);
        }
    }

    fn send_away(&mut self, id: SessionId, window: Duration) {
        self.refuse_held(id);
        let retry = self.spread(window);
        let reason = "the server goes away: come back, another is there or it will be".to_owned();
        self.disconnect_for(id, CloseCode::GOING_AWAY, reason, Some(retry));
    }

    /// A random part of this time, in milliseconds.
    fn spread(&mut self, over: Duration) -> Tick {
        self.random.below(millis(over).saturating_add(1))
    }
}

/// When the session's token expires: milliseconds from now.
fn expires_in(session: &Session, now: Tick) -> Option<u64> {
    (session.expires_at != NEVER).then(|| session.expires_at.saturating_sub(now))
}

/// The only version of the protocol.
const VERSION: u32 = 1;

/// The largest number of the protocol.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Over which time clients come back that the server has no place for.
const OVERLOADED_SPREAD: Duration = Duration::from_secs(30);
