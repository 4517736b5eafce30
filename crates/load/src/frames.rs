//! How many messages are compressed, seen in the headers of their first frames (RFC 7692 §6).

use longwire_proto::{FrameHeader, Opcode};

/// Watches what arrives on one connection, before it is parsed in earnest.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Bytes of payload that have not passed.
    payload: u64,
    /// A header that was cut.
    cut: Vec<u8>,
}

impl Watch {
    /// Counts the messages that begin in `bytes` and are compressed. What is no frame is left to the
    /// parser.
    pub(crate) fn compressed(&mut self, mut bytes: &[u8]) -> u64 {
        let mut count = 0;
        while !bytes.is_empty() {
            if self.payload > 0 {
                let passed = bytes.len().min(usize::try_from(self.payload).unwrap_or(usize::MAX));
                self.payload -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            let before = self.cut.len();
            self.cut.extend_from_slice(&bytes[..bytes.len().min(FrameHeader::MAX_LEN - before)]);
            let Ok(Some((header, length))) = FrameHeader::parse(&self.cut) else { return count };
            bytes = &bytes[length - before..];
            self.cut.clear();
            self.payload = header.payload_len;
            let begins = matches!(header.opcode, Opcode::Text | Opcode::Binary);
            count += u64::from(begins && header.rsv & RSV1 != 0);
        }
        count
    }
}

/// The bit that says that a message is compressed.
const RSV1: u8 = 0b100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_count_once_however_they_are_cut() {
        let mut wire = Vec::new();
        let mut frame = |opcode, fin, rsv, length: usize| {
            let mut header = FrameHeader::new(opcode, length as u64);
            (header.fin, header.rsv) = (fin, rsv);
            header.encode(&mut wire);
            wire.resize(wire.len() + length, 0xc1);
        };
        frame(Opcode::Text, true, RSV1, 300);
        frame(Opcode::Text, false, RSV1, 0);
        frame(Opcode::Ping, true, 0, 5);
        frame(Opcode::Continuation, true, 0, 70_000);
        frame(Opcode::Text, true, 0, 200);
        frame(Opcode::Binary, true, RSV1, 1);
        for size in [1, 2, 3, 7, 100, wire.len()] {
            let mut watch = Watch::default();
            let count: u64 = wire.chunks(size).map(|piece| watch.compressed(piece)).sum();
            assert_eq!(count, 3, "pieces of {size}");
        }
    }
}
