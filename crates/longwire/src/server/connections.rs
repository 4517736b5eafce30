//! The open connections of a server, so that it can close them all.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use longwire_proto::Close;
use slab::Slab;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    time::timeout,
};
use tracing::debug;

use crate::connection::Queues;

/// The open connections of a server, so that it can close them all.
///
/// A [`Server`](super::Server) has its own. Behind another HTTP server, which lets go of a connection
/// once it is a WebSocket, give one to [`Acceptor::track`](super::Acceptor::track), and close it when
/// the HTTP server has stopped:
///
/// ```no_run
/// # async fn stop_the_http_server() {}
/// # async fn run() {
/// use std::time::Duration;
///
/// use longwire::{CloseCode, server::{Acceptor, Connections}};
///
/// let connections = Connections::new();
/// let acceptor = Acceptor::new().track(&connections);
/// // ... serve with `acceptor` ...
/// stop_the_http_server().await;
/// connections.close_all(CloseCode::GOING_AWAY, Duration::from_secs(10)).await;
/// # }
/// ```
///
/// A clone is the same list.
#[derive(Clone, Default)]
pub struct Connections(Arc<Shared>);

#[derive(Default)]
struct Shared {
    list: Mutex<List>,
    /// Closing began, or the last one left.
    changed: Notify,
}

#[derive(Default)]
struct List {
    /// Empty until the connection is open.
    places: Slab<Option<Weak<Queues>>>,
    closing: Option<Close>,
    aborting: bool,
}

/// A connection's hold on its place, from before its handshake to the last of its handles. Dropped,
/// the place is free.
pub(crate) struct Registration {
    connections: Connections,
    key: usize,
    /// The server's permit for one connection more: given back when the connection is gone, not when
    /// its handler is.
    _permit: Option<OwnedSemaphorePermit>,
}

/// What a connection that opens in a shutdown has missed.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    pub(crate) abort: bool,
    pub(crate) close: Option<Close>,
}

/// What a graceful shutdown came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that ended within the time.
    pub ended: usize,
    /// Connections that did not, and whose transports were dropped.
    pub aborted: usize,
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are, those in their opening handshake included. A connection counts until the
    /// last of its handles is dropped.
    pub fn len(&self) -> usize {
        self.list().places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Closes every connection with `close` (a [`CloseCode`](crate::CloseCode) will do), and waits
    /// until all have ended and their handles are dropped, at most `limit`. The transports of those
    /// that are left then are dropped, whose handles say so to whoever waits on them.
    ///
    /// From now on no request is accepted: it gets 503, or, where the 101 went out before, the same
    /// Close frame at once. There is no way back; a second call only waits, or aborts at its own
    /// limit.
    ///
    /// # Cancel safety
    ///
    /// Once polled every connection closes, whether the future is dropped or not; dropped, it aborts
    /// none.
    pub async fn close_all(&self, close: impl Into<Close>, limit: Duration) -> Drained {
        let open = self.begin_closing(close.into());
        debug!(connections = open, "closing every connection");
        let aborted = match timeout(limit, self.emptied()).await {
            Ok(()) => 0,
            Err(_) => self.abort_all(),
        };
        Drained { ended: open.saturating_sub(aborted), aborted }
    }

    /// Takes a place for a connection whose opening handshake begins.
    pub(super) fn register(&self, permit: Option<OwnedSemaphorePermit>) -> Registration {
        let key = self.list().places.insert(None);
        Registration { connections: self.clone(), key, _permit: permit }
    }

    /// Closes every connection, those still in their opening handshake as soon as they are open, and
    /// says how many there are.
    fn begin_closing(&self, close: Close) -> usize {
        let (open, close, connections) = {
            let mut list = self.list();
            let close = list.closing.get_or_insert(close).clone();
            (list.places.len(), close, list.open())
        };
        self.0.changed.notify_waiters();
        for queues in connections {
            queues.close(close.clone());
        }
        open
    }

    /// Drops the transports of those that are left, and says how many.
    fn abort_all(&self) -> usize {
        let (left, connections) = {
            let mut list = self.list();
            list.aborting = true;
            (list.places.len(), list.open())
        };
        for queues in connections {
            queues.abort();
        }
        left
    }

    /// Waits until all are gone.
    async fn emptied(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.is_empty() {
                return;
            }
            changed.await;
        }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // No code that can panic runs under the lock, so what is behind it is whole.
        self.0.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// The connections that are open.
    fn open(&self) -> Vec<Arc<Queues>> {
        let open = self.places.iter().filter_map(|(_, place)| place.as_ref());
        open.filter_map(Weak::upgrade).collect()
    }
}

impl Registration {
    /// The connection has opened. Says what the others were told before.
    pub(crate) fn opened(&self, queues: &Arc<Queues>) -> Missed {
        let mut list = self.connections.list();
        list.places[self.key] = Some(Arc::downgrade(queues));
        Missed { abort: list.aborting, close: list.closing.clone() }
    }

    /// Whether the connections are being closed, so that no further one should open.
    pub(super) fn is_closing(&self) -> bool {
        self.connections.list().closing.is_some()
    }

    /// Waits until [`Self::is_closing`].
    pub(super) async fn closing(&self) {
        loop {
            let changed = self.connections.0.changed.notified();
            if self.is_closing() {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let empty = {
            let mut list = self.connections.list();
            list.places.remove(self.key);
            if list.places.is_empty() {
                list.places.shrink_to_fit();
            }
            list.places.is_empty()
        };
        if empty {
            self.connections.0.changed.notify_waiters();
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.list();
        f.debug_struct("Connections")
            .field("len", &list.places.len())
            .field("closing", &list.closing)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registration").field(&self.key).finish()
    }
}
