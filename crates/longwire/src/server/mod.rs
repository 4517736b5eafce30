//! The server: from a byte stream to an open [`WebSocket`](crate::WebSocket).
//!
//! [`accept`] does it with every default. An [`Acceptor`] holds the settings, an [`Incoming`] is a
//! client's request that is not answered yet, and a [`Server`] is a listener that does it all and
//! shuts down gracefully. Behind hyper, `Acceptor::upgrade` does it for a request that hyper has
//! read (feature `hyper`), and `UpgradeService` is that as a tower service (feature `tower`);
//! [`Connections`] gives these their graceful shutdown.

mod acceptor;
mod connections;
mod error;
mod handlers;
mod incoming;
mod listener;
mod origin;
#[cfg(feature = "tower")]
mod service;
mod serving;
mod transport;
#[cfg(feature = "hyper")]
mod upgrade;

pub use longwire_proto::handshake::{Answer, HandshakeLimits};

pub(crate) use self::connections::Registration;
#[cfg(feature = "tower")]
pub use self::service::UpgradeService;
#[cfg(feature = "axum")]
pub(crate) use self::upgrade::Upgradable;
#[cfg(feature = "hyper")]
pub use self::upgrade::{Upgrade, UpgradeError};
pub use self::{
    acceptor::{Acceptor, accept},
    connections::{Connections, Drained},
    error::AcceptError,
    incoming::Incoming,
    listener::Server,
    origin::OriginPolicy,
    transport::Transport,
};
