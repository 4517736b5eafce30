//! Validation of text: of bytes in hand, and as part of receiving.

use std::hint::black_box;

use bytes::Bytes;
use longwire_proto::{Message, Text};

use super::{Comparison, Contestant, contestant};
use crate::data::{self, Kind};
use crate::scenarios::side::Side;

pub(super) fn comparisons() -> Vec<Comparison> {
    let kinds = [
        ("UTF-8, ASCII", Kind::Ascii),
        ("UTF-8, Latin", Kind::Latin),
        ("UTF-8, CJK", Kind::Cjk),
        ("UTF-8, emoji", Kind::Emoji),
    ];
    let validated =
        kinds.iter().flat_map(|&(name, kind)| SIZES.map(|size| validate(name, kind, size)));
    validated.chain(SIZES.map(receive)).collect()
}

/// Bytes that are shared, and taken over as text when they are: by every contestant.
fn validate(name: &str, kind: Kind, size: usize) -> Comparison {
    let bytes = Bytes::from_static(data::text(kind, size).leak().as_bytes());
    let (ours, std) = (bytes.clone(), bytes.clone());
    let contestants = vec![
        contestant("simdutf8", move || {
            let bytes = black_box(&bytes).clone();
            simdutf8::basic::from_utf8(&bytes).expect("it is text");
            black_box(bytes);
        }),
        contestant("longwire", move || {
            let bytes = black_box(&ours).clone();
            black_box(Text::try_from(bytes).expect("it is text"));
        }),
        contestant("std", move || {
            let bytes = black_box(&std).clone();
            std::str::from_utf8(&bytes).expect("it is text");
            black_box(bytes);
        }),
    ];
    Comparison { name: name.to_owned(), size: Some(size), contestants }
}

/// What it costs that a message is text.
fn receive(size: usize) -> Comparison {
    let contestants = vec![
        received("binary", &Message::binary(data::bytes(size))),
        received("ASCII", &Message::text(data::text(Kind::Ascii, size))),
        received("CJK", &Message::text(data::text(Kind::Cjk, size))),
    ];
    Comparison { name: "receive a message".to_owned(), size: Some(size), contestants }
}

/// The message is copied first, for it is unmasked in place.
fn received(name: &'static str, message: &Message) -> Contestant {
    let mut client = Side::client(None);
    client.send(message.clone());
    let wire = client.wire();
    let mut buffer = wire.clone();
    let mut server = Side::server(None);
    contestant(name, move || {
        buffer.copy_from_slice(black_box(&wire));
        server.receive(&mut buffer, |_, message| drop(black_box(message)));
    })
}

const SIZES: [usize; 3] = [64, 1 << 10, 64 << 10];
