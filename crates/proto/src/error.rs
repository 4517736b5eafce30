//! What goes wrong on an open connection, by fault: the peer's, or the caller's.
//!
//! The world's faults are `std::io::Error`, and belong to whoever drives the transport.

use std::{error::Error, fmt};

use crate::{CloseCode, Message, Sendable};

/// What the peer did wrong: one variant a violation.
///
/// [`ProtocolError::close_code`] is the only place that turns one into a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A Close frame with a code that may not be on the wire (§7.4).
    CloseCodeReserved {
        /// The code.
        code: u16,
    },
    /// A Close frame with a body of one byte (§5.5.1).
    CloseFrameTruncated,
    /// A Close frame whose reason is not UTF-8 (§5.5.1).
    CloseReasonNotUtf8,
    /// A new message began inside a fragmented one (§5.4).
    ContinuationExpected,
    /// A continuation frame without a message to continue (§5.4).
    ContinuationUnexpected,
    /// A control frame without FIN (§5.5).
    ControlFrameFragmented,
    /// A control frame with more than 125 bytes of payload (§5.5).
    ControlFrameTooLong,
    /// A compressed message whose data is not DEFLATE, or is cut (RFC 7692 §7.2.2).
    DeflateInvalid,
    /// The server masked a frame (§5.1).
    FrameMasked,
    /// The client did not mask a frame (§5.1).
    FrameUnmasked,
    /// A length in a longer form than it needs (§5.2).
    LengthNotMinimal,
    /// A length of 2^63 or more (§5.2).
    LengthTooLong,
    /// One of [`Limits`](crate::Limits) was exceeded (§10.4).
    LimitExceeded(Limit),
    /// A reserved opcode (§5.2).
    OpcodeReserved {
        /// The opcode.
        opcode: u8,
    },
    /// A reserved bit that no agreed extension owns, or in a frame that may not carry it (§5.2).
    ReservedBitSet {
        /// RSV1, RSV2 and RSV3 as bits 2, 1 and 0.
        rsv: u8,
    },
    /// A text message that is not UTF-8 (§8.1).
    TextNotUtf8,
}

impl ProtocolError {
    /// The status code that the Close frame for this violation carries (§7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            // RFC 7692 names no code; the data is not consistent with the type of the message.
            Self::TextNotUtf8 | Self::CloseReasonNotUtf8 | Self::DeflateInvalid => {
                CloseCode::INVALID_FRAME_PAYLOAD_DATA
            }
            Self::LimitExceeded(_) => CloseCode::MESSAGE_TOO_BIG,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloseCodeReserved { code } => {
                write!(f, "close code {code} may not be on the wire")
            }
            Self::CloseFrameTruncated => f.write_str("close frame with a body of one byte"),
            Self::CloseReasonNotUtf8 => f.write_str("close reason is not UTF-8"),
            Self::ContinuationExpected => {
                f.write_str("new message before the last fragment of the one under way")
            }
            Self::ContinuationUnexpected => {
                f.write_str("continuation frame without a message to continue")
            }
            Self::ControlFrameFragmented => f.write_str("fragmented control frame"),
            Self::ControlFrameTooLong => {
                f.write_str("control frame with more than 125 bytes of payload")
            }
            Self::DeflateInvalid => f.write_str("compressed data is corrupt"),
            Self::FrameMasked => f.write_str("masked frame from a server"),
            Self::FrameUnmasked => f.write_str("unmasked frame from a client"),
            Self::LengthNotMinimal => f.write_str("payload length not in its shortest form"),
            Self::LengthTooLong => f.write_str("payload length of 2^63 or more"),
            Self::LimitExceeded(limit) => limit.fmt(f),
            Self::OpcodeReserved { opcode } => write!(f, "reserved opcode {opcode:#x}"),
            Self::ReservedBitSet { rsv } => {
                write!(f, "reserved bits {rsv:03b} that no agreed extension owns")
            }
            Self::TextNotUtf8 => f.write_str("text is not UTF-8"),
        }
    }
}

impl Error for ProtocolError {}

/// The limits whose excess is the peer's doing, with their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::max_frame_size`](crate::Limits::max_frame_size), in bytes.
    FrameSize(u64),
    /// [`Limits::max_message_size`](crate::Limits::max_message_size), in bytes.
    MessageSize(u64),
    /// [`Limits::max_fragments`](crate::Limits::max_fragments), in frames.
    Fragments(u32),
    /// [`Deflate::max_ratio`](crate::Deflate::max_ratio).
    InflationRatio(u32),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameSize(max) => write!(f, "frame of more than {max} bytes"),
            Self::MessageSize(max) => write!(f, "message of more than {max} bytes"),
            Self::Fragments(max) => write!(f, "message of more than {max} fragments"),
            Self::InflationRatio(max) => {
                write!(f, "compressed message that grows to more than {max} times its size")
            }
        }
    }
}

/// What the caller did wrong, or must wait for. What was to be sent comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError<T = Sendable> {
    /// A Close frame was sent, or the connection is gone: nothing may follow (§5.5.1).
    Closed(T),
    /// [`Limits::max_buffered_amount`](crate::Limits::max_buffered_amount) bytes wait to be sent, or
    /// the rest of a long message that goes out in pieces, since it is compressed or longer than
    /// [`Config::fragment_size`](crate::Config::fragment_size).
    /// Send the message again once the peer has taken some.
    Full(T),
    /// A fragmented message is under way (§5.4). Finish it first.
    FragmentPending(T),
}

impl<T> SendError<T> {
    /// What was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Closed(it) | Self::Full(it) | Self::FragmentPending(it) => it,
        }
    }
}

impl SendError {
    /// The message that was not sent.
    pub fn into_message(self) -> Message {
        self.into_sendable().into_message()
    }

    /// What was not sent, as it was given.
    pub fn into_sendable(self) -> Sendable {
        self.into_inner()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "the connection is closing or closed; the message was not sent",
            Self::Full(_) => {
                "too many bytes wait to be sent; send again once the peer has taken some"
            }
            Self::FragmentPending(_) => {
                "a fragmented message is under way; send its last fragment first"
            }
        })
    }
}

impl<T: fmt::Debug> Error for SendError<T> {}
