//! permessage-deflate between two ends, and against bytes written by hand (RFC 7692 §6, §7.2).

mod support;

use std::sync::Arc;

use longwire_proto::{Config, Deflate, Event, Message, Side};
use support::{End, SIDES, config, text};

fn deflate(deflate: Deflate) -> Arc<Config> {
    config(|config| config.deflate = Some(deflate))
}

fn modes() -> [Deflate; 2] {
    [Deflate::no_context_takeover(), Deflate::context_takeover()]
}

fn messages(end: &mut End) -> Vec<Message> {
    end.events
        .drain(..)
        .filter_map(|event| match event {
            Event::Message(message) => Some(message),
            Event::Violation(error) => panic!("{error}"),
            _ => None,
        })
        .collect()
}

#[test]
fn messages_arrive_as_they_were_and_are_smaller_on_the_wire() {
    for side in SIDES {
        for mode in modes() {
            let mut sender = End::new(side, deflate(mode));
            let mut receiver = End::new(side.peer(), deflate(mode));
            let mut sizes = Vec::new();
            for number in 0..20 {
                let message =
                    text(&format!("{{\"number\":{number},\"text\":\"{}\"}}", "abc".repeat(200)));
                sender.connection.send(message.clone(), sender.now).expect("open");
                sender.pump();
                let wire = std::mem::take(&mut sender.sent);
                receiver.receive(&wire);
                assert_eq!(messages(&mut receiver), [message]);
                sizes.push(wire.len());
            }
            assert!(sizes.iter().all(|size| *size < 80), "{sizes:?}");
            if !mode.params.client_no_context_takeover {
                assert!(sizes[1] < sizes[0], "{sizes:?}");
            }
        }
    }
    let _ = Side::Client;
}
