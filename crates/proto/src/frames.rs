//! Messages encoded where they are sent, before their connection takes them over.

use crate::{FrameHeader, Message, Opcode};

/// Messages encoded as frames, one behind the other, for [`Connection::send_frames`].
///
/// What a server sends as it is depends on nothing that the connection knows: it has no mask (RFC
/// 6455 §5.1), and without compression or a [`Config::fragment_size`] each message is one frame. So
/// whoever sends can encode it, into one buffer for many small messages, and the message itself need
/// not wait. [`Connection::takes_frames`] says where this holds.
///
/// [`Connection::send_frames`]: crate::Connection::send_frames
/// [`Connection::takes_frames`]: crate::Connection::takes_frames
/// [`Config::fragment_size`]: crate::Config::fragment_size
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    encoded: Vec<u8>,
    messages: usize,
}

impl Frames {
    /// The longest message, in bytes of payload, that is worth encoding ahead: a longer one is lent to
    /// the transport without a copy.
    pub const MESSAGE_MAX: usize = 4096;

    /// None yet. Takes no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { encoded: Vec::new(), messages: 0 }
    }

    /// Appends a copy of a message as a frame.
    #[inline]
    pub fn push(&mut self, message: &Message) {
        let payload = message.as_bytes();
        if self.encoded.capacity() == 0 {
            self.encoded = Vec::with_capacity(CAPACITY.max(FrameHeader::MAX_LEN + payload.len()));
        }
        let opcode = Opcode::of(message.message_type());
        FrameHeader::new(opcode, payload.len() as u64).encode(&mut self.encoded);
        self.encoded.extend_from_slice(payload);
        self.messages += 1;
    }

    /// Gives back the memory that further messages would have used.
    pub fn shrink_to_fit(&mut self) {
        self.encoded.shrink_to_fit();
    }

    /// How many messages there are.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Bytes of all frames, headers included.
    pub fn encoded_len(&self) -> usize {
        self.encoded.len()
    }

    /// Bytes of memory that it holds for frames, used or not.
    pub fn capacity(&self) -> usize {
        self.encoded.capacity()
    }

    pub(crate) fn into_encoded(self) -> Vec<u8> {
        self.encoded
    }
}

/// What the first message reserves, in bytes: the largest size that allocators serve from their
/// fastest bins, and a full turn of small messages.
pub(crate) const CAPACITY: usize = 1024;
