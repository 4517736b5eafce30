//! What everybody else holds of the node: a bounded queue into it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use longwire_channel::{ErrorCode, Refusal};
use longwire_hub::{Answer, Identity, Input, Operation, PipeInfo, SessionId, Stats};
use longwire_log::Figures;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use crate::pipe::Pipe;

/// The way to the node. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct NodeHandle(Arc<Shared>);

struct Shared {
    commands: mpsc::Sender<Command>,
    /// Sessions whose tasks were dropped: they cannot wait for room.
    departures: mpsc::UnboundedSender<SessionId>,
    slots: Mutex<Slots>,
    log_failed: Arc<AtomicBool>,
}

/// Something for the node to do.
pub(super) enum Command {
    Open {
        session: SessionId,
        pipe: Box<dyn Pipe>,
        info: PipeInfo,
        identity: Option<Identity>,
    },
    Input(Input),
    Gone(SessionId),
    Request {
        identity: Identity,
        operation: Operation,
        answer: oneshot::Sender<Result<Answer, Refusal>>,
    },
    Inspect(oneshot::Sender<Snapshot>),
    Stop(oneshot::Sender<()>),
}

/// What a node has counted.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) stats: Stats,
    /// Bytes that wait for clients.
    pub(crate) queue_bytes: usize,
    /// Of the log, where there is one.
    pub(crate) log: Option<Figures>,
}

/// A session as its transport has it: the node learns that it is gone, whatever ends the transport's task.
pub(crate) struct Visitor {
    node: NodeHandle,
    session: SessionId,
    left: bool,
}

/// Names for sessions: slots that are used again, each time with another generation.
#[derive(Default)]
struct Slots {
    free: Vec<u32>,
    generations: Vec<u32>,
}

impl NodeHandle {
    pub(super) fn new(
        commands: mpsc::Sender<Command>,
        departures: mpsc::UnboundedSender<SessionId>,
        log_failed: Arc<AtomicBool>,
    ) -> Self {
        Self(Arc::new(Shared { commands, departures, slots: Mutex::default(), log_failed }))
    }

    /// Opens a session; with an identity it needs no `connect`.
    pub(crate) async fn open(
        &self,
        pipe: Box<dyn Pipe>,
        info: PipeInfo,
        identity: Option<Identity>,
    ) -> Visitor {
        let session = self.slots().take();
        let visitor = Visitor { node: self.clone(), session, left: false };
        self.send(Command::Open { session, pipe, info, identity }).await;
        visitor
    }

    /// Tells the hub something. Waits while the node has much to do.
    pub(crate) async fn input(&self, input: Input) {
        self.send(Command::Input(input)).await;
    }

    /// Asks the hub for something.
    pub(crate) async fn request(
        &self,
        identity: Identity,
        operation: Operation,
    ) -> Result<Answer, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Request { identity, operation, answer }).await;
        answered.await.unwrap_or_else(|_| {
            let words = "the server is stopping: try again, at the same address or another";
            Err(Refusal::new(ErrorCode::Unavailable, words))
        })
    }

    /// What was counted; nothing once the node has stopped.
    pub(crate) async fn inspect(&self) -> Option<Snapshot> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Inspect(answer)).await;
        answered.await.ok()
    }

    /// Ends the node, once all that was said before is done.
    pub(crate) async fn stop(&self) {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Stop(answer)).await;
        // An error says that it had stopped before.
        let _ = answered.await;
    }

    /// Whether the log takes no more writes.
    pub(crate) fn log_has_failed(&self) -> bool {
        self.0.log_failed.load(Ordering::Relaxed)
    }

    /// The name of a session that is gone may be used again.
    pub(super) fn release(&self, session: SessionId) {
        self.slots().release(session);
    }

    async fn send(&self, command: Command) {
        match self.0.commands.try_send(command) {
            // Boxed, so that a task that mostly waits for its client has no place for this in its future.
            Err(TrySendError::Full(command)) => {
                // A node that has stopped needs to hear nothing.
                let _ = Box::pin(self.0.commands.send(command)).await;
            }
            Ok(()) | Err(TrySendError::Closed(_)) => {}
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // No code that can panic runs under the lock, so what is behind it is whole.
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitor {
    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) fn node(&self) -> &NodeHandle {
        &self.node
    }

    /// The transport has ended: said behind all that it brought.
    pub(crate) async fn leave(mut self) {
        self.node.send(Command::Gone(self.session)).await;
        // Only now: whoever is dropped while it waits for room has yet to be told of.
        self.left = true;
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        if !self.left {
            // A node that has stopped needs to hear nothing.
            let _ = self.node.0.departures.send(self.session);
        }
    }
}

impl Slots {
    fn take(&mut self) -> SessionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.generations.push(0);
            u32::try_from(self.generations.len() - 1).unwrap_or(u32::MAX)
        });
        SessionId::new(slot, self.generations[slot as usize])
    }

    fn release(&mut self, session: SessionId) {
        let Ok(slot) = u32::try_from(session.slot()) else { return };
        // Twice released counts once.
        if let Some(generation) = self.generations.get_mut(slot as usize)
            && SessionId::new(slot, *generation) == session
        {
            *generation = generation.wrapping_add(1);
            self.free.push(slot);
        }
    }
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeHandle")
    }
}
