//! What is sent: messages prepared in advance, in streams that connections send over and over.

use std::fmt::Write;

use bytes::Bytes;
use longwire_proto::{Message, Prepared, Sendable};

use crate::{json, random::Random};

/// What is in the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "random or not")]
pub enum Kind {
    /// Binary messages, cut at random from random bytes.
    Random,
    /// Text messages of JSON: orders, ticks and chat.
    Json,
}

impl Kind {
    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Json => "json",
        }
    }
}

/// The messages of a run, which follow from its seed. Each thread has its own.
#[derive(Debug)]
pub(crate) struct Content {
    messages: Vec<Message>,
    /// Each message, compressed once; empty where nothing is, or where it depends on what was sent
    /// before.
    prepared: Vec<Prepared>,
    /// Messages in a stream.
    stream: usize,
}

impl Content {
    /// Messages of `size` bytes.
    pub(crate) fn new(kind: Kind, size: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (messages, stream) = match kind {
            Kind::Random => (binary(size, &mut random), CUTS),
            Kind::Json => {
                let stream = (STREAM_BYTES / size.max(1)).clamp(2, STREAM_MESSAGES);
                let streams = (JSON_BYTES / (stream * size.max(1))).clamp(1, STREAMS);
                let texts = json::messages(random.number(), streams * stream, size);
                (texts.into_iter().map(Message::text).collect(), stream)
            }
        };
        Self { messages, prepared: Vec::new(), stream }
    }

    /// From now on messages go out compressed in advance, each by itself.
    pub(crate) fn prepare(&mut self) {
        if self.prepared.is_empty() {
            self.prepared = self.messages.iter().cloned().map(Prepared::new).collect();
        }
    }

    /// Message number `number` of a connection, as it comes back.
    pub(crate) fn message(&self, connection: usize, number: u64) -> &Message {
        &self.messages[self.index(connection, number)]
    }

    /// The same, to be sent.
    pub(crate) fn sendable(&self, connection: usize, number: u64) -> Sendable {
        let index = self.index(connection, number);
        match self.prepared.get(index) {
            Some(prepared) => prepared.into(),
            None => self.messages[index].clone().into(),
        }
    }

    /// Connections with the same stream are at different places of it, so that neighbours differ.
    fn index(&self, connection: usize, number: u64) -> usize {
        let streams = self.messages.len() / self.stream;
        let stream = self.stream as u64;
        let place = (number + (connection / streams) as u64 * STEP) % stream;
        let place = usize::try_from(place).expect("below a usize");
        connection % streams * self.stream + place
    }
}

/// Messages cut from random bytes, which they share.
fn binary(size: usize, random: &mut Random) -> Vec<Message> {
    let words = (size + OFFSETS).div_ceil(8);
    let pool: Vec<u8> = (0..words).flat_map(|_| random.number().to_ne_bytes()).collect();
    let pool = Bytes::from(pool);
    let cut = |start: usize| Message::Binary(pool.slice(start..start + size));
    (0..CUTS).map(|_| cut(random.below(OFFSETS))).collect()
}

/// What came, for a message to a person: its type, its length, and how it begins.
pub(crate) fn describe(message: &Message) -> String {
    let bytes = message.as_bytes();
    let kind = match message {
        Message::Text(_) => "text",
        Message::Binary(_) => "binary",
    };
    let mut shown = String::new();
    match message {
        Message::Text(text) => {
            shown.extend(text.chars().take(SHOWN).flat_map(char::escape_debug));
        }
        Message::Binary(bytes) => {
            for byte in bytes.iter().take(SHOWN) {
                write!(shown, "{byte:02x}").expect("a String takes all");
            }
        }
    }
    let more = if bytes.len() > SHOWN { "..." } else { "" };
    format!("{kind}, {} bytes: {shown}{more}", bytes.len())
}

/// Places in random bytes where a message may start.
const OFFSETS: usize = 64 * 1024;

/// Messages cut from random bytes.
const CUTS: usize = 1024;

/// Bytes of a stream of JSON, unless two messages have more: so many that no message meets itself in
/// a compressor's window of 32 KiB.
const STREAM_BYTES: usize = 256 * 1024;

/// Messages of a stream at most: of the shortest messages, too, a window holds fewer different ones.
const STREAM_MESSAGES: usize = 4096;

/// Streams at most.
const STREAMS: usize = 16;

/// Bytes of all streams at most, while there are two.
const JSON_BYTES: usize = 16 << 20;

/// How much further in its stream the next connection that shares it is. Odd and large, so that
/// neighbours do not send one another's messages soon.
const STEP: u64 = 61;

/// Characters, or bytes, of a message that a person is shown.
const SHOWN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_sends_its_stream_over_and_over() {
        for size in [0, 1, 32, 1024, 300_000, 20 << 20] {
            for kind in [Kind::Json, Kind::Random] {
                let content = Content::new(kind, size, 1);
                for connection in [0, 1, 15, 16, 17, 100_000] {
                    for number in [0, 1, content.stream as u64 - 1] {
                        let message = content.message(connection, number);
                        assert_eq!(message.len(), size);
                        let again = content.message(connection, number + content.stream as u64);
                        assert_eq!(message, again);
                        assert_eq!(content.sendable(connection, number).message(), message);
                    }
                }
            }
        }
    }

    #[test]
    fn neighbours_and_successors_differ_and_all_follow_from_the_seed() {
        for kind in [Kind::Json, Kind::Random] {
            let content = Content::new(kind, 100, 7);
            let again = Content::new(kind, 100, 7);
            let other = Content::new(kind, 100, 8);
            for connection in 0..40 {
                let message = content.message(connection, 3);
                assert_ne!(message, content.message(connection, 4));
                assert_ne!(message, content.message(connection + 1, 3));
                assert_eq!(message, again.message(connection, 3));
                assert_ne!(message, other.message(connection, 3));
            }
        }
    }

    #[test]
    fn prepared_messages_are_the_same_ones() {
        let mut content = Content::new(Kind::Json, 500, 7);
        let before = content.message(5, 9).clone();
        content.prepare();
        assert!(matches!(content.sendable(5, 9), Sendable::Prepared(_)));
        assert_eq!(*content.sendable(5, 9).message(), before);
    }
}
