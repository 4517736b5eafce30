//! What the handles and the task share: the machine, and who waits for what it tells.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use longwire_channel::{HistoryPage, Published};
use tokio::sync::{Notify, oneshot, watch};

use crate::{
    Cause, ConnectionState, HistoryError, PublishError,
    inbox::Inbox,
    machine::{Machine, Notice, PublicationId, RequestId, SubscriptionId},
};

/// The machine of a client, with its applications' ends.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// There is something for the task to do.
    work: Notify,
    connection: watch::Sender<ConnectionState>,
    /// Whether the task is gone.
    done: watch::Sender<bool>,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) machine: Machine,
    pub(crate) inboxes: HashMap<SubscriptionId, Arc<Inbox>>,
    pub(crate) publications: HashMap<PublicationId, oneshot::Sender<PublishResult>>,
    pub(crate) requests: HashMap<RequestId, oneshot::Sender<HistoryResult>>,
}

pub(crate) type PublishResult = Result<Published, PublishError>;
pub(crate) type HistoryResult = Result<HistoryPage, HistoryError>;

/// A share in a client. When the last one goes, the client closes.
#[derive(Debug)]
pub(crate) struct Handle(pub(crate) Arc<Shared>);

impl Shared {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            state: Mutex::new(State {
                machine,
                inboxes: HashMap::new(),
                publications: HashMap::new(),
                requests: HashMap::new(),
            }),
            work: Notify::new(),
            connection: watch::Sender::new(ConnectionState::Idle),
            done: watch::Sender::new(false),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock, so the state behind it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the machine a command, tells what comes of it, and wakes the task for the rest.
    pub(crate) fn command<R>(&self, command: impl FnOnce(&mut State, Instant) -> R) -> R {
        let mut state = self.lock();
        let result = command(&mut state, now());
        self.tell(&mut state);
        drop(state);
        self.work.notify_one();
        result
    }

    /// Waits until a command was given.
    pub(crate) async fn work(&self) {
        self.work.notified().await;
    }

    pub(crate) fn states(&self) -> watch::Receiver<ConnectionState> {
        self.connection.subscribe()
    }

    /// Waits until the task is gone.
    pub(crate) async fn done(&self) {
        let mut done = self.done.subscribe();
        // The sender is in `self`, so there is no error.
        let _ = done.wait_for(|done| *done).await;
    }

    /// Tells everybody what the machine has to tell. Gives the events that went to subscriptions.
    pub(crate) fn tell(&self, state: &mut State) -> usize {
        let mut events = 0;
        while let Some(notice) = state.machine.poll_notice() {
            match notice {
                Notice::State(connection) => {
                    tracing::debug!(%connection, "connection");
                    self.connection.send_replace(connection);
                }
                Notice::Subscription(id, event) => {
                    events += 1;
                    let Some(inbox) = state.inboxes.get(&id) else { continue };
                    if inbox.put(event) {
                        state.inboxes.remove(&id);
                    } else if inbox.is_to_pause() {
                        // What the machine has taken from the server already still comes, in order.
                        state.machine.pause(id);
                    }
                }
                // Whoever waited may have gone.
                Notice::Published(id, result) => {
                    if let Some(waiting) = state.publications.remove(&id) {
                        let _ = waiting.send(result);
                    }
                }
                Notice::History(id, result) => {
                    if let Some(waiting) = state.requests.remove(&id) {
                        let _ = waiting.send(result);
                    }
                }
            }
        }
        events
    }

    /// The task is gone: nothing waits any longer.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.machine.close(Duration::ZERO, now());
        self.tell(&mut state);
        for (_, inbox) in state.inboxes.drain() {
            inbox.end();
        }
        let closed = state.machine.closed().cloned().unwrap_or(Cause::Closed);
        for (_, waiting) in state.requests.drain() {
            let _ = waiting.send(Err(HistoryError::Closed(closed.clone())));
        }
        drop(state);
        self.done.send_replace(true);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.command(|state, now| state.machine.close(Duration::ZERO, now));
    }
}

/// Now, by the clock that tests can stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
