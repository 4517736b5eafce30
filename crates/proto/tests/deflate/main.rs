//! permessage-deflate on an open connection (RFC 7692 §6, §7.2): between two ends of ours, and against
//! bytes that are known to the bit.

mod invalid;
mod limits;
mod prepared;
mod receiving;
mod sending;
mod streaming;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use flate2::{Compress, Compression, FlushCompress};
use longwire_proto::{
    CompressionLevel, Config, Deflate, DeflateParams, Delivery, Event, Message, ProtocolError,
    Side, WindowBits,
};
use support::{End, FIN, Frame, Rng, TEXT, Wire, config, every_split};

/// The bit of a message's first frame that says that it is compressed.
const RSV1: u8 = 0x40;

/// The first byte of a compressed message in one frame.
const COMPRESSED_TEXT: u8 = FIN | RSV1 | TEXT;
const COMPRESSED_BINARY: u8 = FIN | RSV1 | support::BINARY;

fn deflate(deflate: Deflate) -> Arc<Config> {
    config(|config| config.deflate = Some(deflate))
}

/// Settings under which every message is compressed that shrinks.
fn takeover() -> Deflate {
    with_threshold(Deflate::context_takeover(), 0)
}

fn no_takeover() -> Deflate {
    with_threshold(Deflate::no_context_takeover(), 0)
}

/// Context takeover in neither direction, one, the other, and both.
fn modes() -> [Deflate; 4] {
    [(true, true), (true, false), (false, true), (false, false)].map(|(server, client)| {
        let mut deflate = takeover();
        deflate.params.server_no_context_takeover = server;
        deflate.params.client_no_context_takeover = client;
        deflate
    })
}

fn takes_over(deflate: &Deflate, sender: Side) -> bool {
    match sender {
        Side::Server => !deflate.params.server_no_context_takeover,
        Side::Client => !deflate.params.client_no_context_takeover,
    }
}

fn with_threshold(deflate: Deflate, threshold: usize) -> Deflate {
    let mut deflate = deflate;
    deflate.threshold = threshold;
    deflate
}

fn with_level(level: CompressionLevel) -> Deflate {
    let mut deflate = no_takeover();
    deflate.level = level;
    deflate
}

fn with_windows(mut deflate: Deflate, bits: u8) -> Deflate {
    let bits = WindowBits::new(bits).expect("8 to 15");
    deflate.params = DeflateParams {
        server_max_window_bits: bits,
        client_max_window_bits: bits,
        ..deflate.params
    };
    deflate
}

/// The payload of a compressed message, as zlib makes it.
fn zlib(message: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(message.len() + message.len() / 100 + 100);
    compress.compress_vec(message, &mut out, FlushCompress::Sync).expect("any input will do");
    assert!(out.len() < out.capacity(), "all is flushed");
    out.truncate(out.len() - 4);
    out
}

/// Text that compresses to about a third, and is never the same.
fn prose(rng: &mut Rng, len: usize) -> String {
    let mut prose = String::new();
    while prose.len() < len {
        let word = ["window", "history", "message", "of", "and", "the", "peer"][rng.below(0..7)];
        prose.extend([word, " ", &rng.below(0..1000).to_string(), " "]);
    }
    prose.truncate(len);
    prose
}

/// Takes the messages that arrived.
fn messages(end: &mut End) -> Vec<Message> {
    let message = |event| match event {
        Event::Message(message) => Some(message),
        Event::Violation(error) => panic!("{error}"),
        _ => None,
    };
    end.events.drain(..).filter_map(message).collect()
}

/// Takes the frames that were sent.
fn sent(end: &mut End) -> Vec<Frame> {
    end.pump();
    let frames = end.frames();
    end.sent.clear();
    frames
}

/// Sends what `sender` has queued to `receiver`, and gives the frames.
fn pass(sender: &mut End, receiver: &mut End) -> Vec<Frame> {
    sender.pump();
    receiver.receive(&sender.sent);
    sent(sender)
}

/// The messages that come of `wire` in any cut.
fn received(side: Side, settings: &Arc<Config>, wire: &Wire) -> Vec<Message> {
    every_split(wire, |pieces| {
        let mut end = End::new(side, Arc::clone(settings));
        for piece in pieces {
            end.receive(piece);
        }
        assert!(!end.connection.has_more_events());
        messages(&mut end)
    })
}

/// The violation that `wire` is in any cut, and in either way of delivery; and its close code.
fn violation(side: Side, settings: &Config, wire: &Wire) -> (ProtocolError, u16) {
    let [whole, parts] = [Delivery::Messages, Delivery::Fragments].map(|delivery| {
        let mut settings = settings.clone();
        settings.delivery = delivery;
        let settings = Arc::new(settings);
        every_split(wire, |pieces| {
            let mut end = End::new(side, Arc::clone(&settings));
            for piece in pieces {
                end.receive(piece);
            }
            refused(&end)
        })
    });
    assert_eq!(whole, parts);
    whole
}

/// The violation, and the code of the Close frame for it.
fn refused(end: &End) -> (ProtocolError, u16) {
    let last = end.events.iter().rfind(|event| !matches!(event, Event::Ping(_)));
    let Some(Event::Violation(error)) = last else { panic!("{:?}", end.events) };
    let code = end.frames().last().and_then(Frame::close_code).expect("a Close frame");
    (*error, code)
}
