//! A message encoded once for many receivers.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::{BufMut, Bytes};

use crate::{
    CompressionLevel, Deflate, FrameHeader, Message, Opcode, Text, WindowBits,
    extension::{RSV1, deflate::compress_alone},
};

/// A message encoded once, to be sent on many connections: each shares the bytes of one frame.
///
/// Where permessage-deflate is in use the message is compressed when the first connection needs it,
/// and once for each size of window that makes a difference: always one for a message of up to 512
/// bytes, never more than seven. It refers to nothing before it, so it goes to connections with
/// context takeover too, between messages of their own. A client's connection has to mask it, and
/// one with [`Config::fragment_size`](crate::Config::fragment_size) may have to cut it; both copy.
///
/// A clone shares everything. Memory: the message, and what was made of it.
#[derive(Clone)]
pub struct Prepared(Arc<Inner>);

struct Inner {
    message: Message,
    /// `None`: never compressed.
    level: Option<CompressionLevel>,
    plain: Encoded,
    /// For windows of 9 to 15 bits; `None` where the message would not shrink.
    deflated: [OnceLock<Option<Encoded>>; WINDOWS],
}

/// A whole frame of a server's, which is not masked (RFC 6455 §5.1).
#[derive(Debug)]
pub(crate) struct Encoded {
    frame: Bytes,
    payload_start: usize,
    pub(crate) rsv: u8,
}

impl Prepared {
    /// The longest message, in bytes of payload, of which each connection has a copy: it costs less than
    /// sharing.
    pub const COPIED_MAX: usize = 256;

    /// Encodes a message, to be compressed at [`CompressionLevel::FASTEST`].
    pub fn new(message: impl Into<Message>) -> Self {
        Self::encode(&message.into(), Some(Deflate::default().level))
    }

    /// Encodes a message, to be compressed at this level, whatever the connections' own.
    pub fn with_level(message: impl Into<Message>, level: CompressionLevel) -> Self {
        Self::encode(&message.into(), Some(level))
    }

    /// Encodes a message that goes out as it is on every connection: see [`Message::uncompressed`].
    pub fn uncompressed(message: impl Into<Message>) -> Self {
        Self::encode(&message.into(), None)
    }

    fn encode(message: &Message, level: Option<CompressionLevel>) -> Self {
        let opcode = Opcode::of(message.message_type());
        let plain = Encoded::new(opcode, 0, message.as_bytes());
        // The message is the frame's payload, so that it is there once.
        let payload = plain.payload();
        let message = match message {
            Message::Text(_) => Message::Text(Text::from_validated(payload)),
            Message::Binary(_) => Message::Binary(payload),
        };
        Self(Arc::new(Inner {
            message,
            level,
            plain,
            deflated: [const { OnceLock::new() }; WINDOWS],
        }))
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.0.message
    }

    /// The frame as it is.
    pub(crate) fn plain(&self) -> &Encoded {
        &self.0.plain
    }

    /// The frame compressed by itself, for a receiver with this window; `None` if the message would
    /// not shrink.
    pub(crate) fn deflated(&self, bits: WindowBits) -> Option<&Encoded> {
        let inner = &*self.0;
        let level = inner.level?;
        // Nothing in a message is farther away than it is long.
        let enough = (WindowBits::LEAST_COMPRESSED.get()..bits.get())
            .find(|bits| inner.message.len() <= 1 << bits)
            .and_then(WindowBits::new)
            .unwrap_or(bits);
        let class = usize::from(enough.get() - WindowBits::LEAST_COMPRESSED.get());
        let made = inner.deflated[class].get_or_init(|| {
            let payload = compress_alone(inner.message.as_bytes(), enough, level)?;
            Some(Encoded::new(Opcode::of(inner.message.message_type()), RSV1, &payload))
        });
        made.as_ref()
    }
}

impl Encoded {
    fn new(opcode: Opcode, rsv: u8, payload: &[u8]) -> Self {
        let mut frame = Vec::with_capacity(FrameHeader::MAX_LEN + payload.len());
        FrameHeader { rsv, ..FrameHeader::new(opcode, payload.len() as u64) }.encode(&mut frame);
        let payload_start = frame.len();
        frame.put_slice(payload);
        Self { frame: frame.into(), payload_start, rsv }
    }

    /// The frame, of which a clone is cheap.
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }

    pub(crate) fn payload(&self) -> Bytes {
        self.frame.slice(self.payload_start..)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Prepared").field(self.message()).finish()
    }
}

impl PartialEq for Prepared {
    fn eq(&self, other: &Self) -> bool {
        self.message() == other.message()
    }
}

impl Eq for Prepared {}

impl From<Message> for Prepared {
    fn from(message: Message) -> Self {
        Self::new(message)
    }
}

/// Windows that there are compressors for.
const WINDOWS: usize = (WindowBits::MAX.get() - WindowBits::LEAST_COMPRESSED.get()) as usize + 1;
