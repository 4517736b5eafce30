//! Frames in: their order, masking and limits, and messages put together (RFC 6455 §5, §6.2).

use std::cell::RefCell;

use bytes::BufMut;

use super::{
    Input,
    assembler::{Assembler, SPACE_MIN},
};
use crate::{
    Close, Config, ControlPayload, Delivery, Fragment, FrameHeader, MaskingKey, Message,
    MessageType, Opcode, ProtocolError, Side,
    extension::{
        RSV1, ReservedBits,
        deflate::{Decompressor, Inflated},
    },
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
    reserved: ReservedBits,
    /// permessage-deflate, if it is in use.
    deflate: Option<Box<Decompressor>>,
    /// The start of a header that was cut.
    header: [u8; FrameHeader::MAX_LEN],
    header_len: u8,
    frame: Option<FrameUnderWay>,
    /// The start of a control frame's payload that was cut.
    control: Option<Box<CutControl>>,
    /// The message whose last frame has not ended.
    message: Option<Box<Assembler>>,
}

/// The start of a control frame's payload, boxed: most connections never have one.
#[derive(Debug)]
struct CutControl {
    payload: Vec<u8>,
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
    pub(super) fn new(side: Side) -> Self {
        Self {
            sender: side.peer(),
            reserved: ReservedBits::NONE,
            deflate: None,
            header: [0; FrameHeader::MAX_LEN],
            header_len: 0,
            frame: None,
            control: None,
            message: None,
        }
    }

    /// From now on messages may be compressed.
    pub(super) fn set_deflate(&mut self, deflate: Decompressor) {
        self.reserved = ReservedBits::DEFLATE;
        self.deflate = Some(Box::new(deflate));
    }

    /// Takes frames from `input` up to the first that amounts to something.
    ///
    /// `None` means that the input is used up.
    pub(super) fn next(
        &mut self,
        input: &mut Input<'_>,
        config: &Config,
    ) -> Result<Option<Received>, ProtocolError> {
        loop {
            if self.frame.is_none() {
                match self.take_header(input)? {
                    Some(header) => self.frame = Some(self.begin(&header, config)?),
                    None => return Ok(None),
                }
            }
            let frame = self.frame.expect("set above");
            let received = if frame.opcode.is_control() {
                self.take_control(frame, input)?
            } else if self.message.as_ref().is_some_and(|message| message.compressed) {
                self.take_compressed(frame, input, config)?
            } else {
                self.take_data(frame, input, config)?
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
        let message = self.message.as_mut().filter(|message| !message.compressed)?;
        let remaining = usize::try_from(frame.remaining).unwrap_or(usize::MAX);
        if remaining < SPACE_MIN {
            return None;
        }
        Some(message.space(remaining))
    }

    /// Lets go of what is unfinished. Nothing may be taken after this.
    pub(super) fn clear(&mut self) {
        self.frame = None;
        self.control = None;
        self.message = None;
        self.deflate = None;
    }

    /// Whether something may come of what was taken already.
    pub(super) fn has_more(&self) -> bool {
        self.deflate.as_ref().is_some_and(|deflate| deflate.has_more())
    }

    /// Whether something was read into [`Self::payload_space`] that was not looked at.
    pub(super) fn has_direct(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.has_unprocessed())
    }

    /// Takes a message of one frame that lies whole in `input`: the common case, in one step.
    ///
    /// Anything else, and whatever is at fault, is left to [`Self::next`], which knows every rule.
    #[inline]
    pub(super) fn take_message(
        &mut self,
        input: &mut Input<'_>,
        config: &Config,
    ) -> Option<Message> {
        if self.frame.is_some() || self.message.is_some() || self.header_len > 0 {
            return None;
        }
        let (header, len) = FrameHeader::parse(input.rest()).ok()??;
        let message_type = match header.opcode {
            Opcode::Text => MessageType::Text,
            Opcode::Binary => MessageType::Binary,
            _ => return None,
        };
        let limits = &config.limits;
        let simple = header.fin
            && header.rsv == 0
            && header.mask.is_some() == (self.sender == Side::Client)
            && header.payload_len <= (input.len() - len) as u64
            && header.payload_len <= limits.max_frame_size.min(limits.max_message_size)
            && limits.max_fragments > 0
            && config.delivery == Delivery::Messages;
        if !simple {
            return None;
        }
        let end = len + usize::try_from(header.payload_len).expect("it is there");
        let payload = &mut input.rest_mut()[len..end];
        if let Some(mut key) = header.masking_key() {
            key.apply(payload);
        }
        let message = Assembler::whole(message_type, payload);
        if message.is_some() {
            input.take(end);
        } else if let Some(mut key) = header.masking_key() {
            // Not UTF-8. Masked again, it is as it was.
            key.apply(payload);
        }
        message
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
    fn begin(
        &mut self,
        header: &FrameHeader,
        config: &Config,
    ) -> Result<FrameUnderWay, ProtocolError> {
        match (self.sender, header.mask) {
            (Side::Client, None) => return Err(ProtocolError::FrameUnmasked),
            (Side::Server, Some(_)) => return Err(ProtocolError::FrameMasked),
            _ => {}
        }
        self.reserved.check(header)?;
        let message_type = match header.opcode {
            Opcode::Continuation => {
                let message = self.message.as_mut().ok_or(ProtocolError::ContinuationUnexpected)?;
                message.begin_frame(header.payload_len, config)?;
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
            let mut message = Box::new(Assembler::new(message_type, header.rsv & RSV1 != 0));
            message.begin_frame(header.payload_len, config)?;
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
        let piece = take_payload(&mut frame, input, usize::MAX);
        if frame.remaining > 0 {
            let cut =
                self.control.get_or_insert_with(|| Box::new(CutControl { payload: Vec::new() }));
            cut.payload.extend_from_slice(piece);
            self.frame = Some(frame);
            return Ok(None);
        }
        self.frame = None;
        let mut cut = self.control.take();
        let payload = match &mut cut {
            None => piece,
            Some(cut) => {
                cut.payload.extend_from_slice(piece);
                &mut cut.payload[..]
            }
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
        config: &Config,
    ) -> Result<Option<Received>, ProtocolError> {
        let message = self.message.as_mut().expect("a data frame belongs to a message");

        let direct = message.unprocessed();
        if !direct.is_empty() {
            if let Some(key) = &mut frame.key {
                key.apply(direct);
            }
            frame.remaining -= direct.len() as u64;
        }
        let piece = take_payload(&mut frame, input, usize::MAX);
        let fin = frame.fin && frame.remaining == 0;
        let part = message.push(piece, frame.remaining, fin, config.delivery)?;

        self.frame = (frame.remaining > 0).then_some(frame);
        if fin {
            self.message = None;
        }
        Ok(part.map(|part| received(part, fin, config)))
    }

    /// As [`Self::take_data`], of a compressed message. A frame stays under way until all that
    /// becomes of it is delivered.
    fn take_compressed(
        &mut self,
        mut frame: FrameUnderWay,
        input: &mut Input<'_>,
        config: &Config,
    ) -> Result<Option<Received>, ProtocolError> {
        let message = self.message.as_mut().expect("a data frame belongs to a message");
        let deflate = self.deflate.as_mut().expect("nobody else owns RSV1");
        // What is delivered as it arrives may have to wait for room, so little is taken at a time.
        let piece_max = match config.delivery {
            Delivery::Messages => usize::MAX,
            Delivery::Fragments => PIECE_MAX,
        };
        let kept = deflate.take_kept();
        let mut piece = &kept[..];
        loop {
            if piece.is_empty() && !deflate.has_more() {
                piece = take_payload(&mut frame, input, piece_max);
            }
            let last = frame.fin && frame.remaining == 0;
            let (inflated, part) = INFLATED.with_borrow_mut(|out| {
                out.resize(INFLATED_MAX, 0);
                let room = message.room(config);
                // One byte more shows that the limit is exceeded.
                let len = INFLATED_MAX.min(room.saturating_add(1));
                let inflated = deflate.inflate(&mut piece, last, &mut out[..len])?;
                let (made, fin) = match inflated {
                    Inflated::Part(made) | Inflated::Full(made) => (made, false),
                    Inflated::Whole(made) => (made, true),
                };
                // What is within the limit counts first, whatever the pieces in which it comes.
                let (within, fin) = if made > room { (room, false) } else { (made, fin) };
                let part = message.push(&out[..within], room as u64, fin, config.delivery)?;
                message.inflated(made, config)?;
                Ok::<_, ProtocolError>((inflated, part))
            })?;
            let whole = matches!(inflated, Inflated::Whole(_));
            let more_to_take = frame.remaining > 0 && !input.is_empty();
            if part.is_none() && !whole && (more_to_take || deflate.has_more()) {
                continue;
            }
            deflate.keep(piece);
            self.frame = (frame.remaining > 0 || deflate.has_more()).then_some(frame);
            if whole {
                self.message = None;
            }
            return Ok(part.map(|part| received(part, whole, config)));
        }
    }
}

fn received(part: Message, fin: bool, config: &Config) -> Received {
    match config.delivery {
        Delivery::Messages => Received::Message(part),
        Delivery::Fragments => Received::Fragment(Fragment { part, fin }),
    }
}

thread_local! {
    static INFLATED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that are inflated at a time.
const INFLATED_MAX: usize = 16 * 1024;

/// Compressed bytes that are taken at a time where what becomes of them may have to wait.
const PIECE_MAX: usize = 4096;

/// Takes as much of the frame's payload as there is, up to `max` bytes, and unmasks it.
fn take_payload<'a>(frame: &mut FrameUnderWay, input: &mut Input<'a>, max: usize) -> &'a mut [u8] {
    let max = max.min(input.len());
    let count = usize::try_from(frame.remaining).map_or(max, |left| left.min(max));
    let piece = input.take(count);
    frame.remaining -= count as u64;
    if let Some(key) = &mut frame.key {
        key.apply(piece);
    }
    piece
}
