//! The peer: stock zlib, with the windows and resets that were agreed on (RFC 7692 §7.2).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::support::{Blocks, Rng, copies};

/// The end of a flush, which is not on the wire.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// An empty final block: whoever takes it for that was between two blocks.
const LAST: [u8; 2] = [0x03, 0x00];

/// Inflates what we send, with exactly the window that was agreed on.
pub(crate) struct Reader {
    bits: u8,
    takeover: bool,
    inflate: Option<Decompress>,
    /// Bytes of output a call. zlib sees beyond its window what the same call gave, so one byte is
    /// the strictest.
    grain: usize,
}

impl Reader {
    pub(crate) fn new(bits: u8, takeover: bool, grain: usize) -> Self {
        Self { bits, takeover, inflate: None, grain }
    }

    pub(crate) fn read(&mut self, payload: &[u8]) -> Vec<u8> {
        assert!(self.bits > 8, "no compressor keeps to a window of 256 bytes");
        let bits = self.bits;
        let inflate =
            self.inflate.get_or_insert_with(|| Decompress::new_with_window_bits(false, bits));
        let mut whole = Vec::new();
        let mut out = vec![0; self.grain];
        for input in [payload, &TAIL] {
            let mut input = input;
            loop {
                let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
                let status = inflate
                    .decompress(input, &mut out, FlushDecompress::Sync)
                    .unwrap_or_else(|error| panic!("zlib refuses it: {error}"));
                assert_ne!(status, Status::StreamEnd, "we never set BFINAL");
                let made = position(inflate.total_out() - before_out);
                input = &input[position(inflate.total_in() - before_in)..];
                whole.extend_from_slice(&out[..made]);
                if made < out.len() {
                    assert!(input.is_empty(), "zlib has room and does not go on");
                    break;
                }
            }
        }
        if !self.takeover {
            self.inflate = None;
        }
        whole
    }
}

/// Deflates what we receive, in every form that the RFC allows.
pub(crate) struct Writer {
    bits: u8,
    takeover: bool,
    deflate: Compress,
    /// What the other end's window may hold, so that a stream can go on behind its final block.
    window: Vec<u8>,
}

/// How often each form was written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Forms {
    pub(crate) by_hand: usize,
    pub(crate) empty: usize,
    pub(crate) final_blocks: usize,
    pub(crate) flushes: usize,
}

impl Writer {
    pub(crate) fn new(bits: u8, takeover: bool) -> Self {
        // What is written by hand for the window of 256 bytes needs no compressor.
        Self { bits, takeover, deflate: compressor(6, bits.max(9)), window: Vec::new() }
    }

    /// The payload of a compressed message.
    pub(crate) fn write(&mut self, payload: &[u8], rng: &mut Rng, forms: &mut Forms) -> Vec<u8> {
        if !self.takeover || rng.one_in(16) {
            // With context takeover a sender may begin anew all the same.
            self.begin_anew();
        }
        let mut written = if self.bits == 8 {
            forms.by_hand += 1;
            self.write_near(payload)
        } else if payload.is_empty() && rng.one_in(2) {
            forms.empty += 1;
            let empty: [&[u8]; 5] = [
                &[0x00],
                &[0x02, 0x00],
                &[0x03, 0x00, 0x00],
                &[0x00, 0x00, 0x00, 0xFF, 0xFF, 0x00],
                &[0x01, 0x00, 0x00, 0xFF, 0xFF, 0x03, 0x00, 0x02, 0x00],
            ];
            empty[rng.below(0..empty.len())].to_vec()
        } else {
            self.compress(payload, rng, forms)
        };
        if rng.one_in(16) {
            // A message may end with more empty blocks than it needs.
            written.extend_from_slice(&[0x00, 0x00, 0xFF, 0xFF, 0x00]);
        }
        written
    }

    /// For a window of 256 bytes, which zlib's own compressor does not keep to.
    fn write_near(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if payload.len() <= 300 {
            let symbols = copies(&self.window, payload, 256);
            out = Blocks::new().fixed(false, &symbols).end();
        } else {
            self.deflate.reset();
            for piece in payload.chunks(256) {
                // Nothing behind a full flush refers to what is before it.
                self.push(piece, FlushCompress::Full, &mut out);
            }
            out.push(0x00);
        }
        self.remember(payload);
        out
    }

    fn compress(&mut self, payload: &[u8], rng: &mut Rng, forms: &mut Forms) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = payload;
        loop {
            if rng.one_in(3) {
                self.deflate = compressor(rng.below(0..10), self.bits);
                self.go_on();
            }
            let most = rest.len() + 1;
            let piece = if rng.one_in(2) { rest.len() } else { rng.below(0..most) };
            let (piece, later) = rest.split_at(piece);
            rest = later;
            self.remember(piece);
            let last = rest.is_empty() && !rng.one_in(4);
            let flush = match rng.below(0..8) {
                0 => FlushCompress::Finish,
                1 => FlushCompress::Full,
                2 if !last && !piece.is_empty() => FlushCompress::Partial,
                3 if !last && !piece.is_empty() => FlushCompress::None,
                _ => FlushCompress::Sync,
            };
            self.push(piece, flush, &mut out);
            match flush {
                FlushCompress::Finish => {
                    forms.final_blocks += 1;
                    // zlib ends here; a stream that goes on may refer to what came before.
                    self.deflate.reset();
                    self.go_on();
                    if last {
                        out.push(0x00);
                        return out;
                    }
                }
                FlushCompress::Partial | FlushCompress::None => {
                    // What follows begins with a byte.
                    self.push(&[], FlushCompress::Sync, &mut out);
                }
                _ if last && out.ends_with(&TAIL) => {
                    out.truncate(out.len() - TAIL.len());
                    return out;
                }
                _ if last => {
                    // Nothing came of a flush behind a flush.
                    out.push(0x00);
                    return out;
                }
                _ => forms.flushes += 1,
            }
        }
    }

    fn push(&mut self, mut piece: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        loop {
            out.reserve(piece.len() + 64);
            let before = self.deflate.total_in();
            let status = self.deflate.compress_vec(piece, out, flush).expect("any input will do");
            piece = &piece[position(self.deflate.total_in() - before)..];
            let done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => piece.is_empty() && out.len() < out.capacity(),
            };
            if done {
                return;
            }
        }
    }

    fn remember(&mut self, piece: &[u8]) {
        self.window.extend_from_slice(piece);
        let size = 1 << self.bits;
        let old = self.window.len().saturating_sub(size);
        self.window.drain(..old);
    }

    /// Tells a fresh compressor what the stream has said so far.
    fn go_on(&mut self) {
        if !self.window.is_empty() {
            self.deflate.set_dictionary(&self.window).expect("between two blocks");
        }
    }

    fn begin_anew(&mut self) {
        self.deflate.reset();
        self.window.clear();
    }
}

/// Level 0 makes stored blocks.
fn compressor(level: usize, bits: u8) -> Compress {
    let level = Compression::new(u32::try_from(level).expect("0 to 9"));
    Compress::new_with_window_bits(level, false, bits)
}

/// What zlib makes of a message that may be anything; `None` if it is no DEFLATE, or cut.
pub(crate) fn verdict(payload: &[u8]) -> Option<Vec<u8>> {
    let mut inflate = Decompress::new(false);
    let mut whole = Vec::new();
    let mut rest = payload;
    let mut ended = true;
    while !rest.is_empty() {
        ended = step(&mut inflate, &mut rest, &mut whole)?;
    }
    if ended {
        // Nothing at all, or a final block and nothing behind it.
        return Some(whole);
    }
    let len = whole.len();
    let end = [TAIL.as_slice(), &LAST].concat();
    let mut rest = &end[..];
    while !rest.is_empty() {
        ended = step(&mut inflate, &mut rest, &mut whole)?;
    }
    (ended && whole.len() == len).then_some(whole)
}

/// Inflates as far as `rest` goes, or up to the end of a final block, which is no end for us. Says
/// whether it was one.
fn step(inflate: &mut Decompress, rest: &mut &[u8], whole: &mut Vec<u8>) -> Option<bool> {
    loop {
        whole.reserve(4096);
        let taken = inflate.total_in();
        let status = inflate.decompress_vec(rest, whole, FlushDecompress::Sync).ok()?;
        *rest = &rest[position(inflate.total_in() - taken)..];
        if status == Status::StreamEnd {
            *inflate = Decompress::new(false);
            let start = whole.len().saturating_sub(1 << 15);
            inflate.set_dictionary(&whole[start..]).expect("between two blocks");
            return Some(true);
        }
        if whole.len() < whole.capacity() {
            return rest.is_empty().then_some(false);
        }
    }
}

fn position(count: u64) -> usize {
    usize::try_from(count).expect("within a buffer")
}
