//! The opening handshake as an extractor of axum (RFC 6455 §4.2).
//!
//! ```no_run
//! use ::axum::{Router, response::Response, routing::any};
//! use longwire::{WebSocket, axum::WebSocketUpgrade};
//!
//! async fn chat(upgrade: WebSocketUpgrade) -> Response {
//!     upgrade.on_upgrade(async |mut socket: WebSocket| {
//!         while let Ok(Some(message)) = socket.recv().await {
//!             if socket.send(message).await.is_err() {
//!                 break;
//!             }
//!         }
//!     })
//! }
//!
//! let app: Router = Router::new().route("/chat", any(chat));
//! # drop(app);
//! ```
//!
//! axum's own graceful shutdown waits for no WebSocket: [`Acceptor::track`] them, and close them by
//! [`Connections::close_all`](crate::server::Connections::close_all) when `axum::serve` is done.

use std::{error, fmt, future::Future, net::SocketAddr};

use ::axum::{
    body::Body,
    extract::{ConnectInfo, FromRequestParts},
    response::{IntoResponse, Response},
};
use http::request::Parts;
use longwire_proto::{Config, Extension, Subprotocol, handshake::Answer};
use tracing::debug;

use crate::{
    WebSocket,
    server::{AcceptError, Acceptor, OriginPolicy, Upgradable, UpgradeError},
};

/// Extracts a client's opening handshake, to be answered by [`Self::on_upgrade`].
///
/// A request that is none is answered by [`Rejection`]; take `Result<WebSocketUpgrade, Rejection>` to
/// serve a page at the same address. By default only pages of the server's own origin may connect:
/// see [`Self::origins`]. The settings are those of an [`Acceptor`]; to share one between requests,
/// and with it a list of connections, make it once and give it to [`Self::acceptor`].
#[must_use = "the request is not answered before `on_upgrade` is called"]
pub struct WebSocketUpgrade {
    upgradable: Upgradable,
    acceptor: Acceptor,
    answer: Option<Answer>,
    peer_addr: Option<SocketAddr>,
    on_failed_upgrade: Box<dyn FnOnce(UpgradeError) + Send>,
}

impl WebSocketUpgrade {
    /// Uses these settings, in place of all that were made before. Default: [`Acceptor::new`].
    pub fn acceptor(mut self, acceptor: Acceptor) -> Self {
        self.acceptor = acceptor;
        self
    }

    /// Settings of the connection: see [`Acceptor::config`].
    pub fn config(mut self, config: Config) -> Self {
        self.acceptor = self.acceptor.config(config);
        self
    }

    /// Which web pages may connect: see [`Acceptor::origins`].
    pub fn origins(mut self, policy: OriginPolicy) -> Self {
        self.acceptor = self.acceptor.origins(policy);
        self
    }

    /// Subprotocols to choose from: see [`Acceptor::subprotocols`].
    pub fn subprotocols(mut self, supported: impl IntoIterator<Item = Subprotocol>) -> Self {
        self.acceptor = self.acceptor.subprotocols(supported);
        self
    }

    /// What the settings so far answer, for [`Self::answer`] to start from: a subprotocol of
    /// [`Self::subprotocols`], and compression if [`Self::config`] has it.
    pub fn default_answer(&self) -> Answer {
        self.acceptor.answer(&self.upgradable.opening)
    }

    /// Answers with the application's own choice of subprotocol, extensions and headers, in place of
    /// [`Self::default_answer`]. An answer that does not fit the request, such as a subprotocol
    /// that was not offered, gives the client 500.
    pub fn answer(mut self, answer: Answer) -> Self {
        self.answer = Some(answer);
        self
    }

    /// Calls this if the connection does not open after all; mostly because the client left. Default:
    /// a debug event.
    pub fn on_failed_upgrade(
        mut self,
        callback: impl FnOnce(UpgradeError) + Send + 'static,
    ) -> Self {
        self.on_failed_upgrade = Box::new(callback);
        self
    }

    /// Notes the peer's address, for [`WebSocket::peer_addr`]. Default: that of
    /// `ConnectInfo<SocketAddr>`, where the router was made into a service with it.
    pub fn from_peer(mut self, peer_addr: SocketAddr) -> Self {
        self.peer_addr = Some(peer_addr);
        self
    }

    /// The peer's address, where it is known.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// The `Origin` header, which no policy has looked at before [`Self::on_upgrade`].
    pub fn origin(&self) -> Option<&str> {
        self.upgradable.opening.origin()
    }

    /// The subprotocols that the client offers, in its order of preference.
    pub fn offered_subprotocols(&self) -> &[Subprotocol] {
        self.upgradable.opening.subprotocols()
    }

    /// The extensions that the client offers, in its order of preference.
    pub fn offered_extensions(&self) -> &[Extension] {
        self.upgradable.opening.extensions()
    }

    /// Accepts the connection, and runs `callback` with it once it is open, in a task that the two share:
    /// see [`Incoming::serve`](crate::server::Incoming::serve) for what that asks of it. Gives
    /// the 101, or the refusal: 403 for a page of another origin, 503 in a shutdown.
    ///
    /// Return it as it is. Must be called within a Tokio runtime.
    #[must_use = "the connection opens when this response is sent"]
    pub fn on_upgrade<C, F>(self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { upgradable, acceptor, answer, peer_addr, on_failed_upgrade } = self;
        let accepted = upgradable
            .accept(&acceptor, |opening| answer.unwrap_or_else(|| acceptor.answer(opening)));
        let (response, mut upgrade) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return Rejection(error).into_response(),
        };
        if let Some(peer_addr) = peer_addr {
            upgrade = upgrade.from_peer(peer_addr);
        }
        tokio::spawn(async move {
            if let Err(error) = upgrade.serve(callback).await {
                on_failed_upgrade(error);
            }
        });
        response.map(|()| Body::empty())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let peer_addr = parts
            .extensions
            .get()
            .map(|ConnectInfo(peer_addr): &ConnectInfo<SocketAddr>| *peer_addr);
        let upgradable = Upgradable::from_parts(parts).map_err(Rejection)?;
        Ok(Self {
            upgradable,
            acceptor: Acceptor::new(),
            answer: None,
            peer_addr,
            on_failed_upgrade: Box::new(|error| {
                debug!(%error, "an accepted connection did not open");
            }),
        })
    }
}

impl fmt::Debug for WebSocketUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade")
            .field("request", self.upgradable.opening.request())
            .field("peer_addr", &self.peer_addr)
            .finish_non_exhaustive()
    }
}

/// The request is no opening handshake that can be accepted. As a response it has the HTTP status
/// that the fault deserves, and a reason of one line.
#[derive(Debug)]
pub struct Rejection(AcceptError);

impl Rejection {
    /// What is wrong.
    pub fn error(&self) -> &AcceptError {
        &self.0
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        debug!(error = %self.0, "a client's request was refused");
        self.0.response().map(Body::from)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl error::Error for Rejection {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        error::Error::source(&self.0)
    }
}
