//! A message being sent, piece by piece.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use longwire_proto::{Close, CloseCode, CloseReason, Fragment, Message, MessageType, Text};
use tokio::io::AsyncWrite;

use super::{Sender, outbox::Outbound, queues::By};

/// One message being sent, from [`Sender::send_writer`].
///
/// Each piece goes out as a frame of its own, compressed if the first one was: where that is agreed
/// on, as a message of its size would be. Also an [`AsyncWrite`], whose shutdown is
/// [`Self::finish`]. A message that is not finished can be neither completed nor withdrawn, so
/// dropping the writer early fails the connection with 1011.
#[derive(Debug)]
#[must_use = "a message that is not finished fails the connection"]
pub struct MessageWriter<'a> {
    sender: &'a mut Sender,
    message_type: MessageType,
    /// The start of a character that the last piece of a text cut: at most three bytes.
    cut: BytesMut,
    compress: bool,
    finished: bool,
}

impl<'a> MessageWriter<'a> {
    pub(super) fn new(sender: &'a mut Sender, message_type: MessageType) -> Self {
        Self { sender, message_type, cut: BytesMut::new(), compress: true, finished: false }
    }

    /// Sends the message as it is, although compression is agreed on. To be said before the first
    /// piece: it decides.
    pub fn uncompressed(mut self) -> Self {
        self.compress = false;
        self
    }

    /// Sends a piece. Waits while the queue is over its budget. A text may be cut anywhere, in
    /// characters too.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::BrokenPipe`] once the connection is closing or closed;
    /// [`io::ErrorKind::InvalidData`] if the message is text and the piece is not UTF-8.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: when its future is dropped the piece is sent whole, if the future
    /// had completed, or not at all.
    pub async fn write(&mut self, piece: impl Into<Bytes>) -> io::Result<()> {
        let piece = piece.into();
        poll_fn(|cx| self.poll_piece(cx, &piece)).await
    }

    /// Ends the message.
    ///
    /// # Errors
    ///
    /// As [`Self::write`]; [`io::ErrorKind::InvalidData`] also if a text ends inside a character.
    ///
    /// # Cancel safety
    ///
    /// This method completes without waiting.
    #[allow(clippy::unused_async, reason = "reads like the calls before it, and may wait one day")]
    pub async fn finish(mut self) -> io::Result<()> {
        self.end()
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>, piece: &Bytes) -> Poll<io::Result<()>> {
        if !ready!(self.sender.poll_room(piece.len(), cx, true)) {
            return Poll::Ready(Err(closed()));
        }
        Poll::Ready(self.push(piece.clone()))
    }

    fn push(&mut self, piece: Bytes) -> io::Result<()> {
        let part = match self.message_type {
            MessageType::Binary => Message::Binary(piece),
            MessageType::Text => Message::Text(self.whole_characters(piece)?),
        };
        if part.is_empty() {
            return Ok(());
        }
        self.send(Fragment { part, fin: false })
    }

    /// The text up to its last whole character; the rest waits for the next piece.
    fn whole_characters(&mut self, piece: Bytes) -> io::Result<Text> {
        let text = if self.cut.is_empty() {
            piece
        } else {
            let mut joined = self.cut.clone();
            joined.extend_from_slice(&piece);
            joined.freeze()
        };
        let whole = match std::str::from_utf8(&text) {
            Ok(_) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        self.cut = BytesMut::from(&text[whole..]);
        Ok(Text::try_from(text.slice(..whole)).expect("validated above"))
    }

    fn end(&mut self) -> io::Result<()> {
        if self.finished {
            return Ok(());
        }
        if !self.cut.is_empty() {
            let message = "the text ends inside a character; write the rest of it first";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let part = match self.message_type {
            MessageType::Binary => Message::Binary(Bytes::new()),
            MessageType::Text => Message::Text(Text::new()),
        };
        self.send(Fragment { part, fin: true })?;
        self.finished = true;
        let queues = self.sender.queues();
        queues.lock().writing = false;
        queues.wake_senders();
        Ok(())
    }

    fn send(&mut self, fragment: Fragment) -> io::Result<()> {
        let outbound = Outbound::Fragment { fragment, compress: self.compress };
        match self.sender.queues().push(outbound, By::Writer) {
            Ok(()) => Ok(()),
            Err(_) => Err(closed()),
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the connection is closing or closed")
}

impl AsyncWrite for MessageWriter<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = buffer.len().min(PIECE_MAX);
        if !ready!(this.sender.poll_room(count, cx, true)) {
            return Poll::Ready(Err(closed()));
        }
        this.push(Bytes::copy_from_slice(&buffer[..count]))?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender.poll_flushed(cx).map_err(Into::into)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.end()?;
        this.sender.poll_flushed(cx).map_err(Into::into)
    }
}

impl Drop for MessageWriter<'_> {
    fn drop(&mut self) {
        if !self.finished && !self.sender.queues().is_closing() {
            let reason = CloseReason::truncated("a message was not finished");
            self.sender.queues().fail(Close::new(CloseCode::INTERNAL_ERROR, reason));
        }
    }
}

/// Bytes that one `poll_write` takes: a frame of this size costs little in headers, and lets control
/// frames pass.
const PIECE_MAX: usize = 64 * 1024;
