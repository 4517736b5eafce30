//! Frames in: their order, masking and limits, and messages put together (RFC 6455 §5, §6.2).

use std::sync::Arc;

use bytes::BufMut;

use super::{
    Input,
    assembler::{Assembler, SPACE_MIN},
};
use crate::{
    Close, Config, ControlPayload, Delivery, Fragment, FrameHeader, MaskingKey, Message,
    MessageType, Opcode, ProtocolError, Side, extension::ReservedBits,
};

/// What a run of frames amounts to.
#[derive(Debug)]
pub(super) enum Received {
    Message(Message),
    Fragment(Fragment),
    Ping(ControlPayload),
    Pong(ControlPayload),
    Close(Close),
}

/// The receiving half: takes bytes in any pieces, and keeps only what is unfinished.
#[derive(Debug)]
pub(super) struct Receive {
    /// The side of the peer, whose frames these are.
    sender: Side,
    config: Arc<Config>,
    reserved: ReservedBits,
    /// The start of a header that was cut.
    header: [u8; FrameHeader::MAX_LEN],
    header_len: u8,
    frame: Option<FrameUnderWay>,
    /// The start of a control frame's payload that was cut.
    control: Vec<u8>,
    /// The message whose last frame has not ended.
    message: Option<Assembler>,
}

/// A frame whose header was read.
#[derive(Clone, Copy, Debug)]
struct FrameUnderWay {
    opcode: Opcode,
    fin: bool,
    key: Option<MaskingKey>,
    /// Bytes of payload that have not arrived.
    remaining: u64,
}

impl Receive {
    pub(super) fn new(side: Side, config: Arc<Config>, reserved: ReservedBits) -> Self {
        Self {
            sender: side.peer(),
            config,
            reserved,
            header: [0; FrameHeader::MAX_LEN],
            header_len: 0,
            frame: None,
            control: Vec::new(),
            message: None,
        }
    }

    /// Takes frames from `input` up to the first that amounts to something.
    ///
    /// `None` means that the input is used up.
    pub(super) fn next(
        &mut self,
        input: &mut Input<'_>,
    ) -> Result<Option<Received>, ProtocolError> {
        loop {
            if self.frame.is_none() {
                match self.take_header(input)? {
                    Some(header) => self.frame = Some(self.begin(&header)?),
                    None => return Ok(None),
                }
            }
            let frame = self.frame.expect("set above");
            let received = if frame.opcode.is_control() {
                self.take_control(frame, input)?
            } else {
                self.take_data(frame, input)?
            };
            if received.is_some() || input.is_empty() && self.frame.is_some() {
                return Ok(received);
            }
        }
    }

    /// Space for payload of the message under way, to be filled by a read without a further copy:
    /// at most what its frame still lacks, and no more than has arrived or [`SPACE_MIN`].
    pub(super) fn payload_space(&mut self) -> Option<impl BufMut + use<'_>> {
        let frame = self.frame.filter(|frame| !frame.opcode.is_control())?;
        let message = self.message.as_mut()?;
        let remaining = usize::try_from(frame.remaining).unwrap_or(usize::MAX);
        if remaining < SPACE_MIN {
            return None;
        }
        Some(message.space(remaining))
    }

    /// Lets go of what is unfinished. Nothing may be taken after this.
    pub(super) fn clear(&mut self) {
        self.frame = None;
        self.control = Vec::new();
        self.message = None;
    }

    /// Whether something was read into [`Self::payload_space`] that was not looked at.
    pub(super) fn has_direct(&self) -> bool {
        self.message.as_ref().is_some_and(Assembler::has_unprocessed)
    }

    fn take_header(&mut self, input: &mut Input<'_>) -> Result<Option<FrameHeader>, ProtocolError> {
        if self.header_len == 0 {
            if let Some((header, len)) = FrameHeader::parse(input.rest())? {
                input.take(len);
                return Ok(Some(header));
            }
            let cut = input.take_all();
            self.header[..cut.len()].copy_from_slice(cut);
            self.header_len = u8::try_from(cut.len()).expect("shorter than a header");
            return Ok(None);
        }
        while !input.is_empty() {
            let start = usize::from(self.header_len);
            self.header[start..=start].copy_from_slice(input.take(1));
            self.header_len += 1;
            if let Some((header, _)) = FrameHeader::parse(&self.header[..=start])? {
                self.header_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Checks a header against what came before it.
    fn begin(&mut self, header: &FrameHeader) -> Result<FrameUnderWay, ProtocolError> {
        match (self.sender, header.mask) {
            (Side::Client, None) => return Err(ProtocolError::FrameUnmasked),
            (Side::Server, Some(_)) => return Err(ProtocolError::FrameMasked),
            _ => {}
        }
        self.reserved.check(header)?;
        let message_type = match header.opcode {
            Opcode::Continuation => {
                let message = self.message.as_mut().ok_or(ProtocolError::ContinuationUnexpected)?;
                message.begin_frame(header.payload_len, &self.config)?;
                None
            }
            Opcode::Text => Some(MessageType::Text),
            Opcode::Binary => Some(MessageType::Binary),
            Opcode::Close | Opcode::Ping | Opcode::Pong => None,
        };
        if let Some(message_type) = message_type {
            if self.message.is_some() {
                return Err(ProtocolError::ContinuationExpected);
            }
            let mut message = Assembler::new(message_type);
            message.begin_frame(header.payload_len, &self.config)?;
            self.message = Some(message);
        }
        Ok(FrameUnderWay {
            opcode: header.opcode,
            fin: header.fin,
            key: header.masking_key(),
            remaining: header.payload_len,
        })
    }

    fn take_control(
        &mut self,
        mut frame: FrameUnderWay,
        input: &mut Input<'_>,
    ) -> Result<Option<Received>, ProtocolError> {
        let piece = take_payload(&mut frame, input);
        if frame.remaining > 0 {
            self.control.extend_from_slice(piece);
            self.frame = Some(frame);
            return Ok(None);
        }
        self.frame = None;
        let mut whole = std::mem::take(&mut self.control);
        let payload = if whole.is_empty() {
            piece
        } else {
            whole.extend_from_slice(piece);
            &mut whole[..]
        };
        Ok(Some(match frame.opcode {
            Opcode::Close => Received::Close(Close::parse(payload)?),
            Opcode::Ping => Received::Ping(ControlPayload::from_frame(payload)),
            _ => Received::Pong(ControlPayload::from_frame(payload)),
        }))
    }

    fn take_data(
        &mut self,
        mut frame: FrameUnderWay,
        input: &mut Input<'_>,
    ) -> Result<Option<Received>, ProtocolError> {
        let message = self.message.as_mut().expect("a data frame belongs to a message");

        let direct = message.unprocessed();
        if !direct.is_empty() {
            if let Some(key) = &mut frame.key {
                key.apply(direct);
            }
            frame.remaining -= direct.len() as u64;
        }
        let piece = take_payload(&mut frame, input);
        let fin = frame.fin && frame.remaining == 0;
        let part = message.push(piece, frame.remaining, fin, self.config.delivery)?;

        self.frame = (frame.remaining > 0).then_some(frame);
        if fin {
            self.message = None;
        }
        Ok(part.map(|part| match self.config.delivery {
            Delivery::Messages => Received::Message(part),
            Delivery::Fragments => Received::Fragment(Fragment { part, fin }),
        }))
    }
}

/// Takes as much of the frame's payload as there is, and unmasks it.
fn take_payload<'a>(frame: &mut FrameUnderWay, input: &mut Input<'a>) -> &'a mut [u8] {
    let count = usize::try_from(frame.remaining).map_or(input.len(), |left| left.min(input.len()));
    let piece = input.take(count);
    frame.remaining -= count as u64;
    if let Some(key) = &mut frame.key {
        key.apply(piece);
    }
    piece
}
