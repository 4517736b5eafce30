//! permessage-deflate on JSON of 1 KiB, by way of a connection.

use std::hint::black_box;

use longwire_proto::{DeflateParams, Message};

use super::{Comparison, Contestant, script};
use crate::data;
use crate::scenarios::side::Side;

pub(super) fn comparisons() -> Vec<Comparison> {
    let modes = [DeflateParams::NO_CONTEXT_TAKEOVER, DeflateParams::CONTEXT_TAKEOVER].map(Some);
    let comparison = |name: &str, contestant: fn(&'static str, Option<DeflateParams>) -> _| {
        let [without, with] = modes;
        let contestants = vec![
            contestant("not compressed", None),
            contestant("no context takeover", without),
            contestant("context takeover", with),
        ];
        Comparison { name: name.to_owned(), size: Some(1024), contestants }
    };
    vec![comparison("JSON, send", send), comparison("JSON, receive", receive)]
}

/// A connection that sends one message after the other.
fn send(name: &'static str, mode: Option<DeflateParams>) -> Contestant {
    let messages = messages();
    let mut server = Side::server(mode);
    script(name, MESSAGES, move || {
        for message in &messages {
            server.send(message.clone());
            black_box(server.write());
        }
    })
}

/// A new connection that receives the messages; each is copied first, for it is unmasked in place.
fn receive(name: &'static str, mode: Option<DeflateParams>) -> Contestant {
    let mut client = Side::client(mode);
    let mut wires = Vec::new();
    for message in messages() {
        client.send(message);
        wires.push(client.wire());
    }
    let mut buffer = vec![0; 2048];
    script(name, MESSAGES, move || {
        let mut server = Side::server(mode);
        for wire in &wires {
            let arrived = &mut buffer[..wire.len()];
            arrived.copy_from_slice(wire);
            server.receive(arrived, |_, message| drop(black_box(message)));
        }
    })
}

fn messages() -> Vec<Message> {
    (0..MESSAGES).map(|seed| Message::text(data::json(seed.into()))).collect()
}

const MESSAGES: u32 = 64;
