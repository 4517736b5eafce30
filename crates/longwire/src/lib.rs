//! WebSocket client and server on Tokio: strict, cancel safe, bounded, and fast with the plain loop.
//!
//! # A client
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut socket = longwire::connect("wss://example.com/feed").await?;
//! socket.send("hello").await?;
//! while let Some(message) = socket.recv().await? {
//!     println!("{}", message.as_text().unwrap_or("(binary)"));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Connect`] has the options: headers, subprotocols, credentials, cookies, redirects, proxies, TLS,
//! timeouts, a stream of the caller's own.
//!
//! # A server
//!
//! ```no_run
//! # async fn run() -> std::io::Result<()> {
//! let server = longwire::Server::bind("127.0.0.1:9001").await?;
//! server
//!     .serve(async |mut socket: longwire::WebSocket| {
//!         while let Ok(Some(message)) = socket.recv().await {
//!             if socket.send(message).await.is_err() {
//!                 break;
//!             }
//!         }
//!     })
//!     .await
//! # }
//! ```
//!
//! [`Acceptor`] has the options, and accepts on any byte stream; with features it answers requests
//! that hyper, tower or axum have read.
//!
//! # What a connection does by itself
//!
//! Each connection has a task, which owns the transport; where this library calls a handler, as
//! [`Server`] does, connection and handler share one. It writes all that was sent since
//! the application last yielded in one call, answers Pings, sends keepalive Pings, enforces
//! every limit and timeout of [`Config`], and finishes the closing handshake, whatever the application
//! awaits. What a peer sent before it closed, or before it broke the protocol, can still be answered:
//! the Close frame waits for the application to come back for more, up to one second.
//!
//! [`WebSocket`] is a handle: not generic, cancel safe in every method, a `Stream` and a `Sink`; its
//! [`split`](WebSocket::split) gives a [`Sender`] that can be cloned. A clean end is `Ok(None)`;
//! any other is an [`Error`], which tells both halves of the closing handshake and whose fault it was.
//!
//! # Compression
//!
//! [`Config::deflate`] turns permessage-deflate (RFC 7692) on, for a client that offers it and for a
//! server that agrees to it; [`Deflate`] has the modes, with what they cost. A message that must not be
//! compressed is sent by [`Message::uncompressed`]. A [`Prepared`] message is encoded once, and
//! compressed once, for any number of receivers:
//!
//! ```no_run
//! # async fn tell(members: &[longwire::Sender]) -> Result<(), longwire::SendError> {
//! let news = longwire::Prepared::new("{\"news\": \"the same for all\"}");
//! for member in members {
//!     member.send(&news).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Runtime
//!
//! Tokio, either flavour, with its I/O and time drivers enabled.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `tls-native-roots` (default) | `wss:` that trusts the system's certificate authorities |
//! | `tls-webpki-roots` | `wss:` that trusts Mozilla's list, compiled in |
//! | `tls` | `wss:` with a configuration of the caller's own; [`Server::tls`] |
//! | `hyper` | `Acceptor::upgrade`: a request that hyper has read |
//! | `tower` | `server::UpgradeService` |
//! | `axum` | the extractor `axum::WebSocketUpgrade` |

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
    Cause, Close, CloseCode, CloseReason, Closed, CompressionLevel, Config, Deflate, DeflateParams,
    Delivery, Extension, Keepalive, Limits, Message, MessageType, Prepared, ProtocolError,
    SendError, Sendable, Subprotocol, Text, WindowBits,
};

pub use self::{
    client::{Connect, ConnectError, Proxy, connect},
    connection::{MessageReader, MessageWriter, Receiver, Sender, WebSocket},
    error::{Error, PingError},
    server::{Acceptor, Incoming, OriginPolicy, Server, accept},
};
