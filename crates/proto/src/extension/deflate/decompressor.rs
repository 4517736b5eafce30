//! Messages made whole again (RFC 7692 §7.2.2).

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Deflate, TAIL, WindowBits, history::History, pool};
use crate::{Limit, ProtocolError};

/// The receiving half of one connection's permessage-deflate.
pub(crate) struct Decompressor {
    takeover: bool,
    max_ratio: Option<u64>,
    /// What later bytes may refer to, as far as the decompressor is not held.
    history: History,
    /// Held while a message is under way; boxed, since most come whole.
    inflate: Option<Box<Inflate>>,
    /// Input that waited for room in the output.
    kept: Vec<u8>,
    /// Whether the output was full, so that there may be more of it without further input.
    more: bool,
    /// Whether the compressed data may end here: nothing came, or a final block ended.
    at_end: bool,
    /// Bytes of [`END`] that were taken.
    ended: usize,
    /// Bytes that the headers of the message's frames declared so far, and what became of them.
    declared: u64,
    made: u64,
}

/// What came of some input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inflated {
    /// The input is used up.
    Part(usize),
    /// The output is full; there may be more without further input.
    Full,
    /// The message is whole.
    Whole(usize),
}

impl Decompressor {
    pub(crate) fn new(settings: &Deflate, takeover: bool, bits: WindowBits) -> Self {
        Self {
            takeover,
            max_ratio: settings.max_ratio.map(|ratio| ratio.get().into()),
            history: History::new(bits.window_size()),
            inflate: None,
            kept: Vec::new(),
            more: false,
            at_end: true,
            ended: 0,
            declared: 0,
            made: 0,
        }
    }

    /// Counts a further frame of the message. What it declares does not depend on how it arrives.
    pub(crate) fn begin_frame(&mut self, payload_len: u64) {
        self.declared = self.declared.saturating_add(payload_len);
    }

    /// Keeps input that [`Self::inflate`] left, until there is room for what becomes of it.
    pub(crate) fn keep(&mut self, input: &[u8]) {
        self.kept = input.to_vec();
    }

    /// What was kept.
    pub(crate) fn take_kept(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }

    /// Whether something may come of what was taken already.
    pub(crate) fn has_more(&self) -> bool {
        self.more || !self.kept.is_empty()
    }

    /// Inflates from `input` into `out`, which must not be empty. `last` says that the message has
    /// no input but this.
    pub(crate) fn inflate(
        &mut self,
        input: &mut &[u8],
        last: bool,
        out: &mut [u8],
    ) -> Result<Inflated, ProtocolError> {
        let mut inflate = match self.inflate.take() {
            Some(inflate) => *inflate,
            None => self.start()?,
        };
        let mut made = 0;
        // Bytes of `out` that `history` has.
        let mut remembered = 0;
        let result = loop {
            let source = match *input {
                [] if self.more => &[],
                [] if !last => break Inflated::Part(made),
                [] if self.at_end => break Inflated::Whole(made),
                [] => &END[self.ended..],
                input => input,
            };
            let draining = source.is_empty();
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(source, &mut out[made..], InflateFlush::SyncFlush)
                .map_err(|_| ProtocolError::DeflateInvalid)?;
            let took = usize::try_from(inflate.total_in() - before_in).expect("within the input");
            let gave =
                usize::try_from(inflate.total_out() - before_out).expect("within the output");
            made += gave;
            if input.is_empty() {
                self.ended += took;
            } else {
                *input = &input[took..];
                self.at_end &= took == 0;
            }
            self.check_ratio(gave)?;
            self.more = made == out.len();
            if self.ended > 0 && gave > 0 {
                // What was cut takes the end for its own.
                return Err(ProtocolError::DeflateInvalid);
            }
            if status == Status::StreamEnd {
                if self.ended == END.len() {
                    break Inflated::Whole(made);
                }
                // BFINAL (§7.2.3.4): further blocks follow, and may refer to what came before.
                self.history.push(&out[remembered..made]);
                remembered = made;
                inflate.reset(false);
                self.prime(&mut inflate)?;
                self.at_end = self.ended == 0;
            } else if self.more {
                break Inflated::Full;
            } else if took == 0 && gave == 0 && !draining || self.ended == END.len() {
                // The data does not end with a block.
                return Err(ProtocolError::DeflateInvalid);
            }
        };
        let whole = matches!(result, Inflated::Whole(_));
        if self.takeover || !whole {
            self.history.push(&out[remembered..made]);
        } else {
            self.history.clear();
        }
        if whole {
            pool::give_decompressor(inflate);
            (self.more, self.at_end, self.ended) = (false, true, 0);
            (self.declared, self.made) = (0, 0);
        } else {
            self.inflate = Some(Box::new(inflate));
        }
        Ok(result)
    }

    /// A decompressor that knows the window.
    fn start(&mut self) -> Result<Inflate, ProtocolError> {
        let mut inflate = pool::take_decompressor();
        self.prime(&mut inflate)?;
        Ok(inflate)
    }

    fn prime(&self, inflate: &mut Inflate) -> Result<(), ProtocolError> {
        let history = self.history.as_slice();
        if history.is_empty() {
            return Ok(());
        }
        inflate.set_dictionary(history).map(drop).map_err(|_| ProtocolError::DeflateInvalid)
    }

    fn check_ratio(&mut self, gave: usize) -> Result<(), ProtocolError> {
        self.made += gave as u64;
        match self.max_ratio {
            Some(ratio) if self.made > RATIO_FREE.max(self.declared.saturating_mul(ratio)) => {
                let ratio = u32::try_from(ratio).expect("made of one");
                Err(ProtocolError::LimitExceeded(Limit::InflationRatio(ratio)))
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decompressor").field("takeover", &self.takeover).finish_non_exhaustive()
    }
}

/// What is fed behind a message: the tail that is not on the wire, and a final block without
/// content, whose end shows that nothing was cut.
const END: [u8; 6] = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0x03, 0x00];

/// Bytes that a message may become whatever the ratio.
const RATIO_FREE: u64 = 64 * 1024;
