//! What the application sent and the task has not encoded yet, in order.

use std::{collections::VecDeque, time::Duration};

use longwire_proto::{Close, Fragment, Frames, Message, Prepared, Sendable};
use tokio::sync::oneshot;

use crate::error::PingError;

/// From the application to the task.
#[derive(Debug)]
pub(super) enum Outbound {
    Message(Sendable),
    /// Small messages, encoded where they were sent.
    Frames {
        frames: Frames,
        /// Bytes of their payloads.
        payload: usize,
    },
    Fragment {
        fragment: Fragment,
        compress: bool,
    },
    Ping(oneshot::Sender<Result<Duration, PingError>>),
    Close(Close),
    /// Fail the connection: what is queued before this still goes out.
    Fail(Close),
}

impl Outbound {
    /// Bytes of payload.
    pub(super) fn payload(&self) -> usize {
        match self {
            Self::Message(message) => message.len(),
            Self::Frames { payload, .. } => *payload,
            Self::Fragment { fragment, .. } => fragment.part.len(),
            Self::Ping(_) | Self::Close(_) | Self::Fail(_) => 0,
        }
    }

    /// How many things the application sent in it.
    fn count(&self) -> usize {
        if let Self::Frames { frames, .. } = self { frames.messages() } else { 1 }
    }
}

/// What [`Outbox::take`] gives: mostly one message, or a turn of small ones.
#[derive(Debug)]
pub(super) enum Taken {
    One(Outbound),
    Queue(Box<Outbox>),
}

/// A queue of what was sent. Holds no memory while it is empty.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Before all of `queue`: a message for many connections, which mostly finds nothing else here.
    first: Option<Prepared>,
    queue: VecDeque<Outbound>,
    /// Behind all of `queue`.
    frames: Frames,
    frames_payload: usize,
    count: usize,
    payload: usize,
}

impl Outbox {
    pub(super) fn push(&mut self, outbound: Outbound) {
        self.count += outbound.count();
        self.payload += outbound.payload();
        match outbound {
            Outbound::Message(Sendable::Prepared(prepared)) if self.count == 1 => {
                self.first = Some(prepared);
            }
            outbound => {
                self.seal();
                self.append_to_queue(outbound);
            }
        }
    }

    /// Encodes a small message, behind those before it.
    #[inline]
    pub(super) fn encode(&mut self, message: &Message) {
        if self.frames.encoded_len() >= FRAMES_MAX {
            self.seal();
        }
        self.frames.push(message);
        self.frames_payload += message.len();
        self.count += 1;
        self.payload += message.len();
    }

    /// Puts back what [`Self::pop`] gave.
    pub(super) fn put_back(&mut self, outbound: Outbound) {
        self.count += outbound.count();
        self.payload += outbound.payload();
        debug_assert!(self.first.is_none(), "it would have been given first");
        self.queue.push_front(outbound);
    }

    pub(super) fn pop(&mut self) -> Option<Outbound> {
        let first = self.take_first().or_else(|| self.queue.pop_front());
        let outbound = first.or_else(|| self.take_frames())?;
        self.count -= outbound.count();
        self.payload -= outbound.payload();
        Some(outbound)
    }

    /// Puts all of another behind what is here.
    pub(super) fn append(&mut self, mut other: Self) {
        self.seal();
        self.queue.extend(other.take_first());
        self.queue.append(&mut other.queue);
        self.frames = other.frames;
        self.frames_payload = other.frames_payload;
        self.count += other.count;
        self.payload += other.payload;
    }

    /// All of it.
    pub(super) fn take(&mut self) -> Taken {
        let one = match (self.first.is_some(), self.queue.len(), self.frames.is_empty()) {
            (true, 0, true) => self.take_first(),
            (false, 0, false) => self.take_frames(),
            (false, 1, true) => self.queue.pop_front(),
            _ => None,
        };
        match one {
            Some(outbound) => {
                *self = Self::default();
                Taken::One(outbound)
            }
            None => Taken::Queue(Box::new(std::mem::take(self))),
        }
    }

    /// Throws away what comes before the Close frame. Says whether there is one.
    pub(super) fn skip_to_close(&mut self) -> bool {
        if let Some(first) = self.first.take_if(|_| !self.queue.is_empty()) {
            self.queue.push_front(Outbound::Message(first.into()));
        }
        let is_close = |it: &Outbound| matches!(it, Outbound::Close(_) | Outbound::Fail(_));
        let Some(close) = self.queue.iter().position(is_close) else { return false };
        for outbound in self.queue.drain(..close) {
            self.count -= outbound.count();
            self.payload -= outbound.payload();
        }
        true
    }

    /// Things that were sent: messages, parts of messages, Pings.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of payload.
    pub(super) fn payload(&self) -> usize {
        self.payload
    }

    fn seal(&mut self) {
        // The run may wait for long beside many others.
        self.frames.shrink_to_fit();
        if let Some(frames) = self.take_frames() {
            self.append_to_queue(frames);
        }
    }

    fn take_first(&mut self) -> Option<Outbound> {
        Some(Outbound::Message(self.first.take()?.into()))
    }

    fn append_to_queue(&mut self, outbound: Outbound) {
        if self.queue.capacity() == 0 {
            // Mostly one is taken before the next comes.
            self.queue.reserve_exact(1);
        }
        self.queue.push_back(outbound);
    }

    fn take_frames(&mut self) -> Option<Outbound> {
        if self.frames.is_empty() {
            return None;
        }
        let frames = std::mem::take(&mut self.frames);
        Some(Outbound::Frames { frames, payload: std::mem::take(&mut self.frames_payload) })
    }
}

/// Bytes after which further small messages make a run of their own, so that a Pong waits behind no
/// more.
const FRAMES_MAX: usize = 16 * 1024;
