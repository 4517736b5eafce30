//! The open connections of one server, so that it can close them all.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use longwire_proto::Close;
use slab::Slab;
use tokio::{sync::Notify, task::AbortHandle};

use crate::connection::Queues;

/// The open connections of one server.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    places: Mutex<Slab<Place>>,
    left: Notify,
}

/// A connection's place, from before its handshake to the last of its handles.
#[derive(Debug, Default)]
struct Place {
    connection: Option<(Weak<Queues>, AbortHandle)>,
    /// Whether the server closes: a connection that opens now is closed at once.
    closing: Option<Close>,
}

/// A connection's hold on its place. Dropped, the place is free.
pub(crate) struct Registration {
    registry: Registry,
    key: usize,
}

impl Registry {
    pub(super) fn register(&self) -> Registration {
        let key = self.places().insert(Place::default());
        Registration { registry: self.clone(), key }
    }

    /// Closes every connection, those still in their opening handshake as soon as they are open.
    pub(super) fn close_all(&self, close: &Close) {
        let connections: Vec<_> = self
            .places()
            .iter_mut()
            .filter_map(|(_, place)| {
                place.closing = Some(close.clone());
                place.connection.as_ref().and_then(|(queues, _)| queues.upgrade())
            })
            .collect();
        for queues in connections {
            queues.close(close.clone());
        }
    }

    /// Drops the transports of those that are left, and says how many.
    pub(super) fn abort_all(&self) -> usize {
        let places = self.places();
        for (_, place) in &*places {
            if let Some((_, task)) = &place.connection {
                task.abort();
            }
        }
        places.len()
    }

    pub(super) fn len(&self) -> usize {
        self.places().len()
    }

    /// Waits until all are gone.
    pub(super) async fn emptied(&self) {
        loop {
            let left = self.0.left.notified();
            if self.places().is_empty() {
                return;
            }
            left.await;
        }
    }

    fn places(&self) -> MutexGuard<'_, Slab<Place>> {
        // No code that can panic runs under the lock, so what is behind it is whole.
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// The connection has opened.
    pub(crate) fn opened(&self, queues: &Arc<Queues>, task: AbortHandle) {
        let closing = {
            let mut places = self.registry.places();
            let place = &mut places[self.key];
            place.connection = Some((Arc::downgrade(queues), task));
            place.closing.clone()
        };
        if let Some(close) = closing {
            queues.close(close);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let empty = {
            let mut places = self.registry.places();
            places.remove(self.key);
            if places.is_empty() {
                places.shrink_to_fit();
            }
            places.is_empty()
        };
        if empty {
            self.registry.0.left.notify_waiters();
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registration").field(&self.key).finish()
    }
}
