//! A hub with its broker and its pipes, all in one thread, all effects done.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use longwire_channel::{
    ChannelName, ClientMessage, Disconnect, Push, Pushed, Record, Refusal, ServerMessage,
};

use super::Clock;
use crate::{
    Answer, Credentials, Denied, Effect, Hub, HubConfig, Identity, Input, Operation, Permissions,
    PipeInfo, SessionId, Stats, Target, Transport,
    broker::{self, Broker},
};

/// A server without sockets.
#[derive(Debug)]
pub struct Node<B> {
    /// Its hub.
    pub hub: Hub,
    /// Its broker.
    pub broker: B,
    /// Its time.
    pub clock: Clock,
    /// Who has which token. Whoever shows none, or one that is not here, may do everything.
    pub identities: HashMap<String, Result<Identity, Denied>>,
    /// Answers to requests, as they came.
    pub answers: Vec<(u64, Result<Answer, Refusal>)>,
    /// Whether events of the broker wait in `events`, for whoever runs the node to choose among them.
    pub hold_events: bool,
    /// Events that wait.
    pub events: VecDeque<broker::Event>,
    /// Of which channel each `Attach`, and each other request about a channel, is on its way.
    open: HashMap<u64, (bool, ChannelName)>,
    pipes: BTreeMap<SessionId, Pipe>,
    generation: u32,
    requests: u64,
}

/// What a session's pipe holds.
#[derive(Debug)]
pub struct Pipe {
    /// Messages that the client has not taken.
    pub queue: VecDeque<ServerMessage>,
    /// How the hub ended it.
    pub disconnect: Option<Disconnect>,
    /// Bytes that it may hold before it is congested.
    pub budget: usize,
    /// Bytes that it holds.
    pub bytes: usize,
    congested: bool,
}

impl<B: Broker> Node<B> {
    /// A node without sessions.
    pub fn new(config: HubConfig, seed: u64, broker: B, clock: Clock) -> Self {
        Self {
            hub: Hub::new(config, seed, clock.now()),
            broker,
            clock,
            identities: HashMap::new(),
            answers: Vec::new(),
            hold_events: false,
            events: VecDeque::new(),
            open: HashMap::new(),
            pipes: BTreeMap::new(),
            generation: 0,
            requests: 0,
        }
    }

    /// Opens a pipe; its session is to `connect`.
    pub fn open(&mut self) -> SessionId {
        let session = self.new_session();
        self.input(Input::Opened { session, info: pipe_info(Transport::WebSocket) });
        session
    }

    /// Opens a pipe for somebody who is known already.
    pub fn open_as(&mut self, identity: Identity) -> SessionId {
        let session = self.new_session();
        self.input(Input::OpenedAs { session, info: pipe_info(Transport::Socket), identity });
        session
    }

    fn new_session(&mut self) -> SessionId {
        let used = |slot: u32| self.pipes.keys().any(|id| id.slot() == slot as usize);
        let slot = (0..=u32::MAX).find(|slot| !used(*slot)).expect("there is always a free slot");
        self.generation += 1;
        let session = SessionId::new(slot, self.generation);
        let pipe = Pipe {
            queue: VecDeque::new(),
            disconnect: None,
            budget: usize::MAX,
            bytes: 0,
            congested: false,
        };
        self.pipes.insert(session, pipe);
        session
    }

    /// A message of a client's.
    pub fn receive(&mut self, session: SessionId, message: ClientMessage) {
        self.input(Input::Received { session, message, bytes: 64 });
    }

    /// The client's end of a pipe is gone.
    pub fn hang_up(&mut self, session: SessionId) {
        if self.pipes.remove(&session).is_some() {
            self.input(Input::Gone { session });
        }
    }

    /// A request; its number.
    pub fn request(&mut self, identity: Identity, operation: Operation) -> u64 {
        self.requests += 1;
        self.input(Input::Requested { request: self.requests, identity, operation });
        self.requests
    }

    /// Anything that happens; then all effects, until nothing is left to do.
    pub fn input(&mut self, input: Input) {
        self.hub.handle(input, self.clock.now());
        self.settle();
    }

    /// Does all effects, and tells what the broker has to say.
    pub fn settle(&mut self) {
        loop {
            while let Some(effect) = self.hub.poll_effect() {
                self.perform(effect);
            }
            let Some(event) = self.broker.poll(self.clock.now()) else { return };
            if self.hold_events {
                self.events.push_back(event);
            } else {
                if let broker::Event::Completed { token, .. } = &event {
                    self.open.remove(token);
                }
                self.hub.handle(Input::Broker(event), self.clock.now());
            }
        }
    }

    /// Tells the hub the event at this place among those that wait.
    pub fn release(&mut self, place: usize) {
        if let Some(event) = self.events.remove(place) {
            if let broker::Event::Completed { token, .. } = &event {
                self.open.remove(token);
            }
            self.input(Input::Broker(event));
        }
    }

    /// Whether the event at this place may come before those that wait in front of it. What is told of a channel keeps
    /// its order; other completions do not, but that none overtakes what tells of another life of its channel.
    pub fn may_overtake(&self, place: usize) -> bool {
        let Some(event) = self.events.get(place) else { return false };
        let Some((channel, is_told)) = self.channel_of(event) else { return true };
        self.events.iter().take(place).all(|before| {
            let begins = match before {
                broker::Event::Reset { .. } => true,
                broker::Event::Completed { .. } => self.channel_of(before).is_some_and(|it| it.1),
                _ => false,
            };
            self.channel_of(before)
                .is_none_or(|(other, told)| other != channel || !(told && is_told || begins))
        })
    }

    /// The channel of an event, and whether it tells what happens to it.
    fn channel_of<'a>(&'a self, event: &'a broker::Event) -> Option<(&'a ChannelName, bool)> {
        match event {
            broker::Event::Appended { channel, .. }
            | broker::Event::Reset { channel, .. }
            | broker::Event::Ended { channel } => Some((channel, true)),
            broker::Event::Completed { token, .. } => {
                self.open.get(token).map(|(attaches, channel)| (channel, *attaches))
            }
        }
    }

    /// Requests to the broker that are on their way.
    pub fn open_requests(&self) -> usize {
        self.open.len()
    }

    /// All sessions whose clients have not hung up.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, &Pipe)> {
        self.pipes.iter().map(|(session, pipe)| (*session, pipe))
    }

    /// Lets time pass; what is due on the way happens at its time.
    pub fn pass(&mut self, time: Duration) {
        let end = self.clock.now().instant + time;
        while let Some(due) = self.due().filter(|due| *due <= end) {
            self.clock.advance_to(due);
            self.hub.handle_timeout(self.clock.now());
            self.settle();
        }
        self.clock.advance_to(end);
        self.settle();
    }

    /// When something happens by itself.
    pub fn due(&self) -> Option<Instant> {
        self.hub.poll_timeout().into_iter().chain(self.broker.poll_timeout()).min()
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { session, message } => self.put(session, message),
            Effect::Deliver { record, to, .. } => {
                for target in to {
                    self.put(target.session, message_to(target, &record));
                }
            }
            Effect::Authenticate { session, credentials } => {
                let outcome = self.identify(credentials);
                self.hub.handle(Input::Authenticated { session, outcome }, self.clock.now());
            }
            Effect::Broker { token, request } => {
                if let Some(channel) = request.channel()
                    && !matches!(request, broker::Request::Detach { .. })
                {
                    let attaches = matches!(request, broker::Request::Attach { .. });
                    self.open.insert(token, (attaches, channel.clone()));
                }
                self.broker.submit(token, request, self.clock.now());
            }
            Effect::Respond { request, outcome } => self.answers.push((request, outcome)),
            Effect::Disconnect { session, disconnect } => {
                if let Some(pipe) = self.pipes.get_mut(&session) {
                    pipe.disconnect = Some(disconnect);
                }
            }
        }
    }

    fn identify(&self, credentials: Credentials) -> Result<Identity, Denied> {
        let shown = credentials.token.or(credentials.ticket).unwrap_or_default();
        let known = self.identities.get(&shown).cloned();
        known.unwrap_or_else(|| Ok(Identity::nameless(Permissions::all())))
    }

    fn put(&mut self, session: SessionId, message: ServerMessage) {
        let Some(pipe) = self.pipes.get_mut(&session) else { return };
        assert!(pipe.disconnect.is_none(), "{session} is sent {message:?} behind its last word");
        pipe.bytes += sized(&message);
        pipe.queue.push_back(message);
        if pipe.bytes > pipe.budget && !pipe.congested {
            pipe.congested = true;
            self.hub.handle(Input::Congested { session }, self.clock.now());
        }
    }

    /// A session's pipe.
    pub fn pipe(&self, session: SessionId) -> Option<&Pipe> {
        self.pipes.get(&session)
    }

    /// Bounds a pipe.
    pub fn set_budget(&mut self, session: SessionId, budget: usize) {
        if let Some(pipe) = self.pipes.get_mut(&session) {
            pipe.budget = budget;
        }
    }

    /// Takes the next message out of a pipe. With the last one it has drained.
    pub fn take(&mut self, session: SessionId) -> Option<ServerMessage> {
        let pipe = self.pipes.get_mut(&session)?;
        let message = pipe.queue.pop_front()?;
        pipe.bytes -= sized(&message);
        if pipe.congested && pipe.queue.is_empty() {
            pipe.congested = false;
            self.input(Input::Drained { session });
        }
        Some(message)
    }

    /// Takes everything out of a pipe.
    pub fn take_all(&mut self, session: SessionId) -> Vec<ServerMessage> {
        std::iter::from_fn(|| self.take(session)).collect()
    }

    /// How the hub ended a session, if it did.
    pub fn ending(&self, session: SessionId) -> Option<&Disconnect> {
        self.pipes.get(&session)?.disconnect.as_ref()
    }

    /// What the hub counted.
    pub fn stats(&self) -> &Stats {
        self.hub.stats()
    }
}

/// What a target of a live record is sent.
fn message_to(target: Target, record: &Arc<Record>) -> ServerMessage {
    let Target { sub, prev, skipped, .. } = target;
    ServerMessage::Push(Push {
        sub,
        pushed: Pushed::Message { prev, skipped, record: Arc::clone(record) },
    })
}

fn pipe_info(transport: Transport) -> PipeInfo {
    PipeInfo { transport, address: None }
}

/// About how many bytes a message has.
pub fn sized(message: &ServerMessage) -> usize {
    const FRAME: usize = 64;
    match message {
        ServerMessage::Push(Push { pushed: Pushed::Message { record, .. }, .. }) => {
            FRAME + record.payload.len()
        }
        ServerMessage::Push(Push { pushed: Pushed::Page { records, .. }, .. }) => {
            FRAME + records.iter().map(|record| FRAME + record.payload.len()).sum::<usize>()
        }
        ServerMessage::History { page, .. } => {
            FRAME + page.records.iter().map(|record| FRAME + record.payload.len()).sum::<usize>()
        }
        _ => FRAME,
    }
}
