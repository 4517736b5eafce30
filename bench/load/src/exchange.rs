//! What the connections of a load share: the messages, and what compresses and inflates them.

use anyhow::{Result, ensure};
use longwire_load::random::Random;

use crate::agreement::{Agreement, Offer};
use crate::codec::{Deflater, Inflater};
use crate::content::{Content, Kind};

/// Messages to send, and what has come of them.
#[derive(Debug)]
pub struct Exchange {
    /// The messages.
    pub content: Content,
    /// Masking keys, nonces, and the choice of random messages.
    pub random: Random,
    /// What has been on the wire.
    pub wire: Wire,
    agreement: Option<Agreement>,
    /// Every message of the content, compressed as it was agreed.
    compressed: Vec<Box<[u8]>>,
    /// For servers that compress each message by itself.
    inflater: Inflater,
    inflated: Vec<u8>,
}

/// Counts of what was on the wire, behind the handshakes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire {
    /// Bytes of the frames of messages to the server.
    pub sent: u64,
    /// Bytes from the server.
    pub received: u64,
    /// Verified replies that were compressed.
    pub compressed_replies: u64,
}

impl Exchange {
    /// Messages of `size` bytes, which follow from `seed`.
    pub fn new(kind: Kind, size: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            content: Content::new(kind, size, &mut random),
            random,
            wire: Wire::default(),
            agreement: None,
            compressed: Vec::new(),
            inflater: Inflater::new(),
            inflated: Vec::new(),
        }
    }

    /// What a connection offers.
    pub fn offer(&self) -> Option<Offer> {
        match self.content.kind() {
            Kind::Deflated(offer) => Some(offer),
            Kind::Binary | Kind::Text => None,
        }
    }

    /// Takes note of what a connection agreed on, which has to be the same for all.
    pub fn agree(&mut self, agreement: Option<Agreement>) -> Result<()> {
        if self.agreement.is_some() || agreement.is_none() {
            ensure!(self.agreement == agreement, "the server's agreements differ");
            return Ok(());
        }
        self.compressed =
            agreement.as_ref().map(|it| self.compress(it)).transpose()?.unwrap_or_default();
        self.agreement = agreement;
        Ok(())
    }

    fn compress(&self, agreement: &Agreement) -> Result<Vec<Box<[u8]>>> {
        let mut deflater = Deflater::new(agreement.client_max_window_bits);
        let payload = |(message, starts_stream)| {
            let mut payload = Vec::new();
            if starts_stream || agreement.client_no_context_takeover {
                deflater.reset();
            }
            deflater.compress(message, &mut payload)?;
            Ok(payload.into())
        };
        self.content.each().map(payload).collect()
    }

    /// What the connections agreed on.
    pub fn agreement(&self) -> Option<&Agreement> {
        self.agreement.as_ref()
    }

    /// The message that starts at `offset`, compressed; `None` without permessage-deflate.
    pub fn compressed(&self, offset: usize) -> Option<&[u8]> {
        self.compressed.get(self.content.index(offset)).map(AsRef::as_ref)
    }

    /// Inflates a reply to the message at `offset` and compares them. `own` is the connection's own
    /// decompressor, where the server's messages may refer to those before them.
    pub fn check_compressed(
        &mut self,
        payload: &[u8],
        offset: usize,
        own: Option<&mut Inflater>,
    ) -> Result<()> {
        let message = self.content.message(offset);
        self.inflated.resize(message.len(), 0);
        match own {
            Some(inflater) => inflater.inflate(payload, &mut self.inflated)?,
            None => self.inflater.inflate_alone(payload, &mut self.inflated)?,
        }
        ensure!(self.inflated == message, "the echo inflates to another message");
        self.wire.compressed_replies += 1;
        Ok(())
    }
}
