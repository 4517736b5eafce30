//! permessage-deflate (RFC 7692): what is agreed on, and the two halves that do it.

mod compressor;
mod decompressor;
mod history;
mod params;
mod pool;

use std::num::NonZeroU32;

pub(crate) use self::{
    compressor::{Compressor, compress_alone},
    decompressor::{Decompressor, Inflated},
    params::NAME,
};
pub use self::{
    params::{DeflateParams, InvalidDeflate, WindowBits},
    pool::CompressionLevel,
};

/// Settings of permessage-deflate (RFC 7692): what to offer or to agree to, and how to compress.
///
/// # Modes, and what they cost
///
/// | mode | how | kept for an open connection |
/// |---|---|---|
/// | off | [`Config::deflate`](crate::Config::deflate) is `None` | nothing |
/// | no context takeover | [`Deflate::no_context_takeover`], the default | 0.2 KiB |
/// | context takeover | [`Deflate::context_takeover`] | besides, of what was received up to 32 KiB at 15 window bits, 4 KiB at 12, 0.5 KiB at 9; and of what was sent up to 4 KiB |
///
/// Of text, a connection keeps nothing before the first compressed message, and never more than twice
/// what was received and sent. The compressors and decompressors belong to the thread: up to 32 compressors
/// of at most 370 KiB, made when they are needed, and 4 decompressors of 48 KiB. A compressed message
/// that arrives in several reads holds a decompressor until it ends, and what its later bytes may
/// refer to.
///
/// With context takeover a message may refer to those before it, so that similar messages shrink
/// to a fraction. A connection that finds its compressor as it left it, since few others share the
/// thread, refers to the whole window; else to the last 4 KiB, which a fresh compressor is told.
///
/// # Security
///
/// Whoever can have text of their own compressed together with a secret, and sees the size, can
/// guess the secret (CRIME, BREACH). Send secrets by [`Message::uncompressed`](crate::Message::uncompressed);
/// context takeover widens the danger to all messages of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deflate {
    /// What a client offers and a server agrees to. Default:
    /// [`DeflateParams::NO_CONTEXT_TAKEOVER`].
    pub params: DeflateParams,
    /// How hard to compress. Default: [`CompressionLevel::FASTEST`]. On JSON it takes a third of the
    /// time of level 6 and gives 30 to 55 % more bytes; with context takeover it gives fewer bytes
    /// than level 6 without, in less time.
    pub level: CompressionLevel,
    /// Bytes of the shortest message that is compressed. Default: 128, or 32 with
    /// [`Self::context_takeover`]: below, JSON hardly shrinks.
    pub threshold: usize,
    /// Bytes that one byte of a compressed message may become, looked at every 16 KiB once it has
    /// become 64 KiB. Beyond it: 1009. Default: `None`: the format itself allows 1032, and
    /// [`Limits::max_message_size`](crate::Limits::max_message_size) holds for what becomes of it.
    pub max_ratio: Option<NonZeroU32>,
}

impl Deflate {
    /// Every message is compressed by itself: the default.
    #[must_use]
    pub const fn no_context_takeover() -> Self {
        Self {
            params: DeflateParams::NO_CONTEXT_TAKEOVER,
            level: CompressionLevel::FASTEST,
            threshold: 128,
            max_ratio: None,
        }
    }

    /// Messages may refer to those before them, in both directions.
    #[must_use]
    pub const fn context_takeover() -> Self {
        Self {
            params: DeflateParams::CONTEXT_TAKEOVER,
            threshold: 32,
            ..Self::no_context_takeover()
        }
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::no_context_takeover()
    }
}

/// The end of a flush that is not on the wire (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
