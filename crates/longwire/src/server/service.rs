//! The opening handshake as a tower service (RFC 6455 §4.2).

use std::{
    convert::Infallible,
    fmt,
    future::{Future, Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;
use tracing::debug;

use super::Acceptor;
use crate::WebSocket;

/// A tower service that answers an opening handshake with 101, or with its refusal, and runs a
/// handler for each connection, in a task that the two share: see [`Incoming::serve`](super::Incoming::serve)
/// for what that asks of it.
///
/// The handler gets the connection and the request, whose extensions hold what the layers before
/// left there. For hyper, wrap the service in `hyper_util::service::TowerToHyperService` and serve
/// with upgrades enabled; see [`Acceptor::upgrade`]. The tasks outlive the HTTP server: to close
/// their connections at shutdown, [`Acceptor::track`] them.
///
/// ```no_run
/// # use longwire::{WebSocket, server::{Acceptor, UpgradeService}};
/// let service = UpgradeService::new(Acceptor::new(), async |mut socket: WebSocket, _request| {
///     while let Ok(Some(message)) = socket.recv().await {
///         if socket.send(message).await.is_err() {
///             break;
///         }
///     }
/// });
/// # fn is_service<S: tower_service::Service<http::Request<()>>>(_: S) {}
/// # is_service(service);
/// ```
#[derive(Clone)]
pub struct UpgradeService<H> {
    acceptor: Acceptor,
    handler: H,
    peer_addr: Option<SocketAddr>,
}

impl<H, F> UpgradeService<H>
where
    H: Fn(WebSocket, Request<()>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    /// A service that accepts as `acceptor` does.
    pub fn new(acceptor: Acceptor, handler: H) -> Self {
        Self { acceptor, handler, peer_addr: None }
    }

    /// Notes the peer's address, for [`WebSocket::peer_addr`]: for a clone that serves one HTTP
    /// connection.
    #[must_use]
    pub fn from_peer(mut self, peer_addr: SocketAddr) -> Self {
        self.peer_addr = Some(peer_addr);
        self
    }
}

impl<B, H, F> Service<Request<B>> for UpgradeService<H>
where
    H: Fn(WebSocket, Request<()>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Must be called within a Tokio runtime.
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let (response, mut upgrade) = match self.acceptor.upgrade(&mut request) {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(%error, "a client's request was refused");
                return ready(Ok(error.response().map(Full::from)));
            }
        };
        if let Some(peer_addr) = self.peer_addr {
            upgrade = upgrade.from_peer(peer_addr);
        }
        let (handler, request) = (self.handler.clone(), request.map(drop));
        tokio::spawn(async move {
            if let Err(error) = upgrade.serve(move |socket| handler(socket, request)).await {
                debug!(%error, "an accepted connection did not open");
            }
        });
        ready(Ok(response.map(|()| Full::default())))
    }
}

impl<H> fmt::Debug for UpgradeService<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeService")
            .field("acceptor", &self.acceptor)
            .field("peer_addr", &self.peer_addr)
            .finish_non_exhaustive()
    }
}
