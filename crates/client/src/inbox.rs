//! What a subscription's application has not taken yet, bounded.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::Event;

/// The queue between the task and one subscription's handle.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
    /// Whether the subscription left the server, since this is full.
    paused: bool,
    /// Whether nothing follows.
    ended: bool,
    waker: Option<Waker>,
}

/// The next event, and what is to be done for it.
#[derive(Debug, PartialEq)]
pub(crate) struct Taken {
    pub(crate) event: Option<Event>,
    /// Whether the subscription may come back to the server.
    pub(crate) resume: bool,
}

impl Inbox {
    /// Puts an event in. Says whether it is the last.
    pub(crate) fn put(&self, event: Event) -> bool {
        let mut queue = self.lock();
        queue.ended |= matches!(event, Event::Ended { .. } | Event::Failed(_));
        queue.bytes += event.len();
        queue.events.push_back(event);
        let ended = queue.ended;
        wake(queue);
        ended
    }

    /// Nothing follows.
    pub(crate) fn end(&self) {
        let mut queue = self.lock();
        queue.ended = true;
        wake(queue);
    }

    /// Whether it is full and its subscription still subscribed; from then on it counts as paused.
    pub(crate) fn is_to_pause(&self) -> bool {
        let mut queue = self.lock();
        let is_full = queue.events.len() >= EVENTS_MAX || queue.bytes >= BYTES_MAX;
        is_full && !std::mem::replace(&mut queue.paused, true)
    }

    /// Takes the next event; `None` once there is none and nothing follows.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Taken> {
        let mut queue = self.lock();
        let event = queue.events.pop_front();
        if let Some(event) = &event {
            queue.bytes -= event.len();
        } else if !queue.ended {
            queue.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let is_half_free = queue.events.len() <= EVENTS_MAX / 2 && queue.bytes <= BYTES_MAX / 2;
        let resume = is_half_free && std::mem::take(&mut queue.paused);
        if queue.events.is_empty() {
            // An idle subscription holds nothing.
            queue.events = VecDeque::new();
        }
        Poll::Ready(Taken { event, resume })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic runs under the lock, so the queue is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the application, without the lock.
fn wake(mut queue: MutexGuard<'_, Queue>) {
    let waker = queue.waker.take();
    drop(queue);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Events that an application may leave behind: some pages.
const EVENTS_MAX: usize = 1_024;
/// Bytes of their content.
const BYTES_MAX: usize = 4 << 20;
