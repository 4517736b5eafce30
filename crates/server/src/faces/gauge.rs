//! How much waits in a queue that one task fills and another empties.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Bytes in a queue.
#[derive(Debug)]
pub(crate) struct Gauge {
    bytes: AtomicUsize,
    closed: AtomicBool,
    low: usize,
    drained: Notify,
}

impl Gauge {
    /// Empty; down to `low` bytes it counts as drained.
    pub(crate) fn new(low: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            low,
            drained: Notify::new(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn put(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn take(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before > self.low && before - bytes <= self.low {
            self.drained.notify_waiters();
        }
    }

    /// Nobody takes anything any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.drained.notify_waiters();
    }

    /// Waits until little is left, or the queue is closed.
    pub(crate) async fn drained(&self) {
        loop {
            // Made before the look, so that no change is missed in between.
            let drained = self.drained.notified();
            if self.bytes() <= self.low || self.closed.load(Ordering::Relaxed) {
                return;
            }
            drained.await;
        }
    }
}
