//! Masks and headers of frames.

use std::hint::black_box;

use longwire_proto::{FrameHeader, MaskingKey, Opcode};

use super::{Comparison, contestant, script};
use crate::data::{self, Numbers};
use crate::scenarios::frames::{encoded, headers};

pub(super) fn comparisons() -> Vec<Comparison> {
    let sizes = [32, 125, 1 << 10, 4 << 10, 64 << 10, 1 << 20];
    sizes.map(mask).into_iter().chain([parse(), encode()]).collect()
}

/// In place and where it arrives, behind its header; beside a copy of as many bytes from there, and the
/// loop as the standard has it.
fn mask(size: usize) -> Comparison {
    let key = Numbers::new(3).key();
    let mut header = FrameHeader::new(Opcode::Binary, size as u64);
    header.mask = Some(key);
    let start = encoded(&header).len();
    let source = data::bytes(start + size);
    let (mut masked, mut by_octet) = (source.clone(), source.clone());
    let mut copy = vec![0; size];
    let contestants = vec![
        contestant("memcpy", move || {
            black_box(&mut copy[..]).copy_from_slice(&black_box(&source)[start..]);
        }),
        contestant("longwire", move || {
            MaskingKey::new(black_box(key)).apply(&mut black_box(&mut masked)[start..]);
        }),
        contestant("octet by octet", move || {
            let key = black_box(key);
            for (index, octet) in black_box(&mut by_octet)[start..].iter_mut().enumerate() {
                *octet ^= key[index % 4];
            }
        }),
    ];
    Comparison { name: "mask".to_owned(), size: Some(size), contestants }
}

fn parse() -> Comparison {
    let headers: Vec<Vec<u8>> = headers().iter().map(encoded).collect();
    let count = u32::try_from(headers.len()).expect("a few");
    let longwire = script("longwire", count, move || {
        for header in &headers {
            black_box(FrameHeader::parse(black_box(header))).expect("it is one");
        }
    });
    Comparison { name: "header, parse".to_owned(), size: None, contestants: vec![longwire] }
}

fn encode() -> Comparison {
    let headers = headers();
    let count = u32::try_from(headers.len()).expect("a few");
    let mut output = Vec::with_capacity(headers.len() * FrameHeader::MAX_LEN);
    let longwire = script("longwire", count, move || {
        output.clear();
        for header in &headers {
            black_box(header).encode(black_box(&mut output));
        }
    });
    Comparison { name: "header, encode".to_owned(), size: None, contestants: vec![longwire] }
}
