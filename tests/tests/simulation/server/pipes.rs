//! The pipes of a server's sessions: what is written, which are congested, and how much they hold.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use longwire_channel::{Codec, Disconnect, Epoch, Push, Pushed, Record, ServerMessage};
use longwire_hub::{SessionId, Target};

use crate::{
    invariant::Invariant,
    network::{ConnectionId, Frame},
    sabotage::{self, Bug},
    stage::Stage,
    swarm::{MAX_CONTENT, Swarm},
};

/// All pipes of a server.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    all: BTreeMap<ConnectionId, Pipe>,
    /// The connection of each session, by slot.
    slots: Vec<Option<ConnectionId>>,
    generation: u32,
    congested: Vec<ConnectionId>,
}

/// The server's end of a connection.
#[derive(Debug)]
struct Pipe {
    session: SessionId,
    codec: Codec,
    /// The hub has said its last word.
    is_closed: bool,
    /// Its task is over.
    has_departed: bool,
    is_congested: bool,
    /// Bytes of what was pushed since it is congested.
    pushed: u64,
    /// Once the transport took so many bytes it has room again.
    drained_at: Option<u64>,
    /// When the transport ends, whatever the client does.
    ends_at: Option<Duration>,
}

impl Pipes {
    pub(super) fn open(&mut self, connection: ConnectionId, codec: Codec) -> SessionId {
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(connection);
        self.generation += 1;
        let session = SessionId::new(u32::try_from(slot).expect("few"), self.generation);
        let pipe = Pipe {
            session,
            codec,
            is_closed: false,
            has_departed: false,
            is_congested: false,
            pushed: 0,
            drained_at: None,
            ends_at: None,
        };
        self.all.insert(connection, pipe);
        session
    }

    pub(super) fn sessions(&self) -> Vec<SessionId> {
        self.all.values().map(|pipe| pipe.session).collect()
    }

    /// Those that the server still has its end of.
    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        let open = self.all.iter().filter(|(_, pipe)| !pipe.has_departed);
        open.map(|(connection, _)| *connection).collect()
    }

    pub(super) fn session(&self, connection: ConnectionId) -> Option<SessionId> {
        self.all.get(&connection).map(|pipe| pipe.session)
    }

    pub(super) fn codec(&self, connection: ConnectionId) -> Codec {
        self.all[&connection].codec
    }

    /// Connections whose tasks have something to read, or an end to see.
    pub(super) fn attendants(&self, stage: &Stage) -> Vec<ConnectionId> {
        let is_ready = |(connection, pipe): &(&ConnectionId, &Pipe)| {
            let it = stage.network.get(**connection);
            it.up.has_news()
                || it.server_sees_end(stage.now)
                || pipe.ends_at.is_some_and(|at| at <= stage.now)
        };
        let open = self.all.iter().filter(|(_, pipe)| !pipe.has_departed);
        open.filter(is_ready).map(|(connection, _)| *connection).collect()
    }

    pub(super) fn next_due(&self, now: Duration) -> Option<Duration> {
        let open = self.all.values().filter(|pipe| !pipe.has_departed);
        open.filter_map(|pipe| pipe.ends_at).filter(|at| *at > now).min()
    }

    /// A connection's task is over; its session is still the hub's.
    pub(super) fn depart(&mut self, connection: ConnectionId) {
        if let Some(pipe) = self.all.get_mut(&connection) {
            pipe.has_departed = true;
        }
    }

    /// The hub is told that a session is gone.
    pub(super) fn forget(&mut self, connection: ConnectionId) -> Option<SessionId> {
        let pipe = self.all.remove(&connection)?;
        self.slots[pipe.session.slot()] = None;
        Some(pipe.session)
    }

    fn find(&mut self, session: SessionId) -> Option<(ConnectionId, &mut Pipe)> {
        let connection = self.slots.get(session.slot()).copied().flatten()?;
        let pipe = self.all.get_mut(&connection).filter(|pipe| pipe.session == session)?;
        Some((connection, pipe))
    }

    pub(super) fn send(&mut self, session: SessionId, message: &ServerMessage, stage: &mut Stage) {
        if let ServerMessage::Push(push) = message
            && let Some(changed) = sabotage::push(stage, session, push)
        {
            return changed.into_iter().for_each(|push| {
                let message = ServerMessage::Push(push);
                self.write(session, true, stage, |codec| codec.encode_server(&message));
            });
        }
        if let ServerMessage::Error { refusal, .. } = message {
            stage.was_put_off |= refusal.code.is_temporary();
        }
        let changed = sabotage::answer(stage, message);
        let message = changed.as_ref().unwrap_or(message);
        let is_push = matches!(message, ServerMessage::Push(_));
        self.write(session, is_push, stage, |codec| codec.encode_server(message));
    }

    /// Pushes a live record.
    pub(super) fn deliver(
        &mut self,
        epoch: Epoch,
        record: &Arc<Record>,
        target: Target,
        stage: &mut Stage,
    ) {
        let Target { session, sub, prev, skipped } = target;
        if record.seq > 0 {
            let life = stage.truth.lives.get(&epoch.get());
            Invariant::OnDisk.check(life.is_some_and(|it| it.get(record.seq).is_some()), || {
                format!("{} of {epoch} is delivered, and is nowhere", record.seq)
            });
        }
        if stage.sabotage.is_some() {
            let record = Arc::clone(record);
            let push = Push { sub, pushed: Pushed::Message { prev, skipped, record } };
            return self.send(session, &ServerMessage::Push(push), stage);
        }
        let write = |codec: Codec| codec.encode_message_push(sub, prev, skipped, record);
        self.write(session, true, stage, write);
    }

    /// Says the last word.
    pub(super) fn close(&mut self, session: SessionId, disconnect: &Disconnect, stage: &mut Stage) {
        let message = ServerMessage::Disconnect(disconnect.clone());
        self.write(session, false, stage, |codec| codec.encode_server(&message));
        let Some((connection, pipe)) = self.find(session) else { return };
        pipe.is_closed = true;
        if pipe.has_departed {
            return;
        }
        pipe.ends_at = Some(stage.now + CLOSE_TIME);
        let Disconnect { code, reason, .. } = disconnect.clone();
        let Stage { network, chance, now, .. } = stage;
        network.get_mut(connection).down.put(Frame::Close { code, reason }, chance, *now);
    }

    fn write(
        &mut self,
        session: SessionId,
        is_push: bool,
        stage: &mut Stage,
        write: impl FnOnce(Codec) -> Bytes,
    ) {
        let Some((connection, pipe)) = self.find(session) else {
            Invariant::LastWord.broken(format!("{session} is gone, and something is sent to it"));
        };
        Invariant::LastWord.check(!pipe.is_closed, || {
            format!("something is sent to {session} behind its last word")
        });
        if pipe.has_departed {
            return;
        }
        let bytes = write(pipe.codec);
        if is_push && pipe.is_congested {
            pipe.pushed += bytes.len() as u64;
        }
        let frame = if pipe.codec.is_text() { Frame::Text(bytes) } else { Frame::Binary(bytes) };
        let Stage { network, chance, now, swarm, .. } = stage;
        let it = network.get_mut(connection);
        it.down.put(frame, chance, *now);
        if it.down.buffered() > swarm.budget && !pipe.is_congested {
            pipe.is_congested = true;
            pipe.pushed = 0;
            pipe.drained_at = Some(it.down.written());
            self.congested.push(connection);
        }
    }

    /// A session whose pipe has got more than its budget since it was last asked about.
    pub(super) fn newly_congested(&mut self, stage: &Stage) -> Option<SessionId> {
        let connection = self.congested.pop()?;
        if sabotage::is_planted(stage, Bug::HidesCongestion) {
            return None;
        }
        self.session(connection)
    }

    /// Sessions whose transports took all that there was when they became congested.
    pub(super) fn newly_drained(&mut self, stage: &Stage) -> Vec<SessionId> {
        let mut drained = Vec::new();
        for (connection, pipe) in &mut self.all {
            if let Some(mark) = pipe.drained_at
                && !pipe.has_departed
                && stage.network.get(*connection).down.sent() >= mark
            {
                pipe.drained_at = None;
                drained.push(pipe.session);
            }
        }
        drained
    }

    /// The hub is told that a session has room; says whether it was congested.
    pub(super) fn has_drained(&mut self, session: SessionId) -> bool {
        self.find(session).is_some_and(|(_, pipe)| std::mem::take(&mut pipe.is_congested))
    }

    /// No pipe ever holds more than its budget, and what the hub may give to one that is congested.
    pub(super) fn check_bounds(&self, stage: &mut Stage) {
        let most_pushed = pushes(&stage.swarm);
        let most = stage.swarm.budget + most_pushed + answers(&stage.swarm);
        for (connection, pipe) in self.all.iter().filter(|(_, pipe)| !pipe.has_departed) {
            let held = stage.network.get(*connection).down.buffered();
            stage.tally.most_buffered = stage.tally.most_buffered.max(held);
            stage.tally.most_pushed = stage.tally.most_pushed.max(pipe.pushed);
            Invariant::Bounded.check(held <= most && pipe.pushed <= most_pushed, || {
                format!(
                    "{held} bytes wait, and {most} may; since it is congested {} were pushed, and {most_pushed} may: \
                     {pipe:?}",
                    pipe.pushed
                )
            });
        }
    }
}

/// Bytes that may be pushed to a congested pipe: a page, and for each subscription a record, a reset and its end.
fn pushes(swarm: &Swarm) -> u64 {
    let record = record(swarm);
    let (records, bytes) = swarm.largest_page;
    let page = u64::from(records) * OVERHEAD + 2 * bytes as u64 + record;
    page + u64::from(SUBSCRIPTIONS_MAX) * (record + 2 * OVERHEAD)
}

/// Bytes of what a congested pipe may be answered: one request for history, and as many commands as may come.
fn answers(swarm: &Swarm) -> u64 {
    let history = u64::from(HISTORY_MAX) * record(swarm);
    history + u64::from(swarm.hub.max_pending_commands) * ANSWER
}

/// Bytes of the largest record in any codec.
fn record(swarm: &Swarm) -> u64 {
    (swarm.content.min(MAX_CONTENT) * 3 / 2) as u64 + OVERHEAD
}

/// The records that anybody here asks for at a time.
pub(crate) const HISTORY_MAX: u32 = 20;

/// The subscriptions that any client here has.
pub(crate) const SUBSCRIPTIONS_MAX: u32 = 5;

/// What a record takes beside its content.
const OVERHEAD: u64 = 250;

/// What an answer takes, with its words.
const ANSWER: u64 = 400;

/// How long a closing handshake may take.
const CLOSE_TIME: Duration = Duration::from_secs(5);
