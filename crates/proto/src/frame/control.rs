//! The payload of a control frame: at most 125 bytes (RFC 6455 §5.5).

use std::{error::Error, fmt, ops::Deref};

use bytes::Bytes;

/// The payload of a Ping or a Pong: at most [`ControlPayload::MAX`] bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ControlPayload(Bytes);

impl ControlPayload {
    /// The longest payload that a control frame may carry, in bytes (§5.5).
    pub const MAX: usize = 125;

    /// No payload.
    #[must_use]
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// The bytes, which the frame's header was seen to limit.
    pub(crate) fn from_frame(payload: &[u8]) -> Self {
        debug_assert!(payload.len() <= Self::MAX);
        Self(Bytes::copy_from_slice(payload))
    }

    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for ControlPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Bytes> for ControlPayload {
    type Error = ControlPayloadTooLong;

    fn try_from(payload: Bytes) -> Result<Self, ControlPayloadTooLong> {
        if payload.len() > Self::MAX {
            return Err(ControlPayloadTooLong { len: payload.len() });
        }
        Ok(Self(payload))
    }
}

impl TryFrom<&[u8]> for ControlPayload {
    type Error = ControlPayloadTooLong;

    fn try_from(payload: &[u8]) -> Result<Self, ControlPayloadTooLong> {
        if payload.len() > Self::MAX {
            return Err(ControlPayloadTooLong { len: payload.len() });
        }
        Ok(Self(Bytes::copy_from_slice(payload)))
    }
}

/// A payload of more than [`ControlPayload::MAX`] bytes was given for a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControlPayloadTooLong {
    /// Bytes given.
    pub len: usize,
}

impl fmt::Display for ControlPayloadTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a control frame carries at most 125 bytes, not {}; shorten the payload",
            self.len
        )
    }
}

impl Error for ControlPayloadTooLong {}
