//! The WebSocket protocol (RFC 6455), with compression (RFC 7692), without I/O.
//!
//! Two state machines: the opening handshake in [`handshake`], and [`Connection`] for all that comes
//! after it. Neither has a socket, a clock or randomness of its own: bytes, instants and masking keys
//! are given to it, and it says what to do next.
//!
//! # The loop
//!
//! Whoever drives a [`Connection`] repeats four steps: take events until there is none, write until
//! there is nothing to write, wait for whatever comes first, and say what came. Here the transport
//! is two buffers, so that waiting is never needed:
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//!
//! use bytes::Buf;
//! use longwire_proto::*;
//!
//! /// Feeds what arrived, and gives the messages in it; appends to `wire` what is to be sent.
//! fn turn(connection: &mut Connection, arrived: &mut [u8], wire: &mut Vec<u8>) -> Vec<Message> {
//!     let now = Instant::now();
//!     let mut messages = Vec::new();
//!     let mut input = Input::new(arrived);
//!     loop {
//!         // 1. Events, until there is none.
//!         while let Some(event) = connection.poll_event(&mut input, now) {
//!             match event {
//!                 Event::Message(message) => messages.push(message),
//!                 Event::CloseReceived(close) => println!("the peer closes: {close}"),
//!                 Event::Violation(error) => println!("the peer broke the protocol: {error}"),
//!                 Event::Closed(closed) => println!("{closed}"), // the last one; drop the transport
//!                 _ => {} // Pings are answered without our help
//!             }
//!         }
//!         // 2. Bytes, until there is nothing to write.
//!         match connection.poll_transmit() {
//!             Some(Transmit::Bytes) => {
//!                 let chunk = connection.outgoing().chunk(); // or chunks_vectored
//!                 let count = chunk.len(); // what the transport took
//!                 wire.extend_from_slice(chunk);
//!                 connection.handle_written(count, now);
//!             }
//!             Some(_) => println!("shut down the writing direction"),
//!             // 3. Now wait: for bytes (poll_event), for the end of them (handle_eof), for the
//!             // instant of poll_timeout (handle_timeout), for a failure (handle_lost), or for a
//!             // wish of the application's (send, ping, close).
//!             None => return messages,
//!         }
//!     }
//! }
//!
//! let now = Instant::now();
//! let keys = Box::new(|| *b"rand"); // in earnest: from a strong source of randomness
//! let mut client = Connection::client(Arc::new(Config::default()), keys, now);
//! let mut server = Connection::server(Arc::new(Config::default()), now);
//! let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
//!
//! client.send("Hello", now)?;
//! client.close(CloseCode::NORMAL_CLOSURE.into(), now);
//! turn(&mut client, &mut [], &mut to_server);
//!
//! let messages = turn(&mut server, &mut to_server, &mut to_client);
//! assert_eq!(messages, ["Hello".into()]);
//! assert_eq!(server.state(), State::CloseExchanged);
//!
//! turn(&mut client, &mut to_client, &mut Vec::new());
//! assert_eq!(client.state(), State::CloseExchanged);
//! # Ok::<(), SendError>(())
//! ```
//!
//! The same loop over a real socket, with timeouts, is the example `sans_io` of the crate
//! `longwire`.
//!
//! What the events of one input amount to does not depend on how the input was cut. A caller that
//! has enough for now stops polling and keeps the rest of its input.
//!
//! # Features
//!
//! None. Names that begin with two underscores are private.

mod buffers;
mod config;
mod connection;
mod error;
mod extension;
mod frame;
mod frames;
#[cfg(feature = "__fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod handshake;
mod message;
mod prepared;
mod side;
mod text;
mod uri;
mod utf8;

pub use self::{
    config::{Config, Delivery, Keepalive, Limits},
    connection::{Cause, Closed, Connection, Event, Input, State, Timer, Transmit},
    error::{Limit, ProtocolError, SendError},
    extension::{
        Extension, InvalidExtension,
        deflate::{CompressionLevel, Deflate, DeflateParams, InvalidDeflate, WindowBits},
    },
    frame::{
        Close, CloseCode, CloseReason, ControlPayload, ControlPayloadTooLong, FrameHeader,
        InvalidCloseReason, MaskingKey, MaskingKeys, Opcode,
    },
    frames::Frames,
    handshake::{Agreement, Subprotocol},
    message::{Fragment, Message, MessageType, Sendable},
    prepared::Prepared,
    side::Side,
    text::Text,
    uri::{UriError, WsUri},
};
