//! A message being received, piece by piece.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use longwire_proto::{Fragment, MessageType};
use tokio::io::{AsyncRead, ReadBuf};

use super::Receiver;
use crate::Error;

/// One message being received, from [`Receiver::recv_reader`].
///
/// Its pieces are cut where they arrived. A piece of a text ends between two characters. Also an
/// [`AsyncRead`]. Dropped before the end it throws the rest of the message away.
#[derive(Debug)]
pub struct MessageReader<'a> {
    receiver: &'a mut Receiver,
    message_type: MessageType,
    piece: Bytes,
    /// Whether `piece` is the last.
    fin: bool,
}

impl<'a> MessageReader<'a> {
    pub(super) fn new(receiver: &'a mut Receiver, first: Fragment) -> Self {
        Self {
            receiver,
            message_type: first.part.message_type(),
            piece: first.part.into_bytes(),
            fin: first.fin,
        }
    }

    /// Whether the message is text or binary.
    pub fn message_type(&self) -> MessageType {
        self.message_type
    }

    /// The next piece, which is not empty; `None` where the message ends.
    ///
    /// # Errors
    ///
    /// If the connection ended before the message did.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: no piece is lost when its future is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|cx| self.poll_piece(cx)).await?;
        let piece = std::mem::take(&mut self.piece);
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// Waits until `piece` has bytes, or the message has ended.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while self.piece.is_empty() && !self.fin {
            let Some(fragment) = ready!(self.receiver.poll_part(cx))? else {
                return Poll::Ready(Err(self.receiver.cut()));
            };
            self.fin = fragment.fin;
            self.piece = fragment.part.into_bytes();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for MessageReader<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_piece(cx))?;
        let count = this.piece.len().min(buffer.remaining());
        buffer.put_slice(&this.piece[..count]);
        this.piece.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl Drop for MessageReader<'_> {
    fn drop(&mut self) {
        if !self.fin {
            self.receiver.skip();
        }
    }
}
