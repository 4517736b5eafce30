//! Frames on the wire (RFC 6455 §5): opcodes, headers, masking, the payloads of control frames.

mod close;
mod control;
mod header;
mod mask;
mod opcode;

pub use self::{
    close::{Close, CloseCode, CloseReason, InvalidCloseReason},
    control::{ControlPayload, ControlPayloadTooLong},
    header::FrameHeader,
    mask::{MaskingKey, MaskingKeys},
    opcode::Opcode,
};
