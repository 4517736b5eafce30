//! Dialling: from a host and a port to a byte stream on which the opening handshake can begin.
//!
//! Name resolution and TCP (`resolve`), then at will a proxy (`proxy`, `http_connect`, `socks5`), then at will
//! TLS. Nothing here spawns a task: dropping the future of [`dial`] closes every socket it holds.

mod error;
#[cfg(test)]
pub(crate) mod fake;
mod http_connect;
mod no_proxy;
mod proxy;
mod resolve;
mod socks5;
mod stream;

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

pub use error::{
    Attempt, DnsError, ProxyError, ProxyFailure, SocksAttempt, SocksReply, Stage, TcpError,
};
pub use proxy::{Proxy, ProxyUrlError};
pub(crate) use resolve::{Network, TokioNetwork};
pub(crate) use stream::Stream;

#[cfg(feature = "tls")]
use crate::tls::ClientTls;
use crate::tls::TlsError;
use proxy::Scheme;

/// Where to: the host without brackets, the port, and whether TLS comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) secure: bool,
}

/// How to dial.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// RFC 8305 section 8, "Connection Attempt Delay".
    pub(crate) attempt_delay: Duration,
    /// The one proxy to use, whatever the target.
    pub(crate) proxy: Option<Proxy>,
    #[cfg(feature = "tls")]
    pub(crate) tls: ClientTls,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attempt_delay: resolve::ATTEMPT_DELAY,
            proxy: None,
            #[cfg(feature = "tls")]
            tls: ClientTls::default(),
        }
    }
}

/// A stream to the target, and the TCP peer's address (the proxy's, if there is one).
#[derive(Debug)]
pub(crate) struct Dialled<T> {
    pub(crate) io: Stream<T>,
    pub(crate) peer: SocketAddr,
}

/// Why dialling failed, by stage.
#[derive(Debug)]
pub(crate) enum DialError {
    Dns(DnsError),
    Tcp(TcpError),
    Proxy(ProxyError),
    Tls(TlsError),
}

/// What the dialler is at, so that a timeout can name it.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<(Stage, String)>);

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((Stage::Dns, String::new())))
    }

    pub(crate) fn enter(&self, stage: Stage, subject: impl Into<String>) {
        *self.0.lock().expect("no holder of this lock panics") = (stage, subject.into());
    }

    /// Adds to the subject of the present stage.
    fn also(&self, subject: &str) {
        let mut now = self.0.lock().expect("no holder of this lock panics");
        if !now.1.is_empty() {
            now.1.push_str(", ");
        }
        now.1.push_str(subject);
    }

    pub(crate) fn now(&self) -> (Stage, String) {
        self.0.lock().expect("no holder of this lock panics").clone()
    }
}

/// Dials the target.
pub(crate) async fn dial<N: Network>(
    network: &N,
    target: Target<'_>,
    options: &Options,
    progress: &Progress,
) -> Result<Dialled<N::Io>, DialError> {
    let Dialled { io, peer } = match &options.proxy {
        None => {
            let (io, peer) = reach(network, target.host, target.port, options, progress)
                .await
                .map_err(DialError::from)?;
            Dialled { io: Stream::Plain(io), peer }
        }
        Some(proxy) => through(network, proxy, target, options, progress)
            .await
            .map_err(|failure| DialError::Proxy(ProxyError::new(proxy, failure)))?,
    };
    let io = if target.secure {
        progress.enter(Stage::Tls, target.host);
        secure(options, target.host, io).await.map_err(DialError::Tls)?
    } else {
        io
    };
    Ok(Dialled { io, peer })
}

/// Why there is no TCP connection.
enum Unreachable {
    Dns(DnsError),
    Tcp(TcpError),
}

impl From<Unreachable> for DialError {
    fn from(error: Unreachable) -> Self {
        match error {
            Unreachable::Dns(error) => Self::Dns(error),
            Unreachable::Tcp(error) => Self::Tcp(error),
        }
    }
}

impl From<Unreachable> for ProxyFailure {
    fn from(error: Unreachable) -> Self {
        match error {
            Unreachable::Dns(error) => Self::Dns(error),
            Unreachable::Tcp(error) => Self::Tcp(error),
        }
    }
}

/// Resolves a host and connects to the first of its addresses that answers.
async fn reach<N: Network>(
    network: &N,
    host: &str,
    port: u16,
    options: &Options,
    progress: &Progress,
) -> Result<(N::Io, SocketAddr), Unreachable> {
    progress.enter(Stage::Dns, host);
    let addresses = resolve::resolve(network, host, port).await.map_err(Unreachable::Dns)?;
    progress.enter(Stage::Tcp, "");
    resolve::race(network, addresses, options.attempt_delay, |address| {
        progress.also(&address.to_string());
    })
    .await
    .map_err(|attempts| Unreachable::Tcp(TcpError::new(host, port, attempts)))
}

/// Connects to the proxy, with TLS if its URL is `https:`.
async fn reach_proxy<N: Network>(
    network: &N,
    proxy: &Proxy,
    options: &Options,
    progress: &Progress,
) -> Result<Dialled<N::Io>, ProxyFailure> {
    let (io, peer) = reach(network, proxy.host(), proxy.port(), options, progress).await?;
    let mut io = Stream::Plain(io);
    if proxy.scheme() == Scheme::Https {
        progress.enter(Stage::Tls, proxy.host());
        io = secure(options, proxy.host(), io).await.map_err(ProxyFailure::Tls)?;
    }
    progress.enter(Stage::Proxy, proxy.to_string());
    Ok(Dialled { io, peer })
}

/// Opens a tunnel to the target through the proxy.
async fn through<N: Network>(
    network: &N,
    proxy: &Proxy,
    target: Target<'_>,
    options: &Options,
    progress: &Progress,
) -> Result<Dialled<N::Io>, ProxyFailure> {
    let destinations = match proxy.scheme() {
        Scheme::Http | Scheme::Https => {
            let mut dialled = reach_proxy(network, proxy, options, progress).await?;
            http_connect::tunnel(&mut dialled.io, target.host, target.port, proxy.credentials())
                .await?;
            return Ok(dialled);
        }
        Scheme::Socks5h => vec![socks5::Destination::of(target.host, target.port)],
        Scheme::Socks5 => {
            progress.enter(Stage::Dns, target.host);
            resolve::resolve(network, target.host, target.port)
                .await
                .map_err(ProxyFailure::TargetDns)?
                .into_iter()
                .map(socks5::Destination::Address)
                .collect()
        }
    };
    // A SOCKS server closes after a refusal, so each further address needs a connection of its own.
    let mut refused = Vec::new();
    for destination in destinations {
        let mut dialled = reach_proxy(network, proxy, options, progress).await?;
        match socks5::tunnel(&mut dialled.io, &destination, proxy.credentials()).await {
            Ok(()) => return Ok(dialled),
            Err(socks5::Failure::Refused(reply)) => {
                let retry = reply.another_address_may_do();
                refused.push(SocksAttempt { destination: destination.to_string(), reply });
                if !retry {
                    break;
                }
            }
            Err(socks5::Failure::Other(failure)) => return Err(failure),
        }
    }
    Err(ProxyFailure::SocksRefused(refused))
}

#[cfg(feature = "tls")]
async fn secure<T>(options: &Options, host: &str, io: Stream<T>) -> Result<Stream<T>, TlsError>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
{
    Ok(Stream::Tls(Box::new(options.tls.connect(host, io).await?)))
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "the same signature as with the feature")]
async fn secure<T>(_: &Options, _: &str, _: Stream<T>) -> Result<Stream<T>, TlsError> {
    Err(TlsError::Disabled)
}

/// A host and a port as they stand in a URL: an IPv6 address in brackets.
fn authority(host: &str, port: u16) -> String {
    match host.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests;
