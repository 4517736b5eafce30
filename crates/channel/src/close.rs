//! Close codes, and whether to come back.

/// What a client does once its connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It connects again, after `retry_after_ms` or its own backoff.
    Reconnect,
    /// It takes a fresh token and connects again.
    RefreshToken,
    /// It stays away: the same attempt would end the same way.
    Stop,
}

/// The code of a Close frame (RFC 6455 section 7.4): 4000 to 4499 mean come back, 4500 to 4999 mean stay away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(pub u16);

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $words:literal;)+) => {
        impl CloseCode {
            $($(#[doc = $doc])+ pub const $name: Self = Self($code);)+

            /// Every code of ours, with its words.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $words)),+];
        }
    };
}

codes! {
    /// The server goes away; another, or the same, will be there.
    GOING_AWAY = 4000, "going away";
    /// The client took less than its subscription's policy demands.
    SLOW_CONSUMER = 4001, "slow consumer";
    /// Nothing came behind a `ping`.
    PONG_TIMEOUT = 4002, "no pong";
    /// A fault of the server's.
    INTERNAL = 4003, "internal error";
    /// The token has expired.
    TOKEN_EXPIRED = 4004, "token expired";
    /// The server has as many connections as it may.
    OVERLOADED = 4005, "overloaded";
    /// The HTTP API asked for it, and the client may come back.
    DISCONNECTED = 4006, "disconnected";
    /// `connect` did not come in time.
    CONNECT_TIMEOUT = 4007, "no connect";
    /// A frame is no message of the protocol.
    BAD_MESSAGE = 4500, "bad message";
    /// The token or ticket is not valid.
    UNAUTHENTICATED = 4501, "unauthenticated";
    /// The token does not allow to connect.
    FORBIDDEN = 4502, "forbidden";
    /// The version, or the subprotocol, is not spoken here.
    UNSUPPORTED = 4503, "unsupported version";
    /// The HTTP API asked for it, and the client must stay away.
    BANNED = 4504, "banned";
    /// A message came before `connect`, or a second `connect`.
    OUT_OF_ORDER = 4505, "out of order";
}

impl CloseCode {
    /// What a client does behind this code. Codes that are not ours mean come back.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::TOKEN_EXPIRED => Verdict::RefreshToken,
            Self(4500..=4999) => Verdict::Stop,
            Self(_) => Verdict::Reconnect,
        }
    }

    /// Its words, if it is one of ours.
    pub fn words(self) -> Option<&'static str> {
        Self::ALL.iter().find(|(code, _)| *code == self).map(|(_, words)| *words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_carries_the_verdict() {
        assert_eq!(CloseCode::GOING_AWAY.verdict(), Verdict::Reconnect);
        assert_eq!(CloseCode::TOKEN_EXPIRED.verdict(), Verdict::RefreshToken);
        assert_eq!(CloseCode::BANNED.verdict(), Verdict::Stop);
        assert_eq!(CloseCode(1006).verdict(), Verdict::Reconnect);
    }
}
