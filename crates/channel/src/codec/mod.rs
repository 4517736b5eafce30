//! The protocol on the wire: messages as frames, in JSON or CBOR.

mod cbor;
mod cbor_value;
mod client;
mod fields;
mod json;
mod server;
mod write;

use std::fmt;

use bytes::Bytes;
use minicbor::Encoder;

use self::{
    cbor::{CborItem, CborWriter},
    fields::{Fault, Fields, Item},
    json::{JsonItem, JsonWriter},
    server::Live,
    write::Writable,
};
use crate::{ClientMessage, ErrorCode, Record, Refusal, ServerMessage};

/// How messages are written. A connection has one codec, which the subprotocol names.
///
/// A frame has one message, or an array of messages. What is written is deterministic: a message has the same bytes each
/// time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// JSON, in text frames. Also what a connection without a subprotocol speaks.
    #[default]
    Json,
    /// CBOR, in binary frames.
    Cbor,
}

/// What came from a client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Incoming {
    /// A sound message.
    Message(ClientMessage),
    /// A command that is not sound, but has an `id` to answer to.
    Refused {
        /// Of the command.
        id: u64,
        /// The answer.
        refusal: Refusal,
    },
}

/// A frame holds something that is no message, nor anything that could be answered. None of it counts, and the
/// connection ends with [`CloseCode::BAD_MESSAGE`](crate::CloseCode::BAD_MESSAGE). The words say the cause and the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl Codec {
    /// Every codec, the preferred one first.
    pub const ALL: &'static [Self] = &[Self::Json, Self::Cbor];

    /// Messages of the longest array from a client.
    pub const MAX_MESSAGES: usize = 1_024;

    /// The name in `Sec-WebSocket-Protocol`.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "longwire.v1.json",
            Self::Cbor => "longwire.v1.cbor",
        }
    }

    /// The codec of this subprotocol.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| codec.subprotocol() == name)
    }

    /// Whether frames are text frames.
    pub fn is_text(self) -> bool {
        self == Self::Json
    }

    /// Reads a frame from a client.
    pub fn decode_client(self, frame: &[u8]) -> Result<Vec<Incoming>, Malformed> {
        match self {
            Self::Json => decode_client(JsonItem::new(frame)?),
            Self::Cbor => decode_client(CborItem::new(frame)),
        }
    }

    /// Reads a frame from a server. Messages of a type that is not known are left out.
    pub fn decode_server(self, frame: &[u8]) -> Result<Vec<ServerMessage>, Malformed> {
        match self {
            Self::Json => decode_server(JsonItem::new(frame)?),
            Self::Cbor => decode_server(CborItem::new(frame)),
        }
    }

    /// Writes a message of a client's.
    pub fn encode_client(self, message: &ClientMessage) -> Bytes {
        self.encode(MESSAGE, message)
    }

    /// Writes a message of a server's.
    pub fn encode_server(self, message: &ServerMessage) -> Bytes {
        self.encode(MESSAGE, message)
    }

    /// Writes a live record for a subscription: the same bytes as of
    /// [`Pushed::Message`](crate::Pushed::Message), without making one.
    pub fn encode_message_push(self, sub: u32, prev: u64, skipped: u64, record: &Record) -> Bytes {
        self.encode(MESSAGE + record.payload.len(), &Live { sub, prev, skipped, record })
    }

    fn encode(self, capacity: usize, message: &impl Writable) -> Bytes {
        let buffer = Vec::with_capacity(capacity);
        match self {
            Self::Json => {
                let mut writer = JsonWriter(buffer);
                message.write(&mut writer);
                writer.0.into()
            }
            Self::Cbor => {
                let mut writer = CborWriter::new(buffer);
                message.write(&mut writer);
                writer.into_bytes().into()
            }
        }
    }

    /// Makes one frame of messages that are written already. One alone is its own frame.
    pub fn join(self, messages: &[Bytes]) -> Bytes {
        if let [message] = messages {
            return message.clone();
        }
        let length: usize = messages.iter().map(|message| message.len() + 1).sum();
        let mut frame = Vec::with_capacity(length + 9);
        match self {
            Self::Json => {
                frame.push(b'[');
                for (index, message) in messages.iter().enumerate() {
                    if index > 0 {
                        frame.push(b',');
                    }
                    frame.extend_from_slice(message);
                }
                frame.push(b']');
            }
            Self::Cbor => {
                Encoder::new(&mut frame).array(messages.len() as u64).expect("a Vec takes all");
                for message in messages {
                    frame.extend_from_slice(message);
                }
            }
        }
        frame.into()
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.subprotocol())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

impl From<Fault> for Malformed {
    fn from(fault: Fault) -> Self {
        Self(format!("the frame has what is no message: {fault}"))
    }
}

fn decode_client<'a, I: Item<'a>>(frame: I) -> Result<Vec<Incoming>, Malformed> {
    let Some(items) = frame.as_list()? else { return Ok(vec![read_client(frame)?]) };
    if items.len() > Codec::MAX_MESSAGES {
        return Err(Malformed(format!(
            "a frame has {} messages: {} are the most",
            items.len(),
            Codec::MAX_MESSAGES
        )));
    }
    items.into_iter().map(read_client).collect()
}

fn read_client<'a, I: Item<'a>>(item: I) -> Result<Incoming, Malformed> {
    let fields = Fields::new(item)?;
    match client::read(&fields) {
        Ok(message) => Ok(Incoming::Message(message)),
        Err(fault) => match fields.id() {
            Some(id) => {
                let refusal = Refusal::new(ErrorCode::BadRequest, fault.to_string());
                Ok(Incoming::Refused { id, refusal })
            }
            None => Err(fault.into()),
        },
    }
}

fn decode_server<'a, I: Item<'a>>(frame: I) -> Result<Vec<ServerMessage>, Malformed> {
    let items = frame.as_list()?.unwrap_or_else(|| vec![frame]);
    let read = |item| Fields::new(item).and_then(|fields| server::read(&fields));
    items.into_iter().filter_map(|item| read(item).map_err(Malformed::from).transpose()).collect()
}

/// Bytes of most messages without their payload.
const MESSAGE: usize = 160;
