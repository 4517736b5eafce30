//! What is tried again, and when.

use std::time::{Duration, Instant};

use longwire_channel::{ErrorCode, Refusal};

use super::random::Random;

/// What it takes to try a refused command again.
pub(super) struct Retry<'a> {
    pub(super) random: &'a mut Random,
    pub(super) now: Instant,
    /// Whether a fresh token can be had, so that an expired one is no end.
    pub(super) has_callback: bool,
}

impl Retry<'_> {
    /// Whether what was refused may succeed later.
    pub(super) fn is_temporary(&self, refusal: &Refusal) -> bool {
        refusal.code.is_temporary() || refusal.code == ErrorCode::TokenExpired && self.has_callback
    }

    /// How long to wait: as the server says, else by backoff.
    pub(super) fn delay(&mut self, refusal: &Refusal, tries: u32) -> Duration {
        match refusal.retry_after_ms {
            Some(millis) => told(millis),
            None => self.backoff(tries),
        }
    }

    pub(super) fn backoff(&mut self, tries: u32) -> Duration {
        self.random.backoff(tries)
    }
}

/// A delay that the server told, within reason.
pub(super) fn told(millis: u64) -> Duration {
    Duration::from_millis(millis).min(TOLD_MAX)
}

/// A longer delay is a mistake rather than a wish, and would outlive whoever made it.
const TOLD_MAX: Duration = Duration::from_hours(1);
