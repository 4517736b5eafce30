//! What is published, and what a stream keeps of it.

use std::{fmt, sync::Arc};

use crate::Payload;

/// A short text that names something: 1 to 128 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(Arc<str>);

impl Token {
    /// Bytes of the longest token.
    pub const MAX_LENGTH: usize = 128;

    /// Checks a token.
    pub fn new(text: &str) -> Result<Self, InvalidToken> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH || text.chars().any(char::is_control) {
            return Err(InvalidToken);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A text is no [`Token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidToken;

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it needs 1 to 128 bytes without control characters")
    }
}

impl std::error::Error for InvalidToken {}

/// Who numbers its publications, so that a repeated one is known after any crash.
///
/// In one stream a producer's `seq` begins at 1 in each of its epochs and grows by 1. A `seq` that was seen is a duplicate;
/// one that leaves a gap is refused; an older `epoch` is fenced off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its name.
    pub id: Token,
    /// Which life of the producer: larger after each restart that lost its count.
    pub epoch: u64,
    /// The number of this publication.
    pub seq: u64,
}

/// Something to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The content.
    pub payload: Payload,
    /// What kind of message it is, for those who listen by kind.
    pub event: Option<Token>,
    /// Idempotency key: a second publication with it, within the namespace's window, is a duplicate of the first.
    pub key: Option<Token>,
    /// The producer's numbering. A publication may have this or a key, or none of them.
    pub producer: Option<Producer>,
    /// Whether it is delivered to those who listen now and kept nowhere; it then has no `seq`.
    pub ephemeral: bool,
    /// The user who published; none for the HTTP API.
    pub publisher: Option<Token>,
}

impl Publication {
    /// A publication of this content and nothing more.
    pub fn new(payload: Payload) -> Self {
        Self { payload, event: None, key: None, producer: None, ephemeral: false, publisher: None }
    }
}

/// A publication in its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number in the stream, from 1; 0 where it is ephemeral.
    pub seq: u64,
    /// When it was published: milliseconds since 1970, by the server's clock, never less than that of the record before.
    pub time: u64,
    /// The content.
    pub payload: Payload,
    /// What kind of message it is.
    pub event: Option<Token>,
    /// The user who published.
    pub publisher: Option<Token>,
}
