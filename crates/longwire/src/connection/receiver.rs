//! The receiving handle.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use longwire_proto::{
    Close, CloseCode, Closed, Fragment, Limit, Message, MessageType, ProtocolError, Text,
};

use super::{
    attended,
    queues::{Inbound, Listener, Queues},
    reader::MessageReader,
    spare,
};
use crate::Error;

/// The half of a [`WebSocket`](crate::WebSocket) that receives.
///
/// Dropping it leaves the connection open while a [`Sender`](crate::Sender) lives: further messages
/// are then thrown away, while Pings are answered and the closing handshake is finished as before.
#[derive(Debug)]
pub struct Receiver {
    queues: Arc<Queues>,
    /// Messages taken from the inbox and not given out: their lock is paid for once a turn.
    batch: VecDeque<Inbound>,
    /// A message that arrives in parts and that [`Self::recv`] puts together.
    partial: Option<Box<Partial>>,
    /// Whether the rest of a message is to be thrown away, since its reader was dropped.
    skipping: bool,
    /// Whether the stream gave its error, and so is over.
    failed: bool,
}

/// Parts of a message under way.
#[derive(Debug)]
struct Partial {
    message_type: MessageType,
    data: BytesMut,
}

impl Partial {
    fn message(self) -> Message {
        let data = self.data.freeze();
        match self.message_type {
            MessageType::Binary => Message::Binary(data),
            MessageType::Text => {
                Message::Text(Text::try_from(data).expect("the parts of a text are UTF-8"))
            }
        }
    }
}

impl Receiver {
    pub(super) fn new(queues: Arc<Queues>) -> Self {
        Self { queues, batch: VecDeque::new(), partial: None, skipping: false, failed: false }
    }

    /// Receives the next message. `Ok(None)` once the connection closed cleanly.
    ///
    /// Messages that arrived before the end are given out before it. With
    /// [`Delivery::Fragments`](crate::Delivery::Fragments) the parts are put together here, up to
    /// [`Limits::max_message_size`](crate::Limits::max_message_size): beyond it the connection is
    /// failed with 1009.
    ///
    /// # Errors
    ///
    /// If the connection ended any other way; again at each further call.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: no message is lost when its future is dropped.
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> + Send {
        poll_fn(|cx| self.poll_recv(cx))
    }

    /// Receives the next message as a reader, which gives its payload in the pieces that are there.
    /// `Ok(None)` once the connection closed cleanly.
    ///
    /// With [`Delivery::Fragments`](crate::Delivery::Fragments) a message of any size passes in
    /// constant memory; by default it has arrived whole, under its limits.
    ///
    /// # Errors
    ///
    /// If the connection ended without a clean close.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. A reader that is dropped early throws the rest of its message
    /// away.
    pub async fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        // What a dropped `recv` had put together already is the start of the message.
        let first = match self.partial.take() {
            Some(partial) => Some(Fragment { part: partial.message(), fin: false }),
            None => poll_fn(|cx| self.poll_part(cx)).await?,
        };
        Ok(first.map(|first| MessageReader::new(self, first)))
    }

    /// [`Self::recv`], for those who write futures by hand.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        match self.next_whole() {
            Some(message) => Poll::Ready(Ok(Some(message))),
            None => self.poll_more(cx),
        }
    }

    /// The next message, if it is there and whole: the common case.
    #[inline]
    fn next_whole(&mut self) -> Option<Message> {
        if self.skipping || self.partial.is_some() {
            return None;
        }
        match self.batch.pop_front_if(|inbound| matches!(inbound, Inbound::Message(_)))? {
            Inbound::Message(message) => Some(message),
            Inbound::Fragment(_) => None,
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        if self.batch.is_empty()
            && ready!(self.poll_batch(cx))?
            && let Some(message) = self.next_whole()
        {
            return Poll::Ready(Ok(Some(message)));
        }
        loop {
            let Some(fragment) = ready!(self.poll_part(cx))? else {
                return Poll::Ready(if self.partial.is_some() {
                    Err(self.cut())
                } else {
                    Ok(None)
                });
            };
            if let Some(message) = self.assemble(fragment) {
                return Poll::Ready(Ok(Some(message)));
            }
            if let Some(message) = self.next_whole() {
                return Poll::Ready(Ok(Some(message)));
            }
        }
    }

    /// The next part of a message, which is a whole one by default. `Ok(None)` at a clean end.
    pub(super) fn poll_part(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Fragment>, Error>> {
        loop {
            let Some(inbound) = self.batch.pop_front() else {
                if ready!(self.poll_batch(cx))? {
                    continue;
                }
                return Poll::Ready(Ok(None));
            };
            let fragment = match inbound {
                Inbound::Message(part) => Fragment { part, fin: true },
                Inbound::Fragment(fragment) => fragment,
            };
            if self.skipping {
                self.skipping = !fragment.fin;
                continue;
            }
            return Poll::Ready(Ok(Some(fragment)));
        }
    }

    /// Waits until there is something in `batch`: `true`. `false` at a clean end.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let mut state = self.queues.lock();
        if !state.inbox.is_empty() {
            // A large message is taken alone, so that no more of them are read ahead meanwhile.
            if state.inbox_bytes <= BATCH_BYTES_MAX {
                mem::swap(&mut state.inbox, &mut self.batch);
                state.inbox_bytes = 0;
            } else if let Some(inbound) = state.inbox.pop_front() {
                state.inbox_bytes -= inbound.len();
                self.batch.push_back(inbound);
            }
            state.busy = true;
            let paused = mem::take(&mut state.paused);
            drop(state);
            if paused {
                self.queues.notify_task();
            }
            return Poll::Ready(Ok(true));
        }
        if let Some(end) = &state.end {
            if end.closed.is_clean() {
                return Poll::Ready(Ok(false));
            }
            return Poll::Ready(Err(Error(end.clone())));
        }
        match &mut state.receiver {
            _ if attended::is_handler(cx.waker(), &self.queues) => {
                state.receiver = Listener::Handler;
            }
            Listener::Other(waker) => waker.clone_from(cx.waker()),
            listener => *listener = Listener::Other(cx.waker().clone()),
        }
        let spare = mem::take(&mut state.inbox);
        let was_busy = mem::take(&mut state.busy);
        let notify = was_busy && state.held;
        drop(state);
        for spare in [spare, mem::take(&mut self.batch)] {
            if spare.capacity() > 0 {
                spare::give(spare);
            }
        }
        if notify {
            self.queues.notify_task();
        }
        Poll::Pending
    }

    /// Puts a part behind those before it. Gives the message where it ends.
    fn assemble(&mut self, fragment: Fragment) -> Option<Message> {
        let Fragment { part, fin } = fragment;
        let max = self.queues.config.limits.max_message_size;
        let before = self.partial.as_ref().map_or(0, |partial| partial.data.len());
        if (before + part.len()) as u64 > max {
            let error = ProtocolError::LimitExceeded(Limit::MessageSize(max));
            let reason = longwire_proto::CloseReason::truncated(&error.to_string());
            self.queues.fail(Close::new(CloseCode::MESSAGE_TOO_BIG, reason));
            self.partial = None;
            self.discard();
            return None;
        }
        if fin && self.partial.is_none() {
            return Some(part);
        }
        let partial = self.partial.get_or_insert_with(|| {
            let message_type = part.message_type();
            Box::new(Partial { message_type, data: BytesMut::new() })
        });
        partial.data.extend_from_slice(part.as_bytes());
        if !fin {
            return None;
        }
        self.partial.take().map(|partial| partial.message())
    }

    /// Throws away all that arrives from now on, and what waits.
    pub(super) fn discard(&mut self) {
        self.batch = VecDeque::new();
        let mut state = self.queues.lock();
        state.receiver_gone = true;
        drop(state);
        self.queues.notify_task();
    }

    /// Throws away what follows of the message under way.
    pub(super) fn skip(&mut self) {
        self.skipping = true;
    }

    /// The error of a message that the connection's end cut.
    pub(super) fn cut(&self) -> Error {
        let state = self.queues.lock();
        Error(state.end.clone().expect("seen to have ended"))
    }

    /// How the connection ended; `None` while it has not.
    pub fn closed(&self) -> Option<Closed> {
        self.queues.lock().end.as_ref().map(|end| end.closed.clone())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.queues.handle_dropped(|state| {
            state.receiver_gone = true;
            state.receiver = Listener::Nobody;
            state.inbox = VecDeque::new();
            state.inbox_bytes = 0;
        });
    }
}

impl futures_core::Stream for Receiver {
    type Item = Result<Message, Error>;

    /// The messages, then at most one error, then `None`.
    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Error>>> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(None);
        }
        let result = ready!(this.poll_recv(cx)).transpose();
        this.failed = matches!(result, Some(Err(_)));
        Poll::Ready(result)
    }
}

/// Bytes of payload up to which all that waits is taken at once.
const BATCH_BYTES_MAX: usize = 64 * 1024;
