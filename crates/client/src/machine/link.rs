//! The connection's own state: which phase, since when, and when the next attempt is due.

use std::time::{Duration, Instant};

use longwire_channel::Connected;

use super::{random::Random, retry::told};
use crate::Cause;

/// Where the connection stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    Idle,
    /// The token callback is at work.
    Token,
    /// The transport opens, until then at most.
    Transport(Instant),
    /// `connect` is sent, or about to be, and its answer comes until then at most.
    Greeting(Instant),
    Open,
    /// The next attempt begins then.
    Waiting(Instant),
    Closed(Cause),
}

/// The connection's state over all attempts.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) phase: Phase,
    /// Attempts and connections that ended since one was open for long enough.
    ends: u32,
    opened: Option<Instant>,
    was_open: bool,
    /// The window of the last `connected`.
    window: Duration,
    heard: Instant,
    /// The longest silence of a living server.
    patience: Option<Duration>,
}

impl Link {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Idle,
            ends: 0,
            opened: None,
            was_open: false,
            window: Duration::ZERO,
            heard: now,
            patience: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether there is a transport, or one opens.
    pub(super) fn has_transport(&self) -> bool {
        matches!(self.phase, Phase::Transport(_) | Phase::Greeting(_) | Phase::Open)
    }

    /// The server has answered. Says whether it is open again.
    pub(super) fn open(&mut self, connected: &Connected, now: Instant) -> bool {
        self.phase = Phase::Open;
        self.opened = Some(now);
        self.heard = now;
        self.window = told(connected.reconnect_window_ms);
        self.patience = (connected.ping_interval_ms > 0).then(|| {
            Duration::from_millis(connected.ping_interval_ms)
                .saturating_add(Duration::from_millis(connected.pong_timeout_ms))
        });
        std::mem::replace(&mut self.was_open, true)
    }

    /// A message came.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = now;
    }

    /// For how long nothing came, if that is too long; `asleep` is what the clock did not count.
    pub(super) fn silence(&self, asleep: Duration, now: Instant) -> Option<Duration> {
        let patience = self.patience.filter(|_| self.is_open())?;
        let silence = now.saturating_duration_since(self.heard).saturating_add(asleep);
        (silence >= patience).then_some(silence)
    }

    /// Counts an end, and gives the time until the next attempt.
    pub(super) fn end(
        &mut self,
        retry_after_ms: Option<u64>,
        random: &mut Random,
        now: Instant,
    ) -> Duration {
        let opened = self.opened.take();
        if opened.is_some_and(|opened| now.saturating_duration_since(opened) >= STABLE) {
            self.ends = 0;
        }
        let delay = match retry_after_ms {
            Some(millis) => told(millis),
            None if self.ends == 0 && opened.is_some() => random.up_to(self.window),
            None => random.backoff(self.ends),
        };
        self.ends = self.ends.saturating_add(1);
        self.phase = Phase::Waiting(now + delay);
        delay
    }

    /// As [`Self::end`], where a fresh token is all that it takes: at once, unless that was no help.
    pub(super) fn end_for_token(&mut self, random: &mut Random, now: Instant) -> Duration {
        let is_stable =
            self.opened.is_some_and(|opened| now.saturating_duration_since(opened) >= STABLE);
        let delay = (self.ends == 0 || is_stable).then_some(0);
        self.end(delay, random, now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Transport(at) | Phase::Greeting(at) | Phase::Waiting(at) => Some(at),
            Phase::Open => self.patience.and_then(|patience| self.heard.checked_add(patience)),
            Phase::Idle | Phase::Token | Phase::Closed(_) => None,
        }
    }
}

/// A connection that was open for so long counts as one that works.
pub(super) const STABLE: Duration = Duration::from_secs(5);
