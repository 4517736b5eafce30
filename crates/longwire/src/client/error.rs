//! Why a client has no WebSocket: one variant a stage.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use longwire_proto::UriError;
use longwire_proto::handshake::HandshakeError;

use crate::dial::{DialError, DnsError, ProxyError, ProxyUrlError, Stage, TcpError};
use crate::tls::TlsError;

/// A client could not open its WebSocket. The message names the cause and, where there is one, the cure;
/// `source()` has the error below.
///
/// No message and no `Debug` form shows credentials, whether from the URL, a header, a cookie or a proxy.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one of a WebSocket.
    Url(UriError),
    /// The request cannot be made as it was asked for.
    Request(RequestError),
    /// The URL of the proxy in the environment cannot be used.
    ProxyUrl(ProxyUrlError),
    /// The server's host name has no address.
    Dns(DnsError),
    /// No address of the server accepted a TCP connection; every attempt is listed.
    Tcp(TcpError),
    /// The proxy gave no tunnel.
    Proxy(ProxyError),
    /// TLS with the server failed.
    Tls(TlsError),
    /// The connection broke during the opening handshake.
    Io(io::Error),
    /// The server's answer is not a valid opening handshake.
    Handshake(HandshakeError),
    /// The server refused the opening handshake: status, header fields and the bounded body of its answer.
    Refused(Box<Response<Bytes>>),
    /// A redirect was not followed.
    Redirect(RedirectError),
    /// A stage took longer than its limit.
    TimedOut {
        /// The stage that had begun.
        stage: Stage,
        /// What it was at: a host, addresses or a proxy; may be empty.
        subject: String,
        /// The limit: [`Connect::connect_timeout`](crate::Connect::connect_timeout) or
        /// [`Connect::handshake_timeout`](crate::Connect::handshake_timeout).
        limit: Duration,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::ProxyUrl(error) => error.fmt(f),
            Self::Dns(error) => error.fmt(f),
            Self::Tcp(error) => error.fmt(f),
            Self::Proxy(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Io(error) => write!(
                f,
                "the connection broke during the WebSocket opening handshake: {error}; the server's \
                 log may say why"
            ),
            Self::Handshake(error) => error.fmt(f),
            Self::Refused(response) => refusal(f, response),
            Self::Redirect(error) => error.fmt(f),
            Self::TimedOut { stage, subject, limit } => {
                write!(f, "{stage} took longer than {limit:?}")?;
                if !subject.is_empty() {
                    write!(f, " ({subject})")?;
                }
                f.write_str(match stage {
                    Stage::Handshake => {
                        "; is it a WebSocket server? Connect::handshake_timeout \
                                         sets the limit"
                    }
                    _ => {
                        "; check the address and the network. Connect::connect_timeout sets the \
                          limit"
                    }
                })
            }
        }
    }
}

/// The status, the body's first line, and what may help.
fn refusal(f: &mut fmt::Formatter<'_>, response: &Response<Bytes>) -> fmt::Result {
    /// Of a body a message shows this much.
    const SHOWN: usize = 200;
    let status = response.status();
    write!(f, "the server refused the WebSocket opening handshake with {status}")?;
    let is_text = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let body = response.body();
    let body = String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]);
    if let Some(line) = body.lines().map(str::trim).find(|line| !line.is_empty() && is_text) {
        let shown: String = line.chars().take(SHOWN).flat_map(char::escape_debug).collect();
        write!(f, ": {shown}")?;
    }
    f.write_str(match status {
        StatusCode::UNAUTHORIZED => "; give credentials, in the URL or by Connect::bearer_token",
        StatusCode::FORBIDDEN => "; the server may want credentials or another Origin",
        StatusCode::NOT_FOUND => "; check the URL's path",
        status if status.is_redirection() && response.headers().contains_key(header::LOCATION) => {
            "; Connect::redirects lets it be followed"
        }
        StatusCode::OK => "; the server does not serve WebSockets under this path",
        _ => "",
    })
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::Request(error) => Some(error),
            Self::ProxyUrl(error) => Some(error),
            Self::Dns(error) => Some(error),
            Self::Tcp(error) => Some(error),
            Self::Proxy(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Redirect(error) => Some(error),
            Self::Refused(_) | Self::TimedOut { .. } => None,
        }
    }
}

impl From<DialError> for ConnectError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Dns(error) => Self::Dns(error),
            DialError::Tcp(error) => Self::Tcp(error),
            DialError::Proxy(error) => Self::Proxy(error),
            DialError::Tls(error) => Self::Tls(error),
        }
    }
}

/// A request that cannot be made as it was asked for. It does not show the value at fault, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError(String);

impl RequestError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for RequestError {}

/// A redirect that was not followed. URLs are without credentials.
#[derive(Debug)]
#[non_exhaustive]
pub enum RedirectError {
    /// More redirects than [`Connect::redirects`](crate::Connect::redirects) allows.
    TooMany {
        /// The limit.
        limit: usize,
        /// Where the next one leads.
        location: String,
    },
    /// The redirect leads to a URL that was visited before.
    Loop {
        /// That URL.
        location: String,
    },
    /// The redirect leads from `wss:` to `ws:`.
    Downgrade {
        /// Where it leads.
        location: String,
    },
    /// The redirect does not lead to a URL of a WebSocket.
    Location(UriError),
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { limit, location } => write!(
                f,
                "more than {limit} redirects, the next one to {location}; use the last URL, or \
                 raise Connect::redirects"
            ),
            Self::Loop { location } => write!(
                f,
                "the redirects lead back to {location}; the server's configuration is at fault"
            ),
            Self::Downgrade { location } => write!(
                f,
                "the redirect to {location} would give up TLS; use that URL itself if this is meant"
            ),
            Self::Location(error) => write!(f, "the redirect's Location cannot be used: {error}"),
        }
    }
}

impl StdError for RedirectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Location(error) => Some(error),
            _ => None,
        }
    }
}
