//! The client: from a URL to an open WebSocket.

mod error;
mod handshake;
mod opening;
mod redirect;
mod request;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use longwire_proto::handshake::{ClientRequest, HandshakeLimits};
use longwire_proto::{Config, UriError, WsUri};
use tokio::io::{AsyncRead, AsyncWrite};

pub use error::{ConnectError, RedirectError, RequestError};
use request::Request;

pub use crate::dial::{
    Attempt, DnsError, Proxy, ProxyError, ProxyFailure, ProxyUrlError, SocksAttempt, SocksReply,
    Stage, TcpError,
};

use crate::connection::WebSocket;
use crate::dial::{self, TokioNetwork};
#[cfg(feature = "tls")]
use crate::tls::ClientTls;

/// Opens a WebSocket with the default settings of [`Connect`].
///
/// ```no_run
/// # async fn run() -> Result<(), longwire::ConnectError> {
/// let mut ws = longwire::connect("wss://example.com/feed").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// See [`ConnectError`].
///
/// # Cancel safety
/// As of [`Connecting`].
pub async fn connect(url: &str) -> Result<WebSocket, ConnectError> {
    Connect::new(url).await
}

/// A connection to be made: settings, and then `.await`.
///
/// ```no_run
/// # async fn run() -> Result<(), longwire::ConnectError> {
/// let mut ws = longwire::Connect::new("wss://example.com/feed")
///     .subprotocols(["v2.feed", "v1.feed"])
///     .bearer_token("abc")
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// A mistake in a setting is reported by the `.await`. A clone makes one connection more, as for reconnecting.
/// `Debug` shows no credentials.
#[derive(Clone)]
#[must_use = "nothing is connected until this is awaited"]
pub struct Connect {
    uri: Result<WsUri, UriError>,
    request: Request,
    redirects: usize,
    proxy: ProxyChoice,
    dial: dial::Options,
    nodelay: bool,
    dial_timeout: Duration,
    handshake_timeout: Duration,
    handshake_limits: HandshakeLimits,
    config: Config,
}

#[derive(Clone, Debug)]
enum ProxyChoice {
    Environment,
    Fixed(Option<Proxy>),
}

impl Connect {
    /// Starts from a URL: `ws:` or `wss:`, or `http:` or `https:` in their place. A user name and a password
    /// in it are sent as Basic authentication.
    pub fn new(url: &str) -> Self {
        Self {
            uri: WsUri::parse(url),
            request: Request::default(),
            redirects: 0,
            proxy: ProxyChoice::Environment,
            dial: dial::Options::default(),
            nodelay: true,
            dial_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            handshake_limits: HandshakeLimits::default(),
            config: Config::default(),
        }
    }

    /// Adds a header field to the request. Those that the handshake itself needs are refused, as is
    /// `Proxy-Authorization`; `Host` may be set. `Authorization` replaces earlier credentials.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request.header(name, value);
        self
    }

    /// Offers subprotocols, the preferred one first.
    pub fn subprotocols<I>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        for name in names {
            self.request.subprotocol(name.as_ref());
        }
        self
    }

    /// Fails if the server chooses none of the offered subprotocols, as browsers do. Default: false, as RFC 6455
    /// allows.
    pub fn require_subprotocol(mut self, required: bool) -> Self {
        self.request.require_subprotocol(required);
        self
    }

    /// Sends this Origin, as a browser on that site would: `https://example.com`. Default: none.
    pub fn origin(mut self, origin: &str) -> Self {
        self.request.origin(origin);
        self
    }

    /// Sends a user name and a password as Basic authentication, in place of any in the URL.
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        self.request.basic_auth(user, password);
        self
    }

    /// Sends a bearer token, in place of any other credentials.
    pub fn bearer_token(mut self, token: &str) -> Self {
        self.request.bearer_token(token);
        self
    }

    /// Adds a cookie. All cookies go into one header field. What a cookie cannot hold is refused, not encoded.
    pub fn cookie(mut self, name: &str, value: &str) -> Self {
        self.request.cookie(name, value);
        self
    }

    /// Follows at most this many redirects (301, 302, 303, 307, 308). Default: 0, none, as in browsers; a
    /// redirect is then [`ConnectError::Refused`].
    ///
    /// Never from `wss:` to `ws:`. On the way to another origin `Authorization`, `Cookie` and `Host` are
    /// dropped for good; other header fields stay. Credentials in a redirect's own URL are not used. Each
    /// request has the full time of both timeouts.
    pub fn redirects(mut self, max: usize) -> Self {
        self.redirects = max;
        self
    }

    /// Goes through this proxy, whatever the environment says.
    ///
    /// By default the environment chooses. For `wss:` it is `HTTPS_PROXY`, for `ws:` `HTTP_PROXY`, for either
    /// then `ALL_PROXY`; a lower-case name goes before its upper-case form; `HTTP_PROXY` is ignored where
    /// `REQUEST_METHOD` is set (CGI). No proxy is used for `localhost` and loopback addresses, nor for what
    /// `NO_PROXY` lists between commas: `*`; a host, which stands for its subdomains too, with or without a
    /// leading dot; an IP address, or a range as in `10.0.0.0/8`; a host or an address with `:port`.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = ProxyChoice::Fixed(Some(proxy));
        self
    }

    /// Uses no proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = ProxyChoice::Fixed(None);
        self
    }

    /// Uses these TLS settings for `wss:` and for `https:` proxies. Default: the system's trusted roots.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.dial.tls = tls;
        self
    }

    /// Limits the time for name resolution, TCP, proxy and TLS together. Default: 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.dial_timeout = limit;
        self
    }

    /// Limits the time for the WebSocket opening handshake. Default: 10 s.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake_timeout = limit;
        self
    }

    /// Limits the size of the server's answer.
    pub fn handshake_limits(mut self, limits: HandshakeLimits) -> Self {
        self.handshake_limits = limits;
        self
    }

    /// Sets the time after which the next address of a host is tried while the last one is still silent (RFC
    /// 8305 section 8). Default: 250 ms.
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.dial.attempt_delay = delay;
        self
    }

    /// Sets `TCP_NODELAY`. Default: true. Longwire gathers small messages itself, so Nagle's algorithm would
    /// add delay and save nothing.
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Settings of the open connection; [`Config::deflate`] is what is offered. Default:
    /// [`Config::default`].
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The request that this asks a server with: for a driver of one's own, on `longwire_proto`.
    ///
    /// # Errors
    /// A mistake in the URL or in a setting, as [`ConnectError::Url`] or [`ConnectError::Request`].
    pub fn to_request(&self) -> Result<ClientRequest, ConnectError> {
        let uri = self.uri.as_ref().map_err(|error| ConnectError::Url(error.clone()))?;
        self.request(uri).map_err(ConnectError::Request)
    }

    /// The request to send, checked.
    fn request(&self, uri: &WsUri) -> Result<ClientRequest, RequestError> {
        self.request.for_uri(uri, self.config.deflate.map(|deflate| deflate.params))
    }

    /// Does the opening handshake over the caller's own stream instead of dialling: a Unix socket, a tunnel,
    /// TLS of another kind. The URL gives the request alone; for `wss:` the stream must already be under TLS.
    /// Proxies, redirects and TLS settings do not apply.
    pub fn over<T>(self, io: T) -> ConnectOver<T>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        ConnectOver { connect: self, io }
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Connect");
        match &self.uri {
            Ok(uri) => out.field("url", &format_args!("{uri}")),
            Err(error) => out.field("url", error),
        };
        out.field("request", &self.request)
            .field("redirects", &self.redirects)
            .field("proxy", &self.proxy)
            .field("connect_timeout", &self.dial_timeout)
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}

impl IntoFuture for Connect {
    type Output = Result<WebSocket, ConnectError>;
    type IntoFuture = Connecting;

    fn into_future(self) -> Connecting {
        Connecting(Box::pin(async move {
            let network = TokioNetwork { nodelay: self.nodelay };
            let opened = opening::dial_and_open(&self, &network).await?;
            Ok(opened.into_websocket(self.config))
        }))
    }
}

/// An opening handshake over the caller's own stream; made by [`Connect::over`].
#[derive(Debug)]
#[must_use = "the handshake does not begin until this is awaited"]
pub struct ConnectOver<T> {
    connect: Connect,
    io: T,
}

impl<T> IntoFuture for ConnectOver<T>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Output = Result<WebSocket, ConnectError>;
    type IntoFuture = Connecting;

    fn into_future(self) -> Connecting {
        Connecting(Box::pin(async move {
            let Self { connect, io } = self;
            let opened = opening::open_over(&connect, io).await?;
            Ok(opened.into_websocket(connect.config))
        }))
    }
}

/// The future of [`Connect`]: a connection in the making.
///
/// # Cancel safety
/// Dropping it closes every socket that it holds, at whatever point, and leaves no task behind. Two things
/// cannot be called back: a request that went out, and work in the operating system's name service or
/// certificate store, which ends by itself on a thread of Tokio's blocking pool and has no effect.
#[must_use = "futures do nothing unless polled"]
pub struct Connecting(Pin<Box<dyn Future<Output = Result<WebSocket, ConnectError>> + Send>>);

impl Future for Connecting {
    type Output = Result<WebSocket, ConnectError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connecting")
    }
}

#[cfg(test)]
mod tests;
