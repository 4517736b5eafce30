//! Tokens and tickets: which are presented, and when a fresh token is asked for.

use std::time::{Duration, Instant};

use super::random::Random;

/// Where tokens come from.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// There is none: the server asks for none.
    #[default]
    None,
    /// It is always this one.
    Fixed(String),
    /// The driver asks for one whenever [`Action::AskToken`](super::Action::AskToken) says so.
    Callback,
}

impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Fixed(_) => "Fixed(..)",
            Self::Callback => "Callback",
        })
    }
}

/// The credentials of a client.
pub(super) struct Credentials {
    source: TokenSource,
    /// A token from the callback that no `connect` has had yet, and when it came.
    fresh: Option<(String, Instant)>,
    ticket: Option<String>,
    /// Whether the last `connect` had a ticket, and no token came since.
    presented_ticket: bool,
    /// The callback is at work, until then at most.
    asked: Option<Instant>,
    /// When the token in use is to be replaced.
    refresh_at: Option<Instant>,
    refresh_tries: u32,
    /// A token to be sent by `refresh`, and when it came.
    refresh: Option<(String, Instant)>,
}

impl Credentials {
    pub(super) fn new(source: TokenSource) -> Self {
        Self {
            source,
            fresh: None,
            ticket: None,
            presented_ticket: false,
            asked: None,
            refresh_at: None,
            refresh_tries: 0,
            refresh: None,
        }
    }

    pub(super) fn has_callback(&self) -> bool {
        self.source == TokenSource::Callback
    }

    /// Whether an attempt has to wait for the callback.
    pub(super) fn lacks_token(&self, now: Instant) -> bool {
        let is_fresh = |came: Instant| now.saturating_duration_since(came) < FRESH_MAX;
        let has_fresh = self.fresh.as_ref().is_some_and(|(_, came)| is_fresh(*came));
        self.has_callback() && self.ticket.is_none() && !has_fresh
    }

    /// Says that the callback is wanted. `true` if it is to be called, `false` if it is at work.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let is_asked = self.asked.is_some();
        self.asked.get_or_insert(now + CALLBACK_TIMEOUT);
        !is_asked
    }

    /// The callback has answered. `false` if nobody waits for it any longer.
    pub(super) fn handle_answer(&mut self) -> bool {
        self.asked.take().is_some()
    }

    /// A token for the next attempt.
    pub(super) fn keep(&mut self, token: String, now: Instant) {
        self.fresh = Some((token, now));
    }

    /// What `connect` presents: a token, or a ticket.
    pub(super) fn present(&mut self) -> (Option<String>, Option<String>) {
        self.presented_ticket = self.ticket.is_some();
        if self.presented_ticket {
            return (None, self.ticket.clone());
        }
        let token = match &self.source {
            TokenSource::None => None,
            TokenSource::Fixed(token) => Some(token.clone()),
            TokenSource::Callback => self.fresh.take().map(|(token, _)| token),
        };
        (token, None)
    }

    /// The server would not have what was presented, or not any longer. `true` if that was a ticket, so that a token may do
    /// better.
    pub(super) fn drop_ticket(&mut self) -> bool {
        self.ticket = None;
        std::mem::take(&mut self.presented_ticket)
    }

    /// The server took the credentials.
    pub(super) fn handle_accepted(
        &mut self,
        ticket: Option<String>,
        expires_in_ms: Option<u64>,
        now: Instant,
    ) {
        if ticket.is_some() {
            self.ticket = ticket;
        }
        // Whoever comes back later needs a fresh one.
        self.fresh = None;
        self.refresh_tries = 0;
        let lifetime = expires_in_ms.filter(|_| self.has_callback());
        self.refresh_at = lifetime.and_then(|millis| {
            now.checked_add(Duration::from_millis(millis / 10 * 8).max(REFRESH_MIN))
        });
    }

    /// A token that is to be sent by `refresh`.
    pub(super) fn refresh_with(&mut self, token: String, now: Instant) {
        self.refresh = Some((token, now));
    }

    pub(super) fn take_refresh(&mut self) -> Option<String> {
        self.refresh.take().map(|(token, _)| token)
    }

    /// The server took the token of `refresh`.
    pub(super) fn handle_refreshed(
        &mut self,
        ticket: Option<String>,
        expires_in_ms: Option<u64>,
        now: Instant,
    ) {
        self.presented_ticket = false;
        self.handle_accepted(ticket, expires_in_ms, now);
    }

    /// A token is wanted soon: now, or when a failed refresh is tried again.
    pub(super) fn refresh_soon(&mut self, now: Instant) {
        let is_later = self.refresh_at.is_none_or(|at| at > now);
        if self.has_callback() && self.asked.is_none() && self.refresh.is_none() && is_later {
            self.refresh_at = Some(now);
        }
    }

    /// The refresh failed for a time.
    pub(super) fn refresh_later(&mut self, random: &mut Random, now: Instant) {
        self.refresh_at = Some(now + random.backoff(self.refresh_tries));
        self.refresh_tries = self.refresh_tries.saturating_add(1);
    }

    /// Whether the time for a refresh has come; it then goes.
    pub(super) fn is_refresh_due(&mut self, now: Instant) -> bool {
        self.refresh_at.take_if(|at| *at <= now).is_some()
    }

    /// Whether the callback takes too long; it is then no longer waited for.
    pub(super) fn is_overdue(&mut self, now: Instant) -> bool {
        self.asked.take_if(|at| *at <= now).is_some()
    }

    /// The connection is gone, and what was to happen in it.
    pub(super) fn handle_lost(&mut self) {
        self.refresh_at = None;
        if let Some(refresh) = self.refresh.take() {
            self.fresh = Some(refresh);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.asked, self.refresh_at].into_iter().flatten().min()
    }
}

/// A token endpoint that takes longer is down; the attempt begins anew.
pub(super) const CALLBACK_TIMEOUT: Duration = Duration::from_secs(30);
/// A token that waits for longer may have expired, or its key may have been replaced.
const FRESH_MAX: Duration = Duration::from_mins(1);
/// A token that is about to expire whenever it comes is not asked for in a tight circle.
const REFRESH_MIN: Duration = Duration::from_millis(500);
