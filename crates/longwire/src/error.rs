//! How a connection's end is told, and the error of an end that was not clean.

use std::{error, fmt, io, sync::Arc};

use longwire_proto::{Cause, Closed, ProtocolError};

/// The connection ended without a clean close, or in the middle of a message.
///
/// [`Error::closed`] tells both halves of the closing handshake and the cause: the peer's fault
/// ([`Error::protocol_error`]), the world's ([`Error::io_error`]), or a time that was up. A message
/// that could not be sent is a [`SendError`](crate::SendError) instead, and comes back.
#[derive(Clone, Debug)]
pub struct Error(pub(crate) Arc<End>);

/// The end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) closed: Closed,
    /// What the transport said, if its fault ended the connection.
    pub(crate) io: Option<io::Error>,
}

impl Error {
    /// Both Close frames, their order, and the cause.
    pub fn closed(&self) -> &Closed {
        &self.0.closed
    }

    /// What the peer did wrong, if that ended the connection.
    pub fn protocol_error(&self) -> Option<ProtocolError> {
        match self.0.closed.cause {
            Cause::Violation(error) => Some(error),
            _ => None,
        }
    }

    /// The transport's own error, if that ended the connection.
    pub fn io_error(&self) -> Option<&io::Error> {
        self.0.io.as_ref()
    }

    /// Whether a time was up: the peer answered no Ping, or did not finish the closing handshake.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.closed.cause, Cause::TimedOut(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.closed.is_clean() {
            f.write_str("the connection closed in the middle of a message; ")?;
        }
        if let Some(io) = &self.0.io {
            write!(f, "{io}; ")?;
        }
        self.0.closed.fmt(f)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.io.as_ref().map(|error| error as _)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match (&error.0.io, error.0.closed.cause) {
            (Some(io), _) => io.kind(),
            (None, Cause::TimedOut(_)) => io::ErrorKind::TimedOut,
            (None, Cause::Violation(_)) => io::ErrorKind::InvalidData,
            (None, _) => io::ErrorKind::UnexpectedEof,
        };
        Self::new(kind, error)
    }
}

/// A Ping was not answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PingError {
    /// The connection is closing, or closed before the Pong came.
    Closed,
    /// 64 Pings wait for their Pongs. Wait for some of them first.
    TooMany,
}

impl fmt::Display for PingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection closed before the pong came",
            Self::TooMany => "64 pings wait for their pongs; wait for some of them first",
        })
    }
}

impl error::Error for PingError {}
