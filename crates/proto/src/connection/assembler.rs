//! A message put together from the payloads of its frames, under its limits (RFC 6455 §5.4).

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    Config, Delivery, Limit, Message, MessageType, ProtocolError, Text, buffers,
    utf8::Utf8Validator,
};

/// A message under way. Takes memory as bytes arrive, never by what a header declares.
#[derive(Debug)]
pub(super) struct Assembler {
    message_type: MessageType,
    pub(super) compressed: bool,
    /// Payload that was not delivered yet.
    data: BytesMut,
    /// Bytes of `data` that are unmasked and validated; the rest was read straight into it.
    processed: usize,
    utf8: Utf8Validator,
    /// Bytes that the headers so far declared; of a compressed message, what became of it so far.
    size: u64,
    fragments: u32,
}

impl Assembler {
    pub(super) fn new(message_type: MessageType, compressed: bool) -> Self {
        Self {
            message_type,
            compressed,
            data: BytesMut::new(),
            processed: 0,
            utf8: Utf8Validator::default(),
            size: 0,
            fragments: 0,
        }
    }

    /// A message of one piece, unmasked.
    /// `None` if it is text and not UTF-8.
    pub(super) fn whole(message_type: MessageType, payload: &[u8]) -> Option<Message> {
        if message_type == MessageType::Text {
            Utf8Validator::default().finish(payload).ok()?;
        }
        Some(message(message_type, Bytes::copy_from_slice(payload)))
    }

    /// Counts a further frame. What is delivered as it arrives is kept nowhere, so has no limits.
    pub(super) fn begin_frame(
        &mut self,
        payload_len: u64,
        config: &Config,
    ) -> Result<(), ProtocolError> {
        if config.delivery == Delivery::Fragments {
            return Ok(());
        }
        let limits = &config.limits;
        self.fragments = self.fragments.saturating_add(1);
        if self.fragments > limits.max_fragments {
            return Err(ProtocolError::LimitExceeded(Limit::Fragments(limits.max_fragments)));
        }
        if payload_len > limits.max_frame_size {
            return Err(ProtocolError::LimitExceeded(Limit::FrameSize(limits.max_frame_size)));
        }
        if self.compressed { Ok(()) } else { self.count(payload_len, config) }
    }

    /// Counts bytes that a compressed message became.
    pub(super) fn inflated(&mut self, count: usize, config: &Config) -> Result<(), ProtocolError> {
        match config.delivery {
            Delivery::Messages => self.count(count as u64, config),
            Delivery::Fragments => Ok(()),
        }
    }

    fn count(&mut self, more: u64, config: &Config) -> Result<(), ProtocolError> {
        let max = config.limits.max_message_size;
        self.size = self.size.saturating_add(more);
        if self.size > max {
            return Err(ProtocolError::LimitExceeded(Limit::MessageSize(max)));
        }
        Ok(())
    }

    /// Bytes that a compressed message may still become.
    pub(super) fn room(&self, config: &Config) -> usize {
        let left = config.limits.max_message_size.saturating_sub(self.size);
        match config.delivery {
            Delivery::Messages => usize::try_from(left).unwrap_or(usize::MAX),
            Delivery::Fragments => usize::MAX,
        }
    }

    /// Space behind the payload, for a read of up to `remaining` bytes.
    pub(super) fn space(&mut self, remaining: usize) -> impl BufMut + use<'_> {
        self.grow(1, remaining);
        let space = self.data.capacity() - self.data.len();
        (&mut self.data).limit(space.min(remaining))
    }

    pub(super) fn has_unprocessed(&self) -> bool {
        self.processed < self.data.len()
    }

    /// What was read into [`Self::space`] and is still masked.
    pub(super) fn unprocessed(&mut self) -> &mut [u8] {
        &mut self.data[self.processed..]
    }

    /// Takes a further piece, unmasked, behind what [`Self::unprocessed`] gave to unmask.
    ///
    /// Gives the message where it ends, or with [`Delivery::Fragments`] the part that is there.
    /// `remaining` is what the frame still lacks behind the piece.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        remaining: u64,
        fin: bool,
        delivery: Delivery,
    ) -> Result<Option<Message>, ProtocolError> {
        let text = self.message_type == MessageType::Text;
        if text && self.has_unprocessed() {
            self.utf8.push(&self.data[self.processed..]).map_err(|_| ProtocolError::TextNotUtf8)?;
        }
        if text {
            if fin { self.utf8.finish(piece) } else { self.utf8.push(piece) }
                .map_err(|_| ProtocolError::TextNotUtf8)?;
        }
        if fin && self.data.is_empty() {
            return Ok(Some(message(self.message_type, Bytes::copy_from_slice(piece))));
        }
        if !piece.is_empty() {
            self.grow(piece.len(), usize::try_from(remaining).unwrap_or(usize::MAX));
            self.data.extend_from_slice(piece);
        }
        self.processed = self.data.len();
        if fin {
            let whole = self.take_whole();
            return Ok(Some(message(self.message_type, whole)));
        }
        let deliverable = self.data.len() - self.utf8.cut_len();
        if delivery == Delivery::Messages || deliverable == 0 {
            return Ok(None);
        }
        let part = if deliverable < self.data.capacity() / 2 {
            // A small part would keep a large buffer alive.
            let part = Bytes::copy_from_slice(&self.data[..deliverable]);
            self.data.copy_within(deliverable.., 0);
            self.data.truncate(self.utf8.cut_len());
            part
        } else {
            let cut = self.data.split_off(deliverable);
            std::mem::replace(&mut self.data, BytesMut::from(&cut[..])).freeze()
        };
        self.processed = self.data.len();
        Ok(Some(message(self.message_type, part)))
    }

    /// All that is there. Copied out of a buffer that is much larger, which is kept for others.
    fn take_whole(&mut self) -> Bytes {
        let whole = std::mem::take(&mut self.data);
        if whole.capacity() / 2 <= whole.len().max(buffers::LARGE) {
            return whole.freeze();
        }
        let copy = Bytes::copy_from_slice(&whole);
        buffers::keep(whole);
        copy
    }

    /// Makes room for `needed` bytes, and for as many again as are there already, but not for more
    /// than the frame still lacks. A buffer that this thread has kept costs nothing, so a message
    /// that has become large may take it whole.
    fn grow(&mut self, needed: usize, remaining: usize) {
        if self.data.capacity() - self.data.len() >= needed {
            return;
        }
        let ahead = self.data.len().max(SPACE_MIN).min(remaining);
        if self.data.len() < buffers::LARGE && self.data.len() + needed + ahead > buffers::LARGE {
            let mut kept = buffers::take();
            kept.extend_from_slice(&self.data);
            self.data = kept;
        }
        let more = needed.max(ahead);
        if self.compressed && self.data.len() + more < 2 * self.data.capacity() {
            // Here `reserve` would go beyond the limit, since it doubles.
            let mut exact = Vec::from(std::mem::take(&mut self.data));
            exact.reserve_exact(more);
            self.data = Bytes::from(exact).try_into_mut().expect("nobody else holds it");
        } else {
            self.data.reserve(more);
        }
    }
}

/// A message of a validated payload.
fn message(message_type: MessageType, payload: Bytes) -> Message {
    match message_type {
        MessageType::Text => Message::Text(Text::from_validated(payload)),
        MessageType::Binary => Message::Binary(payload),
    }
}

/// The least space that is worth a read of its own, in bytes.
pub(super) const SPACE_MIN: usize = 64 * 1024;
