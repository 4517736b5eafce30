//! Messages of the kinds that compressors tell apart.

use std::fmt::Write as _;

use longwire_proto::Message;

use crate::support::Rng;

/// A message; `said` is what went before it, to be said again.
pub(crate) fn message(rng: &mut Rng, said: &[Vec<u8>], large: bool) -> Message {
    let mut bytes = payload(rng, said, large);
    if rng.one_in(2) {
        let valid = std::str::from_utf8(&bytes).map_or_else(|it| it.valid_up_to(), str::len);
        if valid == bytes.len() || rng.one_in(4) {
            bytes.truncate(valid);
            return Message::text(String::from_utf8(bytes).expect("checked above"));
        }
    }
    Message::binary(bytes)
}

fn payload(rng: &mut Rng, said: &[Vec<u8>], large: bool) -> Vec<u8> {
    if large && rng.one_in(16) {
        let len = [65_535, 65_536, 65_537, 131_072, 300 * 1024][rng.below(0..5)];
        return match rng.below(0..4) {
            0 => noise(rng, len),
            1 => repeated(rng, len),
            // What shrinks at first and then does not.
            2 => [words(rng, len - 60_000), noise(rng, 60_000)].concat(),
            _ => words(rng, len),
        };
    }
    let len = [10, 100, 300, 1000, 4000][rng.below(0..5)];
    let len = rng.below(len / 2..len * 2);
    match rng.below(0..10) {
        0 => Vec::new(),
        1 => rng.bytes(1),
        2 => noise(rng, len),
        3 | 4 => repeated(rng, len),
        5 => words(rng, len),
        6 | 7 if !said.is_empty() => {
            let mut again = said[rng.below(0..said.len())].clone();
            let start = rng.below(0..again.len() + 1);
            again.rotate_left(start);
            again.truncate(len);
            again
        }
        _ => json(rng, len),
    }
}

fn noise(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&rng.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn repeated(rng: &mut Rng, len: usize) -> Vec<u8> {
    let period = [1, 2, 3, 258, 300, 511, 513][rng.below(0..7)];
    let mut bytes = noise(rng, period).repeat(len / period + 1);
    bytes.truncate(len);
    bytes
}

fn words(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < len {
        let word = rng.below(0..WORDS.len());
        text.push_str(WORDS[rng.below(0..word + 1)]);
        text.push(' ');
    }
    text.truncate(text.floor_char_boundary(len));
    text.into_bytes()
}

fn json(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut text = String::from("[");
    while text.len() < len {
        let (id, price) = (rng.below(0..100_000), rng.below(0..10_000));
        let name = WORDS[rng.below(0..WORDS.len())];
        write!(text, "{{\"id\":{id},\"name\":\"{name}\",\"price\":{price}.5}},")
            .expect("a String takes any text");
    }
    text.push(']');
    text.into_bytes()
}

const WORDS: [&str; 24] = [
    "the",
    "of",
    "window",
    "and",
    "to",
    "in",
    "is",
    "that",
    "a",
    "message",
    "with",
    "for",
    "as",
    "was",
    "Größe",
    "history",
    "they",
    "compressed",
    "€",
    "peer",
    "naïve",
    "😀",
    "because",
    "日本",
];
