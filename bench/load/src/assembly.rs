//! A message from the pieces of its frames.

use anyhow::{Result, ensure};

use crate::frames::{CONTINUATION, Piece};

/// The message that is being received on one connection.
#[derive(Debug, Default)]
pub struct Assembly {
    /// Whether it is compressed; `None` before its first piece.
    begun: Option<bool>,
    payload: Vec<u8>,
    /// The payload is that of the message before.
    done: bool,
}

impl Assembly {
    /// Takes note of a data frame's piece and says whether its message is compressed. Fails if it starts
    /// none, or one whose opcode is not `opcode`.
    pub fn note(&mut self, piece: &Piece<'_>, opcode: u8) -> Result<bool> {
        if self.begun.is_none() {
            ensure!(piece.opcode != CONTINUATION, "a continuation frame without a message");
            ensure!(piece.opcode == opcode, "a message of another type");
        }
        let compressed = self.begun.unwrap_or(piece.compressed);
        let whole = piece.ends_frame && piece.fin;
        self.begun = (!whole).then_some(compressed);
        Ok(compressed)
    }

    /// The payload of the message that ends with this piece. Each of its pieces has to come by here.
    pub fn gather<'a>(&'a mut self, piece: &Piece<'a>) -> Option<&'a [u8]> {
        if std::mem::take(&mut self.done) {
            self.payload.clear();
        }
        self.done = piece.ends_frame && piece.fin;
        if self.done && self.payload.is_empty() {
            return Some(piece.payload);
        }
        self.payload.extend_from_slice(piece.payload);
        self.done.then_some(&self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{BINARY, TEXT};

    fn piece(
        opcode: u8,
        fin: bool,
        compressed: bool,
        payload: &[u8],
        ends_frame: bool,
    ) -> Piece<'_> {
        Piece { opcode, fin, compressed, payload, ends_frame }
    }

    #[test]
    fn pieces_make_messages() {
        let mut assembly = Assembly::default();
        for _ in 0..2 {
            let pieces = [
                (piece(TEXT, false, true, b"a", false), None),
                (piece(TEXT, false, true, b"b", true), None),
                (piece(CONTINUATION, true, false, b"c", false), None),
                (piece(CONTINUATION, true, false, b"d", true), Some(b"abcd".as_slice())),
            ];
            for (piece, whole) in pieces {
                assert!(assembly.note(&piece, TEXT).expect("in order"));
                assert_eq!(assembly.gather(&piece), whole);
            }
            let single = piece(TEXT, true, false, b"e", true);
            assert!(!assembly.note(&single, TEXT).expect("in order"));
            assert_eq!(assembly.gather(&single), Some(b"e".as_slice()));
        }
    }

    #[test]
    fn a_message_starts_with_its_type() {
        for opcode in [CONTINUATION, BINARY] {
            let piece = piece(opcode, true, false, b"", true);
            assert!(Assembly::default().note(&piece, TEXT).is_err(), "{opcode}");
        }
    }
}
