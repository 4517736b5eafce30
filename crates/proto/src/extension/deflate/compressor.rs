//! Messages made smaller (RFC 7692 §7.2.1).

use std::{
    cell::RefCell,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use zlib_rs::DeflateFlush;

use super::{
    CompressionLevel, Deflate, TAIL, WindowBits,
    history::History,
    pool::{self, Kind, Place},
};

/// The sending half of one connection's permessage-deflate.
///
/// Invariant: `history` ends with what entered the peer's window last, and nothing else. So a piece
/// enters when it is given out compressed, and a piece that is not leaves no trace.
#[derive(Debug)]
pub(crate) struct Compressor {
    kind: Kind,
    takeover: bool,
    threshold: usize,
    history: History,
    /// Where the peer's window ends: what `history` says, for a compressor that knows more of it.
    place: Place,
}

impl Compressor {
    pub(crate) fn new(settings: &Deflate, takeover: bool, bits: WindowBits) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            kind: Kind { bits, level: settings.level },
            takeover,
            threshold: settings.threshold,
            history: History::new(bits.window_size().min(PRIMING_MAX)),
            place: Place { connection: NEXT.fetch_add(1, Ordering::Relaxed), step: 0 },
        }
    }

    /// Whether a message of so many bytes is to be compressed.
    pub(crate) fn wants(&self, len: usize) -> bool {
        len >= self.threshold && self.kind.bits.can_compress()
    }

    /// The window that the peer has.
    pub(crate) fn bits(&self) -> WindowBits {
        self.kind.bits
    }

    /// Compresses a piece, which then must be sent. `last` ends the message.
    ///
    /// `None` if the first piece of a message would not shrink: nothing has happened then, and the
    /// message goes out as it is.
    pub(crate) fn compress(&mut self, piece: &[u8], first: bool, last: bool) -> Option<Bytes> {
        if piece.is_empty() {
            // A flush behind a flush has nothing to say, but the tail must be behind something.
            return (!first).then(|| {
                debug_assert!(last, "an empty piece that ends nothing is not sent");
                if !self.takeover {
                    self.enter(piece, last);
                }
                Bytes::from_static(&EMPTY_BLOCK)
            });
        }
        let place = (!self.history.is_empty()).then_some(self.place);
        let (mut deflate, ready) = pool::take_compressor(self.kind, place);
        if !ready {
            deflate.reset();
            for part in self.history.parts().into_iter().filter(|part| !part.is_empty()) {
                deflate.set_dictionary(part).expect("between two blocks");
            }
        }
        let compressed = SCRATCH.with_borrow_mut(|scratch| {
            let compressed = flush(&mut deflate, piece, last, scratch);
            if compressed.len() < piece.len() {
                return Some(Bytes::copy_from_slice(compressed));
            }
            // What went out before cannot be taken back.
            (!first).then(|| stored(piece, last))
        });
        let next = compressed.as_ref().and_then(|_| self.enter(piece, last));
        pool::give_compressor(self.kind, next, deflate);
        compressed
    }

    /// A piece enters the peer's window. Gives the place behind it, if what follows may refer to it.
    fn enter(&mut self, piece: &[u8], last: bool) -> Option<Place> {
        self.place.step += 1;
        if last && !self.takeover {
            self.history.clear();
            return None;
        }
        self.history.push(piece);
        Some(self.place)
    }

    /// A message that was compressed by itself enters the peer's window.
    pub(crate) fn enter_whole(&mut self, message: &[u8]) {
        self.enter(message, true);
    }
}

/// Compresses a message by itself, for whoever has this window or a larger one. `None` if it would
/// not shrink.
pub(crate) fn compress_alone(
    message: &[u8],
    bits: WindowBits,
    level: CompressionLevel,
) -> Option<Vec<u8>> {
    let kind = Kind { bits, level };
    let (mut deflate, _) = pool::take_compressor(kind, None);
    deflate.reset();
    let mut out = Vec::new();
    let len = flush(&mut deflate, message, true, &mut out).len();
    pool::give_compressor(kind, None, deflate);
    (len < message.len()).then(|| {
        out.truncate(len);
        out
    })
}

/// Compresses `piece` up to a byte's border, into `out`, whose content is of no interest.
fn flush<'o>(
    deflate: &mut zlib_rs::Deflate,
    piece: &[u8],
    last: bool,
    out: &'o mut Vec<u8>,
) -> &'o [u8] {
    let (start_in, start_out) = (deflate.total_in(), deflate.total_out());
    let position = |now: u64, start: u64| usize::try_from(now - start).expect("within a buffer");
    // More than fixed codes make of random bytes, so that one call does it.
    out.resize(out.len().max(piece.len() + piece.len() / 8 + 64), 0);
    loop {
        let taken = position(deflate.total_in(), start_in);
        let made = position(deflate.total_out(), start_out);
        deflate
            .compress(&piece[taken..], &mut out[made..], DeflateFlush::SyncFlush)
            .expect("a compressor takes any input");
        let made = position(deflate.total_out(), start_out);
        if made < out.len() && position(deflate.total_in(), start_in) == piece.len() {
            let tail = if last { TAIL.len() } else { 0 };
            debug_assert!(out[..made].ends_with(&TAIL), "a flush ends with an empty stored block");
            return &out[..made - tail];
        }
        out.resize(out.len() + out.len() / 2, 0);
    }
}

/// A piece in stored blocks, which enters the window as a compressed one does (RFC 1951 §3.2.4).
fn stored(piece: &[u8], last: bool) -> Bytes {
    let mut out = Vec::with_capacity(piece.len() + 2 * STORED_HEADER_LEN + 1);
    for block in piece.chunks(u16::MAX.into()) {
        let len = u16::try_from(block.len()).expect("chunked by it");
        out.push(0x00);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    if last {
        out.extend_from_slice(&EMPTY_BLOCK);
    }
    out.into()
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// BFINAL, BTYPE, LEN and NLEN of a stored block at a byte's border.
const STORED_HEADER_LEN: usize = 5;

/// An empty stored block without its tail.
const EMPTY_BLOCK: [u8; 1] = [0x00];

/// What a fresh compressor is told of the window, in bytes: each costs more than to compress it, and
/// the next of them gains less.
const PRIMING_MAX: usize = 4096;
