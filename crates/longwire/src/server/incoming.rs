//! A client's opening handshake, read and not yet answered.

use std::{fmt, future::Future, net::SocketAddr};

use http::{Request, Response};
use longwire_proto::{
    Extension, Side, Subprotocol,
    handshake::{Answer, ClientOpening, encode_acceptance},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{AcceptError, Acceptor, Registration, acceptor::refuse, serving::Served};
use crate::{
    WebSocket,
    connection::{Meta, Task},
};

/// A client's opening handshake (RFC 6455 §4.2.1), read and not yet answered.
///
/// Dropping it closes the transport without an answer.
#[must_use = "a request that is not answered is closed"]
pub struct Incoming<T> {
    transport: T,
    opening: Box<ClientOpening>,
    acceptor: Acceptor,
    peer_addr: Option<SocketAddr>,
    registration: Option<Registration>,
}

impl<T> Incoming<T> {
    pub(super) fn new(
        transport: T,
        opening: ClientOpening,
        acceptor: Acceptor,
        registration: Option<Registration>,
    ) -> Self {
        Self { transport, opening: Box::new(opening), acceptor, peer_addr: None, registration }
    }

    /// Notes the peer's address, for [`WebSocket::peer_addr`].
    pub fn from_peer(mut self, peer_addr: SocketAddr) -> Self {
        self.peer_addr = Some(peer_addr);
        self
    }

    /// The peer's address, where it is known.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// The request: target, headers.
    pub fn request(&self) -> &Request<()> {
        self.opening.request()
    }

    /// The `Origin` header, which [`OriginPolicy`](super::OriginPolicy) has permitted.
    pub fn origin(&self) -> Option<&str> {
        self.opening.origin()
    }

    /// The subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> &[Subprotocol] {
        self.opening.subprotocols()
    }

    /// What the acceptor's settings answer: see [`Acceptor::answer`].
    pub fn answer(&self) -> Answer {
        self.acceptor.answer(&self.opening)
    }

    /// The extensions that the client offers, in its order of preference.
    pub fn extensions(&self) -> &[Extension] {
        self.opening.extensions()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Incoming<T> {
    /// Accepts the connection, with what [`Self::answer`] says.
    ///
    /// # Errors
    ///
    /// If the transport fails or takes longer than the handshake's timeout.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the transport.
    pub async fn accept(self) -> Result<WebSocket, AcceptError> {
        let answer = self.answer();
        self.accept_with(answer).await
    }

    /// Accepts the connection with the application's own choice of subprotocol, extensions and
    /// headers; start from [`Self::answer`].
    ///
    /// # Errors
    ///
    /// As [`Self::accept`]; also if the answer does not fit the request, such as a subprotocol that
    /// was not offered. The client then gets 500.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the transport.
    pub async fn accept_with(self, answer: Answer) -> Result<WebSocket, AcceptError> {
        let (socket, task) = self.open(answer).await?;
        tokio::spawn(task);
        Ok(socket)
    }

    /// Accepts the connection, with what [`Self::answer`] says, and runs `handler` with it: in one task,
    /// the caller's, where [`Self::accept`] would spawn another for the connection. That costs less
    /// time and memory. Completes when the handler has, and the connection has ended.
    ///
    /// The connection waits while the handler computes, and goes on whenever it awaits something. So the
    /// handler must not block on its own connection, as `Handle::block_on` in it would: it would wait for
    /// ever. Long computations belong into `spawn_blocking`; or [`Self::accept`] the connection, which
    /// then has a task of its own.
    ///
    /// # Errors
    ///
    /// As [`Self::accept`].
    ///
    /// # Panics
    ///
    /// If the handler does, once the connection has been closed with 1011.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the handler and the transport.
    pub fn serve<H, F>(self, handler: H) -> impl Future<Output = Result<(), AcceptError>>
    where
        H: FnOnce(WebSocket) -> F,
        F: Future<Output = ()>,
    {
        let answer = self.answer();
        self.serve_with(answer, handler)
    }

    /// As [`Self::serve`], with the application's own answer: see [`Self::accept_with`].
    ///
    /// # Errors
    ///
    /// As [`Self::accept_with`].
    ///
    /// # Panics
    ///
    /// As [`Self::serve`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the handler and the transport.
    pub fn serve_with<H, F>(
        self,
        answer: Answer,
        handler: H,
    ) -> impl Future<Output = Result<(), AcceptError>>
    where
        H: FnOnce(WebSocket) -> F,
        F: Future<Output = ()>,
    {
        Served::new(Box::pin(self.open(answer)), handler)
    }

    /// Accepts the connection, whose task is still to be run.
    pub(super) async fn open(
        mut self,
        answer: Answer,
    ) -> Result<(WebSocket, Task<T>), AcceptError> {
        let limit = self.acceptor.timeout();
        let leftover = self.opening.take_leftover();
        let (response, agreement) = match self.opening.accept(answer) {
            Ok(accepted) => accepted,
            Err(error) => {
                let error = AcceptError::Handshake(error);
                let response = error.response();
                // The mistake is what is reported, whether the answer arrives or not.
                drop(timeout(limit, refuse(&mut self.transport, &response)).await);
                return Err(error);
            }
        };
        let written = timeout(limit, async {
            self.transport.write_all(&encode_acceptance(&response)).await?;
            self.transport.flush().await
        });
        written.await.map_err(|_| AcceptError::TimedOut { limit })??;
        let meta = Meta::new(agreement, self.peer_addr);
        let config = self.acceptor.shared_config().clone();
        let registration = self.registration;
        Ok(WebSocket::open(self.transport, Side::Server, leftover, config, meta, registration))
    }

    /// Answers with an HTTP response instead of a connection: 401, 404, 503 and the like.
    ///
    /// `Connection: close` and `Content-Length` are added.
    ///
    /// # Errors
    ///
    /// If the transport fails or takes longer than the handshake's timeout.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the transport.
    pub async fn reject(mut self, response: Response<impl AsRef<[u8]>>) -> Result<(), AcceptError> {
        let limit = self.acceptor.timeout();
        match timeout(limit, refuse(&mut self.transport, &response)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(AcceptError::TimedOut { limit }),
        }
    }
}

impl<T> fmt::Debug for Incoming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("request", self.opening.request())
            .field("peer_addr", &self.peer_addr)
            .finish_non_exhaustive()
    }
}
