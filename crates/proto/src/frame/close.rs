//! The body of a Close frame: status code and reason (RFC 6455 §5.5.1, §7.4).

use std::{error::Error, fmt, ops::Deref};

use crate::{ProtocolError, Text};

/// The body of a Close frame (§5.5.1).
///
/// An empty body is [`Close::EMPTY`], whose code is [`CloseCode::NO_STATUS_RCVD`] as in §7.1.5.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "the RFC gives a Close frame these two parts")]
pub struct Close {
    /// Why the connection is being closed, for programs.
    pub code: CloseCode,
    /// Why the connection is being closed, for people.
    pub reason: CloseReason,
}

impl Close {
    /// A Close frame without a body.
    pub const EMPTY: Self =
        Self { code: CloseCode::NO_STATUS_RCVD, reason: CloseReason(Text::new()) };

    /// A Close frame with this code and reason.
    pub const fn new(code: CloseCode, reason: CloseReason) -> Self {
        Self { code, reason }
    }

    /// Reads the payload of a Close frame.
    ///
    /// One byte, a code that may not be on the wire, or a reason that is not UTF-8 is the peer's
    /// fault.
    pub fn parse(payload: &[u8]) -> Result<Self, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(Self::EMPTY),
            [_] => return Err(ProtocolError::CloseFrameTruncated),
            [a, b, reason @ ..] => (CloseCode(u16::from_be_bytes([*a, *b])), reason),
        };
        if !code.may_be_sent() {
            return Err(ProtocolError::CloseCodeReserved { code: code.0 });
        }
        let reason =
            simdutf8::basic::from_utf8(reason).map_err(|_| ProtocolError::CloseReasonNotUtf8)?;
        Ok(Self { code, reason: CloseReason(Text::from(reason)) })
    }

    /// Appends the payload of the Close frame to `output`: nothing for [`Close::EMPTY`].
    pub(crate) fn encode(&self, output: &mut Vec<u8>) {
        if self.code != CloseCode::NO_STATUS_RCVD {
            output.extend_from_slice(&self.code.0.to_be_bytes());
            output.extend_from_slice(self.reason.as_bytes());
        }
    }
}

impl From<CloseCode> for Close {
    fn from(code: CloseCode) -> Self {
        Self { code, reason: CloseReason::default() }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " {:?}", &*self.reason)?;
        }
        Ok(())
    }
}

/// A status code (§7.4). Codes 3000 to 4999 belong to others, so this is a number with names, not a
/// closed list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

macro_rules! close_codes {
    ($($(#[$doc:meta])* $name:ident($code:literal) $text:literal;)*) => {
        impl CloseCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// The meaning that RFC 6455 or IANA gives the code, in a few words; `None` for others.
            pub const fn meaning(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

close_codes! {
    /// The purpose of the connection is fulfilled.
    NORMAL_CLOSURE(1000) "normal closure";
    /// A server is going down, or a page was left.
    GOING_AWAY(1001) "going away";
    /// The peer broke the protocol.
    PROTOCOL_ERROR(1002) "protocol error";
    /// A type of data arrived that this end cannot accept.
    UNSUPPORTED_DATA(1003) "unsupported data";
    /// No Close code was received. Never on the wire.
    NO_STATUS_RCVD(1005) "no status received";
    /// The connection was lost without a Close frame. Never on the wire.
    ABNORMAL_CLOSURE(1006) "abnormal closure";
    /// A message's data did not fit its type, such as text that is not UTF-8.
    INVALID_FRAME_PAYLOAD_DATA(1007) "invalid frame payload data";
    /// A message broke the receiver's policy.
    POLICY_VIOLATION(1008) "policy violation";
    /// A message is too big to process.
    MESSAGE_TOO_BIG(1009) "message too big";
    /// The server did not negotiate an extension that the client needs.
    MANDATORY_EXTENSION(1010) "mandatory extension missing";
    /// An unexpected condition kept this end from fulfilling the request.
    INTERNAL_ERROR(1011) "internal error";
    /// The service restarts; come back after a random delay.
    SERVICE_RESTART(1012) "service restart";
    /// The service is overloaded; come back later.
    TRY_AGAIN_LATER(1013) "try again later";
    /// A gateway got an invalid answer from the server behind it.
    BAD_GATEWAY(1014) "bad gateway";
    /// The TLS handshake failed. Never on the wire.
    TLS_HANDSHAKE(1015) "TLS handshake failed";
    /// The client is not authenticated (IANA registry).
    UNAUTHORIZED(3000) "unauthorized";
    /// The client is authenticated and not permitted (IANA registry).
    FORBIDDEN(3003) "forbidden";
    /// The peer took too long (IANA registry).
    TIMEOUT(3008) "timeout";
}

impl CloseCode {
    /// The code with this number. Whether it may be sent is for [`CloseCode::may_be_sent`] to say.
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether a Close frame may carry this code (§7.4): 1000 to 1003, 1007 to 1014, 3000 to 4999.
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Some(meaning) => write!(f, "{} ({meaning})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

/// At most [`CloseReason::MAX`] bytes of UTF-8, so that a Close frame always fits (§5.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CloseReason(Text);

impl CloseReason {
    /// The longest reason, in bytes: a control frame's 125 without the code's two.
    pub const MAX: usize = 123;

    /// As much of `reason` as fits, cut between characters.
    pub fn truncated(reason: &str) -> Self {
        Self(Text::from(&reason[..reason.floor_char_boundary(Self::MAX)]))
    }
}

impl Deref for CloseReason {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl TryFrom<&str> for CloseReason {
    type Error = InvalidCloseReason;

    fn try_from(reason: &str) -> Result<Self, InvalidCloseReason> {
        if reason.len() > Self::MAX {
            return Err(InvalidCloseReason { len: reason.len() });
        }
        Ok(Self(Text::from(reason)))
    }
}

impl TryFrom<String> for CloseReason {
    type Error = InvalidCloseReason;

    fn try_from(reason: String) -> Result<Self, InvalidCloseReason> {
        if reason.len() > Self::MAX {
            return Err(InvalidCloseReason { len: reason.len() });
        }
        Ok(Self(Text::from(reason)))
    }
}

/// A reason of more than [`CloseReason::MAX`] bytes was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidCloseReason {
    /// Bytes given.
    pub len: usize,
}

impl fmt::Display for InvalidCloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a close reason has at most 123 bytes of UTF-8, not {}; shorten it", self.len)
    }
}

impl Error for InvalidCloseReason {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_may_be_on_the_wire() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert!(!CloseCode(code).may_be_sent(), "{code}");
        }
        for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
            assert!(CloseCode(code).may_be_sent(), "{code}");
        }
    }

    #[test]
    fn body_round_trips_and_faults_are_named() {
        let close = Close::new(CloseCode::GOING_AWAY, CloseReason::truncated("bye"));
        let mut body = Vec::new();
        close.encode(&mut body);
        assert_eq!(body, b"\x03\xE9bye");
        assert_eq!(Close::parse(&body), Ok(close));
        assert_eq!(Close::parse(&[]), Ok(Close::EMPTY));
        assert_eq!(Close::parse(&[3]), Err(ProtocolError::CloseFrameTruncated));
        assert_eq!(Close::parse(&[3, 0xED]), Err(ProtocolError::CloseCodeReserved { code: 1005 }));
        assert_eq!(Close::parse(b"\x03\xE8\xFF"), Err(ProtocolError::CloseReasonNotUtf8));
        let mut body = Vec::new();
        Close::EMPTY.encode(&mut body);
        assert!(body.is_empty());
    }

    #[test]
    fn a_reason_of_124_bytes_is_refused_and_truncation_keeps_characters_whole() {
        assert!(CloseReason::try_from("x".repeat(123)).is_ok());
        let error = CloseReason::try_from("x".repeat(124)).expect_err("one too many");
        assert!(error.to_string().contains("not 124"));
        let reason = CloseReason::truncated(&"é".repeat(100));
        assert_eq!(reason.len(), 122);
    }

    #[test]
    fn shown_with_its_meaning() {
        assert_eq!(CloseCode::GOING_AWAY.to_string(), "1001 (going away)");
        assert_eq!(CloseCode::new(4001).to_string(), "4001");
        let close = Close::new(CloseCode::new(4001), CloseReason::truncated("done"));
        assert_eq!(close.to_string(), "4001 \"done\"");
    }
}
