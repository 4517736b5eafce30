//! Names of streams, and places in them.

use std::{fmt, sync::Arc};

/// The name of a stream: 1 to [`StreamName::MAX_LENGTH`] bytes of UTF-8. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Bytes of the longest name.
    pub const MAX_LENGTH: usize = 255;

    /// Checks a name.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, InvalidStreamName> {
        let name = name.into();
        if name.is_empty() || name.len() > Self::MAX_LENGTH {
            return Err(InvalidStreamName(name.len()));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A text of this many bytes names no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidStreamName(pub usize);

impl fmt::Display for InvalidStreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = StreamName::MAX_LENGTH;
        write!(f, "a stream's name has {} bytes: give it 1 to {limit}", self.0)
    }
}

impl std::error::Error for InvalidStreamName {}

/// A place in a stream: the record `seq` of the life `epoch`. `seq` counts from 1; 0 is the place before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which life of the stream. Never 0, and never the same again after a deletion.
    pub epoch: u64,
    /// Which record of it.
    pub seq: u64,
}
