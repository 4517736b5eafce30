//! Message content: every message is a slice of one pool, so that content varies and is checked at memory
//! speed.

use longwire_load::json;
use longwire_load::random::Random;

use crate::agreement::Offer;
use crate::frames::{BINARY, TEXT};

/// What is in the messages, and whether they are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Random bytes.
    Binary,
    /// JSON text.
    Text,
    /// JSON text, compressed as the server agreed to on this offer.
    Deflated(Offer),
}

/// The bytes of which every message is a slice: random ones of which any are a message, or streams of JSON
/// messages, of which each connection sends one, in order and over and over.
///
/// As every connection that sends a stream sends it from its start, the stream can be compressed in
/// advance, even where messages refer to those before them.
#[derive(Debug)]
pub struct Content {
    pool: Vec<u8>,
    size: usize,
    kind: Kind,
    /// Messages in a stream.
    stream: usize,
}

impl Content {
    /// A pool for messages of `size` bytes.
    pub fn new(kind: Kind, size: usize, random: &mut Random) -> Self {
        let stream = (STREAM_BYTES / size.max(1)).max(2);
        let pool = match kind {
            Kind::Binary => {
                let words = (size + OFFSETS).div_ceil(8);
                (0..words).flat_map(|_| random.number().to_ne_bytes()).collect()
            }
            Kind::Text | Kind::Deflated(_) => {
                let streams = (JSON_BYTES / (stream * size.max(1))).clamp(1, STREAMS);
                json::messages(random.number(), streams * stream, size).concat().into_bytes()
            }
        };
        Self { pool, size, kind, stream }
    }

    /// What the messages are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The opcode of a message's first frame.
    pub fn opcode(&self) -> u8 {
        if self.kind == Kind::Binary { BINARY } else { TEXT }
    }

    /// Where the stream of connection number `connection` starts.
    pub fn start(&self, connection: usize) -> usize {
        let length = self.stream * self.size.max(1);
        connection % (self.pool.len() / length).max(1) * length
    }

    /// Where the next message starts. `place` is where it does in the connection's stream, and is moved on.
    pub fn pick(&self, place: &mut usize, random: &mut Random) -> usize {
        if self.kind == Kind::Binary {
            return random.below(OFFSETS);
        }
        let offset = *place;
        let next = self.index(offset) + 1;
        *place =
            if next.is_multiple_of(self.stream) { next - self.stream } else { next } * self.size;
        offset
    }

    /// The message that starts at `offset`.
    pub fn message(&self, offset: usize) -> &[u8] {
        &self.pool[offset..offset + self.size]
    }

    /// All JSON messages by their index, and whether each starts a stream.
    pub fn each(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let messages = self.pool.chunks_exact(self.size.max(1)).enumerate();
        messages.map(|(index, message)| (message, index.is_multiple_of(self.stream)))
    }

    /// The index of the JSON message that starts at `offset`.
    pub fn index(&self, offset: usize) -> usize {
        offset / self.size.max(1)
    }
}

/// Places in random bytes where a message may start.
const OFFSETS: usize = 64 * 1024;

/// Bytes of a stream, unless two messages have more: so many that no message meets itself in a
/// compressor's window of 32 KiB.
const STREAM_BYTES: usize = 256 * 1024;

/// Streams at most.
const STREAMS: usize = 16;

/// Bytes of all streams at most, while there are two.
const JSON_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_sends_its_stream_over_and_over() {
        for size in [1, 32, 1024, 300_000, 20 << 20] {
            let mut random = Random::new(1);
            let content = Content::new(Kind::Text, size, &mut random);
            for connection in [0, 1, 15, 16, 17] {
                let start = content.start(connection);
                let mut place = start;
                for number in 0..2 * content.stream {
                    let expected = start + number % content.stream * size;
                    assert_eq!(content.pick(&mut place, &mut random), expected);
                    assert_eq!(content.message(expected).len(), size);
                    assert_eq!(content.index(expected), expected / size);
                }
            }
            let starts = content.each().filter(|(_, starts)| *starts).count();
            assert_eq!(starts * content.stream, content.each().count());
        }
    }
}
