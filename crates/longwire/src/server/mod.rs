//! The server: from a byte stream to an open [`WebSocket`](crate::WebSocket).
//!
//! [`accept`] does it with every default. An [`Acceptor`] holds the settings, an [`Incoming`] is a
//! client's request that is not answered yet, and a [`Server`] is a listener that does it all and
//! shuts down gracefully.

mod acceptor;
mod error;
mod incoming;
mod listener;
mod origin;
mod registry;
mod transport;

pub use longwire_proto::handshake::{Answer, HandshakeLimits};

pub(crate) use self::registry::Registration;
pub use self::{
    acceptor::{Acceptor, accept},
    error::AcceptError,
    incoming::Incoming,
    listener::{Drained, Server},
    origin::OriginPolicy,
    transport::Transport,
};
