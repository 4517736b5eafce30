//! The channel protocol: what clients and servers of channels say to each other, without I/O.
//!
//! `specs/protocol.md` is the contract; this crate is its vocabulary.
//!
//! - [`ClientMessage`] and [`ServerMessage`] are the messages.
//! - [`Codec`] is JSON or CBOR: it makes frames of messages, and messages of frames.
//! - [`ErrorCode`] and [`CloseCode`] are what goes wrong, with what follows from it.
//! - [`ChannelName`], [`ChannelPattern`], [`Position`] and [`Payload`] are values that are valid once they exist.

mod client;
mod close;
mod code;
mod codec;
#[cfg(feature = "__fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod json;
mod name;
mod pattern;
mod payload;
mod position;
mod record;
mod server;

pub use client::{
    Capabilities, ClientMessage, Connect, History, Order, Policy, Publish, Start, Subscribe,
};
pub use close::{CloseCode, Verdict};
pub use code::{ErrorCode, Refusal};
pub use codec::{Codec, Incoming, Malformed};
pub use name::{ChannelName, InvalidChannelName};
pub use pattern::{ChannelPattern, InvalidChannelPattern};
pub use payload::{InvalidJson, Payload};
pub use position::{Epoch, InvalidEpoch, Position};
pub use record::{InvalidToken, Producer, Publication, Record, Token};
pub use server::{
    Connected, Disconnect, Gap, HistoryPage, Limits, Outcome, Published, Push, Pushed,
    ServerMessage, Subscribed, Unsubscribed,
};
