//! How much an opening handshake may cost.

/// Limits of one opening handshake. Time is the caller's to limit.
///
/// The worst case of memory is about 40 times `max_head_size` for a moment, while a head full of
/// one-letter extensions is read; an ordinary head costs little more than its own bytes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// Bytes of a request head, or of all response heads until the last, up to and with the empty
    /// line. Default: 16 KiB. Beyond it a server answers 431, and a client fails.
    pub max_head_size: usize,
    /// Headers of one head. Default: 100. Beyond it a server answers 431, and a client fails.
    pub max_headers: usize,
    /// Bytes of the body that a client keeps of a response that refuses the handshake. Default:
    /// 64 KiB. What is beyond it is left unread, and the response is marked with
    /// [`BodyTruncated`](super::BodyTruncated).
    pub max_body_size: usize,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self { max_head_size: 16 * 1024, max_headers: 100, max_body_size: 64 * 1024 }
    }
}
