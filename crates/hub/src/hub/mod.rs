//! The hub as a machine: inputs in, effects out.

use std::{collections::VecDeque, time::Instant};

use crate::{Effect, HubConfig, Input, Now, Stats};

/// Sessions, channels and subscriptions of one process, without I/O.
///
/// - **handlers** ([`handle`](Self::handle), [`handle_timeout`](Self::handle_timeout)): what happened outside;
/// - **polls** ([`poll_effect`](Self::poll_effect), [`poll_timeout`](Self::poll_timeout)): what to do next;
/// - **commands** ([`reconfigure`](Self::reconfigure)) and getters.
///
/// **After any handler, do all effects until there are no more.**
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    effects: VecDeque<Effect>,
    stats: Stats,
}

impl Hub {
    /// A hub without sessions. `seed` is where its random numbers come from.
    pub fn new(config: HubConfig, _seed: u64, _now: Now) -> Self {
        Self { config, effects: VecDeque::new(), stats: Stats::default() }
    }

    /// Something happened.
    pub fn handle(&mut self, _input: Input, _now: Now) {}

    /// The instant that [`Self::poll_timeout`] named has come, or an earlier one.
    pub fn handle_timeout(&mut self, _now: Now) {}

    /// What to do next.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// What was counted.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Puts other settings in place of those there are.
    pub fn reconfigure(&mut self, config: HubConfig) {
        self.config = config;
    }
}
