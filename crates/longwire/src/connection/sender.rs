//! The sending handle.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use longwire_proto::{Close, Closed, MessageType, SendError, Sendable};
use tokio::sync::oneshot;

use super::{
    outbox::Outbound,
    queues::{By, Queues},
    sending::Sending,
    writer::MessageWriter,
};
use crate::{Error, PingError};

/// The half of a [`WebSocket`](crate::WebSocket) that sends. Clone it to send from many tasks.
///
/// When the last handle of a connection is dropped, senders and receiver alike, the connection is
/// closed: with 1000, or with 1011 if that happens in a panic.
pub struct Sender {
    queues: Arc<Queues>,
    /// Tells this sender from its clones.
    id: u64,
}

impl Sender {
    pub(super) fn new(queues: Arc<Queues>) -> Self {
        let id = queues.lock().new_sender();
        Self { queues, id }
    }

    /// Sends a message: it goes out with whatever else is sent before the task yields, in one write.
    ///
    /// Waits, in turn with others that wait, only while the queue is over
    /// [`Limits::max_buffered_amount`](crate::Limits::max_buffered_amount), or while another message
    /// is being sent by a [`MessageWriter`]. [`Self::flush`] waits for the transport.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] with the message, once the connection is closing or closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: when its future is dropped the message is sent whole, if the
    /// future had completed, or not at all. The message itself is dropped with the future. A future
    /// that waits holds its place among those that wait, so poll it or drop it.
    pub fn send(
        &self,
        message: impl Into<Sendable>,
    ) -> impl Future<Output = Result<(), SendError>> + Send {
        Sending::new(&self.queues, message.into())
    }

    /// Sends a message if that needs no waiting.
    ///
    /// # Errors
    ///
    /// With the message: [`SendError::Full`] while the queue is over its budget or others wait,
    /// [`SendError::FragmentPending`] while another message is being sent by a [`MessageWriter`],
    /// [`SendError::Closed`] once the connection is closing or closed.
    pub fn try_send(&self, message: impl Into<Sendable>) -> Result<(), SendError> {
        let sendable = message.into();
        if self.queues.encode(&sendable) {
            return Ok(());
        }
        self.queues.push(Outbound::Message(sendable), By::Sender)
    }

    /// Starts a message whose payload is sent piece by piece (RFC 6455 §5.4), in constant memory.
    ///
    /// Other messages of this connection wait until it is finished; Pings, Pongs and Close frames
    /// pass. Waits while another writer is at work.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] once the connection is closing or closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: nothing is sent before it completes.
    pub async fn send_writer(
        &mut self,
        message_type: MessageType,
    ) -> Result<MessageWriter<'_>, SendError> {
        loop {
            let progress = self.queues.waiting().progress.notified();
            {
                let mut state = self.queues.lock();
                if state.closing || state.end.is_some() {
                    return Err(SendError::Closed(bytes::Bytes::new().into()));
                }
                if !std::mem::replace(&mut state.writing, true) {
                    break;
                }
            }
            progress.await;
        }
        Ok(MessageWriter::new(self, message_type))
    }

    /// Waits until the transport took all that was sent before this call.
    ///
    /// # Errors
    ///
    /// If the connection ended first.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: dropping its future stops the wait and nothing else.
    pub async fn flush(&self) -> Result<(), Error> {
        let target = self.queues.lock().queued;
        loop {
            let progress = self.queues.waiting().progress.notified();
            if let Poll::Ready(result) = self.flushed(target) {
                return result;
            }
            self.queues.watch();
            progress.await;
        }
    }

    fn flushed(&self, target: u64) -> Poll<Result<(), Error>> {
        let state = self.queues.lock();
        if state.flushed >= target {
            return Poll::Ready(Ok(()));
        }
        match &state.end {
            Some(end) => Poll::Ready(Err(Error(end.clone()))),
            None => Poll::Pending,
        }
    }

    /// Sends a Ping behind what is queued and waits for its Pong: the round-trip time (§5.5.2).
    ///
    /// # Errors
    ///
    /// [`PingError::Closed`] if the connection closes first; [`PingError::TooMany`] if 64 Pings wait
    /// already.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: the Ping is sent all the same.
    pub async fn ping(&self) -> Result<Duration, PingError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.queues.lock();
            if state.closing || state.end.is_some() {
                return Err(PingError::Closed);
            }
            if state.outbox_pings >= PINGS_MAX {
                return Err(PingError::TooMany);
            }
            state.outbox_pings += 1;
            state.enqueue(Outbound::Ping(answer));
        }
        self.queues.notify_task();
        answered.await.unwrap_or(Err(PingError::Closed))
    }

    /// Closes the connection behind all that is queued (§7.1.2), and waits for its end: at most
    /// [`Config::close_timeout`](crate::Config::close_timeout) after the Close frame went out.
    ///
    /// A second call only waits. A code that may not be on the wire (§7.4) is sent as 1000.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: once polled the connection closes, whether its future is dropped
    /// or not.
    pub async fn close(&self, close: impl Into<Close>) -> Closed {
        self.queues.close(close.into());
        self.ended().await
    }

    /// Waits for the connection's end, without asking for it.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: dropping its future stops the wait and nothing else.
    pub async fn ended(&self) -> Closed {
        loop {
            let progress = self.queues.waiting().progress.notified();
            if let Some(end) = &self.queues.lock().end {
                return end.closed.clone();
            }
            progress.await;
        }
    }

    /// Bytes of messages that were sent and that the transport did not take yet, without frame
    /// headers; at most what they become, once they are compressed.
    pub fn buffered_amount(&self) -> usize {
        self.queues.buffered_amount(&self.queues.lock())
    }

    /// The latest round-trip time, by a Ping of [`Self::ping`] or of the keepalive; `None` before
    /// the first Pong.
    pub fn latency(&self) -> Option<Duration> {
        self.queues.lock().latency
    }

    /// How the connection ended; `None` while it has not.
    pub fn closed(&self) -> Option<Closed> {
        self.queues.lock().end.as_ref().map(|end| end.closed.clone())
    }

    /// Waits for room for `size` bytes, in a poll method.
    pub(super) fn poll_room(
        &self,
        size: usize,
        cx: &mut Context<'_>,
        by_writer: bool,
    ) -> Poll<bool> {
        let mut state = self.queues.lock();
        if state.closing || state.end.is_some() {
            return Poll::Ready(false);
        }
        if self.queues.has_room(&state, size) && (by_writer || !state.writing) {
            return Poll::Ready(true);
        }
        state.parked.park(self.id, cx.waker());
        drop(state);
        self.queues.watch();
        Poll::Pending
    }

    /// Waits until all is flushed that was sent so far, in a poll method.
    pub(super) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = self.queues.lock();
        if state.flushed >= state.queued {
            return Poll::Ready(Ok(()));
        }
        if let Some(end) = &state.end {
            return Poll::Ready(Err(Error(end.clone())));
        }
        state.parked.park(self.id, cx.waker());
        drop(state);
        self.queues.watch();
        Poll::Pending
    }

    /// Waits for the connection's end, in a poll method.
    pub(super) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.queues.lock();
        if state.end.is_some() {
            return Poll::Ready(());
        }
        state.parked.park(self.id, cx.waker());
        Poll::Pending
    }

    pub(super) fn queues(&self) -> &Arc<Queues> {
        &self.queues
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        Self::new(self.queues.clone())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.queues.handle_dropped(|state| {
            state.senders -= 1;
            state.parked.forget(self.id);
        });
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("buffered_amount", &self.buffered_amount())
            .field("closed", &self.closed())
            .finish_non_exhaustive()
    }
}

/// Pings that wait in the outbox at a time: as many as may wait for their Pongs behind it.
const PINGS_MAX: u32 = 64;
