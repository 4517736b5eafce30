//! The handlers of a server that are under way: who waits for them all, and who drops them.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;
use slab::Slab;
use tokio::sync::Notify;

/// The handlers of a server that are under way. Dropped, it drops them.
#[derive(Debug, Default)]
pub(super) struct Handlers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whom to wake so that a handler is dropped; none before its first poll.
    places: Mutex<Slab<Option<Waker>>>,
    dismissed: AtomicBool,
    /// The last one has ended.
    empty: Notify,
}

pin_project! {
    /// A future that its server can drop; it gives `None` then.
    pub(super) struct Handled<F> {
        // Dropped first: the place is free when nothing of the future is left.
        #[pin]
        future: Option<F>,
        place: Place,
    }
}

/// A place among the handlers: the server waits until it is free.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    key: u32,
    known: bool,
}

impl Handlers {
    /// A place for one more.
    pub(super) fn place(&self) -> Place {
        let key = self.0.places().insert(None);
        let key = u32::try_from(key).expect("far fewer connections than that");
        Place { shared: self.0.clone(), key, known: false }
    }

    /// Waits until all places are free.
    pub(super) async fn ended(&self) {
        loop {
            let empty = self.0.empty.notified();
            if self.0.places().is_empty() {
                return;
            }
            empty.await;
        }
    }

    /// Has all dropped that are left.
    pub(super) fn dismiss(&self) {
        self.0.dismissed.store(true, Ordering::Release);
        let wakers: Vec<_> =
            self.0.places().iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        self.dismiss();
    }
}

impl Shared {
    fn places(&self) -> MutexGuard<'_, Slab<Option<Waker>>> {
        // No code that can panic runs under the lock, so what is behind it is whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Gives the place to a future.
    pub(super) fn attend<F>(self, future: F) -> Handled<F> {
        Handled { future: Some(future), place: self }
    }
}

impl<F: Future> Future for Handled<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let mut this = self.project();
        if !this.place.known {
            this.place.known = true;
            // Whoever polls this does so with one waker from start to end.
            this.place.shared.places()[this.place.key as usize] = Some(cx.waker().clone());
        }
        if this.place.shared.dismissed.load(Ordering::Acquire) {
            this.future.set(None);
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        future.poll(cx).map(Some)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (empty, waker) = {
            let mut places = self.shared.places();
            let waker = places.remove(self.key as usize);
            if places.is_empty() {
                places.shrink_to_fit();
            }
            (places.is_empty(), waker)
        };
        // It may be the last that holds the connection, so it goes without the lock.
        drop(waker);
        if empty {
            self.shared.empty.notify_waiters();
        }
    }
}
