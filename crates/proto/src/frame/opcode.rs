//! Opcodes (RFC 6455 §5.2, §11.8).

use crate::MessageType;

/// What a frame carries. Only the six opcodes that RFC 6455 defines exist as values; the others are
/// reserved and fail the connection where they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a new opcode would be a new protocol")]
#[repr(u8)]
pub enum Opcode {
    /// A further frame of a fragmented message (§5.4).
    Continuation = 0x0,
    /// The first frame of a text message (§5.6).
    Text = 0x1,
    /// The first frame of a binary message (§5.6).
    Binary = 0x2,
    /// The connection is being closed (§5.5.1).
    Close = 0x8,
    /// A request for a Pong (§5.5.2).
    Ping = 0x9,
    /// The answer to a Ping, or an unsolicited heartbeat (§5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// The opcode in the low four bits of a frame's first byte; `None` if it is reserved.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// The four bits on the wire.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// What the first frame of a message has.
    pub(crate) const fn of(message_type: MessageType) -> Self {
        match message_type {
            MessageType::Text => Self::Text,
            MessageType::Binary => Self::Binary,
        }
    }

    /// Whether this is a control frame's opcode (§5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}
