//! Messages made whole again (RFC 7692 §7.2.2).

use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Deflate, TAIL, WindowBits, history::History, pool};
use crate::{Limit, ProtocolError};

/// The receiving half of one connection's permessage-deflate.
#[derive(Debug)]
pub(crate) struct Decompressor {
    takeover: bool,
    max_ratio: Option<u64>,
    /// What later bytes may refer to, and the decompressor under way does not know.
    history: History,
    under_way: Option<Box<UnderWay>>,
}

/// A compressed message that has not ended.
struct UnderWay {
    inflate: Inflate,
    /// Input that waited for room in the output.
    kept: Vec<u8>,
    /// Whether the output was full, so that there may be more of it without further input.
    more: bool,
    /// Whether the data turned out to be corrupt behind what was given out.
    corrupt: bool,
    /// Whether the data may end here: nothing came, or a final block ended.
    at_end: bool,
    /// Bytes of [`END`] that were taken.
    ended: usize,
    /// Bytes taken so far, and what became of them.
    taken: u64,
    made: u64,
}

/// What came of some input, with the number of bytes in the output.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inflated {
    /// The input is used up.
    Part(usize),
    /// The output is full, or as full as it may be; there may be more without further input.
    Full(usize),
    /// The message is whole.
    Whole(usize),
}

impl Decompressor {
    pub(crate) fn new(settings: &Deflate, takeover: bool, bits: WindowBits) -> Self {
        Self {
            takeover,
            max_ratio: settings.max_ratio.map(|ratio| ratio.get().into()),
            history: History::new(bits.window_size()),
            under_way: None,
        }
    }

    /// Keeps input that [`Self::inflate`] left, until there is room for what becomes of it.
    pub(crate) fn keep(&mut self, input: &[u8]) {
        if let Some(message) = &mut self.under_way {
            message.kept = input.to_vec();
        }
    }

    /// What was kept.
    pub(crate) fn take_kept(&mut self) -> Vec<u8> {
        self.under_way.as_mut().map(|message| std::mem::take(&mut message.kept)).unwrap_or_default()
    }

    /// Whether something may come of what was taken already.
    pub(crate) fn has_more(&self) -> bool {
        self.under_way.as_ref().is_some_and(|it| it.more || it.corrupt || !it.kept.is_empty())
    }

    /// Inflates from `input` into `out`, which must not be empty. `last` says that the message has
    /// no input but this.
    ///
    /// What comes before corrupt data is given out first, whatever the pieces of the input.
    pub(crate) fn inflate(
        &mut self,
        input: &mut &[u8],
        last: bool,
        out: &mut [u8],
    ) -> Result<Inflated, ProtocolError> {
        let mut message = match self.under_way.take() {
            Some(message) => message,
            None => Box::new(self.start()?),
        };
        if message.corrupt {
            return Err(ProtocolError::DeflateInvalid);
        }
        let out_len = match self.max_ratio {
            // Judged where the message stands at the same bytes, however they arrive.
            Some(_) => out.len().min(message.bytes_to_verdict()),
            None => out.len(),
        };
        let out = &mut out[..out_len];
        let mut made = 0;
        // Bytes of `out` that `history` has.
        let mut remembered = 0;
        let result = loop {
            let source = match *input {
                [] if message.more => &[],
                [] if !last => break Inflated::Part(made),
                [] if message.at_end => break Inflated::Whole(made),
                [] => &END[message.ended..],
                input => input,
            };
            let draining = source.is_empty();
            let (status, took, gave) = message.step(source, &mut out[made..]);
            if input.is_empty() {
                message.ended += took;
                if gave > 0 && !draining {
                    // What was cut takes the end for its own.
                    break message.spoil(made)?;
                }
            } else {
                *input = &input[took..];
                message.at_end &= took == 0;
                message.taken += took as u64;
            }
            made += gave;
            message.more = made == out.len();
            let stuck = took == 0 && gave == 0 && !draining && !message.more;
            match status {
                Some(Status::StreamEnd) if message.ended == END.len() => {
                    break Inflated::Whole(made);
                }
                Some(Status::StreamEnd) => {
                    // BFINAL (§7.2.3.4): further blocks follow, and may refer to what came before.
                    self.history.push(&out[remembered..made]);
                    remembered = made;
                    message.inflate.reset(false);
                    self.prime(&mut message.inflate)?;
                    message.at_end = message.ended == 0;
                }
                Some(_) if message.more => break Inflated::Full(made),
                // The data does not end with a block.
                Some(_) if message.ended == END.len() || stuck => break message.spoil(made)?,
                Some(_) => {}
                None => break message.spoil(made)?,
            }
        };
        self.check_ratio(&message)?;
        if let Inflated::Whole(_) = result {
            pool::give_decompressor(message.inflate);
            if !self.takeover {
                self.history.clear();
                return Ok(result);
            }
        } else {
            self.under_way = Some(message);
        }
        self.history.push(&out[remembered..made]);
        Ok(result)
    }

    /// A message of which nothing has come, and a decompressor that knows the window.
    fn start(&mut self) -> Result<UnderWay, ProtocolError> {
        let mut inflate = pool::take_decompressor();
        self.prime(&mut inflate)?;
        Ok(UnderWay {
            inflate,
            kept: Vec::new(),
            more: false,
            corrupt: false,
            at_end: true,
            ended: 0,
            taken: 0,
            made: 0,
        })
    }

    fn prime(&self, inflate: &mut Inflate) -> Result<(), ProtocolError> {
        for part in self.history.parts().into_iter().filter(|part| !part.is_empty()) {
            inflate.set_dictionary(part).map_err(|_| ProtocolError::DeflateInvalid)?;
        }
        Ok(())
    }

    fn check_ratio(&self, message: &UnderWay) -> Result<(), ProtocolError> {
        match self.max_ratio {
            Some(ratio)
                if message.made.is_multiple_of(VERDICT_EVERY)
                    && message.made > RATIO_FREE.max(message.taken.saturating_mul(ratio)) =>
            {
                let ratio = u32::try_from(ratio).expect("made of one");
                Err(ProtocolError::LimitExceeded(Limit::InflationRatio(ratio)))
            }
            _ => Ok(()),
        }
    }
}

impl UnderWay {
    /// Inflates once: the status, unless the data is corrupt, and the bytes taken and made.
    fn step(&mut self, source: &[u8], out: &mut [u8]) -> (Option<Status>, usize, usize) {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(source, out, InflateFlush::SyncFlush).ok();
        let took = self.inflate.total_in() - before_in;
        let gave = self.inflate.total_out() - before_out;
        self.made += gave;
        let count = |bytes: u64| usize::try_from(bytes).expect("within a buffer");
        (status, count(took), count(gave))
    }

    /// The data is corrupt behind what is in the output, which counts first.
    fn spoil(&mut self, made: usize) -> Result<Inflated, ProtocolError> {
        self.corrupt = true;
        if made > 0 { Ok(Inflated::Part(made)) } else { Err(ProtocolError::DeflateInvalid) }
    }

    fn bytes_to_verdict(&self) -> usize {
        let left = VERDICT_EVERY - self.made % VERDICT_EVERY;
        usize::try_from(left).expect("16 KiB at most")
    }
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderWay").field("made", &self.made).finish_non_exhaustive()
    }
}

/// What is fed behind a message: the tail that is not on the wire, and a final block without
/// content, whose end shows that nothing was cut.
const END: [u8; 6] = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0x03, 0x00];

/// Bytes that a message may become whatever the ratio.
const RATIO_FREE: u64 = 64 * 1024;

/// Bytes from one look at the ratio to the next.
const VERDICT_EVERY: u64 = 16 * 1024;
