//! Messages and their fragments (RFC 6455 §5.4, §5.6).

use bytes::Bytes;

use crate::{Prepared, Text};

/// A WebSocket message: the payload of one or more frames, put together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "RFC 6455 has two types of message")]
pub enum Message {
    /// UTF-8 text.
    Text(Text),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Whether this is text or binary.
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::Text(_) => MessageType::Text,
            Self::Binary(_) => MessageType::Binary,
        }
    }

    /// The payload.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text, if this is a text message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The payload, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// This message, to be sent as it is, although compression is agreed on (RFC 7692 §6): for
    /// secrets beside text that others can choose, and for what is compressed already.
    pub fn uncompressed(self) -> Sendable {
        Sendable::Uncompressed(self)
    }

    /// Bytes of payload.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

macro_rules! message_from {
    ($($type:ty => $variant:ident),*) => {
        $(impl From<$type> for Message {
            fn from(payload: $type) -> Self {
                Self::$variant(payload.into())
            }
        })*
    };
}

message_from!(Text => Text, String => Text, &str => Text, Bytes => Binary, Vec<u8> => Binary,
    &'static [u8] => Binary);

/// What can be sent: a message, compressed where that is agreed on and worth it; one that is not to
/// be compressed; or one that was encoded before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sendable {
    /// A message.
    Message(Message),
    /// A message that goes out as it is: [`Message::uncompressed`].
    Uncompressed(Message),
    /// A message for many receivers.
    Prepared(Prepared),
}

impl Sendable {
    /// The message.
    pub fn message(&self) -> &Message {
        match self {
            Self::Message(message) | Self::Uncompressed(message) => message,
            Self::Prepared(prepared) => prepared.message(),
        }
    }

    /// The message, without a copy.
    pub fn into_message(self) -> Message {
        match self {
            Self::Message(message) | Self::Uncompressed(message) => message,
            Self::Prepared(prepared) => prepared.message().clone(),
        }
    }

    /// Bytes of payload, before compression.
    pub fn len(&self) -> usize {
        self.message().len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Into<Message>> From<T> for Sendable {
    fn from(message: T) -> Self {
        Self::Message(message.into())
    }
}

impl From<Prepared> for Sendable {
    fn from(prepared: Prepared) -> Self {
        Self::Prepared(prepared)
    }
}

impl From<&Prepared> for Sendable {
    fn from(prepared: &Prepared) -> Self {
        Self::Prepared(prepared.clone())
    }
}

impl PartialEq<Message> for Sendable {
    fn eq(&self, other: &Message) -> bool {
        self.message() == other
    }
}

/// Whether a message is text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 6455 has two types of message")]
pub enum MessageType {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

/// A part of a message (§5.4): what [`Delivery::Fragments`](crate::Delivery::Fragments) delivers
/// and [`Connection::send_fragment`](crate::Connection::send_fragment) sends.
///
/// What arrives is cut where it arrived, not where the peer cut its frames; a part of a text ends
/// between two characters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a part of a message and its place")]
pub struct Fragment {
    /// The part's payload, which may be empty; its type is the whole message's.
    pub part: Message,
    /// Whether the message ends with this part.
    pub fin: bool,
}
