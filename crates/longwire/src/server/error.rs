//! Why a client's opening handshake did not end in a connection.

use std::{error, fmt, io, time::Duration};

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
    /// The TLS handshake failed.
    #[cfg(feature = "tls")]
    Tls(crate::tls::TlsError),
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
            Self::OriginRefused { .. } | Self::TimedOut { .. } => None,
        }
    }
}

impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
