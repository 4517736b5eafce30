//! Client frames out and server frames in (RFC 6455 section 5.2), without holding a message.

use anyhow::{Result, ensure};
use bench_common::apply_mask;

/// Opcode of a continuation frame.
pub const CONTINUATION: u8 = 0;
/// Opcode of a text message.
pub const TEXT: u8 = 1;
/// Opcode of a binary message.
pub const BINARY: u8 = 2;
/// Opcode of a Close frame.
pub const CLOSE: u8 = 8;
/// Opcode of a Ping frame.
pub const PING: u8 = 9;
/// Opcode of a Pong frame.
pub const PONG: u8 = 10;

/// The reserved bit that says, on a message's first frame, that it is compressed (RFC 7692 section 6).
pub const RSV1: u8 = 0x40;

/// Appends one final frame, masked with `key`. `opcode` may have [`RSV1`].
pub fn encode(out: &mut Vec<u8>, opcode: u8, payload: &[u8], key: [u8; 4]) {
    let size = payload.len();
    out.push(0x80 | opcode);
    if size < 126 {
        out.push(0x80 | u8::try_from(size).expect("below 126"));
    } else if let Ok(size) = u16::try_from(size) {
        out.push(0xfe);
        out.extend_from_slice(&size.to_be_bytes());
    } else {
        out.push(0xff);
        out.extend_from_slice(&(size as u64).to_be_bytes());
    }
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], key);
}

/// A run of payload bytes of one frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Opcode of the frame.
    pub opcode: u8,
    /// The frame is the last of its message.
    pub fin: bool,
    /// The frame has [`RSV1`].
    pub compressed: bool,
    /// Payload bytes, in order.
    pub payload: &'a [u8],
    /// The frame ends with these bytes.
    pub ends_frame: bool,
}

/// Reads server frames from bytes in any chunking.
#[derive(Debug, Default)]
pub struct Decoder {
    /// permessage-deflate was agreed on.
    deflate: bool,
    header: [u8; 10],
    have: usize,
    /// Payload bytes still to come, once the header is whole.
    remaining: Option<u64>,
}

impl Decoder {
    /// A decoder that takes [`RSV1`] where `deflate` says that permessage-deflate was agreed on.
    pub fn new(deflate: bool) -> Self {
        Self { deflate, ..Self::default() }
    }

    /// The next piece of payload, taken off the front of `input`; `None` when `input` is used up.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>> {
        let remaining = match self.remaining {
            Some(remaining) => remaining,
            None => match self.read_header(input)? {
                Some(payload) => payload,
                None => return Ok(None),
            },
        };
        let size = usize::try_from(remaining).unwrap_or(usize::MAX).min(input.len());
        if size == 0 && remaining > 0 {
            self.remaining = Some(remaining);
            return Ok(None);
        }
        let (payload, rest) = input.split_at(size);
        *input = rest;
        let left = remaining - size as u64;
        self.remaining = (left > 0).then_some(left);
        let piece = Piece {
            opcode: self.header[0] & 0x0f,
            fin: self.header[0] & 0x80 != 0,
            compressed: self.header[0] & RSV1 != 0,
            payload,
            ends_frame: left == 0,
        };
        if left == 0 {
            self.have = 0;
        }
        Ok(Some(piece))
    }

    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<u64>> {
        loop {
            let size = match (self.have, self.header[1] & 0x7f) {
                (0 | 1, _) => 2,
                (_, 126) => 4,
                (_, 127) => 10,
                _ => 2,
            };
            if self.have == size {
                break;
            }
            let take = (size - self.have).min(input.len());
            if take == 0 {
                return Ok(None);
            }
            self.header[self.have..self.have + take].copy_from_slice(&input[..take]);
            self.have += take;
            *input = &input[take..];
        }
        let [first, second, long @ ..] = self.header;
        let starts_message = matches!(first & 0x0f, TEXT | BINARY);
        let allowed = if self.deflate && starts_message { RSV1 } else { 0 };
        ensure!(first & 0x70 & !allowed == 0, "the server set a reserved bit");
        ensure!(second & 0x80 == 0, "the server sent a masked frame");
        Ok(Some(match second {
            126 => u64::from(u16::from_be_bytes([long[0], long[1]])),
            127 => u64::from_be_bytes(long),
            short => u64::from(short),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_the_same_in_chunks_of_every_size() {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for (opcode, size) in
            [(BINARY, 0_usize), (BINARY, 3), (PING, 125), (BINARY, 126), (BINARY, 66_000)]
        {
            let payload: Vec<u8> =
                (0..size).map(|n| u8::try_from(n % 251).expect("below 251")).collect();
            let mut masked = Vec::new();
            encode(&mut masked, opcode, &payload, [0; 4]);
            let header = masked.len() - payload.len() - 4;
            masked[1] &= 0x7f;
            wire.extend_from_slice(&masked[..header]);
            wire.extend_from_slice(&payload);
            expected.push((opcode, payload));
        }
        for chunk in [1, 2, 3, 7, 4096, wire.len()] {
            let mut decoder = Decoder::default();
            let mut frames = Vec::new();
            let mut payload = Vec::new();
            for mut input in wire.chunks(chunk) {
                while let Some(piece) = decoder.next(&mut input).expect("valid frames") {
                    payload.extend_from_slice(piece.payload);
                    if piece.ends_frame {
                        frames.push((piece.opcode, std::mem::take(&mut payload)));
                    }
                }
            }
            assert!(frames == expected, "chunks of {chunk}");
        }
    }

    #[test]
    fn masked_and_reserved_frames_are_refused() {
        for bytes in [[0x82, 0x80], [0xc2, 0x00]] {
            assert!(Decoder::default().next(&mut bytes.as_slice()).is_err());
        }
        // With permessage-deflate the first of three bits, on the first frame of a message.
        for (bytes, good) in [
            ([0xc2, 0x00], true),
            ([0xe2, 0x00], false),
            ([0xc0, 0x00], false),
            ([0xca, 0x00], false),
        ] {
            assert_eq!(Decoder::new(true).next(&mut bytes.as_slice()).is_ok(), good, "{bytes:x?}");
        }
    }
}
