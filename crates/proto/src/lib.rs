//! The WebSocket protocol (RFC 6455) without I/O.
//!
//! Two state machines: the opening handshake in [`handshake`], and [`Connection`] for all that comes
//! after it. Neither has a socket, a clock or randomness of its own: bytes, instants and masking keys
//! are given to it, and it says what to do next.

mod buffers;
mod config;
mod connection;
mod error;
mod extension;
mod frame;
#[cfg(feature = "__fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod handshake;
mod message;
mod side;
mod text;
mod uri;
mod utf8;

pub use self::{
    config::{Config, Delivery, Keepalive, Limits},
    connection::{Cause, Closed, Connection, Event, Input, State, Timer, Transmit},
    error::{Limit, ProtocolError, SendError},
    extension::{Extension, InvalidExtension},
    frame::{
        Close, CloseCode, CloseReason, ControlPayload, ControlPayloadTooLong, FrameHeader,
        InvalidCloseReason, MaskingKey, MaskingKeys, Opcode,
    },
    handshake::{Agreement, Subprotocol},
    message::{Fragment, Message, MessageType},
    side::Side,
    text::Text,
    uri::{UriError, WsUri},
};
