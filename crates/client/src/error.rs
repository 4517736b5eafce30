//! What goes wrong: why a connection ended, and why a command has no answer.

use std::{error::Error, fmt, time::Duration};

use longwire_channel::{Disconnect, ErrorCode, InvalidChannelName, InvalidToken, Refusal, Token};

/// Why a connection or an attempt ended, or why the client is closed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// The application closed the client.
    Closed,
    /// The application asked for a new connection.
    Dropped,
    /// The server said so, by `disconnect` or a Close frame.
    Server(Disconnect),
    /// The transport could not be opened, or ended without a word.
    Transport(String),
    /// The request itself is wrong: the URL or a setting.
    Request(String),
    /// Nothing came for this time, although the server pings.
    Silence(Duration),
    /// The server did not answer `connect` within this time of the attempt's beginning.
    NoAnswer(Duration),
    /// The server sent what cannot be read.
    Unreadable(String),
    /// The token callback failed for a time.
    Token(String),
    /// The token callback says that there is no token.
    NoToken(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the application closed the client; make a new one"),
            Self::Dropped => f.write_str("the application asked for a new connection"),
            Self::Server(Disconnect { code, reason, .. }) => {
                write!(f, "the server ended the connection with {}", code.0)?;
                let words = if reason.is_empty() { code.words().unwrap_or("") } else { reason };
                if !words.is_empty() {
                    write!(f, ": {words}")?;
                }
                Ok(())
            }
            Self::Transport(words) => f.write_str(words),
            Self::Request(words) => write!(f, "{words}; connecting again would change nothing"),
            Self::Silence(time) => {
                write!(f, "nothing came from the server for {time:?}; the network may be gone")
            }
            Self::NoAnswer(time) => write!(
                f,
                "no answer to connect within {time:?}; check that the URL leads to a Longwire server"
            ),
            Self::Unreadable(words) => {
                write!(f, "the server sent what is no message of the channel protocol: {words}")
            }
            Self::Token(words) => write!(f, "the token callback failed: {words}"),
            Self::NoToken(words) => {
                write!(
                    f,
                    "the token callback has no token: {words}; sign in, and make a new client"
                )
            }
        }
    }
}

impl Error for Cause {}

/// Why a subscription is over.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The channel's name is none.
    Channel(InvalidChannelName),
    /// The server refused it, or ended it.
    Refused(Refusal),
    /// The client is closed.
    Closed(Cause),
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => error.fmt(f),
            Self::Refused(refusal) => write!(f, "the server refused the subscription: {refusal}"),
            Self::Closed(cause) => write!(f, "the client is closed: {cause}"),
        }
    }
}

impl Error for SubscribeError {}

/// Why a publication has no position.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PublishError {
    /// The channel's name is none.
    Channel(InvalidChannelName),
    /// The event or the key is none.
    Token {
        /// Which of them.
        what: &'static str,
        /// Why.
        error: InvalidToken,
    },
    /// The server refused it; it is not stored. But with `storage_failed` it may come to light when the server is started again,
    /// and where a connection was lost before its answer it may have been stored then: published again with this key, it is
    /// stored once.
    Refused {
        /// Why.
        refusal: Refusal,
        /// Its idempotency key, if it has one.
        key: Option<Token>,
    },
    /// The queue holds as much as it may. Nothing of this one was sent.
    QueueFull,
    /// It is larger than the server takes. Nothing of it was sent.
    TooLarge {
        /// Bytes of the message that would carry it.
        size: u64,
        /// Bytes that the server takes.
        limit: u64,
    },
    /// It was not sent, or was refused whenever it was: it is certainly not stored.
    NotSent(Unanswered),
    /// It was sent and no answer came: it may be stored or not. Published again with this key, it is stored once.
    Unknown {
        /// Why nobody waits for its answer any longer.
        why: Unanswered,
        /// Its idempotency key, if it has one.
        key: Option<Token>,
    },
    /// The client is closed.
    Closed(Cause),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => error.fmt(f),
            Self::Token { what, error } => write!(f, "the {what} cannot be used: {error}"),
            Self::Refused { refusal, key } => {
                write!(f, "the server refused the publication: {refusal}")?;
                match key {
                    Some(key) if refusal.code == ErrorCode::StorageFailed => {
                        f.write_str("; it may be stored all the same: ")?;
                        once_with(key, f)
                    }
                    _ => Ok(()),
                }
            }
            Self::QueueFull => f.write_str(
                "too many publications wait to be answered; wait for some of them, then publish again",
            ),
            Self::TooLarge { size, limit } => write!(
                f,
                "the publication takes {size} bytes and the server takes {limit}; publish less at \
                 once, or raise the server's limits.message_bytes"
            ),
            Self::NotSent(why) => write!(f, "the publication was not sent: {why}; publish it again"),
            Self::Unknown { why, key } => {
                write!(f, "the outcome of the publication is unknown: {why}")?;
                let Some(key) = key else { return Ok(()) };
                f.write_str("; ")?;
                once_with(key, f)
            }
            Self::Closed(cause) => write!(f, "the client is closed: {cause}"),
        }
    }
}

impl Error for PublishError {}

fn once_with(key: &Token, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "publish it again with the key \"{key}\", and it is stored once")
}

/// Why history has no answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum HistoryError {
    /// The channel's name is none.
    Channel(InvalidChannelName),
    /// The server refused it.
    Refused(Refusal),
    /// As many requests wait as may.
    TooMany,
    /// The client is closed.
    Closed(Cause),
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => error.fmt(f),
            Self::Refused(refusal) => write!(f, "the server refused to read history: {refusal}"),
            Self::TooMany => f.write_str(
                "too many requests for history wait to be answered; wait for some of them, then ask again",
            ),
            Self::Closed(cause) => write!(f, "the client is closed: {cause}"),
        }
    }
}

impl Error for HistoryError {}

/// Why nobody waits for an answer any longer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Unanswered {
    /// The publication's own timeout is over.
    TimedOut(Duration),
    /// Its connection was lost, and it is not one that is sent again.
    Lost,
    /// The client is closed.
    Closed(Cause),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(time) => write!(f, "its timeout of {time:?} is over"),
            Self::Lost => f.write_str("the connection was lost before the answer"),
            Self::Closed(cause) => cause.fmt(f),
        }
    }
}

/// Why a token callback gives no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError {
    pub(crate) message: String,
    pub(crate) is_final: bool,
}

impl TokenError {
    /// There is none now: the client tries again later.
    pub fn temporary(cause: impl fmt::Display) -> Self {
        Self { message: cause.to_string(), is_final: false }
    }

    /// There will be none, as when the user has signed out: the client closes.
    pub fn none(cause: impl fmt::Display) -> Self {
        Self { message: cause.to_string(), is_final: true }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for TokenError {}
