//! What happens on the client's connection, as it is shown.

use std::{net::SocketAddr, time::Duration};

use longwire::{Closed, Message};

use crate::failure::Failure;

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The connection is open.
    Open(Opened),
    /// A message arrived.
    Message(Message),
    /// A Ping of `--ping` was answered after this time.
    Ping(Duration),
    /// The connection is over.
    Closed(Closed),
    /// The command failed.
    Failed(Failure),
}

/// What the opening handshake agreed on.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The URL as it was given, without credentials.
    pub(crate) url: String,
    /// The address of the other end of the TCP connection: the server, or the proxy.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) subprotocol: Option<String>,
    pub(crate) extensions: Vec<String>,
}
