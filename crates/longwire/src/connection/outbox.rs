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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use bytes::Buf;
    use longwire_proto::{CloseCode, Connection};

    use super::*;

    /// What was sent, in order, as the connection would get it: messages by their payload.
    fn drain(outbox: &mut Outbox, count: usize) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        while payloads.len() < count
            && let Some(outbound) = outbox.pop()
        {
            payloads.extend(payloads_of(outbound));
        }
        payloads
    }

    fn payloads_of(outbound: Outbound) -> Vec<Vec<u8>> {
        match outbound {
            Outbound::Message(message) => vec![message.message().as_bytes().to_vec()],
            Outbound::Frames { frames, payload } => {
                let now = Instant::now();
                let mut connection = Connection::server(Arc::default(), now);
                connection.send_frames(frames, now).expect("there is room");
                let mut wire = connection.outgoing().chunk().to_vec();
                let mut payloads = Vec::new();
                while !wire.is_empty() {
                    let len = usize::from(wire[1]);
                    payloads.push(wire[2..2 + len].to_vec());
                    wire.drain(..2 + len);
                }
                assert_eq!(payloads.iter().map(Vec::len).sum::<usize>(), payload);
                payloads
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn order_and_counts_are_those_of_what_was_sent_however_it_is_taken() {
        let mut random = 1u64;
        let mut below = |end: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(random >> 33).expect("31 bits") % end
        };
        for _ in 0..2000 {
            let (mut outbox, mut expected) = (Outbox::default(), VecDeque::new());
            for number in 0..below(20) {
                let payload = vec![u8::try_from(number).expect("small"); 1 + below(100)];
                match below(5) {
                    0 | 1 => outbox.encode(&payload.clone().into()),
                    2 => outbox.push(Outbound::Message(payload.clone().into())),
                    3 => outbox.push(Outbound::Message(Prepared::new(payload.clone()).into())),
                    _ => {
                        let taken = std::mem::take(&mut outbox);
                        outbox.append(taken);
                        outbox.encode(&payload.clone().into());
                    }
                }
                expected.push_back(payload);
                assert_eq!(outbox.len(), expected.len());
                assert_eq!(outbox.payload(), expected.iter().map(Vec::len).sum::<usize>());
                match below(6) {
                    0 => {
                        for payload in drain(&mut outbox, 1) {
                            assert_eq!(Some(payload), expected.pop_front());
                        }
                    }
                    1 => {
                        if let Some(outbound) = outbox.pop() {
                            outbox.put_back(outbound);
                        }
                    }
                    2 => {
                        let all = match outbox.take() {
                            Taken::One(outbound) => payloads_of(outbound),
                            Taken::Queue(mut queue) => drain(&mut queue, usize::MAX),
                        };
                        assert_eq!(all, expected.drain(..).collect::<Vec<_>>());
                    }
                    _ => {}
                }
            }
            assert_eq!(drain(&mut outbox, usize::MAX), Vec::from(expected));
            assert!(outbox.is_empty() && outbox.payload() == 0);
        }
    }

    #[test]
    fn a_run_that_waits_holds_no_more_than_its_frames() {
        let mut outbox = Outbox::default();
        for _ in 0..1000 {
            outbox.encode(&"x".into());
            outbox.push(Outbound::Message(Prepared::new(vec![0; 1000]).into()));
        }
        let runs = outbox.queue.iter().filter_map(|outbound| match outbound {
            Outbound::Frames { frames, .. } => Some(frames),
            _ => None,
        });
        assert_eq!(runs.clone().count(), 1000);
        for frames in runs {
            assert_eq!((frames.encoded_len(), frames.capacity()), (3, 3));
        }
    }

    #[test]
    fn what_comes_before_a_close_can_be_thrown_away() {
        let mut outbox = Outbox::default();
        outbox.push(Outbound::Message(Prepared::new("a").into()));
        outbox.encode(&"b".into());
        assert!(!outbox.skip_to_close());
        assert_eq!(outbox.len(), 2);
        outbox.push(Outbound::Close(CloseCode::NORMAL_CLOSURE.into()));
        assert!(outbox.skip_to_close());
        assert_eq!((outbox.len(), outbox.payload()), (1, 0));
        assert!(matches!(outbox.pop(), Some(Outbound::Close(_))));
    }
}
