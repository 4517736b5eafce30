//! What all who take part share: time, chance, the network, what is true, and what was counted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use longwire_channel::Refusal;
use longwire_hub::Answer;

use crate::{
    chance::Chance, network::Network, sabotage::Sabotage, swarm::Swarm, tally::Tally, truth::Truth,
};

/// What all share.
pub(crate) struct Stage {
    pub(crate) swarm: Swarm,
    pub(crate) chance: Chance,
    pub(crate) truth: Truth,
    pub(crate) network: Network,
    pub(crate) tally: Tally,
    pub(crate) sabotage: Option<Sabotage>,
    /// Whether anything was refused for a time, so that what was in flight behind it may have passed it.
    pub(crate) was_put_off: bool,
    /// Whether faults have stopped.
    pub(crate) is_calm: bool,
    pub(crate) now: Duration,
    start: Instant,
    /// Answers of the HTTP API on their way, by the time of their arrival.
    pub(crate) mail: BTreeMap<(Duration, u64), Mail>,
    numbers: u64,
}

/// An answer of the HTTP API.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) call: u64,
    pub(crate) outcome: Result<Answer, Refusal>,
}

impl Stage {
    pub(crate) fn new(swarm: Swarm, chance: Chance, sabotage: Option<Sabotage>) -> Self {
        Self {
            truth: Truth::new(&swarm.channels),
            swarm,
            chance,
            network: Network::default(),
            tally: Tally::default(),
            sabotage,
            was_put_off: false,
            is_calm: false,
            now: Duration::ZERO,
            start: Instant::now(),
            mail: BTreeMap::new(),
            numbers: 0,
        }
    }

    /// Now, as the machines count it.
    pub(crate) fn instant(&self) -> Instant {
        self.start + self.now
    }

    /// A time of a machine's, as it is counted here.
    pub(crate) fn moment(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start)
    }

    /// A number that nobody else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// How long something takes on the network.
    pub(crate) fn latency(&mut self) -> Duration {
        self.chance.millis(0, self.swarm.latency_ms)
    }

    /// Sends an answer of the HTTP API on its way; some get lost while there are faults.
    pub(crate) fn post(&mut self, mail: Mail) {
        if !self.is_calm && !self.swarm.faults.is_empty() && self.chance.percent(5) {
            return;
        }
        let at = self.now + self.latency();
        let number = self.number();
        self.mail.insert((at, number), mail);
    }
}
