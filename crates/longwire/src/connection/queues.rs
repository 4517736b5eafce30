//! What the connection's task and its handles share: two queues, and who waits for what.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Duration,
};

use http::Response;
use longwire_proto::{Close, Config, Fragment, Message, SendError, Sendable, handshake::Agreement};
use tokio::sync::{Notify, oneshot};

use crate::{
    error::{End, PingError},
    server::Registration,
};

/// The state that a connection's task and its handles share.
#[derive(Debug)]
pub(crate) struct Queues {
    state: Mutex<State>,
    /// Whether the handles changed something that the task has not looked at.
    changed: AtomicBool,
    /// The task's waker, which stays the same for the task's life.
    task: OnceLock<Waker>,
    /// There is room in the outbox, a writer finished, all is flushed, or the connection ended.
    pub(super) progress: Notify,
    /// Whose turn it is, of the senders that wait.
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) config: Arc<Config>,
    pub(super) meta: Meta,
}

/// What is known of a connection from its opening handshake on.
#[derive(Debug, Default)]
pub(crate) struct Meta {
    pub(crate) agreement: Agreement,
    pub(crate) peer_addr: Option<SocketAddr>,
    /// The server's opening handshake, on a client.
    pub(crate) response: Option<Box<Response<()>>>,
    /// The place in the server's list of open connections.
    pub(crate) registration: Option<Registration>,
}

/// What is behind the lock.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug)]
pub(super) struct State {
    pub(super) inbox: VecDeque<Inbound>,
    /// Bytes of payload in `inbox`.
    pub(super) inbox_bytes: usize,
    /// Whether the task stopped reading until the inbox is emptied.
    pub(super) paused: bool,
    /// Whether the application took messages and has not come back for more.
    pub(super) busy: bool,
    /// Whether the task waits for the application to come back before it answers a Close frame or
    /// fails the connection.
    pub(super) held: bool,
    pub(super) receiver: Option<Waker>,
    pub(super) receiver_gone: bool,

    pub(super) outbox: VecDeque<Outbound>,
    /// Bytes of payload in `outbox`.
    pub(super) outbox_bytes: usize,
    /// How many the outbox held when it was taken last: as many may come again.
    pub(super) last_outbox: usize,
    /// Pings in `outbox`.
    pub(super) outbox_pings: usize,
    /// Bytes that the task took from the outbox and that the transport did not take yet.
    pub(super) wire_bytes: usize,
    /// Things ever put into the outbox, and how many of them the transport took.
    pub(super) queued: u64,
    pub(super) flushed: u64,
    /// Whether a message is being sent in fragments, so that others must wait.
    pub(super) writing: bool,
    /// Whether a Close frame is queued or sent, so that nothing may follow.
    pub(super) closing: bool,
    /// Senders that wait for their turn.
    pub(super) waiting: usize,
    pub(super) senders: usize,
    next_sender: u64,
    /// Senders that wait in a poll method, which has no future of its own to drop.
    pub(super) parked: Vec<(u64, Waker)>,

    pub(super) latency: Option<Duration>,
    pub(super) end: Option<Arc<End>>,
}

/// From the task to the application.
#[derive(Debug)]
pub(super) enum Inbound {
    Message(Message),
    Fragment(Fragment),
}

impl Inbound {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Message(message) | Self::Fragment(Fragment { part: message, .. }) => {
                message.len()
            }
        }
    }
}

/// From the application to the task.
#[derive(Debug)]
pub(super) enum Outbound {
    Message(Sendable),
    Fragment {
        fragment: Fragment,
        compress: bool,
    },
    Ping(oneshot::Sender<Result<Duration, PingError>>),
    Close(Close),
    /// Fail the connection: what is queued before this still goes out.
    Fail(Close),
}

/// Who puts something into the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A sender, within the budget and behind those that wait.
    Sender,
    /// The sender that waited the longest, within the budget.
    Turn,
    /// A sink, which waited for room before it knew its message.
    Sink,
    /// The writer of the message under way, which waited for room too.
    Writer,
}

impl Outbound {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Message(message) => message.len(),
            Self::Fragment { fragment, .. } => fragment.part.len(),
            Self::Ping(_) | Self::Close(_) | Self::Fail(_) => 0,
        }
    }
}

impl Queues {
    pub(crate) fn new(config: Arc<Config>, meta: Meta) -> Self {
        Self {
            state: Mutex::new(State {
                inbox: VecDeque::new(),
                inbox_bytes: 0,
                paused: false,
                busy: false,
                held: false,
                receiver: None,
                receiver_gone: false,
                outbox: VecDeque::new(),
                outbox_bytes: 0,
                last_outbox: 0,
                outbox_pings: 0,
                wire_bytes: 0,
                queued: 0,
                flushed: 0,
                writing: false,
                closing: false,
                waiting: 0,
                senders: 0,
                next_sender: 0,
                parked: Vec::new(),
                latency: None,
                end: None,
            }),
            changed: AtomicBool::new(false),
            task: OnceLock::new(),
            progress: Notify::new(),
            turn: tokio::sync::Mutex::new(()),
            config,
            meta,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock, so the state behind it is whole.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Tells the task that something changed. Called without the lock.
    pub(super) fn notify_task(&self) {
        if !self.changed.swap(true, Ordering::AcqRel)
            && let Some(task) = self.task.get()
        {
            task.wake_by_ref();
        }
    }

    /// Whether something changed since the last call.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed) && self.changed.swap(false, Ordering::AcqRel)
    }

    /// Remembers whom to wake. Each connection's future lives in one task from start to end, so its
    /// waker never changes.
    pub(super) fn register_task(&self, waker: &Waker) {
        if self.task.get().is_none() {
            self.task.get_or_init(|| waker.clone());
            // Whoever looked for the waker before it was there is heard now.
            self.changed.swap(true, Ordering::AcqRel);
        }
    }

    /// Puts a message or a fragment into the outbox.
    pub(super) fn push(&self, outbound: Outbound, by: By) -> Result<(), SendError> {
        let mut state = self.lock();
        let size = outbound.len();
        let refuse: Option<fn(Sendable) -> SendError> = if state.closing || state.end.is_some() {
            Some(SendError::Closed)
        } else if state.writing && by != By::Writer {
            Some(SendError::FragmentPending)
        } else if by == By::Sender && state.waiting > 0
            || matches!(by, By::Sender | By::Turn)
                && !state.has_room(size, self.config.limits.max_buffered_amount)
        {
            Some(SendError::Full)
        } else {
            None
        };
        match (refuse, outbound) {
            (Some(refuse), Outbound::Message(message)) => return Err(refuse(message)),
            (Some(refuse), Outbound::Fragment { fragment, .. }) => {
                return Err(refuse(fragment.part.into()));
            }
            (_, outbound) => state.enqueue(outbound, size),
        }
        drop(state);
        self.notify_task();
        Ok(())
    }

    /// Whether nothing more can be sent.
    pub(super) fn is_closing(&self) -> bool {
        let state = self.lock();
        state.closing || state.end.is_some()
    }

    /// Queues the Close frame behind all that is queued, once.
    pub(crate) fn close(&self, close: Close) {
        let mut state = self.lock();
        if state.closing || state.end.is_some() {
            return;
        }
        state.closing = true;
        state.enqueue(Outbound::Close(close), 0);
        drop(state);
        self.notify_task();
        self.wake_senders();
    }

    /// Fails the connection from this end.
    pub(super) fn fail(&self, close: Close) {
        let mut state = self.lock();
        state.closing = true;
        state.enqueue(Outbound::Fail(close), 0);
        drop(state);
        self.notify_task();
        self.wake_senders();
    }

    /// Wakes whoever waits to send.
    pub(super) fn wake_senders(&self) {
        let parked = std::mem::take(&mut self.lock().parked);
        self.progress.notify_waiters();
        for (_, sender) in parked {
            sender.wake();
        }
    }

    /// A handle was dropped: the last one closes the connection (1011 while panicking, else 1000).
    pub(super) fn handle_dropped(&self, forget: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        forget(&mut state);
        let all_gone = state.senders == 0 && state.receiver_gone;
        let task_waits = state.held || state.paused;
        drop(state);
        if all_gone {
            let code = if std::thread::panicking() {
                longwire_proto::CloseCode::INTERNAL_ERROR
            } else {
                longwire_proto::CloseCode::NORMAL_CLOSURE
            };
            self.close(code.into());
        } else if task_waits {
            self.notify_task();
        }
    }
}

impl State {
    /// Whether `size` more bytes of payload keep within the budget, or are all there would be.
    pub(super) fn has_room(&self, size: usize, budget: usize) -> bool {
        let queued = self.buffered_amount();
        self.outbox.len() < OUTBOX_MAX && (queued == 0 || queued.saturating_add(size) <= budget)
    }

    /// Bytes of payload that the application sent and the transport did not take yet.
    pub(super) fn buffered_amount(&self) -> usize {
        self.outbox_bytes + self.wire_bytes
    }

    pub(super) fn enqueue(&mut self, outbound: Outbound, size: usize) {
        if self.outbox.capacity() == 0 {
            self.outbox = VecDeque::with_capacity(self.last_outbox.clamp(1, TURN_OF_MESSAGES));
        }
        self.outbox.push_back(outbound);
        self.outbox_bytes += size;
        self.queued += 1;
    }

    pub(super) fn new_sender(&mut self) -> u64 {
        self.senders += 1;
        self.next_sender += 1;
        self.next_sender
    }

    /// Remembers to wake a sender that waits in a poll method.
    pub(super) fn park(&mut self, sender: u64, waker: &Waker) {
        match self.parked.iter_mut().find(|(parked, _)| *parked == sender) {
            Some((_, parked)) => parked.clone_from(waker),
            None => self.parked.push((sender, waker.clone())),
        }
    }
}

/// Things that wait in the outbox at a time, so that empty messages cost something too.
const OUTBOX_MAX: usize = 16 * 1024;

/// What the outbox reserves at most before it is filled.
const TURN_OF_MESSAGES: usize = 256;
