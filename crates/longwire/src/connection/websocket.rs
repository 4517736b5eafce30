//! `WebSocket`: the handle of one connection.

use std::{
    future::Future,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Response;
use longwire_proto::{
    Close, Closed, Config, Connection, DeflateParams, Extension, Message, MessageType, SendError,
    Sendable, Side, Subprotocol,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{debug, debug_span};

use super::{MessageReader, MessageWriter, Meta, Queues, Receiver, Sender, task::Task};
use crate::{Error, PingError, server::Registration};

/// An open WebSocket connection.
///
/// A handle: the connection's task owns the transport, answers Pings, keeps the connection alive
/// and finishes the closing handshake, whatever the application awaits. Every async method is cancel
/// safe. Dropped, it closes the connection with 1000 (1011 in a panic), behind what was sent.
///
/// ```no_run
/// # async fn echo(mut socket: longwire::WebSocket) -> Result<(), Box<dyn std::error::Error>> {
/// while let Some(message) = socket.recv().await? {
///     socket.send(message).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WebSocket {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
}

impl WebSocket {
    /// A connection over a transport on which the opening handshake is done, and its task, which is
    /// still to be run.
    ///
    /// `leftover` is what the peer sent behind its handshake, already read. To be called within a
    /// Tokio runtime whose time driver is enabled.
    pub(crate) fn open<T>(
        transport: T,
        side: Side,
        leftover: Bytes,
        config: Arc<Config>,
        meta: Meta,
        registration: Option<Registration>,
    ) -> (Self, Task<T>)
    where
        T: AsyncRead + AsyncWrite,
    {
        let now: Instant = tokio::time::Instant::now().into_std();
        let connection = match side {
            Side::Server => Connection::server(config.clone(), now),
            Side::Client => {
                Connection::client(config.clone(), Box::new(rand::random::<[u8; 4]>), now)
            }
        };
        let deflate = meta.agreement.as_ref().and_then(|agreement| agreement.deflate);
        let connection = match deflate {
            Some(agreed) => connection.with_deflate(agreed),
            None => connection,
        };
        let peer = meta.peer_addr.map(tracing::field::display);
        let span = debug_span!("websocket", ?side, peer);
        if let Some(agreed) = deflate {
            span.in_scope(|| debug!(%agreed, "compression"));
        }
        let takes_frames = connection.takes_frames();
        let queues = Arc::new(Queues::new(config, meta, registration, takes_frames));
        let socket =
            Self { sender: Sender::new(queues.clone()), receiver: Receiver::new(queues.clone()) };
        queues.opened();
        let task = Task::new(transport, connection, queues, leftover.into(), span);
        (socket, task)
    }

    /// As [`Self::open`], with the task spawned.
    pub(crate) fn start<T>(
        transport: T,
        side: Side,
        leftover: Bytes,
        config: Arc<Config>,
        meta: Meta,
        registration: Option<Registration>,
    ) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (socket, task) = Self::open(transport, side, leftover, config, meta, registration);
        tokio::spawn(task);
        socket
    }

    /// Receives the next message. `Ok(None)` once the connection closed cleanly.
    ///
    /// # Errors
    ///
    /// If the connection ended any other way; again at each further call.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: no message is lost when its future is dropped.
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> + Send {
        self.receiver.recv()
    }

    /// Receives the next message as a reader: see [`Receiver::recv_reader`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    pub async fn recv_reader(&mut self) -> Result<Option<MessageReader<'_>>, Error> {
        self.receiver.recv_reader().await
    }

    /// [`Self::recv`], for those who write futures by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        self.receiver.poll_recv(cx)
    }

    /// Sends a message: see [`Sender::send`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: the message is sent whole or not at all.
    pub fn send(
        &self,
        message: impl Into<Sendable>,
    ) -> impl Future<Output = Result<(), SendError>> + Send {
        self.sender.send(message)
    }

    /// Sends a message if that needs no waiting: see [`Sender::try_send`].
    pub fn try_send(&self, message: impl Into<Sendable>) -> Result<(), SendError> {
        self.sender.try_send(message)
    }

    /// Starts a message whose payload is sent piece by piece: see [`Sender::send_writer`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: nothing is sent before it completes.
    pub async fn send_writer(
        &mut self,
        message_type: MessageType,
    ) -> Result<MessageWriter<'_>, SendError> {
        self.sender.send_writer(message_type).await
    }

    /// Waits until the transport took all that was sent before this call.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: dropping its future stops the wait and nothing else.
    pub async fn flush(&self) -> Result<(), Error> {
        self.sender.flush().await
    }

    /// Bytes of messages that were sent and that the transport did not take yet, without frame
    /// headers.
    pub fn buffered_amount(&self) -> usize {
        self.sender.buffered_amount()
    }

    /// Sends a Ping and waits for its Pong: the round-trip time. See [`Sender::ping`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: the Ping is sent all the same.
    pub async fn ping(&self) -> Result<Duration, PingError> {
        self.sender.ping().await
    }

    /// The latest round-trip time; `None` before the first Pong.
    pub fn latency(&self) -> Option<Duration> {
        self.sender.latency()
    }

    /// Closes the connection behind all that is queued and waits for its end, at most
    /// [`Config::close_timeout`] after the Close frame went out. Messages that still arrive are
    /// thrown away; [`Self::split`] to receive them.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: once polled the connection closes, whether its future is dropped
    /// or not.
    pub async fn close(&mut self, close: impl Into<Close>) -> Closed {
        self.receiver.discard();
        self.sender.close(close).await
    }

    /// How the connection ended; `None` while it has not.
    pub fn closed(&self) -> Option<Closed> {
        self.sender.closed()
    }

    /// Takes the connection apart into its two halves. The sending half can be cloned.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// The peer's address, where the transport has one.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.meta().peer_addr
    }

    /// The subprotocol in use (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.meta().agreement.as_ref()?.subprotocol.as_ref().map(Subprotocol::as_str)
    }

    /// permessage-deflate (RFC 7692) as agreed on; `None` if it is not in use.
    pub fn deflate(&self) -> Option<DeflateParams> {
        self.meta().agreement.as_ref()?.deflate
    }

    /// The other extensions in use (RFC 6455 §9), as agreed.
    pub fn extensions(&self) -> &[Extension] {
        self.meta().agreement.as_ref().map_or(&[], |agreement| &agreement.extensions)
    }

    /// The server's opening handshake, on a client: its headers carry cookies and the like. `None` on
    /// a server.
    pub fn response(&self) -> Option<&Response<()>> {
        self.meta().response.as_deref()
    }

    fn meta(&self) -> &Meta {
        &self.sender.queues().meta
    }
}
