//! A server's process: the hub with its brokers and its log, driven as the real node drives them.

pub(crate) mod authority;
pub(crate) mod pipes;

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use longwire_channel::{Codec, Incoming};
use longwire_hub::{
    Credentials, Effect, Hub, Identity, Input, Now, Operation, PipeInfo, SessionId, Transport,
    broker::{self, Broker, Brokers, Durable, Memory, MemoryLimits},
};
use longwire_log::LogError;

use self::pipes::Pipes;
use crate::{
    content,
    disk::Disk,
    invariant::Invariant,
    log::{Log, LogHandle},
    network::{ConnectionId, Frame},
    sabotage,
    stage::{Mail, Stage},
};

/// One process, from its start to its end.
pub(crate) struct Server {
    hub: Hub,
    broker: Brokers<Memory, Durable<LogHandle>>,
    log: Rc<RefCell<Log>>,
    disk: Arc<Disk>,
    pipes: Pipes,
    queue: VecDeque<Command>,
    /// Requests of the HTTP API that wait, with the calls that made them.
    requests: BTreeMap<u64, u64>,
    /// Publications, ends and deletions at the broker, by token.
    writes: BTreeMap<u64, Write>,
    /// Who is being found out, by the time that it takes.
    authentications: BTreeMap<(Duration, u64), (SessionId, Credentials)>,
    /// What its tickets are signed with.
    secret: u64,
    /// How far its clock is from the others': milliseconds.
    skew_ms: u64,
    /// It gets no time until then.
    pub(crate) stalled_until: Duration,
    /// It takes no new connections.
    pub(crate) is_draining: bool,
    /// Whether the log has failed.
    pub(crate) has_failed: bool,
}

/// What its tasks tell the node.
#[derive(Debug)]
enum Command {
    Open { session: SessionId },
    Input(Input),
    Drained(SessionId),
    Gone { connection: ConnectionId },
    Request { call: u64, operation: Operation },
}

/// A write at the broker: which channel, and of a publication its tag.
#[derive(Clone, Copy, Debug)]
struct Write {
    channel: usize,
    tag: Option<u32>,
}

impl Server {
    /// Starts it over what the disk has.
    pub(crate) fn start(disk: &Arc<Disk>, stage: &mut Stage) -> Result<Self, LogError> {
        let swarm = &stage.swarm;
        let log = Log::open(disk, &mut stage.chance, swarm.sync_ms)?;
        let log = Rc::new(RefCell::new(log));
        let memory = Memory::new(MemoryLimits::default(), stage.chance.next());
        let durable = Durable::new(LogHandle(Rc::clone(&log)));
        let broker = Brokers::new(memory, durable, swarm.hub.namespaces.clone());
        let skew_ms = stage.chance.below(MAX_SKEW_MS);
        let now = now(stage, skew_ms);
        Ok(Self {
            hub: Hub::new(swarm.hub.clone(), stage.chance.next(), now),
            broker,
            log,
            disk: Arc::clone(disk),
            pipes: Pipes::default(),
            queue: VecDeque::new(),
            requests: BTreeMap::new(),
            writes: BTreeMap::new(),
            authentications: BTreeMap::new(),
            secret: stage.chance.next() % 2,
            skew_ms,
            stalled_until: Duration::ZERO,
            is_draining: false,
            has_failed: false,
        })
    }

    /// A client's transport is open.
    pub(crate) fn accept(&mut self, connection: ConnectionId, codec: Codec) {
        let session = self.pipes.open(connection, codec);
        self.queue.push_back(Command::Open { session });
    }

    /// A request of the HTTP API has come.
    pub(crate) fn request(&mut self, call: u64, operation: Operation) {
        self.queue.push_back(Command::Request { call, operation });
    }

    /// Its log takes nothing, or takes requests again.
    pub(crate) fn overload(&mut self, is_overloaded: bool) {
        self.log.borrow_mut().is_overloaded = is_overloaded;
    }

    /// It is to send everybody away.
    pub(crate) fn drain(&mut self, window: Duration) {
        self.is_draining = true;
        self.queue.push_back(Command::Input(Input::Drain { window }));
    }

    /// Its hub has the settings of the swarm from now on.
    pub(crate) fn reconfigure(&mut self, stage: &mut Stage) {
        self.hub.reconfigure(stage.swarm.hub.clone());
        stage.tally.reconfigured += 1;
    }

    /// Sessions, as a caller may name them.
    pub(crate) fn sessions(&self) -> Vec<SessionId> {
        self.pipes.sessions()
    }

    /// The hub's own counts.
    pub(crate) fn stats(&self) -> &longwire_hub::Stats {
        self.hub.stats()
    }

    /// It stops as it was asked to: what was submitted is written.
    pub(crate) fn stop(&mut self, stage: &mut Stage) {
        self.log.borrow_mut().close();
        self.look_at_disk(stage);
        self.lose_connections(stage, true);
    }

    /// It is killed, or its machine goes down, of which nobody is told.
    pub(crate) fn kill(&mut self, stage: &mut Stage, is_told: bool) {
        self.log.borrow_mut().kill(&self.disk);
        self.lose_connections(stage, is_told);
    }

    fn lose_connections(&mut self, stage: &mut Stage, is_told: bool) {
        for connection in self.pipes.connections() {
            let Stage { network, chance, now, .. } = stage;
            network.get_mut(connection).lose_server(chance, *now, is_told);
        }
    }

    /// Tells what is true all that came to be on disk.
    pub(crate) fn look_at_disk(&self, stage: &mut Stage) {
        stage.truth.written(self.disk.take_changes());
    }

    /// Tells the node of sessions whose pipes have room again.
    pub(crate) fn notice_drained(&mut self, stage: &Stage) {
        let drained = self.pipes.newly_drained(stage);
        self.queue.extend(drained.into_iter().map(Command::Drained));
    }

    /// Whether the node has something to do.
    pub(crate) fn node_is_ready(&self, stage: &Stage) -> bool {
        let now = stage.now;
        let is_due = |at: Option<std::time::Instant>| at.is_some_and(|at| stage.moment(at) <= now);
        self.stalled_until <= now
            && (!self.queue.is_empty()
                || self.log.borrow().has_done()
                || is_due(self.hub.poll_timeout())
                || is_due(self.broker.poll_timeout())
                || self.authentications.first_key_value().is_some_and(|((at, _), _)| *at <= now))
    }

    /// Whether a thread of the log has something to do.
    pub(crate) fn log_is_ready(&self, stage: &Stage) -> bool {
        self.log.borrow().is_ready(stage.now)
    }

    /// Connections whose tasks have something to do.
    pub(crate) fn attendants(&self, stage: &Stage) -> Vec<ConnectionId> {
        if self.stalled_until > stage.now || self.queue.len() >= COMMANDS {
            return Vec::new();
        }
        self.pipes.attendants(stage)
    }

    pub(crate) fn next_due(&self, stage: &Stage) -> Option<Duration> {
        let authentication = self.authentications.first_key_value().map(|((at, _), _)| *at);
        let timers = [self.hub.poll_timeout(), self.broker.poll_timeout()];
        let node = timers.into_iter().flatten().map(|at| stage.moment(at)).chain(authentication);
        let node = node.map(|at| at.max(self.stalled_until)).min();
        let stalled = Some(self.stalled_until).filter(|at| *at > stage.now);
        let others = [Some(self.log.borrow().next_due()), self.pipes.next_due(stage.now), stalled];
        node.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// A thread of the log gets on.
    pub(crate) fn step_log(&mut self, stage: &mut Stage) {
        let unix_ms = now(stage, self.skew_ms).unix_ms;
        stage.truth.tell_time(stage.now, unix_ms);
        if sabotage::reorders(stage) {
            self.log.borrow_mut().swap_writes();
        }
        self.log.borrow_mut().step(&mut stage.chance, stage.now, unix_ms);
        self.look_at_disk(stage);
    }

    /// The task of a connection reads what came.
    pub(crate) fn attend(&mut self, connection: ConnectionId, stage: &mut Stage) {
        let Some(session) = self.pipes.session(connection) else { return };
        let Stage { network, chance, now, .. } = stage;
        let pipe = &mut network.get_mut(connection).up;
        let codec = self.pipes.codec(connection);
        if !pipe.has_news() {
            return self.depart(connection, stage);
        }
        let frame = match pipe.read(u64::MAX, chance, *now) {
            None => return,
            Some(Frame::Close { .. }) => return self.depart(connection, stage),
            Some(Frame::Text(bytes)) if codec.is_text() => bytes,
            Some(Frame::Binary(bytes)) if !codec.is_text() => bytes,
            Some(other) => panic!("a client of {codec} sent {other:?}"),
        };
        let limit = stage.swarm.hub.max_message_bytes;
        Invariant::Bounded.check(frame.len() as u64 <= limit, || {
            format!("a client sent {} bytes, and {limit} may be", frame.len())
        });
        let incoming = codec.decode_client(&frame).expect("a client's frames are sound");
        let bytes = frame.len() / incoming.len().max(1);
        for incoming in incoming {
            let Incoming::Message(message) = incoming else {
                panic!("a client's message is refused: {incoming:?}");
            };
            self.queue.push_back(Command::Input(Input::Received { session, message, bytes }));
        }
    }

    /// A connection's task is over.
    fn depart(&mut self, connection: ConnectionId, stage: &mut Stage) {
        let it = stage.network.get_mut(connection);
        it.server.left = true;
        it.up.discards = true;
        it.client.told.get_or_insert(stage.now);
        self.pipes.depart(connection);
        self.queue.push_back(Command::Gone { connection });
    }

    /// The node has a turn.
    pub(crate) fn step_node(&mut self, stage: &mut Stage) {
        let now = now(stage, self.skew_ms);
        stage.truth.tell_time(stage.now, now.unix_ms);
        while let Some(entry) = self.authentications.first_entry()
            && entry.key().0 <= stage.now
        {
            let (session, credentials) = entry.remove();
            let outcome = authority::decide(&credentials, self.secret, now.unix_ms, stage);
            self.queue.push_back(Command::Input(Input::Authenticated { session, outcome }));
        }
        let turn = if self.queue.is_empty() {
            0
        } else {
            1 + stage.chance.index(self.queue.len().min(TURN))
        };
        for command in self.queue.drain(..turn).collect::<Vec<_>>() {
            self.obey(command, now, stage);
        }
        if self.hub.poll_timeout().is_some_and(|due| due <= now.instant) {
            self.hub.handle_timeout(now);
        }
        self.settle(now, stage);
        self.check_bounds(stage);
    }

    fn obey(&mut self, command: Command, now: Now, stage: &mut Stage) {
        match command {
            Command::Open { session } => {
                let info = PipeInfo { transport: Transport::WebSocket, address: None };
                self.feed(Input::Opened { session, info }, now, stage);
            }
            Command::Input(input) => self.feed(input, now, stage),
            Command::Drained(session) => {
                if self.pipes.has_drained(session) {
                    self.feed(Input::Drained { session }, now, stage);
                }
            }
            Command::Gone { connection } => {
                if let Some(session) = self.pipes.forget(connection) {
                    self.feed(Input::Gone { session }, now, stage);
                }
            }
            Command::Request { call, operation } => {
                let request = stage.number();
                self.requests.insert(request, call);
                let identity = Identity::nameless(longwire_hub::Permissions::all());
                self.feed(Input::Requested { request, identity, operation }, now, stage);
            }
        }
    }

    fn feed(&mut self, input: Input, now: Now, stage: &mut Stage) {
        self.hub.handle(input, now);
        self.perform_all(now, stage);
    }

    fn settle(&mut self, now: Now, stage: &mut Stage) {
        self.perform_all(now, stage);
        while let Some(event) = self.broker.poll(now) {
            self.overhear(&event, stage);
            self.feed(Input::Broker(event), now, stage);
        }
    }

    fn perform_all(&mut self, now: Now, stage: &mut Stage) {
        loop {
            while let Some(effect) = self.hub.poll_effect() {
                self.perform(effect, now, stage);
            }
            let Some(session) = self.pipes.newly_congested(stage) else { break };
            stage.tally.congested += 1;
            self.hub.handle(Input::Congested { session }, now);
        }
    }

    fn perform(&mut self, effect: Effect, now: Now, stage: &mut Stage) {
        match effect {
            Effect::Send { session, message } => self.pipes.send(session, &message, stage),
            Effect::Deliver { epoch, record, to } => {
                for target in to {
                    self.pipes.deliver(epoch, &record, target, stage);
                }
            }
            Effect::Authenticate { session, credentials } => {
                if stage.chance.percent(50) {
                    let outcome = authority::decide(&credentials, self.secret, now.unix_ms, stage);
                    self.hub.handle(Input::Authenticated { session, outcome }, now);
                } else {
                    let at = stage.now + stage.chance.millis(0, 300);
                    let number = stage.number();
                    self.authentications.insert((at, number), (session, credentials));
                }
            }
            Effect::Broker { token, request } => {
                self.note(token, &request, stage);
                let request = sabotage::request(stage, request);
                self.broker.submit(token, request, now);
            }
            Effect::Respond { request, outcome } => {
                let call = self.requests.remove(&request);
                let Some(call) = call else {
                    Invariant::AnsweredOnce.broken(format!("{request} is answered {outcome:?}"));
                };
                stage.post(Mail { call, outcome });
            }
            Effect::Disconnect { session, disconnect } => {
                stage.tally.disconnects += 1;
                self.pipes.close(session, &disconnect, stage);
            }
        }
    }

    /// Remembers what the broker is asked to write.
    fn note(&mut self, token: u64, request: &broker::Request, stage: &Stage) {
        let tag = match request {
            broker::Request::Append { publication, .. } if !publication.ephemeral => {
                content::tag_of(publication.payload.bytes())
            }
            broker::Request::End { .. } | broker::Request::Delete { .. } => None,
            _ => return,
        };
        if let Some(channel) = request.channel() {
            let channel = stage.truth.channel_of(channel.as_str());
            self.writes.insert(token, Write { channel, tag });
        }
    }

    /// Looks at what the broker tells, before the hub does.
    fn overhear(&mut self, event: &broker::Event, stage: &mut Stage) {
        match event {
            broker::Event::Completed { token, result } => {
                let write = self.writes.remove(token);
                if let Err(broker::Error::Failed(_)) = result {
                    self.has_failed = true;
                }
                let (Some(Write { channel, tag }), Ok(response)) = (write, result) else { return };
                match (response, tag) {
                    (broker::Response::Published(published), Some(tag)) => {
                        if let Some(position) = published.position {
                            let is_new = !published.duplicate;
                            stage.tally.duplicates += usize::from(!is_new);
                            stage.truth.appended(channel, tag, position, is_new);
                        }
                    }
                    (broker::Response::Ended(position), None) => {
                        stage.truth.ended(channel, *position);
                    }
                    (broker::Response::Deleted, None) => stage.truth.deleted(channel),
                    _ => {}
                }
            }
            broker::Event::Appended { channel, epoch, record } => {
                let channel = stage.truth.channel_of(channel.as_str());
                stage.truth.seen(channel, epoch.get(), record);
            }
            broker::Event::Reset { .. } | broker::Event::Ended { .. } => {}
        }
    }

    /// What the documents say of memory holds, whatever clients do.
    fn check_bounds(&self, stage: &mut Stage) {
        self.pipes.check_bounds(stage);
        let stats = self.hub.stats();
        let config = &stage.swarm.hub;
        let subscriptions = stats.subscriptions;
        let by_state = subscriptions.opening
            + subscriptions.reading
            + subscriptions.live
            + subscriptions.waiting;
        let by_policy = subscriptions.all
            + subscriptions.latest
            + subscriptions.rollup
            + subscriptions.drop
            + subscriptions.disconnect;
        Invariant::Bounded.check(
            by_state == by_policy
                && by_state <= stats.sessions * u64::from(config.max_subscriptions)
                && stats.channels <= stage.swarm.channels.len() as u64
                && stats.congested <= stats.sessions
                && stats.sessions <= config.max_sessions as u64
                && self.requests.len() <= config.max_requests,
            || format!("{stats:?} with {} requests", self.requests.len()),
        );
        let memory = self.broker.memory();
        let limits = MemoryLimits::default();
        Invariant::Bounded
            .check(memory.bytes() <= limits.bytes && memory.streams() <= limits.streams, || {
                format!("{} bytes of {} streams", memory.bytes(), memory.streams())
            });
    }
}

/// Now, on the clocks of a server.
fn now(stage: &Stage, skew_ms: u64) -> Now {
    let elapsed = u64::try_from(stage.now.as_millis()).expect("runs are short");
    Now { instant: stage.instant(), unix_ms: BEGINNING_MS + skew_ms + elapsed }
}

/// The first second of 2026.
const BEGINNING_MS: u64 = 1_767_225_600_000;

/// By how much two servers' clocks differ at the most.
const MAX_SKEW_MS: u64 = 5_000;

/// Commands that wait for the node; the connections' tasks wait then.
const COMMANDS: usize = 256;

/// Commands of one turn.
const TURN: usize = 256;
