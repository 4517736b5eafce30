//! Messages out: compression, fragmentation, masking, and control frames between (RFC 6455 §5.4, §5.5,
//! §6.1; RFC 7692 §6.1).

use std::num::{NonZeroU32, NonZeroUsize};

use bytes::{Buf, Bytes};

use super::outgoing::Outgoing;
use crate::{
    Close, ControlPayload, Fragment, FrameHeader, Frames, MaskingKeys, MessageType, Opcode,
    Prepared, SendError, Sendable,
    extension::{RSV1, deflate::Compressor},
};

/// The sending half: turns messages into frames.
pub(super) struct Send {
    pub(super) outgoing: Outgoing,
    /// A client's masking keys; a server has none.
    keys: Option<Box<dyn MaskingKeys>>,
    /// The largest payload of a frame, if there is one.
    fragment_size: Option<NonZeroU32>,
    /// permessage-deflate, if it is in use.
    deflate: Option<Box<Compressor>>,
    /// What is not queued yet of a long message, so that control frames may pass it.
    rest: Option<Box<Rest>>,
    /// The message whose last fragment the caller did not send yet.
    under_way: Option<UnderWay>,
    /// The Close frame, which waits for the rest of a long message.
    close: Option<Box<Close>>,
    pongs: Pongs,
}

/// A message that the caller sends in fragments.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    message_type: MessageType,
    compressed: bool,
}

/// What follows of a message whose first frame is queued.
#[derive(Debug, Default)]
struct Rest {
    /// Payload that goes out as it is.
    ready: Bytes,
    /// Behind it, what is to be compressed first.
    plain: Bytes,
    /// The largest payload of a frame.
    frame_max: usize,
    /// Whether the message ends here.
    fin: bool,
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.plain.is_empty()
    }

    fn len(&self) -> usize {
        self.ready.len() + self.plain.len()
    }
}

/// Pongs that a peer who pings and never reads can make us hold.
#[derive(Debug, Default)]
struct Pongs {
    /// Pongs in the queue, since `end` last passed.
    queued: u8,
    /// Where the last of them ends.
    end: u64,
    /// The latest Ping beyond [`MAX_QUEUED_PONGS`]: §5.5.3 lets us answer it alone.
    latest: Option<Box<ControlPayload>>,
}

impl Send {
    pub(super) fn new(
        keys: Option<Box<dyn MaskingKeys>>,
        fragment_size: Option<NonZeroUsize>,
    ) -> Self {
        Self {
            outgoing: Outgoing::default(),
            keys,
            fragment_size: fragment_size
                .map(|size| NonZeroU32::try_from(size).unwrap_or(NonZeroU32::MAX)),
            deflate: None,
            rest: None,
            under_way: None,
            close: None,
            pongs: Pongs::default(),
        }
    }

    /// From now on messages are compressed where it is worth it.
    pub(super) fn set_deflate(&mut self, deflate: Compressor) {
        self.deflate = Some(Box::new(deflate));
    }

    /// Queues a whole message.
    pub(super) fn message(&mut self, message: Sendable) -> Result<(), SendError> {
        if self.under_way.is_some() {
            return Err(SendError::FragmentPending(message));
        }
        if self.rest.is_some() {
            return Err(SendError::Full(message));
        }
        let (message, compress) = match message {
            Sendable::Message(message) => (message, true),
            Sendable::Uncompressed(message) => (message, false),
            Sendable::Prepared(prepared) => {
                self.prepared(&prepared);
                return Ok(());
            }
        };
        let opcode = Opcode::of(message.message_type());
        let payload = message.into_bytes();
        if compress && self.compressed(opcode, &payload, true) {
            return Ok(());
        }
        self.whole(opcode, 0, payload);
        Ok(())
    }

    /// Whether a message is one frame that depends on nothing but the message.
    pub(super) fn takes_frames(&self) -> bool {
        self.keys.is_none() && self.deflate.is_none() && self.fragment_size.is_none()
    }

    /// Queues messages that were encoded before.
    pub(super) fn frames(&mut self, frames: Frames) -> Result<(), SendError<Frames>> {
        assert!(self.takes_frames(), "the messages of this connection depend on what it knows");
        if self.under_way.is_some() {
            return Err(SendError::FragmentPending(frames));
        }
        self.outgoing.push_frames(frames);
        Ok(())
    }

    /// The largest payload of a frame.
    fn frame_max(&self) -> usize {
        self.fragment_size.map_or(usize::MAX, |size| size.get() as usize)
    }

    /// Queues a payload as it is, in as many frames as it takes.
    fn whole(&mut self, opcode: Opcode, rsv: u8, payload: Bytes) {
        let frame_max = self.frame_max();
        if payload.len() <= frame_max {
            self.frame(opcode, rsv, true, payload);
        } else {
            let rest = Rest { ready: payload, plain: Bytes::new(), frame_max, fin: true };
            self.first_frame(rest, opcode, rsv);
            self.top_up();
        }
    }

    /// Queues a message that was encoded before.
    fn prepared(&mut self, prepared: &Prepared) {
        let deflate = self.deflate.as_mut().filter(|it| it.wants(prepared.message().len()));
        let deflated = deflate.and_then(|deflate| {
            let encoded = prepared.deflated(deflate.bits())?;
            deflate.enter_whole(prepared.message().as_bytes());
            Some(encoded)
        });
        let encoded = deflated.unwrap_or_else(|| prepared.plain());
        if self.keys.is_none() && self.fragment_size.is_none() {
            self.outgoing.push_encoded(encoded.frame());
        } else {
            let opcode = Opcode::of(prepared.message().message_type());
            self.whole(opcode, encoded.rsv, encoded.payload());
        }
    }

    /// Queues the first frames of a payload, compressed, if that is agreed on and worth it. Says
    /// whether it did.
    fn compressed(&mut self, opcode: Opcode, payload: &Bytes, fin: bool) -> bool {
        let Some(deflate) = self.deflate.as_mut().filter(|it| it.wants(payload.len())) else {
            return false;
        };
        let mut plain = payload.clone();
        let piece = plain.split_to(plain.len().min(PIECE));
        let Some(ready) = deflate.compress(&piece, true, fin && plain.is_empty()) else {
            return false;
        };
        // Where the caller cuts the message, only what is beyond a piece is cut further.
        let frame_max = if fin { self.frame_max() } else { usize::MAX };
        self.first_frame(Rest { ready, plain, frame_max, fin }, opcode, RSV1);
        self.top_up();
        true
    }

    /// Queues further frames of a long message until [`TOP_UP`] bytes are queued, or [`PIECES`] were
    /// compressed; and behind the last of them the Close frame.
    fn top_up(&mut self) {
        let plain = |it: &Self| it.rest.as_ref().map_or(0, |rest| rest.plain.len());
        let before = plain(self);
        while self.rest.is_some()
            && self.outgoing.remaining() < TOP_UP
            && before - plain(self) < PIECES * PIECE
        {
            self.next_frame(Opcode::Continuation, 0);
        }
        if self.rest.is_none()
            && let Some(close) = self.close.take()
        {
            let mut body = Vec::new();
            close.encode(&mut body);
            self.control(Opcode::Close, &body);
        }
    }

    /// Queues the first of some frames.
    fn first_frame(&mut self, rest: Rest, opcode: Opcode, rsv: u8) {
        self.rest = Some(Box::new(rest));
        self.next_frame(opcode, rsv);
    }

    /// Queues the next frame of what is left of a message.
    fn next_frame(&mut self, opcode: Opcode, rsv: u8) {
        let rest = self.rest.as_mut().expect("something is left");
        if rest.ready.is_empty() {
            let piece = rest.plain.split_to(rest.plain.len().min(PIECE));
            let last = rest.fin && rest.plain.is_empty();
            let deflate = self.deflate.as_mut().expect("only it leaves something to compress");
            rest.ready = deflate.compress(&piece, false, last).expect("not the first piece");
        }
        let payload = rest.ready.split_to(rest.frame_max.min(rest.ready.len()));
        let (fin, done) = (rest.fin && rest.is_empty(), rest.is_empty());
        if done {
            self.rest = None;
        }
        self.frame(opcode, rsv, fin, payload);
    }

    /// Queues a part of a message as a frame.
    pub(super) fn fragment(&mut self, fragment: Fragment, compress: bool) -> Result<(), SendError> {
        if self.rest.is_some() {
            return Err(SendError::Full(fragment.part.into()));
        }
        let Fragment { part, fin } = fragment;
        let message_type = part.message_type();
        let compressed = match self.under_way {
            None => {
                let opcode = Opcode::of(message_type);
                let payload = part.into_bytes();
                let compressed = compress && self.compressed(opcode, &payload, fin);
                if !compressed {
                    self.frame(opcode, 0, fin, payload);
                }
                compressed
            }
            Some(first) if first.message_type == message_type => {
                let payload = part.into_bytes();
                if first.compressed && (fin || !payload.is_empty()) {
                    let (ready, frame_max) = (Bytes::new(), usize::MAX);
                    let rest = Rest { ready, plain: payload, frame_max, fin };
                    self.first_frame(rest, Opcode::Continuation, 0);
                    self.top_up();
                } else {
                    self.frame(Opcode::Continuation, 0, fin, payload);
                }
                first.compressed
            }
            Some(_) => return Err(SendError::FragmentPending(part.into())),
        };
        self.under_way = (!fin).then_some(UnderWay { message_type, compressed });
        Ok(())
    }

    pub(super) fn ping(&mut self, number: u64) {
        self.control(Opcode::Ping, &number.to_be_bytes());
    }

    /// Answers a Ping: at once while few Pongs wait, else the latest alone.
    pub(super) fn pong(&mut self, payload: &ControlPayload) {
        if self.outgoing.written() >= self.pongs.end {
            self.pongs.queued = 0;
        }
        if self.pongs.queued < MAX_QUEUED_PONGS {
            self.control(Opcode::Pong, payload);
            self.pongs.queued += 1;
            self.pongs.end = self.outgoing.end();
        } else {
            self.pongs.latest = Some(Box::new(payload.clone()));
        }
    }

    /// Queues the Close frame: the last frame of all.
    pub(super) fn close(&mut self, close: Close) {
        self.pongs.latest = None;
        self.close = Some(Box::new(close));
        self.top_up();
    }

    /// Whether all that was sent is in `outgoing`.
    pub(super) fn is_encoded(&self) -> bool {
        self.rest.is_none()
    }

    /// The transport took `count` bytes.
    pub(super) fn written(&mut self, count: usize) {
        self.outgoing.advance(count);
        if self.pongs.latest.is_some()
            && self.outgoing.written() >= self.pongs.end
            && let Some(latest) = self.pongs.latest.take()
        {
            self.pong(&latest);
        }
        if self.rest.is_some() || self.close.is_some() {
            self.top_up();
        }
    }

    /// Throws away what is queued. Nothing may be queued after this.
    pub(super) fn clear(&mut self) {
        self.outgoing.clear();
        self.rest = None;
        self.close = None;
        self.pongs.latest = None;
    }

    /// Bytes to be written.
    pub(super) fn buffered_amount(&self) -> usize {
        self.outgoing.remaining() + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    fn frame(&mut self, opcode: Opcode, rsv: u8, fin: bool, payload: Bytes) {
        let header = FrameHeader { fin, rsv, ..self.header(opcode, payload.len()) };
        self.outgoing.push(&header, payload);
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8]) {
        let header = self.header(opcode, payload.len());
        self.outgoing.push_copied(&header, payload);
    }

    fn header(&mut self, opcode: Opcode, payload_len: usize) -> FrameHeader {
        let mask = self.keys.as_mut().map(|keys| keys.next_key());
        FrameHeader { mask, ..FrameHeader::new(opcode, payload_len as u64) }
    }
}

/// Pongs that may wait in the queue at a time. Peers ping in bursts of ten; a peer that pings and
/// never reads costs 16 times 131 bytes.
const MAX_QUEUED_PONGS: u8 = 16;

/// Bytes that are compressed at a time, so that a long message keeps neither its thread nor control
/// frames waiting.
const PIECE: usize = 64 * 1024;

/// Pieces that are compressed in one go, if they become next to nothing.
const PIECES: usize = 2;

/// Bytes of fragments that are queued ahead of the transport: a Pong waits behind no more than these
/// and one fragment.
const TOP_UP: usize = 64 * 1024;
