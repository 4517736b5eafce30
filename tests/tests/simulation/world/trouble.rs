//! Trouble: the faults of a run, each at its times.

use std::{collections::BTreeMap, time::Duration};

use super::World;
use crate::{
    caller::What,
    chance::Chance,
    stage::Stage,
    swarm::{Fault, Swarm},
};

/// What goes wrong when, and what ends when.
#[derive(Debug)]
pub(super) struct Trouble {
    next: BTreeMap<Fault, Duration>,
    /// The disk has room again.
    room_at: Option<Duration>,
    /// The disk can be read again.
    readable_at: Option<Duration>,
    /// The log takes requests again.
    eased_at: Option<Duration>,
    /// The server stops, as it was asked to.
    stops_at: Option<Duration>,
    /// The operator has seen that the log failed.
    repairs_at: Option<Duration>,
}

impl Trouble {
    pub(super) fn new(swarm: &Swarm, chance: &mut Chance) -> Self {
        let first = swarm.faults.iter().map(|(fault, mean)| (*fault, chance.wait(*mean)));
        Self {
            next: first.collect(),
            room_at: None,
            readable_at: None,
            eased_at: None,
            stops_at: None,
            repairs_at: None,
        }
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        let ends = [self.room_at, self.readable_at, self.eased_at, self.stops_at, self.repairs_at];
        let ends = ends.into_iter().flatten();
        ends.chain(self.next.values().copied()).min()
    }

    /// A new process has none of the old one's troubles.
    pub(super) fn server_lost(&mut self) {
        self.stops_at = None;
        self.repairs_at = None;
    }
}

impl World {
    /// What is due happens.
    pub(super) fn make_trouble(&mut self) {
        let now = self.stage.now;
        if self.trouble.room_at.take_if(|at| *at <= now).is_some() {
            self.disk.set_full(false);
        }
        if self.trouble.readable_at.take_if(|at| *at <= now).is_some() {
            self.disk.set_unreadable(false);
        }
        if self.trouble.eased_at.take_if(|at| *at <= now).is_some()
            && let Some(server) = &mut self.server
        {
            server.overload(false);
        }
        if self.trouble.stops_at.take_if(|at| *at <= now).is_some() {
            self.stop_server();
        }
        if self.trouble.repairs_at.take_if(|at| *at <= now).is_some() {
            self.kill_server(true);
        }
        let due = self.trouble.next.iter().find(|(_, at)| **at <= now).map(|(fault, _)| *fault);
        if let Some(fault) = due {
            let mean = self.stage.swarm.faults[&fault];
            let wait = self.stage.chance.wait(mean);
            self.trouble.next.insert(fault, now + wait);
            self.strike(fault);
        }
    }

    fn strike(&mut self, fault: Fault) {
        let stage = &mut self.stage;
        let now = stage.now;
        match fault {
            Fault::Cut => cut(stage, true),
            Fault::Silence => cut(stage, false),
            Fault::Kill => self.kill_server(true),
            Fault::PowerLoss => self.kill_server(false),
            Fault::FailedSync if self.server.is_none() => {}
            Fault::FailedSync => {
                self.disk.fail_next_sync();
                stage.tally.failed_syncs += 1;
                let seen = stage.chance.millis(100, 5_000);
                self.trouble.repairs_at.get_or_insert(now + seen);
            }
            Fault::FullDisk => {
                self.disk.set_full(true);
                stage.tally.full_disks += 1;
                self.trouble.room_at = Some(now + stage.chance.millis(100, 6_000));
            }
            Fault::Unreadable => {
                self.disk.set_unreadable(true);
                stage.tally.unreadable += 1;
                self.trouble.readable_at = Some(now + stage.chance.millis(10, 3_000));
            }
            Fault::Overload => {
                if let Some(server) = &mut self.server {
                    server.overload(true);
                    stage.tally.overloads += 1;
                    self.trouble.eased_at = Some(now + stage.chance.millis(10, 2_000));
                }
            }
            Fault::Spoilt => {
                for (epoch, seq) in self.disk.spoil(&mut stage.chance) {
                    stage.tally.spoilt += 1;
                    stage.truth.damaged(epoch, seq);
                }
            }
            Fault::Drain => {
                if let Some(server) = self.server.as_mut().filter(|server| !server.is_draining) {
                    stage.tally.drains += 1;
                    server.drain(stage.chance.millis(0, 3_000));
                    self.trouble.stops_at = Some(now + stage.chance.millis(0, 5_000));
                }
            }
            Fault::Stall => {
                if let Some(server) = &mut self.server {
                    server.stalled_until = now + stage.chance.millis(1, 3_000);
                }
            }
            Fault::Reconfigure => {
                stage.swarm.reconfigure(&mut stage.chance);
                if let Some(server) = &mut self.server {
                    server.reconfigure(stage);
                }
            }
            Fault::Disconnect | Fault::Ban => self.send_off(fault == Fault::Disconnect),
            Fault::End | Fault::Delete => {
                let channel = stage.chance.index(stage.truth.channels.len());
                let what = if fault == Fault::End {
                    stage.tally.ends += 1;
                    What::End { channel }
                } else {
                    stage.tally.deletions += 1;
                    What::Delete { channel }
                };
                self.administrator().wanted.push(what);
            }
            _ => self.strike_client(fault),
        }
    }

    fn strike_client(&mut self, fault: Fault) {
        let stage = &mut self.stage;
        let index = stage.chance.index(self.clients.len());
        let client = &mut self.clients[index];
        let until = stage.now + stage.chance.millis(10, 8_000);
        match fault {
            Fault::SlowReader => client.slow_until = until,
            Fault::SlowApplication => client.lazy_until = until,
            Fault::Asleep => client.asleep_until = until,
            Fault::NoTokens => client.tokenless_until = until,
            Fault::ClientRestart if client.is_closed() || stage.chance.percent(70) => {
                client.restart(stage);
            }
            Fault::ClientRestart => client.close(stage),
            _ => client.shake(stage),
        }
    }

    pub(super) fn administrator(&mut self) -> &mut crate::caller::Caller {
        self.callers.last_mut().expect("there is one")
    }

    fn send_off(&mut self, come_back: bool) {
        let stage = &mut self.stage;
        let sessions =
            self.server.as_ref().map_or_else(Vec::new, super::super::server::Server::sessions);
        let Some(session) = sessions.get(stage.chance.index(sessions.len().max(1))) else { return };
        stage.tally.bans += usize::from(!come_back);
        let what = What::Disconnect { session: *session, come_back };
        self.administrator().wanted.push(what);
    }

    pub(super) fn kill_server(&mut self, is_told: bool) {
        if let Some(server) = &mut self.server {
            self.stage.tally.kills += 1;
            server.kill(&mut self.stage, is_told);
            let rest = self.stage.chance.millis(10, 5_000);
            self.lose_server(rest);
        }
    }

    fn stop_server(&mut self) {
        if let Some(server) = &mut self.server {
            server.stop(&mut self.stage);
            let rest = self.stage.chance.millis(10, 5_000);
            self.lose_server(rest);
        }
    }

    /// Faults stop, and what they left behind is put right.
    pub(super) fn calm_down(&mut self) {
        self.stage.is_calm = true;
        self.trouble.next.clear();
        self.trouble.room_at = None;
        self.trouble.readable_at = None;
        self.trouble.eased_at = None;
        self.disk.set_full(false);
        self.disk.set_unreadable(false);
        let has_failed = self.server.as_ref().is_some_and(|it| it.has_failed);
        if has_failed || self.trouble.repairs_at.is_some() {
            self.kill_server(true);
        }
        if let Some(server) = &mut self.server {
            server.stalled_until = self.stage.now;
            server.overload(false);
        }
        for client in &mut self.clients {
            client.asleep_until = self.stage.now;
        }
        // A line that carries less than a kilobyte a second is a fault, too.
        let Stage { swarm, network, .. } = &mut self.stage;
        swarm.window = swarm.window.max(GOOD_WINDOW);
        swarm.latency_ms = swarm.latency_ms.min(GOOD_LATENCY_MS);
        network.widen(swarm.window, swarm.latency_ms);
    }
}

fn cut(stage: &mut Stage, is_told: bool) {
    let ids = stage.network.ids();
    let Some(id) = ids.get(stage.chance.index(ids.len().max(1))) else { return };
    stage.tally.cuts += 1;
    let Stage { network, chance, now, .. } = stage;
    network.get_mut(*id).cut(chance, *now, is_told);
}

/// Bytes on the way, of an ordinary line, ...
const GOOD_WINDOW: u64 = 16 << 10;

/// ... and how long they take at the most: milliseconds.
const GOOD_LATENCY_MS: u64 = 50;
