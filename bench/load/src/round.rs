//! One broadcast message, verified at every receiver.

use anyhow::{Context, Result, ensure};

use crate::codec::Inflater;

/// The message that is being delivered.
#[derive(Debug)]
pub struct Round {
    /// The server sends only the first part of a message, of any length.
    prefix: bool,
    message: Vec<u8>,
    /// Receivers that still lack it.
    missing: usize,
    /// A payload that was verified, and whether it is compressed. The same bytes need no second look.
    verified: Option<(Vec<u8>, bool)>,
    inflater: Inflater,
    inflated: Vec<u8>,
}

impl Round {
    /// No message yet.
    pub fn new(prefix: bool) -> Self {
        Self {
            prefix,
            message: Vec::new(),
            missing: 0,
            verified: None,
            inflater: Inflater::new(),
            inflated: Vec::new(),
        }
    }

    /// Starts with a new message.
    pub fn begin(&mut self, message: &[u8], receivers: usize) {
        self.message.clear();
        self.message.extend_from_slice(message);
        self.missing = receivers;
        self.verified = None;
    }

    /// Receivers that still lack the message.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Verifies what a receiver got and says whether it was inflated for it. `own` is the receiver's
    /// decompressor, where messages may refer to those before them.
    pub fn delivered(
        &mut self,
        payload: &[u8],
        compressed: bool,
        own: Option<&mut Inflater>,
    ) -> Result<bool> {
        self.missing = self.missing.checked_sub(1).context("a message that nobody asked for")?;
        // A receiver's own decompressor has to see every message.
        let known = (own.is_none() || !compressed)
            && self
                .verified
                .as_ref()
                .is_some_and(|(it, form)| it == payload && *form == compressed);
        if known {
            return Ok(false);
        }
        if compressed {
            self.inflated.resize(self.message.len(), 0);
            match own {
                Some(inflater) => inflater.inflate(payload, &mut self.inflated)?,
                None => self.inflater.inflate_alone(payload, &mut self.inflated)?,
            }
            ensure!(self.inflated == self.message, "the message inflates to another");
        } else {
            let good = if self.prefix && !payload.is_empty() {
                self.message.starts_with(payload)
            } else {
                self.message == payload
            };
            ensure!(good, "the message is another");
        }
        self.verified = Some((payload.to_vec(), compressed));
        Ok(compressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Deflater;

    const MESSAGE: &[u8] = b"one message, one message, one message";

    #[test]
    fn the_same_bytes_are_inflated_once() {
        let mut payload = Vec::new();
        Deflater::new(15).compress(MESSAGE, &mut payload).expect("compresses");
        let mut round = Round::new(false);
        round.begin(MESSAGE, 3);
        assert!(round.delivered(&payload, true, None).expect("the message"));
        assert!(!round.delivered(&payload, true, None).expect("the message"));
        assert!(round.delivered(&payload, false, None).is_err());

        round.begin(MESSAGE, 1);
        assert!(round.delivered(&payload, true, None).expect("the message"));
        assert!(round.delivered(&payload, true, None).is_err(), "nobody lacks it");
    }

    #[test]
    fn other_messages_are_refused() {
        let mut round = Round::new(false);
        round.begin(MESSAGE, 4);
        assert!(round.delivered(&MESSAGE[1..], false, None).is_err());
        assert!(round.delivered(&MESSAGE[..9], false, None).is_err());
        assert!(round.delivered(MESSAGE, true, None).is_err());
        assert!(round.delivered(MESSAGE, false, None).is_ok());
    }

    #[test]
    fn a_first_part_is_enough_where_it_is_sent() {
        let mut round = Round::new(true);
        round.begin(MESSAGE, 3);
        assert!(round.delivered(&MESSAGE[..9], false, None).is_ok());
        assert!(round.delivered(&MESSAGE[1..], false, None).is_err());
        assert!(round.delivered(b"", false, None).is_err());
    }
}
