//! The node: the one place that drives the hub and the brokers, and writes to everybody's pipe.

mod handle;
mod sessions;

use std::{
    collections::HashMap,
    fmt, iter,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::FutureExt;
use longwire_channel::{Epoch, Record, Refusal};
use longwire_hub::{
    Answer, Credentials, Effect, Hub, HubConfig, Input, Now, SessionId, Target,
    broker::{self, Broker},
};
use slab::Slab;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::sleep_until,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, error};

pub(crate) use self::handle::{NodeHandle, Snapshot, Visitor};
use self::{handle::Command, sessions::Sessions};
use crate::{
    auth::{self, Authoriser},
    pipe::{Live, LiveKey},
    storage::Storage,
};

/// Drives the hub and the brokers. It is one task, so that all of this has one order.
pub(crate) struct Node {
    hub: Hub,
    storage: Storage,
    sessions: Sessions,
    requests: Slab<oneshot::Sender<Result<Answer, Refusal>>>,
    authoriser: Arc<dyn Authoriser>,
    authorise_timeout: Duration,
    /// Sessions of which it is being found out who they are. Whoever leaves is asked about no more.
    asking: HashMap<SessionId, AbortOnDropHandle<()>>,
    handle: NodeHandle,
    commands: mpsc::Receiver<Command>,
    departures: mpsc::UnboundedReceiver<SessionId>,
    wake: Arc<Notify>,
    log_failed: Arc<AtomicBool>,
    now: Now,
}

/// What a node is made of.
pub(crate) struct Parts {
    pub(crate) config: HubConfig,
    pub(crate) storage: Storage,
    pub(crate) authoriser: Arc<dyn Authoriser>,
    /// How long the authoriser is waited for.
    pub(crate) authorise_timeout: Duration,
    /// Notified when the broker has something.
    pub(crate) wake: Arc<Notify>,
    /// Bytes that may wait for a client before it counts as congested.
    pub(crate) queue_bytes: usize,
}

impl Node {
    pub(crate) fn new(parts: Parts) -> (Self, NodeHandle) {
        let (commands_in, commands) = mpsc::channel(COMMANDS);
        let (departures_in, departures) = mpsc::unbounded_channel();
        let log_failed = Arc::new(AtomicBool::new(false));
        let handle = NodeHandle::new(commands_in, departures_in, log_failed.clone());
        let now = now();
        let node = Self {
            hub: Hub::new(parts.config, rand::random(), now),
            storage: parts.storage,
            sessions: Sessions::new(parts.queue_bytes),
            requests: Slab::new(),
            authoriser: parts.authoriser,
            authorise_timeout: parts.authorise_timeout,
            asking: HashMap::new(),
            handle: handle.clone(),
            commands,
            departures,
            wake: parts.wake,
            log_failed,
            now,
        };
        (node, handle)
    }

    /// Works until a [`Command::Stop`].
    pub(crate) async fn run(mut self) {
        let mut turn = Vec::with_capacity(TURN);
        let mut departed = Vec::new();
        loop {
            let deadline = earliest(self.hub.poll_timeout(), self.storage.poll_timeout());
            let wake = self.wake.clone();
            tokio::select! {
                biased;
                _ = self.commands.recv_many(&mut turn, TURN) => {}
                session = self.departures.recv() => departed.extend(session),
                () = wake.notified() => {}
                () = until(deadline) => {}
            }
            self.now = now();
            departed.extend(iter::from_fn(|| self.departures.try_recv().ok()));
            if !departed.is_empty() {
                // Whoever has left may have opened just before, behind this turn: a session that opened after it was
                // gone would stay for good.
                turn.extend(iter::from_fn(|| self.commands.try_recv().ok()).take(COMMANDS));
            }
            for command in turn.drain(..) {
                if let Command::Stop(stopped) = command {
                    // Whoever waits may have left.
                    let _ = stopped.send(());
                    return;
                }
                self.obey(command);
            }
            for session in departed.drain(..) {
                self.depart(session);
            }
            if self.hub.poll_timeout().is_some_and(|due| due <= self.now.instant) {
                self.hub.handle_timeout(self.now);
            }
            self.settle();
            // Other tasks of this thread get their turn, however much there is to do.
            tokio::task::yield_now().await;
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open { session, pipe, info, identity } => {
                debug!(%session, transport = info.transport.name(), address = ?info.address, "opened");
                self.sessions.open(session, pipe);
                self.feed(match identity {
                    None => Input::Opened { session, info },
                    Some(identity) => Input::OpenedAs { session, info, identity },
                });
            }
            Command::Input(Input::Drained { session }) => {
                if self.sessions.has_drained(session) {
                    self.feed(Input::Drained { session });
                }
            }
            Command::Input(input) => {
                if let Input::Authenticated { session, .. } = &input {
                    self.asking.remove(session);
                }
                self.feed(input);
            }
            Command::Gone(session) => self.depart(session),
            Command::Request { identity, operation, answer } => {
                let request = self.requests.insert(answer) as u64;
                self.feed(Input::Requested { request, identity, operation });
            }
            Command::Inspect(answer) => {
                let queue_bytes = self.sessions.buffered();
                let stats = self.hub.stats().clone();
                let log = self.storage.figures();
                // Whoever asked may have left.
                let _ = answer.send(Snapshot { stats, queue_bytes, log });
            }
            Command::Stop(_) => {}
        }
    }

    fn depart(&mut self, session: SessionId) {
        debug!(%session, "gone");
        self.sessions.forget(session);
        self.asking.remove(&session);
        self.feed(Input::Gone { session });
        self.handle.release(session);
    }

    /// Tells the hub, and does what it wants at once.
    fn feed(&mut self, input: Input) {
        self.hub.handle(input, self.now);
        self.perform_all();
    }

    /// Goes on until neither the hub nor the broker has anything.
    fn settle(&mut self) {
        self.perform_all();
        while let Some(event) = self.storage.poll(self.now) {
            if let broker::Event::Completed { result: Err(broker::Error::Failed(cause)), .. } =
                &event
                && !self.log_failed.swap(true, Ordering::Relaxed)
            {
                error!(cause, "the log has failed: durable channels take nothing until a restart");
            }
            self.feed(Input::Broker(event));
        }
    }

    fn perform_all(&mut self) {
        loop {
            while let Some(effect) = self.hub.poll_effect() {
                self.perform(effect);
            }
            let Some(session) = self.sessions.newly_congested() else { break };
            self.await_drained(session);
            self.hub.handle(Input::Congested { session }, self.now);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { session, message } => self.sessions.send(session, &message),
            Effect::Deliver { epoch, record, to } => self.deliver(epoch, &record, &to),
            Effect::Authenticate { session, credentials } => {
                self.authenticate(session, credentials);
            }
            Effect::Broker { token, request } => self.storage.submit(token, request, self.now),
            Effect::Respond { request, outcome } => {
                let key = usize::try_from(request).unwrap_or(usize::MAX);
                if let Some(answer) = self.requests.try_remove(key) {
                    // Whoever asked may have left.
                    let _ = answer.send(outcome);
                }
            }
            Effect::Disconnect { session, disconnect } => {
                debug!(%session, code = disconnect.code.0, reason = disconnect.reason, "disconnect");
                self.sessions.close(session, &disconnect);
            }
        }
    }

    /// Writes a live record to everybody who is to get it, and its bytes once for all who get the same.
    fn deliver(&mut self, epoch: Epoch, record: &Arc<Record>, to: &[Target]) {
        let mut written: Vec<(LiveKey, Live)> = Vec::new();
        for target in to {
            self.sessions.deliver(target.session, |form| {
                let key = LiveKey::new(form, target.sub, target.prev, target.skipped);
                // Mostly there is one form, and so one place to look at.
                if let Some(at) = written.iter().position(|(known, _)| *known == key) {
                    return written[at].1.clone();
                }
                if written.len() == FORMS {
                    written.clear();
                }
                let live = key.write(epoch, record);
                written.push((key, live.clone()));
                live
            });
        }
    }

    /// Finds out who it is in a task of its own: checking a signature takes its time, and everybody else's would wait.
    fn authenticate(&mut self, session: SessionId, credentials: Credentials) {
        let (authoriser, handle) = (self.authoriser.clone(), self.handle.clone());
        let (limit, unix_ms) = (self.authorise_timeout, self.now.unix_ms);
        let asked = tokio::spawn(async move {
            let deciding =
                async { authoriser.authorise(&credentials, unix_ms).decide(limit).await };
            // Somebody else's code: were it to panic, its client would wait for ever.
            let outcome = AssertUnwindSafe(deciding).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|_| Err(auth::failed()));
            handle.input(Input::Authenticated { session, outcome }).await;
        });
        self.asking.insert(session, AbortOnDropHandle::new(asked));
    }

    fn await_drained(&self, session: SessionId) {
        let Some(drained) = self.sessions.drained(session) else { return };
        let handle = self.handle.clone();
        tokio::spawn(async move {
            drained.await;
            handle.input(Input::Drained { session }).await;
        });
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("hub", &self.hub).finish_non_exhaustive()
    }
}

/// Both clocks.
fn now() -> Now {
    Now { instant: Instant::now(), unix_ms: unix_ms() }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Commands that wait for the node. Each may hold a message of `limits.message_bytes`; whoever sends more waits.
const COMMANDS: usize = 256;

/// Commands of one turn, so that timers and the broker are seen in between.
const TURN: usize = 256;

/// Forms of one record that are remembered at a time; subscribers that saw different things before get their own.
const FORMS: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use longwire_channel::{Disconnect, ServerMessage};
    use longwire_hub::{Identity, Permissions, PipeInfo, Transport, broker::Memory};

    use super::*;
    use crate::{
        auth::Everybody,
        pipe::{Form, Pipe},
    };

    /// A pipe that takes everything. With a gate the node waits at its opening: it says so, and is let go.
    struct Drain {
        gate: Option<(Sender<()>, Receiver<()>)>,
    }

    impl Pipe for Drain {
        fn form(&self) -> Form {
            if let Some((waits, go)) = &self.gate {
                waits.send(()).expect("the test listens");
                go.recv().expect("the test lets it go");
            }
            Form::Events
        }

        fn deliver(&mut self, _: Live) {}

        fn send(&mut self, _: &ServerMessage) {}

        fn buffered(&self) -> usize {
            0
        }

        fn drained(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::ready(()))
        }

        fn close(&mut self, _: &Disconnect) {}
    }

    fn node() -> (Node, NodeHandle) {
        let memory = Memory::new(broker::MemoryLimits::default(), 1);
        Node::new(Parts {
            config: HubConfig::default(),
            storage: Storage::Memory(Box::new(memory)),
            authoriser: Arc::new(Everybody),
            authorise_timeout: Duration::from_secs(1),
            wake: Arc::new(Notify::new()),
            queue_bytes: 1 << 18,
        })
    }

    async fn open(handle: &NodeHandle, gate: Option<(Sender<()>, Receiver<()>)>) -> Visitor {
        let info = PipeInfo { transport: Transport::Events, address: None };
        let identity = Identity::nameless(Permissions::all());
        handle.open(Box::new(Drain { gate }), info, Some(identity)).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn whoever_leaves_at_once_is_gone_however_much_the_node_has_to_do() {
        let (node, handle) = node();
        tokio::spawn(node.run());
        let ((waits, waiting), (let_go, go)) = (channel(), channel());
        let _first = open(&handle, Some((waits, go))).await;
        waiting.recv().expect("the node is in the midst of a turn");
        drop(open(&handle, None).await);
        let_go.send(()).expect("the node waits");
        // The first look may come before it has left.
        handle.inspect().await.expect("the node lives");
        let seen = handle.inspect().await.expect("the node lives");
        assert_eq!(seen.stats.sessions, 1);
    }

    #[tokio::test]
    async fn whoever_is_dropped_while_it_waits_to_leave_has_left() {
        let (mut node, handle) = node();
        let visitor = open(&handle, None).await;
        let session = visitor.session();
        for _ in 1..COMMANDS {
            handle.input(Input::Drained { session }).await;
        }
        assert_eq!(visitor.leave().now_or_never(), None);
        assert_eq!(node.departures.try_recv(), Ok(session));
    }
}
