//! The two ends of a connection, and what differs between them (RFC 6455 §5.1, §7.1.1).

/// Which end of the connection this is.
///
/// The two differ in masking (§5.3: a client masks every frame, a server none) and in who closes
/// the transport first (§7.1.1: the server).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "RFC 6455 knows two ends")]
pub enum Side {
    /// The end that opened the connection.
    Client,
    /// The end that accepted it.
    Server,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// Whether frames sent by this end are masked (§5.1).
    #[must_use]
    pub const fn masks(self) -> bool {
        matches!(self, Self::Client)
    }
}
