//! Entry points of the fuzz targets: each takes any bytes, and panics on a broken promise.
//!
//! The instant is the caller's, as everywhere in this crate; any will do.

mod deflate;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut, Bytes};

pub use self::deflate::{deflate_roundtrip, inflate};
pub use crate::handshake::fuzz::{extensions_header, handshake_request, handshake_response, uri};
use crate::{
    Close, CloseCode, CloseReason, Closed, Config, Connection, Deflate, DeflateParams, Delivery,
    Event, Fragment, FrameHeader, Input, Keepalive, MaskingKey, Message, Opcode, SendError, Side,
    State, Text, Transmit, utf8::Utf8Validator,
};

/// Any bytes from a client, cut in any way, give a server the same events and the same output.
///
/// The first two bytes are the settings and the length of the pieces.
pub fn connection_server(data: &[u8], now: Instant) {
    connection(Side::Server, data, now);
}

/// Any bytes from a server, cut in any way, give a client the same events and the same output.
///
/// The first two bytes are the settings and the length of the pieces.
pub fn connection_client(data: &[u8], now: Instant) {
    connection(Side::Client, data, now);
}

fn connection(side: Side, data: &[u8], now: Instant) {
    let Some((&[settings, length], wire)) = data.split_first_chunk() else { return };
    let direct = settings & 0x4 != 0;
    let read = |piece_len| read(new(side, config(settings), now), direct, wire, piece_len, now);
    let whole = read(wire.len());
    assert_eq!(read(usize::from(length)), whole, "in pieces of {length}");
    assert_eq!(read(1), whole, "byte by byte");
}

/// The events and the output of `wire` in pieces of `piece_len` bytes, nothing being written before the
/// end: how many Pings are answered one by one depends on what was.
fn read(
    mut connection: Connection,
    direct: bool,
    wire: &[u8],
    piece_len: usize,
    now: Instant,
) -> (Vec<Event>, Vec<u8>) {
    let mut events = Vec::new();
    let mut parts = Vec::new();
    for piece in wire.chunks(piece_len.max(1)) {
        let direct = if direct { read_directly(&mut connection, piece) } else { 0 };
        let mut rest = piece[direct..].to_vec();
        let mut input = Input::new(&mut rest);
        while let Some(event) = connection.poll_event(&mut input, now) {
            assert!(!matches!(events.last(), Some(Event::Violation(_) | Event::CloseReceived(_))));
            join(event, &mut parts, &mut events);
        }
        assert!(input.is_empty(), "no event, and input left");
        assert!(connection.buffered_amount() <= MOST_QUEUED, "{connection:?}");
    }
    connection.handle_eof(now);
    let mut output = Vec::new();
    let closed = drain(&mut connection, now, &mut output);
    if closed.is_none() {
        connection.handle_lost(); // not covered: the end of input ends every connection so far
    }
    let closed = closed.or_else(|| drain(&mut connection, now, &mut output));
    events.push(Event::Closed(Box::new(closed.expect("the transport is gone"))));
    assert_eq!(drain(&mut connection, now, &mut output), None, "Closed is said once");
    (events, output)
}

/// What a peer can make an idle connection queue: sixteen Pongs and a Close frame.
const MOST_QUEUED: usize = 17 * (125 + 6);

/// Puts the parts of a message together, so that streamed messages can be compared.
fn join(event: Event, parts: &mut Vec<u8>, events: &mut Vec<Event>) {
    match event {
        Event::Fragment(Fragment { part, fin }) => {
            check_text(&part);
            parts.extend_from_slice(part.as_bytes());
            if fin {
                let whole = std::mem::take(parts);
                events.push(Event::Message(match part {
                    Message::Text(_) => {
                        Message::text(String::from_utf8(whole).expect("parts of text are text"))
                    }
                    Message::Binary(_) => Message::binary(whole),
                }));
            }
        }
        Event::Message(message) => {
            check_text(&message);
            events.push(Event::Message(message));
        }
        other => events.push(other),
    }
}

fn check_text(message: &Message) {
    if let Message::Text(text) = message {
        assert!(std::str::from_utf8(text.clone().into_bytes().as_ref()).is_ok());
    }
}

fn read_directly(connection: &mut Connection, bytes: &[u8]) -> usize {
    let Some(mut space) = connection.payload_space() else { return 0 };
    let count = bytes.len().min(space.remaining_mut());
    space.put_slice(&bytes[..count]);
    count
}

/// Writes all that is queued, and gives the end if it came.
fn drain(connection: &mut Connection, now: Instant, output: &mut Vec<u8>) -> Option<Closed> {
    let mut closed = None;
    loop {
        match connection.poll_event(&mut Input::new(&mut []), now) {
            Some(Event::Closed(end)) => {
                assert!(closed.replace(*end).is_none(), "Closed is said once");
                continue;
            }
            // not covered: a finding
            Some(event) => panic!("{event:?} out of nothing"),
            None => {}
        }
        match connection.poll_transmit() {
            Some(Transmit::Bytes) => {
                let chunk = connection.outgoing().chunk();
                let count = chunk.len();
                output.extend_from_slice(chunk);
                connection.handle_written(count, now);
            }
            Some(Transmit::Fin) => assert_eq!(connection.buffered_amount(), 0),
            None => return closed,
        }
    }
}

/// A connection on which permessage-deflate is agreed on as the settings wish.
fn new(side: Side, config: Config, now: Instant) -> Connection {
    let agreed = config.deflate.map(|deflate| deflate.params);
    let config = Arc::new(config);
    let connection = match side {
        Side::Server => Connection::server(config, now),
        Side::Client => {
            let mut count = 0u32;
            let keys = move || {
                count = count.wrapping_add(0x9E37_79B9);
                count.to_be_bytes()
            };
            Connection::client(config, Box::new(keys), now)
        }
    };
    match agreed {
        Some(params) => connection.with_deflate(params),
        None => connection,
    }
}

fn config(settings: u8) -> Config {
    let mut config = Config::default();
    if settings & 0x1 != 0 {
        config.delivery = Delivery::Fragments;
    }
    if settings & 0x2 != 0 {
        config.limits.max_frame_size = 64;
        config.limits.max_message_size = 100;
        config.limits.max_fragments = 4;
        config.limits.max_buffered_amount = 200;
    }
    if settings & 0x8 != 0 {
        config.fragment_size = std::num::NonZeroUsize::new(5);
    }
    if settings & 0x10 != 0 {
        config.idle_timeout = Some(Duration::from_millis(300));
    }
    if settings & 0x20 != 0 {
        let interval = Duration::from_millis(100);
        config.keepalive = Some(Keepalive { interval, timeout: 2 * interval });
    }
    config.deflate = deflate(settings);
    config
}

/// Compression of whatever shrinks, as the settings have it.
fn deflate(settings: u8) -> Option<Deflate> {
    let params = match settings & 0xC0 {
        0x00 => return None,
        0x40 => DeflateParams::CONTEXT_TAKEOVER,
        _ => DeflateParams::NO_CONTEXT_TAKEOVER,
    };
    Some(Deflate { params, threshold: 0, ..Deflate::context_takeover() })
}

/// Whatever is done to a connection, in whatever order: it ends once, it queues no more than its
/// bound, and what it sends is a sound stream that carries the messages it took, in order.
///
/// The first byte is the side, the second the settings; the rest are operations.
pub fn connection_operations(data: &[u8], now: Instant) {
    let mut script = Script(data);
    let side = if script.byte() & 1 == 0 { Side::Client } else { Side::Server };
    let mut subject = Subject::new(side, script.byte(), now);
    while !script.0.is_empty() {
        subject.operation(&mut script);
    }
    subject.end();
}

/// Reads operations and their operands; zeros at the end.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// A run of at most 255 bytes, with its length before it.
    fn bytes(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes
    }

    /// A payload that is sometimes long.
    fn payload(&mut self) -> Vec<u8> {
        let piece = self.bytes();
        piece.repeat(if piece.len() == 97 { 60 } else { 1 })
    }

    fn message(&mut self) -> Message {
        let payload = self.payload();
        match String::from_utf8(payload) {
            Ok(text) if self.byte() & 1 == 0 => Message::text(text),
            Ok(text) => Message::binary(text.into_bytes()),
            Err(error) => Message::binary(error.into_bytes()),
        }
    }
}

/// A connection that anything is done to, and a peer that reads all it sends.
struct Subject {
    connection: Connection,
    witness: Connection,
    now: Instant,
    /// Messages that were taken and did not reach the witness.
    expected: VecDeque<Message>,
    /// The message that goes out in fragments, so far.
    under_way: Option<Message>,
    closed: Option<Closed>,
    state: State,
    /// What was arrived and not parsed.
    inbox: Vec<u8>,
    fin: bool,
    largest: usize,
}

impl Subject {
    fn new(side: Side, settings: u8, now: Instant) -> Self {
        let deflate = deflate(settings);
        let mut witness = Config { keepalive: None, deflate, ..Config::default() };
        witness.limits.max_fragments = u32::MAX;
        Self {
            connection: new(side, config(settings), now),
            witness: new(side.peer(), witness, now),
            now,
            expected: VecDeque::new(),
            under_way: None,
            closed: None,
            state: State::Open,
            inbox: Vec::new(),
            fin: false,
            largest: 0,
        }
    }

    fn operation(&mut self, script: &mut Script<'_>) {
        let now = self.now;
        match script.byte() % 16 {
            0 => self.send(script.message()),
            1 => self.send_fragment(script),
            2 => {
                let open = self.connection.state() == State::Open;
                assert!(open || self.connection.ping(now).is_none());
                let _ = self.connection.ping(now);
            }
            3 => {
                let code = u16::from_be_bytes([script.byte(), script.byte()]);
                let reason = String::from_utf8_lossy(script.bytes()).into_owned();
                let close = Close::new(CloseCode::new(code), CloseReason::truncated(&reason));
                self.connection.close(close, now);
            }
            4 => self.connection.fail(CloseCode::INTERNAL_ERROR.into(), now),
            5 => self.connection.handle_eof(now),
            6 => self.connection.handle_lost(),
            7 => self.connection.handle_reading(script.byte() & 1 == 0, now),
            8 => {
                self.now += Duration::from_millis(script.byte().into());
                self.connection.handle_timeout(self.now);
                let next = self.connection.poll_timeout();
                assert!(next.is_none_or(|next| next > self.now), "a timeout that never passes");
            }
            9 | 10 => self.write(script.byte().into()),
            11 => self.inbox.extend_from_slice(script.bytes()),
            12 | 13 => self.frame(script),
            14 => {
                if self.inbox.is_empty() {
                    let piece = script.payload();
                    let count = read_directly(&mut self.connection, &piece);
                    self.inbox.extend_from_slice(&piece[count..]);
                }
            }
            _ => self.poll(),
        }
        self.check();
    }

    fn send(&mut self, message: Message) {
        let may_send = self.connection.state().may_send();
        match self.connection.send(message.clone(), self.now) {
            Ok(()) => {
                assert!(may_send && self.under_way.is_none());
                self.largest = self.largest.max(message.len());
                self.expected.push_back(message);
            }
            Err(error) => {
                assert_eq!(matches!(error, SendError::Closed(_)), !may_send);
                assert_eq!(error.into_message(), message, "the message comes back");
            }
        }
    }

    fn send_fragment(&mut self, script: &mut Script<'_>) {
        let fin = script.byte() & 1 == 0;
        let part = script.message();
        let fragment = Fragment { part: part.clone(), fin };
        if let Err(error) = self.connection.send_fragment(fragment, self.now) {
            assert_eq!(error.into_message(), part, "the part comes back");
            return;
        }
        self.largest = self.largest.max(part.len());
        let whole = match self.under_way.take() {
            None => part,
            Some(before) => {
                assert_eq!(before.message_type(), part.message_type());
                let bytes = [before.as_bytes(), part.as_bytes()].concat();
                match part {
                    Message::Text(_) => {
                        Message::Text(Text::try_from(Bytes::from(bytes)).expect("text and text"))
                    }
                    Message::Binary(_) => Message::binary(bytes),
                }
            }
        };
        if fin { self.expected.push_back(whole) } else { self.under_way = Some(whole) }
    }

    /// A sound frame from the peer, or nearly so.
    fn frame(&mut self, script: &mut Script<'_>) {
        let first = script.byte();
        let payload = script.payload();
        let opcode = Opcode::from_bits(first & 0xF).unwrap_or(Opcode::Text);
        let mut header = FrameHeader::new(opcode, payload.len() as u64);
        header.fin = first & 0x10 == 0;
        header.mask = self.connection.side().peer().masks().then_some([first, 1, 2, 3]);
        header.encode(&mut self.inbox);
        let start = self.inbox.len();
        self.inbox.extend_from_slice(&payload);
        if let Some(key) = header.mask {
            MaskingKey::new(key).apply(&mut self.inbox[start..]);
        }
    }

    /// Takes one event.
    fn poll(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        let mut input = Input::new(&mut inbox);
        let event = self.connection.poll_event(&mut input, self.now);
        if event.is_none() {
            assert!(input.is_empty(), "no event, and input left");
        }
        self.inbox = input.rest().to_vec();
        let Some(event) = event else { return };
        assert_eq!(self.closed, None, "{event:?} after Closed");
        match event {
            Event::Closed(closed) => self.closed = Some(*closed),
            Event::Message(message) | Event::Fragment(Fragment { part: message, .. }) => {
                check_text(&message);
            }
            _ => {}
        }
    }

    /// Writes at most `most` bytes of what is queued, to the witness.
    fn write(&mut self, most: usize) {
        match self.connection.poll_transmit() {
            None => {}
            Some(Transmit::Fin) => {
                assert!(!std::mem::replace(&mut self.fin, true), "Fin is said once");
                assert_eq!(self.connection.buffered_amount(), 0, "Fin comes after all bytes");
            }
            Some(Transmit::Bytes) => {
                let chunk = self.connection.outgoing().chunk();
                assert!(!chunk.is_empty());
                let count = chunk.len().min(most.max(1));
                let mut piece = chunk[..count].to_vec();
                self.connection.handle_written(count, self.now);
                let mut input = Input::new(&mut piece);
                while let Some(event) = self.witness.poll_event(&mut input, self.now) {
                    match event {
                        // not covered: a finding
                        Event::Violation(error) => panic!("we broke the protocol: {error}"),
                        Event::Message(message) => {
                            assert_eq!(Some(message), self.expected.pop_front(), "in order");
                        }
                        _ => {}
                    }
                }
                while self.witness.poll_transmit() == Some(Transmit::Bytes) {
                    let count = self.witness.outgoing().chunk().len();
                    self.witness.handle_written(count, self.now);
                }
            }
        }
    }

    fn check(&mut self) {
        let before = std::mem::replace(&mut self.state, self.connection.state());
        assert!(rank(before) <= rank(self.state), "from {before:?} back to {:?}", self.state);
        let budget = self.connection.config().limits.max_buffered_amount.max(self.largest);
        // Fragments of five bytes have headers of up to six; 64 Pings and 17 Pongs may wait.
        let bound = 3 * budget + MOST_QUEUED + 64 * 14 + 256;
        assert!(self.connection.buffered_amount() <= bound, "{:?}", self.connection);
        if self.closed.is_some() {
            assert_eq!(self.state, State::Closed);
            assert_eq!(self.connection.poll_timeout(), None);
            assert_eq!(self.connection.buffered_amount(), 0);
        }
    }

    /// A connection that is written to its end has sent all it took; lost, it ends once.
    fn end(&mut self) {
        let open = self.connection.state() != State::Closed;
        if open {
            self.inbox.clear();
            self.poll();
        }
        for _ in 0..10_000 {
            if self.connection.state() == State::Closed || self.connection.buffered_amount() == 0 {
                break;
            }
            self.write(usize::MAX);
            self.check();
        }
        if open && self.connection.state() != State::Closed {
            assert_eq!(self.connection.buffered_amount(), 0, "all is written");
            assert!(self.expected.is_empty(), "a message was taken and not sent");
        }
        self.connection.handle_lost();
        self.poll();
        assert!(self.closed.is_some(), "the transport is gone");
        self.poll();
        self.check();
    }
}

/// How far along the closing handshake a state is.
fn rank(state: State) -> u8 {
    match state {
        State::Open => 0,
        State::CloseSent | State::CloseReceived => 1,
        State::CloseExchanged => 2,
        State::Closed => 3,
    }
}

/// A header that can be read is written again as the same bytes, and says the same of every prefix.
pub fn frame_header(data: &[u8]) {
    let whole = FrameHeader::parse(data);
    if let Ok(Some((header, len))) = whole {
        let mut again = Vec::new();
        header.encode(&mut again);
        assert_eq!(again, data[..len], "there is one form of each header");
        assert!(!header.opcode.is_control() || header.fin && header.payload_len <= 125);
        assert!(header.payload_len < 1 << 63);
    }
    for cut in 0..data.len().min(FrameHeader::MAX_LEN) {
        match FrameHeader::parse(&data[..cut]) {
            Ok(None) => {}
            other => assert_eq!(other, whole, "decided after {cut} bytes"),
        }
    }
}

/// Text in any pieces is valid when `std` says so of the whole, and fails at the same byte.
///
/// The first byte is the length of the pieces.
pub fn utf8_differential(data: &[u8]) {
    let Some((&size, text)) = data.split_first() else { return };
    let expected = std::str::from_utf8(text);
    let mut utf8 = Utf8Validator::default();
    let mut seen = 0;
    for piece in text.chunks(usize::from(size).max(1)) {
        seen += piece.len();
        let possible = match std::str::from_utf8(&text[..seen]) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none(),
        };
        assert_eq!(utf8.push(piece).is_ok(), possible, "after {seen} bytes");
        if !possible {
            return;
        }
        let cut =
            std::str::from_utf8(&text[..seen]).map_or_else(|it| seen - it.valid_up_to(), |_| 0);
        assert_eq!(utf8.cut_len(), cut);
    }
    assert_eq!(utf8.finish(&[]).is_ok(), expected.is_ok());
    assert_eq!(Utf8Validator::default().finish(text).is_ok(), expected.is_ok());
}

/// Masking in any pieces is the octet-by-octet definition (§5.3).
///
/// The first five bytes are the key and the length of the pieces.
pub fn mask_differential(data: &[u8]) {
    let Some((&[a, b, c, d, size], payload)) = data.split_first_chunk() else { return };
    let key = [a, b, c, d];
    let expected: Vec<u8> =
        payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let mut actual = payload.to_vec();
    let mut masking = MaskingKey::new(key);
    for piece in actual.chunks_mut(usize::from(size).max(1)) {
        masking.apply(piece);
    }
    assert_eq!(actual, expected);
}

/// Text, reasons and the bodies of Close frames are what `std` says of the same bytes.
pub fn text(data: &[u8]) {
    let expected = std::str::from_utf8(data);
    let text = Text::try_from(Bytes::copy_from_slice(data));
    assert_eq!(text.is_ok(), expected.is_ok());
    if let (Ok(text), Ok(expected)) = (text, expected) {
        assert_eq!(&*text, expected);
        let reason = CloseReason::truncated(expected);
        assert!(expected.starts_with(&*reason));
        assert!(reason.len() <= CloseReason::MAX);
        assert!(reason.len() == expected.len() || reason.len() > CloseReason::MAX - 4);
        assert_eq!(CloseReason::try_from(expected).is_ok(), expected.len() <= CloseReason::MAX);
    }
    match Close::parse(data) {
        Ok(close) => {
            assert!(close == Close::EMPTY || close.code.may_be_sent());
            let code = close.code.get().to_be_bytes();
            let body = [if data.is_empty() { &[][..] } else { &code }, close.reason.as_bytes()];
            assert_eq!(body.concat(), data);
        }
        Err(error) => assert!(matches!(error.close_code().get(), 1002 | 1007), "{error}"),
    }
}
