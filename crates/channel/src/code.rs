//! Error codes: why a command failed.

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:literal, $temporary:literal;)+) => {
        /// Why a command failed. Each has a stable name, an HTTP status, and whether to try again makes sense.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The status of an HTTP answer with this code.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// Whether the same command may succeed later.
            pub fn is_temporary(self) -> bool {
                match self { $(Self::$variant => $temporary,)+ }
            }

            /// The code of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

codes! {
    /// The message or request breaks the protocol's form.
    BadRequest = "bad_request", 400, false;
    /// There is no valid token or key.
    Unauthenticated = "unauthenticated", 401, false;
    /// The token has expired: take a fresh one.
    TokenExpired = "token_expired", 401, false;
    /// The token, or the namespace, does not allow it.
    Forbidden = "forbidden", 403, false;
    /// There is no such thing: a session, a path, a subscription.
    NotFound = "not_found", 404, false;
    /// The number of a subscription is in use.
    SubscriptionExists = "subscription_exists", 409, false;
    /// A newer epoch of this producer has published.
    ProducerFenced = "producer_fenced", 409, false;
    /// The producer's `seq` leaves a gap.
    ProducerGap = "producer_gap", 409, false;
    /// The position belongs to another epoch of the stream.
    EpochMismatch = "epoch_mismatch", 409, false;
    /// The stream has ended: nothing can be published to it.
    StreamEnded = "stream_ended", 410, false;
    /// The content is larger than the namespace allows.
    TooLarge = "too_large", 413, false;
    /// The session has as many subscriptions as it may.
    TooManySubscriptions = "too_many_subscriptions", 429, false;
    /// More publications than the limit: wait for `retry_after_ms`.
    RateLimited = "rate_limited", 429, true;
    /// A fault of the server's.
    Internal = "internal", 500, true;
    /// The server is going away or has too much to do.
    Unavailable = "unavailable", 503, true;
    /// The log has failed and takes no more writes until the server is started again.
    StorageFailed = "storage_failed", 503, false;
    /// The disk is full: durable channels take nothing, reads and memory channels go on.
    StorageFull = "storage_full", 507, true;
}

/// Why a command failed, in full.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// The cause and the cure.
    pub message: String,
    /// When to try again: milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// A refusal with these words.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_name() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.name()), Some(code));
            assert!((400..600).contains(&code.status()));
        }
        assert_eq!(ErrorCode::from_name("other"), None);
    }
}
