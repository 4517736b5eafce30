//! Messages out: fragmentation, masking, and control frames between (RFC 6455 §5.4, §5.5, §6.1).

use std::num::NonZeroUsize;

use bytes::{Buf, Bytes};

use super::outgoing::Outgoing;
use crate::{
    Close, ControlPayload, Fragment, FrameHeader, MaskingKeys, Message, MessageType, Opcode,
    SendError,
};

/// The sending half: turns messages into frames.
pub(super) struct Send {
    pub(super) outgoing: Outgoing,
    /// A client's masking keys; a server has none.
    keys: Option<Box<dyn MaskingKeys>>,
    fragment_size: Option<NonZeroUsize>,
    /// What is not queued yet of a message longer than `fragment_size`, so that control frames may
    /// pass it.
    rest: Bytes,
    /// The type of the message whose last fragment was not sent yet.
    under_way: Option<MessageType>,
    pongs: Pongs,
}

/// Pongs that a peer who pings and never reads can make us hold.
#[derive(Debug, Default)]
struct Pongs {
    /// Pongs in the queue, since `end` last passed.
    queued: u8,
    /// Where the last of them ends.
    end: u64,
    /// The latest Ping beyond [`MAX_QUEUED_PONGS`]: §5.5.3 lets us answer it alone.
    latest: Option<ControlPayload>,
}

impl Send {
    pub(super) fn new(
        keys: Option<Box<dyn MaskingKeys>>,
        fragment_size: Option<NonZeroUsize>,
    ) -> Self {
        Self {
            outgoing: Outgoing::default(),
            keys,
            fragment_size,
            rest: Bytes::new(),
            under_way: None,
            pongs: Pongs::default(),
        }
    }

    /// Queues a whole message.
    pub(super) fn message(&mut self, message: Message) -> Result<(), SendError> {
        if self.under_way.is_some() {
            return Err(SendError::FragmentPending(message));
        }
        if !self.rest.is_empty() {
            return Err(SendError::Full(message));
        }
        let opcode = opcode_of(message.message_type());
        let mut payload = message.into_bytes();
        match self.fragment_size {
            Some(size) if payload.len() > size.get() => {
                self.frame(opcode, false, payload.split_to(size.get()));
                self.rest = payload;
                self.top_up(TOP_UP);
            }
            _ => self.frame(opcode, true, payload),
        }
        Ok(())
    }

    /// Queues further fragments of a long message until `target` bytes are queued.
    fn top_up(&mut self, target: usize) {
        while !self.rest.is_empty() && self.outgoing.remaining() < target {
            let size = self.fragment_size.map_or(usize::MAX, NonZeroUsize::get);
            let fragment = self.rest.split_to(size.min(self.rest.len()));
            self.frame(Opcode::Continuation, self.rest.is_empty(), fragment);
        }
    }

    /// Queues a part of a message as a frame.
    pub(super) fn fragment(&mut self, fragment: Fragment) -> Result<(), SendError> {
        if !self.rest.is_empty() {
            return Err(SendError::Full(fragment.part));
        }
        let message_type = fragment.part.message_type();
        let opcode = match self.under_way {
            None => opcode_of(message_type),
            Some(first) if first == message_type => Opcode::Continuation,
            Some(_) => return Err(SendError::FragmentPending(fragment.part)),
        };
        self.frame(opcode, fragment.fin, fragment.part.into_bytes());
        self.under_way = (!fragment.fin).then_some(message_type);
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
            self.pongs.latest = Some(payload.clone());
        }
    }

    /// Queues the Close frame: the last frame of all.
    pub(super) fn close(&mut self, close: &Close) {
        self.pongs.latest = None;
        self.top_up(usize::MAX);
        let mut body = Vec::new();
        close.encode(&mut body);
        self.control(Opcode::Close, &body);
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
        self.top_up(TOP_UP);
    }

    /// Throws away what is queued. Nothing may be queued after this.
    pub(super) fn clear(&mut self) {
        self.outgoing.clear();
        self.rest = Bytes::new();
        self.pongs.latest = None;
    }

    /// Bytes to be written.
    pub(super) fn buffered_amount(&self) -> usize {
        self.outgoing.remaining() + self.rest.len()
    }

    fn frame(&mut self, opcode: Opcode, fin: bool, payload: Bytes) {
        let header = FrameHeader { fin, ..self.header(opcode, payload.len()) };
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

const fn opcode_of(message_type: MessageType) -> Opcode {
    match message_type {
        MessageType::Text => Opcode::Text,
        MessageType::Binary => Opcode::Binary,
    }
}

/// Pongs that may wait in the queue at a time. Peers ping in bursts of ten; a peer that pings and
/// never reads costs 16 times 131 bytes.
const MAX_QUEUED_PONGS: u8 = 16;

/// Bytes of fragments that are queued ahead of the transport: a Pong waits behind no more than these
/// and one fragment.
const TOP_UP: usize = 64 * 1024;
