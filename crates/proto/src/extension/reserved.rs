//! Which extension owns which reserved bit, and where the bit may stand (RFC 6455 §5.2, §9.1).

use crate::{FrameHeader, Opcode, ProtocolError};

/// The stage between frames and messages where extensions sit: it knows the bits they agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReservedBits {
    /// Bits that the first frame of a message may carry: RSV1, RSV2, RSV3 as bits 2, 1, 0.
    first_frame: u8,
}

impl ReservedBits {
    /// No extension is agreed, so no bit may be set.
    pub(crate) const NONE: Self = Self { first_frame: 0 };

    /// permessage-deflate owns RSV1 (RFC 7692 §6).
    pub(crate) const DEFLATE: Self = Self { first_frame: RSV1 };

    /// Refuses a bit that nobody owns. An extension that works on whole messages sets its bit on
    /// the first frame alone: never on a continuation, never on a control frame.
    pub(crate) fn check(self, header: &FrameHeader) -> Result<(), ProtocolError> {
        let allowed = match header.opcode {
            Opcode::Text | Opcode::Binary => self.first_frame,
            _ => 0,
        };
        if header.rsv & !allowed != 0 {
            return Err(ProtocolError::ReservedBitSet { rsv: header.rsv });
        }
        Ok(())
    }
}

/// RSV1 as [`FrameHeader::rsv`] has it.
pub(crate) const RSV1: u8 = 0b100;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bits: ReservedBits, opcode: Opcode, rsv: u8) -> bool {
        let mut header = FrameHeader::new(opcode, 0);
        header.rsv = rsv;
        bits.check(&header).is_ok()
    }

    #[test]
    fn without_extensions_every_bit_is_refused() {
        for opcode in [Opcode::Text, Opcode::Continuation, Opcode::Ping] {
            for rsv in 1..8 {
                assert!(!check(ReservedBits::NONE, opcode, rsv));
            }
            assert!(check(ReservedBits::NONE, opcode, 0));
        }
    }

    #[test]
    fn an_owned_bit_stands_on_a_first_frame_alone() {
        let rsv1 = ReservedBits::DEFLATE;
        assert!(check(rsv1, Opcode::Text, RSV1));
        assert!(!check(rsv1, Opcode::Text, 0b110));
        assert!(!check(rsv1, Opcode::Continuation, RSV1));
        assert!(!check(rsv1, Opcode::Ping, RSV1));
    }
}
