//! The transformation of permessage-deflate (RFC 7692 section 7.2), by zlib-rs.

use std::fmt;

use anyhow::{Result, ensure};
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush, Status};

/// Compresses messages at level 1, each from the end of the one before unless it is reset.
pub struct Deflater(Deflate);

/// Inflates messages, each from the end of the one before unless it is reset.
pub struct Inflater(Inflate);

impl Deflater {
    /// A compressor with a window of 2^`window_bits` bytes.
    pub fn new(window_bits: u8) -> Self {
        Self(Deflate::new(LEVEL, false, window_bits))
    }

    /// Forgets the messages so far.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// Appends the compressed message to `out`, as it is sent: without its tail.
    pub fn compress(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let before = (self.0.total_in(), self.0.total_out());
        // Random bytes grow by less, so one call does it all.
        out.resize(start + message.len() + message.len() / 4 + 64, 0);
        let status = self.0.compress(message, &mut out[start..], DeflateFlush::SyncFlush);
        ensure!(status == Ok(Status::Ok), "zlib does not compress: {status:?}");
        let taken = self.0.total_in() - before.0;
        let made = usize::try_from(self.0.total_out() - before.1)?;
        ensure!(taken == message.len() as u64, "zlib did not take the whole message");
        out.truncate(start + made);
        ensure!(out[start..].ends_with(&TAIL), "zlib did not flush");
        out.truncate(start + made - TAIL.len());
        Ok(())
    }
}

impl Inflater {
    /// A decompressor for every size of window.
    pub fn new() -> Self {
        Self(Inflate::new(false, 15))
    }

    /// Forgets the messages so far.
    pub fn reset(&mut self) {
        self.0.reset(false);
    }

    /// [`Self::inflate`] for a message that refers to none before it.
    pub fn inflate_alone(&mut self, payload: &[u8], message: &mut [u8]) -> Result<()> {
        self.reset();
        self.inflate(payload, message)
    }

    /// Fills `message` from a compressed message; fails unless it fills it exactly.
    pub fn inflate(&mut self, payload: &[u8], message: &mut [u8]) -> Result<()> {
        let mut made = 0;
        // One byte more than the message has, so that a longer one shows.
        let mut beyond = [0];
        for mut input in [payload, TAIL.as_slice()] {
            while !input.is_empty() {
                let before = (self.0.total_in(), self.0.total_out());
                let room = match &mut message[made..] {
                    [] => &mut beyond,
                    room => room,
                };
                let status = self.0.decompress(input, room, InflateFlush::SyncFlush);
                let taken = usize::try_from(self.0.total_in() - before.0)?;
                let gave = usize::try_from(self.0.total_out() - before.1)?;
                ensure!(
                    status == Ok(Status::Ok) && taken + gave > 0,
                    "the reply does not inflate: {status:?}"
                );
                made += gave;
                ensure!(made <= message.len(), "the reply inflates to more than the message has");
                input = &input[taken..];
            }
        }
        ensure!(made == message.len(), "the reply inflates to {made} bytes only");
        Ok(())
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

/// The fastest, so that the load generator keeps ahead of the server.
const LEVEL: i32 = 1;

/// The end of a flush that is not on the wire (section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

#[cfg(test)]
mod tests {
    use longwire_load::json;

    use super::*;

    #[test]
    fn messages_come_back_with_takeover_and_without_in_every_window() {
        for (bits, reset) in (9..=15).flat_map(|bits| [(bits, false), (bits, true)]) {
            let (mut deflater, mut inflater) = (Deflater::new(bits), Inflater::new());
            for size in [0, 1, 2, 100, 1024, 1024, 40_000, 200_000, 1024] {
                let message = json::messages(size as u64, 1, size).concat().into_bytes();
                let mut payload = b"before".to_vec();
                deflater.compress(&message, &mut payload).expect("compresses");
                let mut back = vec![0; size];
                inflater.inflate(&payload[6..], &mut back).expect("inflates");
                assert!(back == message, "{size} bytes, {bits} bits");
                if reset {
                    deflater.reset();
                    inflater.reset();
                }
            }
        }
    }

    #[test]
    fn another_length_and_other_data_are_refused() {
        let message = json::messages(1, 1, 1024).concat().into_bytes();
        let mut payload = Vec::new();
        Deflater::new(15).compress(&message, &mut payload).expect("compresses");
        for length in [0, 1023, 1025] {
            assert!(Inflater::new().inflate(&payload, &mut vec![0; length]).is_err(), "{length}");
        }
        assert!(Inflater::new().inflate(&payload[..100], &mut [0; 1024]).is_err());
        assert!(Inflater::new().inflate(&[0xff; 100], &mut [0; 1024]).is_err());
    }
}
