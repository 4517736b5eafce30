//! Masks and headers of frames, without a connection.

use std::hint::black_box;

use longwire_proto::{FrameHeader, MaskingKey, Opcode};

use super::Work;
use crate::data::{self, Numbers};

/// Masks `size` bytes in place, over and over.
pub(super) fn mask(size: usize, times: usize) -> Work {
    let mut payload = data::bytes(size);
    let key = Numbers::new(3).key();
    Box::new(move || {
        for _ in 0..times {
            MaskingKey::new(black_box(key)).apply(black_box(&mut payload));
        }
    })
}

/// Parses headers of every length.
pub(super) fn parse() -> Work {
    let headers: Vec<Vec<u8>> = headers().iter().map(encoded).collect();
    Box::new(move || {
        for _ in 0..TIMES {
            for header in &headers {
                let parsed = FrameHeader::parse(black_box(header));
                assert!(black_box(parsed).is_ok_and(|header| header.is_some()));
            }
        }
    })
}

/// Encodes headers of every length.
pub(super) fn encode() -> Work {
    let headers = headers();
    let mut output = Vec::with_capacity(headers.len() * FrameHeader::MAX_LEN);
    Box::new(move || {
        for _ in 0..TIMES {
            output.clear();
            for header in &headers {
                black_box(header).encode(black_box(&mut output));
            }
        }
        assert!(!output.is_empty());
    })
}

/// Masked and not, of every form of length.
pub(crate) fn headers() -> Vec<FrameHeader> {
    let key = Numbers::new(4).key();
    let masks = [None, Some(key)];
    let lengths = [0, 32, 125, 126, 1024, 65_535, 65_536, 1 << 20];
    let header = |mask, length| {
        let mut header = FrameHeader::new(Opcode::Binary, length);
        header.mask = mask;
        header
    };
    masks.iter().flat_map(|&mask| lengths.map(|length| header(mask, length))).collect()
}

pub(crate) fn encoded(header: &FrameHeader) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    bytes
}

const TIMES: usize = 200;
