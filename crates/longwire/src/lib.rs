//! WebSocket client and server on Tokio.

#[cfg(feature = "axum")]
pub mod axum;
pub mod client;
mod connection;
mod dial;
mod error;
pub mod server;
pub mod tls;

pub use longwire_proto as proto;
pub use longwire_proto::{
    Cause, Close, CloseCode, CloseReason, Closed, Config, Delivery, Extension, Keepalive, Limits,
    Message, MessageType, ProtocolError, SendError, Subprotocol, Text,
};

pub use self::{
    client::{Connect, ConnectError, Proxy, connect},
    connection::{MessageReader, MessageWriter, Receiver, Sender, WebSocket},
    error::{Error, PingError},
    server::{Acceptor, Incoming, OriginPolicy, Server, accept},
};
