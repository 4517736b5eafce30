//! Why a client's opening handshake did not end in a connection, and the HTTP answer to it.

use std::{error, fmt, io, time::Duration};

use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use longwire_proto::handshake::HandshakeError;

/// A client's opening handshake did not end in a connection.
///
/// Where the client can be told, it has been: each fault of its request has its HTTP status.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// The transport failed, or ended before the request did.
    Io(io::Error),
    /// The request is no valid opening handshake (RFC 6455 §4.2.1), or the answer that was chosen
    /// does not fit it.
    Handshake(HandshakeError),
    /// The request comes from a page that [`OriginPolicy`](super::OriginPolicy) does not permit. It
    /// was refused with 403.
    OriginRefused {
        /// The `Origin` header.
        origin: String,
    },
    /// The request was not there in time.
    TimedOut {
        /// [`Acceptor::handshake_timeout`](super::Acceptor::handshake_timeout).
        limit: Duration,
    },
    /// The server is shutting down: [`Connections::close_all`](super::Connections::close_all) was
    /// called. The client gets 503.
    ShuttingDown,
    /// The HTTP server that read the request cannot hand its connection over. The client gets 500.
    #[cfg(feature = "hyper")]
    NotUpgradable,
    /// The TLS handshake failed.
    #[cfg(feature = "tls")]
    Tls(crate::tls::TlsError),
}

impl AcceptError {
    /// The HTTP answer to the client, whose body is a reason of one line: 400, 403, 405, 408, 426,
    /// 431 or 503 as the fault deserves, and 500 for a fault of the server's own.
    ///
    /// [`Acceptor::read`](super::Acceptor::read) and [`Incoming`](super::Incoming) have sent it by
    /// themselves; this is for those who answer by an HTTP server.
    pub fn response(&self) -> Response<String> {
        self.refusal().unwrap_or_else(|| {
            plain(StatusCode::INTERNAL_SERVER_ERROR, "the server is at fault; its log says how\n")
        })
    }

    /// The HTTP answer that a fault of the request deserves; `None` for a fault that is not the
    /// client's or that no answer can reach.
    pub(super) fn refusal(&self) -> Option<Response<String>> {
        match self {
            Self::Handshake(error) => error.response(),
            Self::OriginRefused { .. } => Some(plain(
                StatusCode::FORBIDDEN,
                "pages of this origin may not connect; the server's OriginPolicy can allow it\n",
            )),
            Self::TimedOut { .. } => {
                Some(plain(StatusCode::REQUEST_TIMEOUT, "the request was not there in time\n"))
            }
            Self::ShuttingDown => Some(plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server is shutting down; try again later\n",
            )),
            _ => None,
        }
    }
}

fn plain(status: StatusCode, reason: &str) -> Response<String> {
    let mut response = Response::new(reason.to_owned());
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

impl From<AcceptError> for Response<String> {
    fn from(error: AcceptError) -> Self {
        error.response()
    }
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the transport failed in the opening handshake: {error}"),
            Self::Handshake(error) => error.fmt(f),
            Self::OriginRefused { origin } => write!(
                f,
                "refused a page of {origin:?}; to permit it, allow its origin in the OriginPolicy"
            ),
            Self::TimedOut { limit } => {
                write!(f, "the opening handshake was not there within {limit:?}")
            }
            Self::ShuttingDown => f.write_str("refused a client: the server is shutting down"),
            #[cfg(feature = "hyper")]
            Self::NotUpgradable => f.write_str(
                "the request came without hyper's OnUpgrade: serve it by hyper over HTTP/1.1, and \
                 let nothing before this take the upgrade",
            ),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Handshake(error) => Some(error),
            #[cfg(feature = "tls")]
            Self::Tls(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
