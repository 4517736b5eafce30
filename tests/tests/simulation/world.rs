//! A run: who takes part, whose turn it is, how time passes, and what must hold in the end.

mod ending;
mod trouble;

use std::{sync::Arc, time::Duration};

use self::trouble::Trouble;
use crate::{
    caller::Caller,
    chance::Chance,
    client::Client,
    disk::Disk,
    invariant::Invariant,
    network::ConnectionId,
    sabotage::{self, Bug, Sabotage},
    server::Server,
    stage::Stage,
    swarm::Swarm,
    tally::Tally,
};

/// Everything of one run.
pub(crate) struct World {
    stage: Stage,
    disk: Arc<Disk>,
    server: Option<Server>,
    /// When the next process starts, while there is none.
    starts_at: Duration,
    clients: Vec<Client>,
    /// The last one does what the administrator wants.
    callers: Vec<Caller>,
    trouble: Trouble,
}

/// Who can get on.
#[derive(Clone, Copy, Debug)]
enum Actor {
    Client(usize),
    Caller(usize),
    Node,
    Log,
    Attendant(ConnectionId),
    Post,
    Trouble,
    Start,
}

impl World {
    /// The run of a seed, to its end; gives what happened.
    pub(crate) fn run(seed: u64, bug: Option<Bug>) -> Tally {
        let mut world = Self::new(seed, bug);
        let end = world.stage.swarm.troubled;
        world.pass_until(end, |_| false);
        world.come_to_rest();
        world.stage.tally
    }

    fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut chance = Chance::new(seed);
        let swarm = Swarm::draw(&mut chance);
        let trouble = Trouble::new(&swarm, &mut chance);
        let (clients, callers) = (swarm.clients, swarm.callers);
        let mut stage = Stage::new(swarm, chance, bug.map(Sabotage::new));
        let disk = Arc::new(Disk::default());
        if sabotage::is_planted(&stage, Bug::LosesSynced) {
            disk.lies();
        }
        if sabotage::is_planted(&stage, Bug::AcksBeforeSync) {
            disk.is_late();
        }
        let server = Server::start(&disk, &mut stage).expect("the disk is empty and works");
        let clients = (0..clients).map(|number| Client::new(number, &mut stage)).collect();
        let callers = (0..callers).map(|number| Caller::new(number, &mut stage));
        let mut callers: Vec<Caller> = callers.collect();
        callers.push(Caller::administrator());
        let starts_at = Duration::ZERO;
        Self { stage, disk, server: Some(server), starts_at, clients, callers, trouble }
    }

    /// Lets everybody get on until that time, or until `is_enough`.
    fn pass_until(&mut self, end: Duration, is_enough: impl Fn(&Self) -> bool) {
        let mut spins = 0;
        loop {
            let ready = self.ready();
            if ready.is_empty() {
                if is_enough(self) {
                    return;
                }
                let due = self.next_due().max(self.stage.now);
                // What was sent without latency arrives at the same instant.
                spins = if due == self.stage.now { spins + 1 } else { 0 };
                self.stage.now = due.min(end);
                self.stage.network.advance(due.min(end));
                if due > end {
                    return;
                }
            } else {
                let index = self.stage.chance.index(ready.len());
                self.act(ready[index]);
                spins += 1;
            }
            Invariant::Converges.check(spins < MAX_SPINS, || {
                format!("{ready:?} go on and on at {:?}", self.stage.now)
            });
        }
    }

    /// Who can get on now.
    fn ready(&mut self) -> Vec<Actor> {
        let stage = &self.stage;
        let mut ready = Vec::new();
        if let Some(server) = &mut self.server {
            server.notice_drained(stage);
            ready.extend(server.attendants(stage).into_iter().map(Actor::Attendant));
            ready.extend(server.node_is_ready(stage).then_some(Actor::Node));
            ready.extend(server.log_is_ready(stage).then_some(Actor::Log));
        } else {
            ready.extend((self.starts_at <= stage.now).then_some(Actor::Start));
        }
        let clients = self.clients.iter().enumerate().filter(|(_, it)| it.is_ready(stage));
        ready.extend(clients.map(|(index, _)| Actor::Client(index)));
        let is_due = |it: &Caller| it.next_due(stage).is_some_and(|at| at <= stage.now);
        let callers = self.callers.iter().enumerate().filter(|(_, it)| is_due(it));
        ready.extend(callers.map(|(index, _)| Actor::Caller(index)));
        let mail = stage.mail.first_key_value();
        ready.extend(mail.filter(|((at, _), _)| *at <= stage.now).map(|_| Actor::Post));
        let is_troubled = self.trouble.next_due().is_some_and(|at| at <= stage.now);
        ready.extend(is_troubled.then_some(Actor::Trouble));
        ready
    }

    /// When somebody can get on, if nobody can now.
    fn next_due(&self) -> Duration {
        let stage = &self.stage;
        let server = match &self.server {
            Some(server) => server.next_due(stage),
            None => Some(self.starts_at),
        };
        let clients = self.clients.iter().filter_map(|it| it.next_due(stage));
        let callers = self.callers.iter().filter_map(|it| it.next_due(stage));
        let mail = stage.mail.first_key_value().map(|((at, _), _)| *at);
        let others = [server, mail, self.trouble.next_due(), stage.network.next_due(stage.now)];
        let due = clients.chain(callers).chain(others.into_iter().flatten()).min();
        due.unwrap_or(Duration::MAX)
    }

    fn act(&mut self, actor: Actor) {
        let Self { stage, server, .. } = self;
        let micros = u64::try_from(stage.now.as_micros()).expect("runs are short");
        stage.tally.step(micros ^ stage.chance.clone().next());
        match actor {
            Actor::Client(index) => self.clients[index].step(server.as_mut(), stage),
            Actor::Caller(index) => self.callers[index].step(server.as_mut(), stage),
            Actor::Node => {
                if let Some(server) = server {
                    server.step_node(stage);
                }
            }
            Actor::Log => {
                if let Some(server) = server {
                    server.step_log(stage);
                }
            }
            Actor::Attendant(connection) => {
                if let Some(server) = server {
                    server.attend(connection, stage);
                }
            }
            Actor::Post => {
                if let Some((_, mail)) = stage.mail.pop_first()
                    && let Some(caller) = self.callers.iter_mut().find(|it| it.awaits(mail.call))
                {
                    caller.answered(mail, stage);
                }
            }
            Actor::Trouble => self.make_trouble(),
            Actor::Start => self.start_server(),
        }
        self.stage.network.tidy();
    }

    fn start_server(&mut self) {
        match Server::start(&self.disk, &mut self.stage) {
            Ok(server) => self.server = Some(server),
            // A full disk: the operator tries again.
            Err(_) => self.starts_at = self.stage.now + Duration::from_secs(1),
        }
    }

    /// The server's process has ended, and another one will start.
    fn lose_server(&mut self, rest: Duration) {
        let Some(server) = self.server.take() else { return };
        let stage = &mut self.stage;
        let is_kept = stage.chance.percent(50);
        self.disk.restart(is_kept);
        server.look_at_disk(stage);
        stage.truth.restarted();
        for caller in &mut self.callers {
            caller.server_lost(stage);
        }
        self.starts_at = stage.now + rest;
        self.trouble.server_lost();
    }
}

/// Steps at one instant, of which a run needs a few hundred.
const MAX_SPINS: u32 = 50_000;
