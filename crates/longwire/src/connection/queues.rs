//! What the connection's task and its handles share: two queues, and who waits for what.

use std::{
    collections::VecDeque,
    mem,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    time::Duration,
};

use http::Response;
use longwire_proto::{
    Close, Config, Fragment, Frames, Message, Prepared, SendError, Sendable, handshake::Agreement,
};
use tokio::sync::Notify;

use super::{
    attended,
    outbox::{Outbound, Outbox},
};
use crate::{error::End, server::Registration};

/// The state that a connection's task and its handles share.
#[derive(Debug)]
pub(crate) struct Queues {
    state: Mutex<State>,
    /// Whether the handles changed something that the task has not looked at.
    changed: AtomicBool,
    /// Whether the handler that the task runs was woken, if it runs one.
    handler_woken: AtomicBool,
    /// Bytes of payload that the task took from the outbox and that the transport did not take yet.
    wire_bytes: AtomicUsize,
    /// The task's waker. See [`Waiting::moved`].
    task: OnceLock<Waker>,
    /// Made by the first that waits.
    waiting: OnceLock<Box<Waiting>>,
    pub(super) config: Arc<Config>,
    /// Whether small messages are encoded where they are sent.
    takes_frames: bool,
    pub(super) meta: Meta,
}

/// What senders need who wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// There is room in the outbox, a writer finished, all is flushed, or the connection ended.
    pub(super) progress: Notify,
    /// Whose turn it is, of the senders that wait.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// The waker of the task into which the connection's future has moved, if it ever did.
    moved: OnceLock<Mutex<Waker>>,
}

/// What is known of a connection from its opening handshake on.
#[derive(Debug, Default)]
pub(crate) struct Meta {
    /// Boxed, and none where there is nothing in it: mostly so.
    pub(crate) agreement: Option<Box<Agreement>>,
    pub(crate) peer_addr: Option<SocketAddr>,
    /// The server's opening handshake, on a client.
    pub(crate) response: Option<Box<Response<()>>>,
}

impl Meta {
    pub(crate) fn new(agreement: Agreement, peer_addr: Option<SocketAddr>) -> Self {
        let agreement = (agreement != Agreement::default()).then(|| Box::new(agreement));
        Self { agreement, peer_addr, response: None }
    }
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
    pub(super) receiver: Listener,
    pub(super) receiver_gone: bool,

    pub(super) outbox: Outbox,
    /// Pings in `outbox`.
    pub(super) outbox_pings: u32,
    /// Things ever put into the outbox, and how many of them the transport took.
    pub(super) queued: u64,
    pub(super) flushed: u64,
    /// Whether somebody waits to be told of progress in writing.
    pub(super) watched: bool,
    /// Whether a message is being sent in fragments, so that others must wait.
    pub(super) writing: bool,
    /// Whether a Close frame is queued or sent, so that nothing may follow.
    pub(super) closing: bool,
    /// Senders that wait for their turn.
    pub(super) waiting: u32,
    pub(super) senders: u32,
    next_sender: u64,
    /// Senders that wait in a poll method, which has no future of its own to drop.
    pub(super) parked: Parked,

    pub(super) latency: Option<Duration>,
    pub(super) end: Option<Arc<End>>,
    /// Whether the transport is to be dropped as it is.
    aborted: bool,
    /// The place in the server's list of open connections, until the connection has ended and the
    /// last handle is gone.
    registration: Option<Registration>,
}

/// Whom to wake when something arrives.
#[derive(Debug, Default)]
pub(super) enum Listener {
    #[default]
    Nobody,
    /// The handler that the connection's task runs.
    Handler,
    Other(Waker),
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

impl Queues {
    pub(crate) fn new(
        config: Arc<Config>,
        meta: Meta,
        registration: Option<Registration>,
        takes_frames: bool,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                inbox: VecDeque::new(),
                inbox_bytes: 0,
                paused: false,
                busy: false,
                held: false,
                receiver: Listener::Nobody,
                receiver_gone: false,
                outbox: Outbox::default(),
                outbox_pings: 0,
                queued: 0,
                flushed: 0,
                watched: false,
                writing: false,
                closing: false,
                waiting: 0,
                senders: 0,
                next_sender: 0,
                parked: Parked::default(),
                latency: None,
                end: None,
                aborted: false,
                registration,
            }),
            changed: AtomicBool::new(false),
            handler_woken: AtomicBool::new(true),
            wire_bytes: AtomicUsize::new(0),
            task: OnceLock::new(),
            waiting: OnceLock::new(),
            config,
            takes_frames,
            meta,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock, so the state behind it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the task that something changed. Called without the lock.
    pub(super) fn notify_task(&self) {
        // The look before the swap is enough: whoever set the flag before the task took what is behind
        // the lock has woken it, and the task clears the flag before it takes the lock.
        if !self.changed.load(Ordering::Acquire) && !self.changed.swap(true, Ordering::AcqRel) {
            self.wake_task();
        }
    }

    /// Wakes the task, unless it runs on this thread at this moment: then it looks before it rests.
    fn wake_task(&self) {
        if attended::is_here(self) {
            return;
        }
        if let Some(moved) = self.moved() {
            let task = moved.lock().unwrap_or_else(PoisonError::into_inner).clone();
            task.wake();
        } else if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    fn moved(&self) -> Option<&Mutex<Waker>> {
        self.waiting.get()?.moved.get()
    }

    /// Whether something changed that the task has not looked at, or its handler was woken.
    pub(super) fn has_news(&self) -> bool {
        self.changed.load(Ordering::Acquire) || self.handler_woken.load(Ordering::Acquire)
    }

    /// Whether the handler was woken since the last call.
    pub(super) fn take_handler_woken(&self) -> bool {
        self.handler_woken.load(Ordering::Relaxed)
            && self.handler_woken.swap(false, Ordering::AcqRel)
    }

    /// Wakes the handler that the task runs.
    pub(super) fn wake_handler(&self) {
        if !self.handler_woken.swap(true, Ordering::AcqRel) {
            self.wake_task();
        }
    }

    /// What those who wait need. To be asked for before they look whether they have to.
    pub(super) fn waiting(&self) -> &Waiting {
        self.waiting.get_or_init(Box::default)
    }

    /// Wakes those who wait in a future of their own. Called without the lock, under which what they
    /// wait for was changed.
    pub(super) fn notify_waiting(&self) {
        if let Some(waiting) = self.waiting.get() {
            waiting.progress.notify_waiters();
        }
    }

    /// Asks the task to tell of progress in writing, once. To be said before each wait for it.
    pub(super) fn watch(&self) {
        self.lock().watched = true;
        self.notify_task();
    }

    pub(super) fn set_wire_bytes(&self, bytes: usize) {
        self.wire_bytes.store(bytes, Ordering::Release);
    }

    /// Bytes of payload that the application sent and the transport did not take yet.
    pub(super) fn buffered_amount(&self, state: &State) -> usize {
        state.outbox.payload() + self.wire_bytes.load(Ordering::Acquire)
    }

    /// Whether `size` more bytes of payload keep within the budget, or are all there would be.
    pub(super) fn has_room(&self, state: &State, size: usize) -> bool {
        let queued = self.buffered_amount(state);
        let budget = self.config.limits.max_buffered_amount;
        state.outbox.len() < OUTBOX_MAX && (queued == 0 || queued.saturating_add(size) <= budget)
    }

    /// The connection is open, and in the server's list from now on.
    pub(super) fn opened(self: &Arc<Self>) {
        let Some(missed) = self.lock().registration.as_ref().map(|it| it.opened(self)) else {
            return;
        };
        if missed.abort {
            self.abort();
        }
        if let Some(close) = missed.close {
            self.close(close);
        }
    }

    /// Has the task drop the transport as it is.
    pub(crate) fn abort(&self) {
        self.lock().aborted = true;
        self.notify_task();
    }

    /// Whether something changed since the last call.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed) && self.changed.swap(false, Ordering::AcqRel)
    }

    /// Remembers whom to wake: nearly always the same from start to end, but whoever holds the
    /// connection's future may move it from one task into another.
    pub(super) fn register_task(&self, waker: &Waker) {
        let mut is_new = false;
        let first = self.task.get_or_init(|| {
            is_new = true;
            waker.clone()
        });
        if let Some(moved) = self.moved() {
            let mut moved = moved.lock().unwrap_or_else(PoisonError::into_inner);
            if !moved.will_wake(waker) {
                is_new = true;
                let before = mem::replace(&mut *moved, waker.clone());
                drop(moved);
                // It may be the last that holds its task, so it goes without the lock.
                drop(before);
            }
        } else if !first.will_wake(waker) {
            is_new = true;
            self.waiting().moved.get_or_init(|| Mutex::new(waker.clone()));
        }
        if is_new {
            // Whoever looked for the waker before it was there is heard now.
            self.changed.swap(true, Ordering::AcqRel);
            self.handler_woken.swap(true, Ordering::AcqRel);
        }
    }

    /// Encodes a small message behind what was sent before, where that needs no more than its bytes
    /// and no waiting. Says whether it did; [`Self::push`] knows what else there is to do.
    #[inline]
    pub(super) fn encode(&self, sendable: &Sendable) -> bool {
        let (message, max) = match sendable {
            Sendable::Message(message) | Sendable::Uncompressed(message) => {
                (message, Frames::MESSAGE_MAX)
            }
            // A longer one is shared.
            Sendable::Prepared(prepared) => (prepared.message(), Prepared::COPIED_MAX),
            _ => return false,
        };
        if !self.takes_frames || message.len() > max {
            return false;
        }
        let mut state = self.lock();
        let must_wait = state.closing || state.writing || state.waiting > 0 || state.end.is_some();
        if must_wait || !self.has_room(&state, message.len()) {
            return false;
        }
        state.outbox.encode(message);
        state.queued += 1;
        drop(state);
        self.notify_task();
        true
    }

    /// Puts a message or a fragment into the outbox.
    pub(super) fn push(&self, outbound: Outbound, by: By) -> Result<(), SendError> {
        let mut state = self.lock();
        let size = outbound.payload();
        let refuse: Option<fn(Sendable) -> SendError> = if state.closing || state.end.is_some() {
            Some(SendError::Closed)
        } else if state.writing && by != By::Writer {
            Some(SendError::FragmentPending)
        } else if by == By::Sender && state.waiting > 0
            || matches!(by, By::Sender | By::Turn) && !self.has_room(&state, size)
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
            (_, outbound) => state.enqueue(outbound),
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
        state.enqueue(Outbound::Close(close));
        drop(state);
        self.notify_task();
        self.wake_senders();
    }

    /// Fails the connection from this end.
    pub(super) fn fail(&self, close: Close) {
        let mut state = self.lock();
        state.closing = true;
        state.enqueue(Outbound::Fail(close));
        drop(state);
        self.notify_task();
        self.wake_senders();
    }

    /// Wakes whoever waits to send.
    pub(super) fn wake_senders(&self) {
        let parked = mem::take(&mut self.lock().parked);
        self.notify_waiting();
        parked.wake();
    }

    /// A handle was dropped: the last one closes the connection (1011 while panicking, else 1000).
    pub(super) fn handle_dropped(&self, forget: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        forget(&mut state);
        let all_gone = state.handles_are_gone();
        let task_waits = state.held || state.paused;
        let registration = state.take_registration();
        drop(state);
        drop(registration);
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
    fn handles_are_gone(&self) -> bool {
        self.senders == 0 && self.receiver_gone
    }

    /// The place in the server's list, once the connection no longer needs it.
    pub(super) fn take_registration(&mut self) -> Option<Registration> {
        let gone = self.end.is_some() && self.handles_are_gone();
        self.registration.take_if(|_| gone)
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.aborted
    }

    pub(super) fn enqueue(&mut self, outbound: Outbound) {
        self.outbox.push(outbound);
        self.queued += 1;
    }

    pub(super) fn new_sender(&mut self) -> u64 {
        self.senders += 1;
        self.next_sender += 1;
        self.next_sender
    }
}

/// Senders that wait in a poll method, with whom to wake. Takes no memory while there is none.
#[derive(Debug, Default)]
pub(super) struct Parked(Option<Box<ParkedList>>);

#[derive(Debug, Default)]
struct ParkedList {
    list: Vec<(u64, Waker)>,
}

impl Parked {
    /// Remembers to wake a sender.
    pub(super) fn park(&mut self, sender: u64, waker: &Waker) {
        let list = &mut self.0.get_or_insert_default().list;
        match list.iter_mut().find(|(parked, _)| *parked == sender) {
            Some((_, parked)) => parked.clone_from(waker),
            None => list.push((sender, waker.clone())),
        }
    }

    /// Forgets a sender that is gone.
    pub(super) fn forget(&mut self, sender: u64) {
        if let Some(parked) = &mut self.0 {
            parked.list.retain(|(parked, _)| *parked != sender);
        }
    }

    /// Wakes them all. Called without the lock.
    pub(super) fn wake(self) {
        for (_, waker) in self.0.map(|parked| parked.list).into_iter().flatten() {
            waker.wake();
        }
    }
}

impl Wake for Queues {
    /// As the waker of the handler that the task runs.
    fn wake(self: Arc<Self>) {
        self.wake_handler();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_handler();
    }
}

impl Listener {
    /// Wakes whoever listens, once. Called without the lock.
    pub(super) fn wake(self, queues: &Queues) {
        match self {
            Self::Nobody => {}
            Self::Handler => queues.wake_handler(),
            Self::Other(waker) => waker.wake(),
        }
    }
}

/// Things that wait in the outbox at a time, so that empty messages cost something too.
const OUTBOX_MAX: usize = 16 * 1024;
