//! Frames on the wire, written and read by hand, so that the tests do not trust the crate's own
//! encoder (RFC 6455 §5.2).

use std::ops::Deref;

use longwire_proto::Side;

use super::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, close_body};

/// Bytes that one end sends, masked if it is the client.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    sender: Side,
    bytes: Vec<u8>,
}

impl Wire {
    /// What the peer of `receiver` sends.
    pub(crate) fn to(receiver: Side) -> Self {
        Self { sender: receiver.peer(), bytes: Vec::new() }
    }

    /// A frame with this first byte and the length in its shortest form.
    pub(crate) fn frame(self, first: u8, payload: &[u8]) -> Self {
        let masked = self.sender == Side::Client;
        self.frame_masked_if(masked, first, payload)
    }

    /// A frame that is masked or not whoever sends it.
    pub(crate) fn frame_masked_if(mut self, masked: bool, first: u8, payload: &[u8]) -> Self {
        self.header(first, masked, payload.len());
        if masked {
            let seed = u8::try_from(self.bytes.len() % 251).expect("below 251");
            let key = [0x37 ^ seed, 0xFA, 0x21, seed];
            self.bytes.extend_from_slice(&key);
            self.bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        } else {
            self.bytes.extend_from_slice(payload);
        }
        self
    }

    fn header(&mut self, first: u8, masked: bool, len: usize) {
        let mask_bit = if masked { 0x80 } else { 0 };
        self.bytes.push(first);
        if len < 126 {
            self.bytes.push(mask_bit | u8::try_from(len).expect("below 126"));
        } else if let Ok(len) = u16::try_from(len) {
            self.bytes.push(mask_bit | 0x7E);
            self.bytes.extend_from_slice(&len.to_be_bytes());
        } else {
            self.bytes.push(mask_bit | 0x7F);
            self.bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }

    /// The header alone of a frame that declares `len` bytes, with a masking key of zeros if masked.
    pub(crate) fn declare(mut self, first: u8, len: u64) -> Self {
        let masked = self.sender == Side::Client;
        self.bytes.push(first);
        self.bytes.push(if masked { 0xFF } else { 0x7F });
        self.bytes.extend_from_slice(&len.to_be_bytes());
        if masked {
            self.bytes.extend_from_slice(&[0; 4]);
        }
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.frame(FIN | TEXT, text.as_bytes())
    }

    pub(crate) fn binary(self, bytes: &[u8]) -> Self {
        self.frame(FIN | BINARY, bytes)
    }

    pub(crate) fn text_start(self, payload: &[u8]) -> Self {
        self.frame(TEXT, payload)
    }

    pub(crate) fn binary_start(self, payload: &[u8]) -> Self {
        self.frame(BINARY, payload)
    }

    pub(crate) fn more(self, payload: &[u8]) -> Self {
        self.frame(CONTINUATION, payload)
    }

    pub(crate) fn last(self, payload: &[u8]) -> Self {
        self.frame(FIN | CONTINUATION, payload)
    }

    pub(crate) fn ping(self, payload: &[u8]) -> Self {
        self.frame(FIN | PING, payload)
    }

    pub(crate) fn pong(self, payload: &[u8]) -> Self {
        self.frame(FIN | PONG, payload)
    }

    pub(crate) fn close(self, code: u16, reason: &str) -> Self {
        self.frame(FIN | CLOSE, &close_body(code, reason))
    }

    pub(crate) fn close_empty(self) -> Self {
        self.frame(FIN | CLOSE, &[])
    }
}

impl Deref for Wire {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A frame that was read back from the wire, unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(first: u8, payload: &[u8]) -> Self {
        Self { first, payload: payload.to_vec() }
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::new(FIN | CLOSE, &close_body(code, reason))
    }

    pub(crate) fn opcode(&self) -> u8 {
        self.first & 0xF
    }

    /// The status code, if this is a Close frame with one.
    pub(crate) fn close_code(&self) -> Option<u16> {
        let body = self.payload.first_chunk().filter(|_| self.opcode() == CLOSE);
        body.map(|code| u16::from_be_bytes(*code))
    }
}

/// The frames that `sender` sent: whole, masked if and only if it is the client, with lengths in
/// their shortest form.
pub(crate) fn frames(sender: Side, mut wire: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !wire.is_empty() {
        let (first, masked, short) = (wire[0], wire[1] & 0x80 != 0, usize::from(wire[1] & 0x7F));
        assert_eq!(masked, sender == Side::Client, "only a client masks");
        let (len, mut at) = match short {
            126 => (usize::from(u16::from_be_bytes([wire[2], wire[3]])), 4),
            127 => {
                let len = u64::from_be_bytes(wire[2..10].try_into().expect("eight bytes"));
                (usize::try_from(len).expect("fits"), 10)
            }
            short => (short, 2),
        };
        assert!(short != 126 || len > 125, "length not in its shortest form");
        assert!(short != 127 || len > 0xFFFF, "length not in its shortest form");
        let mut key = [0; 4];
        if masked {
            key.copy_from_slice(&wire[at..at + 4]);
            at += 4;
        }
        let payload = wire[at..at + len].iter().zip(key.iter().cycle());
        frames.push(Frame { first, payload: payload.map(|(byte, key)| byte ^ key).collect() });
        wire = &wire[at + len..];
    }
    frames
}
