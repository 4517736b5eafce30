//! Messages through a connection without I/O, in both roles.

use std::hint::black_box;

use longwire_proto::Message;

use super::side::Side;
use super::{KIB, Work};
use crate::data::{self, Kind};

/// A server receives text of 4 KiB.
pub(super) fn receive_text(kind: Kind) -> Work {
    let message = Message::text(data::text(kind, 4 * KIB));
    let mut wires = wires(&message, 50);
    let mut server = Side::server(None);
    Box::new(move || {
        for wire in &mut wires {
            let events = server.receive(wire, |_, message| drop(black_box(message)));
            assert_eq!(events, 1);
        }
    })
}

/// A server echoes a thousand small messages that arrived together.
pub(super) fn echo_at_once() -> Work {
    let mut wire = wires(&Message::binary(data::bytes(32)), 1000).concat();
    let mut server = Side::server(None);
    Box::new(move || {
        assert_eq!(server.receive(&mut wire, Side::send), 1000);
        assert_eq!(server.write(), 1000 * (2 + 32));
    })
}

/// A server echoes ASCII, one message at a time.
pub(super) fn echo_text(size: usize, times: usize) -> Work {
    echo_one_by_one(wires(&Message::text(data::text(Kind::Ascii, size)), times))
}

/// A server echoes bytes, one message at a time.
pub(super) fn echo_binary(size: usize, times: usize) -> Work {
    echo_one_by_one(wires(&Message::binary(data::bytes(size)), times))
}

fn echo_one_by_one(mut wires: Vec<Vec<u8>>) -> Work {
    let mut server = Side::server(None);
    Box::new(move || {
        for wire in &mut wires {
            assert_eq!(server.receive(wire, Side::send), 1);
            assert!(server.write() > 0);
        }
    })
}

/// A server echoes large messages, each of which arrives in many reads.
pub(super) fn echo_in_pieces() -> Work {
    let mut wires = wires(&Message::binary(data::bytes(KIB * KIB)), 3);
    let mut server = Side::server(None);
    Box::new(move || {
        for wire in &mut wires {
            let mut events = 0;
            for piece in wire.chunks_mut(64 * KIB) {
                events += server.receive(piece, Side::send);
            }
            assert_eq!(events, 1);
            assert!(server.write() > KIB * KIB);
        }
    })
}

/// A server echoes texts of 16 fragments.
pub(super) fn echo_fragmented() -> Work {
    let part = data::text(Kind::Ascii, 64);
    let mut client = Side::client(None);
    let message = std::iter::repeat_with(|| {
        for index in 1..=16 {
            client.send_fragment(Message::text(part.clone()), index == 16);
        }
        client.wire()
    });
    echo_one_by_one(message.take(50).collect())
}

/// A server answers Pings, and the client takes the Pongs.
pub(super) fn pings() -> Work {
    let (mut client, mut server) = (Side::client(None), Side::server(None));
    Box::new(move || {
        for _ in 0..200 {
            client.ping();
            let mut wire = client.wire();
            assert_eq!(server.receive(&mut wire, |_, _| ()), 1);
            let mut wire = server.wire();
            assert_eq!(client.receive(&mut wire, |_, _| ()), 1);
        }
    })
}

/// A client sends, and so masks; each message is written at once.
pub(super) fn client_sends(size: usize, times: usize) -> Work {
    let payload = data::bytes(size);
    let messages: Vec<Message> =
        std::iter::repeat_with(|| Message::binary(payload.clone())).take(times).collect();
    let mut client = Side::client(None);
    Box::new(move || {
        for message in messages {
            client.send(message);
            assert!(client.write() > size);
        }
    })
}

/// A client receives a thousand small messages that arrived together.
pub(super) fn client_receives() -> Work {
    let mut server = Side::server(None);
    for _ in 0..1000 {
        server.send(Message::binary(data::bytes(32)));
    }
    let mut wire = server.wire();
    let mut client = Side::client(None);
    Box::new(move || {
        let events = client.receive(&mut wire, |_, message| drop(black_box(message)));
        assert_eq!(events, 1000);
    })
}

/// The bytes of each of `times` messages of a client's; every one has a mask of its own.
fn wires(message: &Message, times: usize) -> Vec<Vec<u8>> {
    let mut client = Side::client(None);
    let wire = std::iter::repeat_with(|| {
        client.send(message.clone());
        client.wire()
    });
    wire.take(times).collect()
}
