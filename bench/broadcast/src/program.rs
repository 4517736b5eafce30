//! What is broadcast: the messages in turn, in one of four ways.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use bench_common::broadcast;
use bytes::Buf;
use clap::ValueEnum;
use longwire::proto::Connection;
use longwire::{Config, Deflate, DeflateParams, Message, Prepared, Sendable, Text};

/// How a message goes to all receivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// One `Prepared`, without permessage-deflate: the first part of each message, with as many bytes on
    /// the wire as the message has compressed
    Uncompressed,
    /// One `Prepared`, compressed once for all
    #[default]
    Prepared,
    /// A message that is compressed for each receiver
    Each,
    /// One `Prepared`, without permessage-deflate: the messages as they are
    PreparedPlain,
}

/// The messages, over and over.
pub(crate) struct Program {
    way: Way,
    messages: Vec<Text>,
    next: usize,
}

impl Way {
    /// The setting of the connections.
    pub(crate) fn deflate(self, takeover: bool) -> Option<Deflate> {
        match self {
            Self::Uncompressed | Self::PreparedPlain => None,
            Self::Prepared | Self::Each if takeover => Some(Deflate::context_takeover()),
            Self::Prepared | Self::Each => Some(Deflate::no_context_takeover()),
        }
    }
}

impl Program {
    /// Messages of `size` bytes, or the first parts of them.
    pub(crate) fn new(way: Way, size: usize) -> Result<Self> {
        let messages = broadcast::messages(size).into_iter();
        let messages: Result<Vec<Text>> = match way {
            Way::Uncompressed => messages.map(as_long_as_compressed).collect(),
            Way::Prepared | Way::Each | Way::PreparedPlain => {
                Ok(messages.map(Text::from).collect())
            }
        };
        Ok(Self { way, messages: messages?, next: 0 })
    }

    /// The next message, in a form of which a clone goes to each receiver.
    pub(crate) fn next(&mut self) -> Sendable {
        let message = Message::Text(self.messages[self.next].clone());
        self.next = (self.next + 1) % self.messages.len();
        match self.way {
            Way::Each => message.into(),
            Way::Uncompressed | Way::Prepared | Way::PreparedPlain => Prepared::new(message).into(),
        }
    }
}

/// The first part of a message, with a frame of the length that the whole message has compressed.
fn as_long_as_compressed(message: String) -> Result<Text> {
    let compressed = frame_length(&message, true)?;
    // A frame's header has 2 to 10 bytes (RFC 6455 section 5.2), ASCII one byte a character.
    let mut part = message;
    part.truncate(compressed - 2);
    while frame_length(&part, false)? > compressed {
        part.pop();
    }
    ensure!(frame_length(&part, false)? == compressed, "no frame has {compressed} bytes");
    Ok(part.into())
}

/// Bytes of the frame that a server sends.
fn frame_length(message: &str, compressed: bool) -> Result<usize> {
    let mut config = Config::default();
    config.deflate = compressed.then(Deflate::no_context_takeover);
    let mut connection = Connection::server(Arc::new(config), Instant::now());
    if compressed {
        connection = connection.with_deflate(DeflateParams::NO_CONTEXT_TAKEOVER);
    }
    connection.send(Prepared::new(message), Instant::now())?;
    Ok(connection.outgoing().remaining())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_has_as_many_bytes_on_the_wire_as_the_message_compressed() {
        for size in [300, 1024, 16 * 1024] {
            let mut parts = Program::new(Way::Uncompressed, size).expect("there are such frames");
            let mut wholes = Program::new(Way::Prepared, size).expect("any size will do");
            for _ in 0..5 {
                let (part, whole) = (parts.next().into_message(), wholes.next().into_message());
                let text = |message: &Message| message.as_text().expect("text").to_owned();
                let (part, whole) = (text(&part), text(&whole));
                assert!(part.len() < whole.len() && whole.starts_with(&part));
                let lengths = [frame_length(&part, false), frame_length(&whole, true)];
                let [part, whole] = lengths.map(|length| length.expect("it is sent"));
                assert_eq!(part, whole);
            }
        }
    }
}
