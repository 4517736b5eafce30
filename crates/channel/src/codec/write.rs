//! What a message is written with, in whichever codec.

use crate::{Epoch, Payload, Position};

/// A message that can be written.
pub(super) trait Writable {
    fn write(&self, w: &mut impl Write);
}

/// Writes one message. Within an object each value stands behind its key.
pub(super) trait Write {
    /// Writes an object of fewer than 24 fields.
    fn object(&mut self, fields: impl FnOnce(&mut Self));
    /// Writes an array of this length.
    fn list(&mut self, length: usize, items: impl FnOnce(&mut Self));
    fn key(&mut self, key: &'static str);
    fn uint_value(&mut self, value: u64);
    fn bool_value(&mut self, value: bool);
    fn text_value(&mut self, value: &str);
    fn epoch_value(&mut self, value: Epoch);
    /// Writes the content with its key, `data` or `base64`.
    fn payload(&mut self, payload: &Payload);

    fn uint(&mut self, key: &'static str, value: u64) {
        self.key(key);
        self.uint_value(value);
    }

    fn optional_uint(&mut self, key: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            self.uint(key, value);
        }
    }

    fn bool(&mut self, key: &'static str, value: bool) {
        self.key(key);
        self.bool_value(value);
    }

    fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.text_value(value);
    }

    fn optional_text(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn epoch(&mut self, value: Epoch) {
        self.key("epoch");
        self.epoch_value(value);
    }

    /// Writes `epoch` and `seq`.
    fn position(&mut self, position: Position) {
        self.epoch(position.epoch);
        self.uint("seq", position.seq);
    }
}
