//! A frame's header: the base framing protocol (RFC 6455 §5.2).

use super::{MaskingKey, Opcode};
use crate::ProtocolError;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameHeader {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3 as bits 2, 1 and 0.
    pub rsv: u8,
    /// What the frame carries.
    pub opcode: Opcode,
    /// The masking key, if the payload is masked.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload, at most 2^63 - 1.
    pub payload_len: u64,
}

impl FrameHeader {
    /// The longest header, in bytes: two, eight of extended length, four of masking key.
    pub const MAX_LEN: usize = 14;

    /// A final, unmasked frame without extension bits.
    #[must_use]
    pub const fn new(opcode: Opcode, payload_len: u64) -> Self {
        Self { fin: true, rsv: 0, opcode, mask: None, payload_len }
    }

    /// Reads a header from the start of `input`, and says how many bytes it took.
    ///
    /// `None` means that more bytes are needed. A fault is found at its first byte, so the outcome
    /// does not depend on how the input was cut.
    #[inline]
    pub fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = input.first() else { return Ok(None) };
        let fin = first & 0x80 != 0;
        let rsv = (first >> 4) & 0x7;
        let opcode = Opcode::from_bits(first & 0xF)
            .ok_or(ProtocolError::OpcodeReserved { opcode: first & 0xF })?;
        if opcode.is_control() && !fin {
            return Err(ProtocolError::ControlFrameFragmented);
        }

        let Some(&second) = input.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        let short_len = second & 0x7F;
        if opcode.is_control() && short_len > 125 {
            return Err(ProtocolError::ControlFrameTooLong);
        }

        let (payload_len, rest) = match short_len {
            126 => {
                let Some((len, rest)) = input[2..].split_first_chunk() else { return Ok(None) };
                let len = u64::from(u16::from_be_bytes(*len));
                if len < 126 {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (len, rest)
            }
            127 => {
                // The first byte alone shows a length beyond 2^63 - 1.
                if input.get(2).is_some_and(|&byte| byte & 0x80 != 0) {
                    return Err(ProtocolError::LengthTooLong);
                }
                let Some((len, rest)) = input[2..].split_first_chunk() else { return Ok(None) };
                let len = u64::from_be_bytes(*len);
                if u16::try_from(len).is_ok() {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (len, rest)
            }
            len => (u64::from(len), &input[2..]),
        };

        let (mask, rest) = if masked {
            let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (Some(*key), rest)
        } else {
            (None, rest)
        };
        Ok(Some((Self { fin, rsv, opcode, mask, payload_len }, input.len() - rest.len())))
    }

    /// Appends the header to `output`, with the length in its shortest form.
    #[inline]
    pub fn encode(&self, output: &mut Vec<u8>) {
        let first = u8::from(self.fin) << 7 | (self.rsv & 0x7) << 4 | self.opcode.bits();
        let masked = u8::from(self.mask.is_some()) << 7;
        if let Ok(len @ 0..126) = u8::try_from(self.payload_len) {
            output.extend_from_slice(&[first, masked | len]);
        } else if let Ok(len) = u16::try_from(self.payload_len) {
            let [a, b] = len.to_be_bytes();
            output.extend_from_slice(&[first, masked | 0x7E, a, b]);
        } else {
            output.extend_from_slice(&[first, masked | 0x7F]);
            output.extend_from_slice(&self.payload_len.to_be_bytes());
        }
        if let Some(key) = self.mask {
            output.extend_from_slice(&key);
        }
    }

    /// The key to unmask the payload with.
    pub(crate) fn masking_key(&self) -> Option<MaskingKey> {
        self.mask.map(MaskingKey::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn opcodes() -> impl Strategy<Value = Opcode> {
        prop::sample::select(vec![
            Opcode::Continuation,
            Opcode::Text,
            Opcode::Binary,
            Opcode::Close,
            Opcode::Ping,
            Opcode::Pong,
        ])
    }

    fn lengths() -> impl Strategy<Value = u64> {
        prop_oneof![0..=126u64, 65_530..=65_540u64, Just(u64::MAX >> 1), 0..=u64::MAX >> 1]
    }

    proptest! {
        #[test]
        fn encoding_then_parsing_gives_the_same_header(
            opcode in opcodes(), fin: bool, rsv in 0u8..8, mask: Option<[u8; 4]>, len in lengths(),
        ) {
            let control = opcode.is_control();
            let header = FrameHeader {
                fin: fin || control,
                rsv,
                opcode,
                mask,
                payload_len: if control { len % 126 } else { len },
            };
            let mut wire = Vec::new();
            header.encode(&mut wire);
            prop_assert!(wire.len() <= FrameHeader::MAX_LEN);
            prop_assert_eq!(FrameHeader::parse(&wire), Ok(Some((header, wire.len()))));
            for cut in 0..wire.len() {
                prop_assert_eq!(FrameHeader::parse(&wire[..cut]), Ok(None));
            }
        }

        #[test]
        fn a_fault_shows_in_every_longer_prefix_too(wire in prop::collection::vec(any::<u8>(), 14)) {
            let mut seen = None;
            for cut in 0..=wire.len() {
                match (FrameHeader::parse(&wire[..cut]), seen) {
                    (result, Some(fault)) => prop_assert_eq!(result, Err(fault)),
                    (Err(fault), None) => seen = Some(fault),
                    (Ok(_), None) => {}
                }
            }
        }
    }

    #[test]
    fn lengths_must_be_minimal_and_below_2_to_the_63() {
        let cases: &[(&[u8], ProtocolError)] = &[
            (&[0x82, 126, 0, 125], ProtocolError::LengthNotMinimal),
            (&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], ProtocolError::LengthNotMinimal),
            (&[0x82, 127, 0x80], ProtocolError::LengthTooLong),
            (&[0x89, 126], ProtocolError::ControlFrameTooLong),
            (&[0x09], ProtocolError::ControlFrameFragmented),
            (&[0x83], ProtocolError::OpcodeReserved { opcode: 3 }),
        ];
        for (wire, fault) in cases {
            assert_eq!(FrameHeader::parse(wire), Err(*fault), "{wire:02x?}");
        }
        assert!(matches!(FrameHeader::parse(&[0x82, 126, 0, 126]), Ok(Some(_))));
        let wire = [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        assert!(matches!(FrameHeader::parse(&wire), Ok(Some(_))));
    }
}
