//! The opening handshake behind hyper, which has read the request (RFC 6455 §4.2).

use std::{
    error, fmt,
    future::{Future, poll_fn},
    mem,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use longwire_proto::{
    Config, Side,
    handshake::{Answer, ClientOpening},
};
use tokio::time::{Sleep, sleep};

use super::{AcceptError, Acceptor, Registration};
use crate::{
    WebSocket,
    connection::{Attended, Meta, Task},
};

impl Acceptor {
    /// Accepts a client's opening handshake that hyper has read: gives the 101 to answer with, and
    /// the connection, which opens when hyper has written that answer.
    ///
    /// Serve by HTTP/1.1 with upgrades enabled, such as
    /// `http1::Builder::serve_connection(..).with_upgrades()`. Of this acceptor,
    /// [`Self::handshake_limits`] is hyper's to enforce, and [`Self::handshake_timeout`] is the time
    /// that hyper has from the first poll of [`Upgrade`] to the end of its answer.
    ///
    /// ```no_run
    /// # use http::{Request, Response};
    /// # use longwire::{WebSocket, server::Acceptor};
    /// fn answer<B>(acceptor: &Acceptor, mut request: Request<B>) -> Response<String> {
    ///     match acceptor.upgrade(&mut request) {
    ///         Ok((response, upgrade)) => {
    ///             tokio::spawn(async move {
    ///                 match upgrade.await {
    ///                     Ok(socket) => talk(socket).await,
    ///                     Err(error) => eprintln!("{error}"),
    ///                 }
    ///             });
    ///             response.map(|()| String::new())
    ///         }
    ///         Err(error) => error.response(),
    ///     }
    /// }
    /// # async fn talk(_: WebSocket) {}
    /// ```
    ///
    /// # Errors
    ///
    /// See [`AcceptError`]: [`AcceptError::response`] is what to answer.
    pub fn upgrade<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<(Response<()>, Upgrade), AcceptError> {
        Upgradable::from_request(request)?.accept(self, |opening| self.answer(opening))
    }

    /// As [`Self::upgrade`], with the application's own answer; [`Self::answer`] is what it would be
    /// otherwise.
    ///
    /// `choose` is called only for a request that this acceptor permits. To reject one, answer it
    /// without calling this.
    ///
    /// # Errors
    ///
    /// As [`Self::upgrade`]; also if the answer does not fit the request, such as a subprotocol that
    /// was not offered. The client then gets 500.
    pub fn upgrade_with<B>(
        &self,
        request: &mut Request<B>,
        choose: impl FnOnce(&ClientOpening) -> Answer,
    ) -> Result<(Response<()>, Upgrade), AcceptError> {
        Upgradable::from_request(request)?.accept(self, choose)
    }
}

/// A client's opening handshake that hyper has read, and hyper's promise of the connection.
#[derive(Debug)]
pub(crate) struct Upgradable {
    pub(crate) opening: ClientOpening,
    promise: OnUpgrade,
}

impl Upgradable {
    fn from_request<B>(request: &mut Request<B>) -> Result<Self, AcceptError> {
        let opening = ClientOpening::from_request(request).map_err(AcceptError::Handshake)?;
        Self::new(opening, request.extensions_mut())
    }

    /// The same from a request that is taken apart.
    #[cfg(feature = "axum")]
    pub(crate) fn from_parts(parts: &mut http::request::Parts) -> Result<Self, AcceptError> {
        let mut request = Request::new(());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.version_mut() = parts.version;
        *request.headers_mut() = mem::take(&mut parts.headers);
        let opening = ClientOpening::from_request(&request);
        parts.headers = mem::take(request.headers_mut());
        Self::new(opening.map_err(AcceptError::Handshake)?, &mut parts.extensions)
    }

    fn new(opening: ClientOpening, extensions: &mut Extensions) -> Result<Self, AcceptError> {
        let promise = extensions.remove().ok_or(AcceptError::NotUpgradable)?;
        Ok(Self { opening, promise })
    }

    pub(crate) fn accept(
        self,
        acceptor: &Acceptor,
        choose: impl FnOnce(&ClientOpening) -> Answer,
    ) -> Result<(Response<()>, Upgrade), AcceptError> {
        let registration = acceptor.register();
        let opening = acceptor.check(self.opening, registration.as_ref())?;
        let accepted = opening.accept(choose(&opening));
        let (response, agreement) = accepted.map_err(AcceptError::Handshake)?;
        let meta = Meta::new(agreement, None);
        let upgrade = Upgrade {
            promise: self.promise,
            limit: acceptor.timeout(),
            timer: None,
            config: acceptor.shared_config().clone(),
            meta,
            registration,
        };
        Ok((response, upgrade))
    }
}

/// The future of a connection that opens when hyper has written the 101.
///
/// # Cancel safety
///
/// Dropping it closes the transport once hyper hands it over.
#[must_use = "the connection is closed unless this is awaited, mostly in a task of its own"]
pub struct Upgrade {
    promise: OnUpgrade,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    config: Arc<Config>,
    meta: Meta,
    registration: Option<Registration>,
}

impl Upgrade {
    /// Notes the peer's address, for [`WebSocket::peer_addr`].
    pub fn from_peer(mut self, peer_addr: SocketAddr) -> Self {
        self.meta.peer_addr = Some(peer_addr);
        self
    }
}

impl Upgrade {
    /// Runs `handler` with the connection once it is open: in one task, the caller's, where awaiting
    /// this would spawn another for the connection. See [`Incoming::serve`](super::Incoming::serve).
    ///
    /// # Errors
    ///
    /// As awaiting this gives them.
    ///
    /// # Panics
    ///
    /// If the handler does, once the connection has been closed with 1011.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the handler and the transport.
    pub async fn serve<H, F>(self, handler: H) -> Result<(), UpgradeError>
    where
        H: FnOnce(WebSocket) -> F,
        F: Future<Output = ()>,
    {
        // Boxed, so that it goes with the handshake and does not stay for the connection's life.
        Box::pin(self.open())
            .await
            .map(|(socket, task)| Attended::new(task, || handler(socket)))?
            .await;
        Ok(())
    }

    async fn open(mut self) -> Result<Opened, UpgradeError> {
        poll_fn(|cx| self.poll_open(cx)).await
    }

    /// The connection, whose task is still to be run.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<Opened, UpgradeError>> {
        if let Poll::Ready(result) = Pin::new(&mut self.promise).poll(cx) {
            let upgraded = result.map_err(UpgradeError::Http)?;
            // What the client sent behind its request is read from `upgraded` first.
            let transport = TokioIo::new(upgraded);
            let (config, meta) = (self.config.clone(), mem::take(&mut self.meta));
            let registration = self.registration.take();
            let leftover = Bytes::new();
            return Poll::Ready(Ok(WebSocket::open(
                transport,
                Side::Server,
                leftover,
                config,
                meta,
                registration,
            )));
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(cx).map(|()| Err(UpgradeError::TimedOut { limit }))
    }
}

type Opened = (WebSocket, Task<TokioIo<Upgraded>>);

impl Future for Upgrade {
    type Output = Result<WebSocket, UpgradeError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (socket, task) = ready!(self.get_mut().poll_open(cx))?;
        tokio::spawn(task);
        Poll::Ready(Ok(socket))
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// The opening handshake was accepted, and the connection did not open.
#[derive(Debug)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The HTTP server did not hand the connection over: the client left, or the server does not
    /// enable upgrades.
    Http(hyper::Error),
    /// The HTTP server did not write the 101 in time: the client does not read, or something sent
    /// another response in its place.
    TimedOut {
        /// [`Acceptor::handshake_timeout`].
        limit: Duration,
    },
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write!(
                f,
                "the HTTP server did not hand the connection over: {error}; unless the client left, \
                 enable upgrades in the server"
            ),
            Self::TimedOut { limit } => write!(
                f,
                "the HTTP server did not write the 101 within {limit:?}; unless the client does not \
                 read, return it at once and as it was given"
            ),
        }
    }
}

impl error::Error for UpgradeError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Http(error) => Some(error),
            Self::TimedOut { .. } => None,
        }
    }
}
