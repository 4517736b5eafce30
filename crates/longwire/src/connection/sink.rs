//! `Stream` and `Sink` for the ecosystem's combinators.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_sink::Sink;
use longwire_proto::{CloseCode, Message, SendError};

use super::{Sender, WebSocket, outbox::Outbound, queues::By};
use crate::Error;

impl Sink<Message> for Sender {
    type Error = SendError;

    /// Waits for room for a further message, however large.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let room = ready!(self.poll_room(1, cx, false));
        if room { Poll::Ready(Ok(())) } else { Poll::Ready(Err(closed())) }
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        self.queues().push(Outbound::Message(message.into()), By::Sink)
    }

    /// Waits until the transport took all that was sent.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_flushed(cx).map_err(|_| closed())
    }

    /// Closes the connection with 1000 and waits for its end.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.queues().close(CloseCode::NORMAL_CLOSURE.into());
        self.poll_ended(cx).map(Ok)
    }
}

/// A sink's errors come without a message: the one that was given is already queued or returned.
fn closed() -> SendError {
    SendError::Closed(bytes::Bytes::new().into())
}

impl Stream for WebSocket {
    type Item = Result<Message, Error>;

    /// The messages, then at most one error, then `None`.
    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Error>>> {
        Pin::new(&mut self.get_mut().receiver).poll_next(cx)
    }
}

impl Sink<Message> for WebSocket {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().sender).poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        Pin::new(&mut self.get_mut().sender).start_send(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().sender).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().sender).poll_close(cx)
    }
}
