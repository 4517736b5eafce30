//! permessage-deflate (RFC 7692), and messages that are encoded once for many.

use std::hint::black_box;

use longwire_proto::{DeflateParams, Message, Prepared};

use super::Work;
use super::side::Side;
use crate::data;

/// A server compresses JSON of 1 KiB.
pub(super) fn send(params: DeflateParams) -> Work {
    let messages: Vec<Message> =
        (0..MESSAGES).map(|seed| Message::text(data::json(seed))).collect();
    let mut server = Side::server(Some(params));
    Box::new(move || {
        for message in messages {
            server.send(message);
            assert!(server.write() < 1024, "it shrinks");
        }
    })
}

/// A server inflates JSON of 1 KiB.
pub(super) fn receive(params: DeflateParams) -> Work {
    let mut client = Side::client(Some(params));
    let mut wires: Vec<Vec<u8>> = Vec::new();
    for seed in 0..MESSAGES {
        client.send(Message::text(data::json(seed)));
        wires.push(client.wire());
    }
    let mut server = Side::server(Some(params));
    Box::new(move || {
        for wire in &mut wires {
            assert!(wire.len() < 1024, "it shrank");
            assert_eq!(server.receive(wire, |_, message| drop(black_box(message))), 1);
        }
    })
}

/// A server prepares ten messages, and sends each to a hundred connections.
pub(super) fn prepared(params: Option<DeflateParams>) -> Work {
    let mut receivers: Vec<Side> =
        std::iter::repeat_with(|| Side::server(params)).take(100).collect();
    let messages: Vec<Message> = (0..10).map(|seed| Message::text(data::json(seed))).collect();
    Box::new(move || {
        for message in messages {
            let prepared = Prepared::new(message);
            for receiver in &mut receivers {
                receiver.send(&prepared);
                assert!(receiver.write() > 0);
            }
        }
    })
}

const MESSAGES: u64 = 50;
