//! One connection's messages: which is the next, and whether what comes back is the one expected.

use std::collections::VecDeque;

use longwire_proto::Message;

use crate::content::{Content, describe};

/// Messages on their way to the server and back. Their content follows from their number, so only
/// counts are kept.
#[derive(Debug)]
pub(crate) struct Dialogue {
    /// Whose messages these are: the connection's own number, or the broadcaster's.
    speaker: usize,
    /// Messages that are to be sent by now.
    pub(crate) due: u64,
    /// Messages sent.
    pub(crate) sent: u64,
    /// Messages that came back and were verified.
    pub(crate) received: u64,
    /// Verified bytes of the message that is arriving.
    verified: usize,
    /// When the messages on their way were sent, oldest first; empty in an open loop, where it
    /// follows from their number.
    pub(crate) times: VecDeque<u64>,
}

impl Dialogue {
    pub(crate) fn new(speaker: usize) -> Self {
        Self { speaker, due: 0, sent: 0, received: 0, verified: 0, times: VecDeque::new() }
    }

    /// The number in the stream of whom the messages are.
    pub(crate) fn speaker(&self) -> usize {
        self.speaker
    }

    /// How much has come and was verified: whole messages, and bytes of the one that is arriving.
    pub(crate) fn progress(&self) -> (u64, usize) {
        (self.received, self.verified)
    }

    /// Verifies a part of what arrives, while `allowed` messages may have come in all. Whether it was
    /// the last of its message.
    pub(crate) fn take(
        &mut self,
        part: &Message,
        fin: bool,
        allowed: u64,
        content: &Content,
    ) -> Result<bool, String> {
        if self.received >= allowed {
            return Err(format!(
                "the server sent a message that nobody asked for ({}); it has to send every message \
                 back, and nothing else",
                describe(part)
            ));
        }
        let expected = content.message(self.speaker, self.received);
        let end = self.verified + part.len();
        let same = expected.as_bytes().get(self.verified..end) == Some(part.as_bytes())
            && (!fin || end == expected.len())
            && part.message_type() == expected.message_type();
        if !same {
            return Err(self.difference(part, expected, fin));
        }
        if fin {
            self.verified = 0;
            self.received += 1;
        } else {
            self.verified = end;
        }
        Ok(fin)
    }

    fn difference(&self, part: &Message, expected: &Message, fin: bool) -> String {
        let number = self.received;
        let wanted = &expected.as_bytes()[self.verified..];
        let came = part.as_bytes();
        let what = if part.message_type() != expected.message_type() {
            "its type is another".to_owned()
        } else if let Some(at) = came.iter().zip(wanted).position(|(came, wanted)| came != wanted) {
            format!("byte {} is {:#04x} and was {:#04x}", self.verified + at, came[at], wanted[at])
        } else if fin {
            format!("it has {} bytes and had {}", self.verified + came.len(), expected.len())
        } else {
            format!("it has more than its {} bytes", expected.len())
        };
        let at = if self.verified > 0 {
            format!(", from byte {}", self.verified)
        } else {
            String::new()
        };
        format!(
            "message {number} came back changed: {what}; expected {}, came {}{at}",
            describe(expected),
            describe(part)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn cut(message: &Message, start: usize, end: usize) -> Message {
        match message {
            Message::Text(text) => Message::text(&text[start..end]),
            Message::Binary(bytes) => Message::binary(bytes.slice(start..end)),
        }
    }

    #[test]
    fn whole_messages_and_parts_are_verified_in_order() {
        for kind in [Kind::Json, Kind::Random] {
            let content = Content::new(kind, 100, 1);
            let mut dialogue = Dialogue::new(3);
            for number in 0..10 {
                let message = content.message(3, number).clone();
                assert_eq!(dialogue.take(&cut(&message, 0, 40), false, 10, &content), Ok(false));
                assert_eq!(dialogue.take(&cut(&message, 40, 100), false, 10, &content), Ok(false));
                assert_eq!(dialogue.take(&cut(&message, 100, 100), true, 10, &content), Ok(true));
            }
            let next = content.message(3, 10).clone();
            let unasked = dialogue.take(&next, true, 10, &content).expect_err("ten are allowed");
            assert!(unasked.contains("nobody asked for"), "{unasked}");
            assert_eq!(dialogue.take(&next, true, 11, &content), Ok(true));
        }
    }

    #[test]
    fn what_differs_is_told_with_its_place() {
        let content = Content::new(Kind::Random, 100, 1);
        let message = content.message(0, 0).clone();
        let mut wrong = message.as_bytes().to_vec();
        wrong[42] ^= 1;
        let longer = [message.as_bytes(), b"x"].concat();
        for (first, part, expected) in [
            (0, Message::binary(wrong.clone()), "byte 42 is 0x"),
            (30, Message::binary(wrong[30..].to_vec()), "byte 42 is 0x"),
            (0, cut(&message, 0, 99), "it has 99 bytes and had 100"),
            (0, Message::binary(longer), "it has 101 bytes and had 100"),
            (0, Message::text("text"), "its type is another"),
            (0, content.message(0, 1).clone(), "byte 0 is 0x"),
        ] {
            let mut dialogue = Dialogue::new(0);
            if first > 0 {
                let start = cut(&message, 0, first);
                assert_eq!(dialogue.take(&start, false, 1, &content), Ok(false));
            }
            let told = dialogue.take(&part, true, 1, &content).expect_err("it differs");
            assert!(told.contains(expected), "{told}");
        }
    }
}
