//! One connection of ours and its peer, which is zlib, and what passes between them.

use std::{collections::VecDeque, num::NonZeroUsize, sync::Arc};

use bytes::Buf;
use longwire_proto::{
    CompressionLevel, Config, Connection, Deflate, DeflateParams, Delivery, Event, Fragment, Input,
    Message, MessageType, Prepared, Sendable, Side, Transmit, WindowBits,
};

use crate::{
    peer::{Forms, Reader, Writer},
    sample,
    support::{
        BINARY, CONTINUATION, FIN, PING, PONG, Rng, TEXT, Wire, binary, config, connection, frames,
        start,
    },
};

/// RSV1 in a frame's first byte.
pub(crate) const RSV1: u8 = 0x40;

pub(crate) struct Line {
    connection: Connection,
    reader: Reader,
    writer: Writer,
    /// Whether messages beyond 64 KiB pass.
    large: bool,
    /// What was said in either direction, to be said again.
    said: Vec<Vec<u8>>,
    /// Messages of ours that the peer has yet to read.
    expected: VecDeque<Expected>,
    /// Our message that goes out in fragments, so far.
    sending: Option<(MessageType, Vec<u8>)>,
    /// What the transport took of our bytes, up to the last whole frame.
    wire: Vec<u8>,
    /// Our message whose last frame has not come.
    reading: Option<Reading>,
    /// Pings of ours that the peer has yet to answer.
    pings: Vec<Vec<u8>>,
}

struct Expected {
    message: Message,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Whole,
    Uncompressed,
    Prepared,
    Fragments,
}

struct Reading {
    opcode: u8,
    compressed: bool,
    payload: Vec<u8>,
    longest_frame: usize,
}

/// How often each thing happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    compressed: usize,
    plain: usize,
    uncompressed: usize,
    prepared: usize,
    in_fragments: usize,
    large: usize,
    received: usize,
    streamed: usize,
    forms: Forms,
}

impl Seen {
    pub(crate) fn add(&mut self, run: &Self) {
        self.compressed += run.compressed;
        self.plain += run.plain;
        self.uncompressed += run.uncompressed;
        self.prepared += run.prepared;
        self.in_fragments += run.in_fragments;
        self.large += run.large;
        self.received += run.received;
        self.streamed += run.streamed;
        self.forms.by_hand += run.forms.by_hand;
        self.forms.empty += run.forms.empty;
        self.forms.final_blocks += run.forms.final_blocks;
        self.forms.flushes += run.forms.flushes;
    }

    /// A comparison that never reaches a place proves nothing about it.
    pub(crate) fn check(&self, runs: usize) {
        assert!(self.compressed > 2 * runs, "{self:?}");
        assert!(self.plain > 2 * runs, "{self:?}");
        assert!(self.uncompressed > runs / 2, "{self:?}");
        assert!(self.prepared > runs, "compressed, that is: {self:?}");
        assert!(self.in_fragments > runs / 2, "compressed, that is: {self:?}");
        assert!(self.large > runs / 10, "{self:?}");
        assert!(self.received > 10 * runs, "{self:?}");
        assert!(self.streamed > 5 * runs, "{self:?}");
        assert!(self.forms.by_hand > runs, "{self:?}");
        assert!(self.forms.empty > runs / 4, "{self:?}");
        assert!(self.forms.final_blocks > runs, "{self:?}");
        assert!(self.forms.flushes > runs, "{self:?}");
    }
}

impl Line {
    pub(crate) fn random(rng: &mut Rng, crowd: bool) -> Self {
        let side = if rng.one_in(2) { Side::Client } else { Side::Server };
        let params = DeflateParams {
            server_no_context_takeover: rng.one_in(3),
            client_no_context_takeover: rng.one_in(3),
            server_max_window_bits: random_bits(rng),
            client_max_window_bits: random_bits(rng),
        };
        let server = (params.server_max_window_bits.get(), !params.server_no_context_takeover);
        let client = (params.client_max_window_bits.get(), !params.client_no_context_takeover);
        let (ours, theirs) = if side == Side::Server { (server, client) } else { (client, server) };
        let config = random_config(rng, params);
        let pieces = config.fragment_size.is_none_or(|size| size.get() > 1000);
        let large = !crowd && pieces && rng.one_in(3);
        let grain = if large { [300, 5000, 40_000] } else { [1, 16, 1000] }[rng.below(0..3)];
        Self {
            connection: connection(side, config, start()),
            reader: Reader::new(ours.0, ours.1, grain),
            writer: Writer::new(theirs.0, theirs.1),
            large,
            said: Vec::new(),
            expected: VecDeque::new(),
            sending: None,
            wire: Vec::new(),
            reading: None,
            pings: Vec::new(),
        }
    }

    /// Something passes, in one of the directions.
    pub(crate) fn step(&mut self, rng: &mut Rng, prepared: &[Prepared], seen: &mut Seen) {
        if rng.one_in(2) {
            self.receive(rng, seen);
        } else if self.sending.is_some() || rng.one_in(4) {
            self.send_fragment(rng);
        } else {
            self.send(rng, prepared);
        }
        self.write(rng, seen);
    }

    fn send(&mut self, rng: &mut Rng, prepared: &[Prepared]) {
        let message = self.sample(rng);
        let (sendable, how) = match rng.below(0..8) {
            0 | 1 => (prepared[rng.below(0..prepared.len())].clone().into(), How::Prepared),
            2 => (message.uncompressed(), How::Uncompressed),
            _ => (Sendable::from(message), How::Whole),
        };
        let message = sendable.message().clone();
        self.connection.send(sendable, start()).expect("all before it went out");
        self.expected.push_back(Expected { message, how });
    }

    fn send_fragment(&mut self, rng: &mut Rng) {
        let mut part = self.sample(rng);
        let (message_type, mut whole) =
            self.sending.take().unwrap_or_else(|| (part.message_type(), Vec::new()));
        if part.message_type() != message_type {
            part = match message_type {
                MessageType::Text => Message::text("text, then"),
                MessageType::Binary => Message::Binary(part.into_bytes()),
            };
        }
        whole.extend_from_slice(part.as_bytes());
        let fragment = Fragment { part, fin: rng.one_in(3) };
        let fin = fragment.fin;
        if rng.one_in(8) {
            self.connection.send_fragment_uncompressed(fragment, start())
        } else {
            self.connection.send_fragment(fragment, start())
        }
        .expect("all before it went out");
        if fin {
            let message = match message_type {
                MessageType::Text => Message::text(String::from_utf8(whole).expect("text parts")),
                MessageType::Binary => Message::binary(whole),
            };
            self.expected.push_back(Expected { message, how: How::Fragments });
        } else {
            self.sending = Some((message_type, whole));
        }
    }

    /// The transport takes all that is queued, in pieces, with Pings between them.
    fn write(&mut self, rng: &mut Rng, seen: &mut Seen) {
        while let Some(transmit) = self.connection.poll_transmit() {
            assert_eq!(transmit, Transmit::Bytes);
            let chunk = self.connection.outgoing().chunk();
            let count = if rng.one_in(2) { chunk.len() } else { rng.below(1..chunk.len() + 1) };
            self.wire.extend_from_slice(&chunk[..count]);
            self.connection.handle_written(count, start());
            if rng.one_in(8) {
                self.connection.ping(start());
            }
        }
        for frame in frames(self.connection.side(), &std::mem::take(&mut self.wire)) {
            match frame.opcode() {
                PING => {
                    assert_eq!(frame.first, FIN | PING);
                    self.pings.push(frame.payload);
                }
                PONG => assert_eq!(frame.first, FIN | PONG),
                _ => self.read(frame.first, &frame.payload, seen),
            }
        }
        assert!(self.expected.is_empty(), "all that was sent went out");
    }

    /// The peer reads a data frame of ours.
    fn read(&mut self, first: u8, payload: &[u8], seen: &mut Seen) {
        let opcode = first & 0x0F;
        let mut reading = if opcode == CONTINUATION {
            assert_eq!(first & 0x70, 0, "reserved bits are on the first frame alone");
            self.reading.take().expect("a message is under way")
        } else {
            assert!(self.reading.is_none(), "the message under way goes on");
            assert_eq!(first & 0x30, 0, "RSV1 is all that we own");
            let compressed = first & RSV1 != 0;
            Reading { opcode, compressed, payload: Vec::new(), longest_frame: 0 }
        };
        reading.payload.extend_from_slice(payload);
        reading.longest_frame = reading.longest_frame.max(payload.len());
        if first & FIN == 0 {
            self.reading = Some(reading);
        } else {
            self.compare(&reading, seen);
        }
    }

    fn compare(&mut self, reading: &Reading, seen: &mut Seen) {
        let Expected { message, how } = self.expected.pop_front().expect("we sent something");
        let text = message.message_type() == MessageType::Text;
        assert_eq!(reading.opcode, if text { TEXT } else { BINARY });
        let settings = self.connection.config();
        let threshold = settings.deflate.expect("set in all of these").threshold;
        if reading.compressed {
            let read = self.reader.read(&reading.payload);
            assert!(read == message.as_bytes(), "zlib reads something else");
            assert_ne!(how, How::Uncompressed);
            assert!(how == How::Fragments || message.len() >= threshold);
            if message.len() <= 1 << 16 && how != How::Fragments {
                assert!(reading.payload.len() < message.len(), "it shrank");
            }
        } else {
            assert!(reading.payload == message.as_bytes());
        }
        if let Some(most) = settings.fragment_size
            && how != How::Fragments
        {
            assert!(reading.longest_frame <= most.get());
        }
        match how {
            How::Whole if reading.compressed => seen.compressed += 1,
            How::Whole => seen.plain += 1,
            How::Uncompressed => seen.uncompressed += 1,
            How::Prepared => seen.prepared += usize::from(reading.compressed),
            How::Fragments => seen.in_fragments += usize::from(reading.compressed),
        }
        seen.large += usize::from(message.len() > 1 << 16);
    }

    /// The peer sends a few messages, cut and mixed with control frames, which arrive in pieces.
    fn receive(&mut self, rng: &mut Rng, seen: &mut Seen) {
        let side = self.connection.side();
        let mut wire = Wire::to(side);
        for ping in self.pings.drain(..) {
            wire = wire.pong(&ping);
        }
        let messages: Vec<_> = (0..rng.below(1..4)).map(|_| self.sample(rng)).collect();
        for message in &messages {
            let opcode = if message.as_text().is_some() { TEXT } else { BINARY };
            let compressed = !rng.one_in(5);
            let payload = if compressed {
                self.writer.write(message.as_bytes(), rng, &mut seen.forms)
            } else {
                message.as_bytes().to_vec()
            };
            let first = if compressed { opcode | RSV1 } else { opcode };
            wire = cut(wire, first, &payload, rng);
        }
        let grain = match rng.below(0..5) {
            0 if wire.len() < 3000 => 1,
            1 if wire.len() < 30_000 => 50,
            2 => 1448,
            3 => 20_000,
            _ => wire.len(),
        };
        let mut received = Received::default();
        let mut inbox = Vec::new();
        for piece in wire.chunks(grain) {
            inbox.extend_from_slice(piece);
            // A caller may stop polling, and keep what is left.
            let patience = if rng.one_in(4) { rng.below(0..4) } else { usize::MAX };
            self.poll(&mut inbox, patience, &mut received);
        }
        self.poll(&mut inbox, usize::MAX, &mut received);
        assert!(!self.connection.has_more_events());
        assert!(received.part.is_none(), "a message that does not end");
        assert!(received.messages == messages, "we read something else");
        seen.received += messages.len();
        seen.streamed += received.streamed;
    }

    /// Takes at most so many events.
    fn poll(&mut self, inbox: &mut Vec<u8>, patience: usize, received: &mut Received) {
        let mut bytes = std::mem::take(inbox);
        let mut input = Input::new(&mut bytes);
        for _ in 0..patience {
            match self.connection.poll_event(&mut input, start()) {
                None => {
                    assert!(input.is_empty(), "no event, and input left");
                    assert!(!self.connection.has_more_events(), "no event, and there is more");
                    break;
                }
                Some(event) => received.take(event),
            }
        }
        *inbox = input.rest().to_vec();
    }

    fn sample(&mut self, rng: &mut Rng) -> Message {
        let message = sample::message(rng, &self.said, self.large);
        if message.len() < 10_000 {
            self.said.push(message.as_bytes().to_vec());
        }
        if self.said.len() > 12 {
            self.said.swap_remove(rng.below(0..12));
        }
        message
    }
}

/// What came of the peer's bytes.
#[derive(Default)]
struct Received {
    messages: Vec<Message>,
    part: Option<Vec<u8>>,
    streamed: usize,
}

impl Received {
    fn take(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.messages.push(message),
            Event::Fragment(Fragment { part, fin }) => {
                self.streamed += 1;
                let whole = self.part.get_or_insert_default();
                whole.extend_from_slice(part.as_bytes());
                if fin {
                    let whole = self.part.take().expect("inserted");
                    self.messages.push(match part {
                        Message::Text(_) => {
                            Message::text(String::from_utf8(whole).expect("text parts"))
                        }
                        Message::Binary(_) => binary(&whole),
                    });
                }
            }
            Event::Ping(_) | Event::Pong { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A message in frames of any length, none included, and Pings between them.
pub(crate) fn cut(mut wire: Wire, first: u8, payload: &[u8], rng: &mut Rng) -> Wire {
    let mut rest = payload;
    let mut first = first;
    for _ in 0..rng.below(0..5) {
        let (piece, later) = rest.split_at(rng.below(0..rest.len() + 1));
        wire = wire.frame(first, piece);
        first = CONTINUATION;
        rest = later;
        if rng.one_in(3) {
            wire = wire.ping(b"a payload that is no part of the message");
        }
    }
    wire.frame(FIN | first, rest)
}

fn random_bits(rng: &mut Rng) -> WindowBits {
    let bits = [9, 9, 9, 10, 11, 12, 13, 14, 15, 15, 15, 8][rng.below(0..12)];
    WindowBits::new(bits).expect("8 to 15")
}

fn random_config(rng: &mut Rng, params: DeflateParams) -> Arc<Config> {
    let mut deflate = Deflate::context_takeover();
    deflate.params = params;
    deflate.level = random_level(rng);
    deflate.threshold = [0, 0, 1, 20, 128, 1000][rng.below(0..6)];
    config(|config| {
        config.deflate = Some(deflate);
        config.delivery = [Delivery::Messages, Delivery::Fragments][rng.below(0..2)];
        config.fragment_size =
            [None, None, NonZeroUsize::new(7), NonZeroUsize::new(5000)][rng.below(0..4)];
    })
}

pub(crate) fn random_level(rng: &mut Rng) -> CompressionLevel {
    let level = u8::try_from(rng.below(1..10)).expect("one digit");
    CompressionLevel::new(level).expect("1 to 9")
}
