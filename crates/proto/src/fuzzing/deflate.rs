//! Entry points of the fuzz targets for permessage-deflate.

use std::time::Instant;

use bytes::Buf;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Script, join, new, read};
use crate::{
    CompressionLevel, Config, Connection, Deflate, DeflateParams, Delivery, Event, Fragment,
    FrameHeader, Input, Limit, MaskingKey, Message, Opcode, Prepared, ProtocolError, Sendable,
    Side, Transmit, WindowBits, extension::RSV1,
};

/// Any bytes as two compressed messages, cut in any way, give the same events; nothing becomes more
/// than it may; and the first is what inflating it in one go gives, or is refused if that fails.
///
/// The first three bytes are the settings, the length of the pieces, and where the first ends.
pub fn inflate(data: &[u8], now: Instant) {
    let Some((&[settings, length, cut], payload)) = data.split_first_chunk() else { return };
    let side = if settings & 0x1 == 0 { Side::Client } else { Side::Server };
    let opcode = if settings & 0x2 == 0 { Opcode::Binary } else { Opcode::Text };
    let (first, second) = payload.split_at(usize::from(cut).min(payload.len()));

    let mut wire = Vec::new();
    for payload in [first, second] {
        // A frame of its own for what a message begins with, and a control frame behind it.
        let (start, rest) = payload.split_at(payload.len() / 3);
        frame(&mut wire, side, FrameHeader { fin: false, rsv: RSV1, ..header(opcode) }, start);
        frame(&mut wire, side, header(Opcode::Ping), b"between");
        frame(&mut wire, side, header(Opcode::Continuation), rest);
    }

    let connection = || new(side, inflate_config(settings), now);
    let whole = read(connection(), false, &wire, wire.len(), now);
    let in_pieces = read(connection(), false, &wire, usize::from(length), now);
    assert_eq!(in_pieces, whole, "in pieces of {length}");
    assert_eq!(read(connection(), false, &wire, 1, now), whole, "byte by byte");

    let limits = inflate_config(settings).limits;
    let expected = inflate_at_once(first, window_bits(settings).window_size());
    let outcome = whole.0.iter().find(|it| !matches!(it, Event::Ping(_)));
    match outcome.expect("Closed at the least") {
        Event::Message(message) => {
            assert_eq!(Some(message.as_bytes()), expected.as_deref());
            let streamed = settings & 0x4 != 0;
            assert!(streamed || message.len() as u64 <= limits.max_message_size);
        }
        Event::Violation(ProtocolError::DeflateInvalid) => assert_eq!(expected, None),
        Event::Violation(ProtocolError::TextNotUtf8) => assert_eq!(opcode, Opcode::Text),
        // What is beyond a limit may be corrupt farther on.
        Event::Violation(ProtocolError::LimitExceeded(limit)) => {
            if let (Some(expected), Limit::MessageSize(max)) = (&expected, limit) {
                assert!(expected.len() as u64 > *max);
            }
        }
        // not covered: a finding
        other => panic!("{other:?} of a compressed message"),
    }
}

fn inflate_config(settings: u8) -> Config {
    let mut config = Config::default();
    if settings & 0x4 != 0 {
        config.delivery = Delivery::Fragments;
    }
    if settings & 0x8 != 0 {
        config.limits.max_message_size = 1000;
    }
    let mut deflate = Deflate::context_takeover();
    deflate.params.server_max_window_bits = window_bits(settings);
    deflate.params.client_max_window_bits = window_bits(settings);
    deflate.params.server_no_context_takeover = settings & 0x10 != 0;
    deflate.params.client_no_context_takeover = settings & 0x10 != 0;
    if settings & 0x20 != 0 {
        deflate.max_ratio = std::num::NonZeroU32::new(500);
    }
    config.deflate = Some(deflate);
    config
}

fn window_bits(settings: u8) -> WindowBits {
    WindowBits::new([15, 15, 9, 8][usize::from(settings >> 6)]).expect("8 to 15")
}

fn header(opcode: Opcode) -> FrameHeader {
    FrameHeader::new(opcode, 0)
}

/// Appends a frame of the peer's.
fn frame(wire: &mut Vec<u8>, receiver: Side, header: FrameHeader, payload: &[u8]) {
    let mask = receiver.peer().masks().then_some([1, 2, 3, 4]);
    FrameHeader { mask, payload_len: payload.len() as u64, ..header }.encode(wire);
    let start = wire.len();
    wire.extend_from_slice(payload);
    if let Some(key) = mask {
        MaskingKey::new(key).apply(&mut wire[start..]);
    }
}

/// The plain reading of RFC 7692 §7.2.2, without limits; `None` if the data is no DEFLATE, or is cut.
/// What follows a final block refers to the window alone.
fn inflate_at_once(payload: &[u8], window: usize) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    let mut inflate = Inflate::new(false, 15);
    let mut ended = true;
    for (data, is_payload) in [(payload, true), (&[0, 0, 0xFF, 0xFF, 0x03, 0x00], false)] {
        if !is_payload && ended {
            break;
        }
        let len = whole.len();
        let mut rest = data;
        let mut full = false;
        while !rest.is_empty() || full {
            let (taken, start) = (inflate.total_in(), whole.len());
            whole.resize(start + 4096, 0);
            let before = inflate.total_out();
            let status = inflate.decompress(rest, &mut whole[start..], InflateFlush::NoFlush);
            let count = |bytes: u64| usize::try_from(bytes).expect("within a buffer");
            rest = &rest[count(inflate.total_in() - taken)..];
            whole.truncate(start + count(inflate.total_out() - before));
            full = whole.len() == start + 4096;
            ended = status.ok()? == Status::StreamEnd;
            if ended {
                inflate = Inflate::new(false, 15);
                let known = &whole[whole.len().saturating_sub(window)..];
                inflate.set_dictionary(known).ok()?;
                full = false;
            }
        }
        if !is_payload && (!ended || whole.len() > len) {
            return None;
        }
    }
    Some(whole)
}

/// Messages of any content, sent in any way beside others that use the same compressors, arrive as
/// they were.
///
/// The first four bytes are the settings; the rest are messages and how they are sent.
pub fn deflate_roundtrip(data: &[u8], now: Instant) {
    let mut script = Script(data);
    let mut trip = RoundTrip::new(&mut script, now);
    while !script.0.is_empty() {
        trip.step(&mut script);
    }
}

struct RoundTrip {
    sender: Connection,
    receiver: Connection,
    /// Another connection of the same thread.
    rival: Connection,
    prepared: Vec<Prepared>,
    /// Bytes that the receiver reads at a time.
    piece_len: usize,
    now: Instant,
}

impl RoundTrip {
    fn new(script: &mut Script<'_>, now: Instant) -> Self {
        let settings = script.byte();
        let side = if settings & 0x1 == 0 { Side::Client } else { Side::Server };
        let bits = |byte: u8| WindowBits::new(8 + byte % 8).expect("8 to 15");
        let windows = script.byte();
        let level = CompressionLevel::new(1 + script.byte() % 9).expect("1 to 9");
        let params = DeflateParams {
            server_no_context_takeover: settings & 0x2 != 0,
            client_no_context_takeover: settings & 0x4 != 0,
            server_max_window_bits: bits(windows),
            client_max_window_bits: bits(windows >> 4),
        };
        let threshold = if settings & 0x8 == 0 { 0 } else { 20 };
        let deflate = Some(Deflate { params, level, threshold, ..Deflate::context_takeover() });
        let fragment_size = std::num::NonZeroUsize::new(usize::from(settings >> 5));
        let config = Config { fragment_size, deflate, ..Config::default() };
        let mut receiving = config.clone();
        if settings & 0x10 != 0 {
            receiving.delivery = Delivery::Fragments;
        }
        Self {
            sender: new(side, config.clone(), now),
            receiver: new(side.peer(), receiving, now),
            rival: new(side, config, now),
            prepared: Vec::new(),
            piece_len: usize::from(script.byte()).max(1),
            now,
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0..3 => self.send(script.message()),
            3 => self.send(script.message().uncompressed()),
            4 => {
                self.prepared.push(Prepared::new(script.message()));
                self.send_prepared(usize::MAX);
            }
            5 => self.send_prepared(script.byte().into()),
            6 => self.send_in_fragments(script),
            _ => {
                let message = script.message();
                self.rival.send(message, self.now).expect("nothing is queued");
                drain(&mut self.rival, self.now);
            }
        }
    }

    fn send(&mut self, message: impl Into<Sendable>) {
        let message = message.into();
        self.sender.send(message.clone(), self.now).expect("nothing is queued");
        self.transfer(&message.into_message());
    }

    fn send_prepared(&mut self, index: usize) {
        if let Some(last) = self.prepared.len().checked_sub(1) {
            let prepared = self.prepared[index.min(last)].clone();
            self.send(prepared);
        }
    }

    fn send_in_fragments(&mut self, script: &mut Script<'_>) {
        let mut whole = Vec::new();
        for left in (0..=script.byte() % 4).rev() {
            let part = Message::binary(script.payload());
            whole.extend_from_slice(part.as_bytes());
            let fragment = Fragment { part, fin: left == 0 };
            self.sender.send_fragment(fragment, self.now).expect("nothing else is under way");
        }
        self.transfer(&Message::binary(whole));
    }

    /// What is queued arrives, and is this message.
    fn transfer(&mut self, message: &Message) {
        let mut wire = drain(&mut self.sender, self.now);
        let (mut events, mut parts) = (Vec::new(), Vec::new());
        for piece in wire.chunks_mut(self.piece_len) {
            let mut input = Input::new(piece);
            while let Some(event) = self.receiver.poll_event(&mut input, self.now) {
                join(event, &mut parts, &mut events);
            }
            assert!(input.is_empty() && !self.receiver.has_more_events());
        }
        assert_eq!(events, [Event::Message(message.clone())]);
    }
}

/// Takes all that is queued.
fn drain(connection: &mut Connection, now: Instant) -> Vec<u8> {
    let mut wire = Vec::new();
    while let Some(Transmit::Bytes) = connection.poll_transmit() {
        let chunk = connection.outgoing().chunk();
        let count = chunk.len();
        wire.extend_from_slice(chunk);
        connection.handle_written(count, now);
    }
    wire
}
