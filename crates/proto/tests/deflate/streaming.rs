//! Compressed messages delivered as they arrive, and text that is looked at as it is inflated.

use std::sync::Arc;

use longwire_proto::{Config, Delivery, Event, Input, Message, ProtocolError};

use crate::{
    COMPRESSED_BINARY, COMPRESSED_TEXT, RSV1, deflate, messages, modes, prose, refused,
    support::{
        BINARY, Blocks, End, FIN, Rng, SIDES, TEXT, Wire, binary, config, connection, run_of,
        start, text,
    },
    takeover, violation, zlib,
};

fn streamed() -> Arc<Config> {
    config(|config| {
        config.deflate = Some(takeover());
        config.delivery = Delivery::Fragments;
    })
}

/// Takes the messages that parts amount to.
fn joined(end: &mut End) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut whole = Vec::new();
    for event in end.events.drain(..) {
        let Event::Fragment(fragment) = event else { continue };
        assert!(fragment.fin || !fragment.part.is_empty(), "a part that says nothing");
        whole.extend_from_slice(fragment.part.as_bytes());
        if fragment.fin {
            let whole = std::mem::take(&mut whole);
            messages.push(match fragment.part {
                Message::Text(_) => Message::text(String::from_utf8(whole).expect("text parts")),
                Message::Binary(_) => binary(&whole),
            });
        }
    }
    assert!(whole.is_empty(), "a message without an end");
    messages
}

#[test]
fn parts_make_the_same_messages_as_the_whole() {
    let mut rng = Rng::new(61);
    for side in SIDES {
        for mode in modes() {
            for pieces in [1, 7, 1000, 100_000] {
                let expected: Vec<_> = [0, 1, 100, 16_384, 40_000]
                    .iter()
                    .flat_map(|len| {
                        let prose = prose(&mut rng, *len);
                        [text(&prose), binary(prose.as_bytes())]
                    })
                    .collect();
                let mut sender = End::new(side.peer(), deflate(mode));
                for message in &expected {
                    sender.connection.send(message.clone(), sender.now).expect("open");
                    sender.pump();
                }
                let [mut whole, mut parts] = [Delivery::Messages, Delivery::Fragments].map(|it| {
                    End::new(
                        side,
                        config(|config| {
                            config.deflate = Some(mode);
                            config.delivery = it;
                        }),
                    )
                });
                for piece in sender.sent.chunks(pieces) {
                    whole.receive(piece);
                    parts.receive(piece);
                }
                assert!(messages(&mut whole) == expected);
                assert!(joined(&mut parts) == expected);
            }
        }
    }
}

#[test]
fn a_caller_that_stops_polling_is_told_that_there_is_more() {
    let zeros = zlib(&vec![0; 1 << 20]);
    assert!(zeros.len() < 4096, "all of it is taken at once");
    for side in SIDES {
        let mut connection = connection(side, streamed(), start());
        let mut wire = Wire::to(side).frame(COMPRESSED_BINARY, &zeros).ping(b"").to_vec();
        let mut input = Input::new(&mut wire);
        assert!(!connection.has_more_events());
        let mut total = 0;
        while total < 1 << 20 {
            let event = connection.poll_event(&mut input, start());
            let Some(Event::Fragment(fragment)) = event else { panic!("{event:?}") };
            total += fragment.part.len();
            assert_eq!(fragment.fin, total == 1 << 20 && fragment.part.is_empty());
            assert!(connection.has_more_events());
            assert!(!input.is_empty(), "the Ping waits for what is before it");
        }
        let end = connection.poll_event(&mut input, start());
        assert!(matches!(end, Some(Event::Fragment(fragment)) if fragment.fin), "{total}");
        assert!(!connection.has_more_events());
        let ping = connection.poll_event(&mut input, start());
        assert!(matches!(ping, Some(Event::Ping(_))), "{ping:?}");
        assert_eq!(connection.poll_event(&mut input, start()), None);
    }
}

#[test]
fn what_there_is_more_of_comes_without_input() {
    let mut rng = Rng::new(62);
    let message = [vec![0; 100_000], rng.bytes(30_000), vec![1; 100_000]].concat();
    for side in SIDES {
        for start_with in [1, 5000, 20_000] {
            let mut end = End::new(side, streamed());
            let wire = Wire::to(side).frame(COMPRESSED_BINARY, &zlib(&message));
            let (first, rest) = wire.split_at(start_with);
            let mut whole = Vec::new();
            for piece in [first, rest] {
                let mut piece = piece.to_vec();
                let mut input = Input::new(&mut piece);
                // One event for each look at the input; then what is left, without any.
                while !input.is_empty() {
                    let left = input.len();
                    let event = end.connection.poll_event(&mut input, start());
                    assert!(left - input.len() < 5000, "little is taken at a time");
                    push_part(event, &mut whole);
                }
                while end.connection.has_more_events() {
                    let event = end.connection.poll_event(&mut Input::new(&mut []), start());
                    push_part(event, &mut whole);
                }
                assert_eq!(end.connection.poll_event(&mut Input::new(&mut []), start()), None);
            }
            assert!(whole == message);
        }
    }
}

fn push_part(event: Option<Event>, whole: &mut Vec<u8>) {
    match event {
        None => {}
        Some(Event::Fragment(fragment)) => whole.extend_from_slice(fragment.part.as_bytes()),
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_connection_that_fails_has_no_more_to_give() {
    let zeros = zlib(&vec![0; 1 << 20]);
    for side in SIDES {
        let mut end = End::new(side, streamed());
        let mut wire = Wire::to(side).frame(COMPRESSED_BINARY, &zeros).to_vec();
        let mut input = Input::new(&mut wire);
        assert!(end.connection.poll_event(&mut input, start()).is_some());
        assert!(end.connection.has_more_events());
        end.connection.fail(longwire_proto::CloseCode::INTERNAL_ERROR.into(), start());
        assert!(!end.connection.has_more_events());
        end.pump();
        assert!(end.events.is_empty());
    }
}

#[test]
fn a_character_may_lie_across_the_scratch() {
    for side in SIDES {
        let (mut whole, mut parts) =
            (End::new(side, deflate(takeover())), End::new(side, streamed()));
        for character in ["é", "€", "😀"] {
            for before in 16_384 - character.len()..=16_384 {
                let message = format!("{}{character}{}", "a".repeat(before), "b".repeat(20_000));
                let wire = Wire::to(side).frame(COMPRESSED_TEXT, &zlib(message.as_bytes()));
                whole.receive(&wire);
                assert!(messages(&mut whole) == [text(&message)]);
                parts.receive(&wire);
                assert!(joined(&mut parts) == [text(&message)]);
            }
        }
    }
}

#[test]
fn a_character_may_lie_across_frames_and_blocks() {
    let message = "aé€😀z";
    let block = |bytes: &[u8]| Blocks::new().stored(false, bytes).into_bytes();
    for side in SIDES {
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            let config = config(|config| {
                config.deflate = Some(takeover());
                config.delivery = delivery;
            });
            let mut end = End::new(side, config);
            let mut wire = Wire::to(side).frame(RSV1 | TEXT, b"");
            for byte in message.as_bytes() {
                wire = wire.more(&block(&[*byte])).ping(b"");
            }
            end.receive(&wire.last(&[0x00]));
            let arrived = match delivery {
                Delivery::Messages => messages(&mut end),
                Delivery::Fragments => joined(&mut end),
            };
            assert_eq!(arrived, [text(message)]);
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_at_its_first_wrong_byte() {
    for side in SIDES {
        let wrong: [&[u8]; 4] = [b"abc\xFF", b"abc\xC0", b"abc\xED\xA0", b"abc\xF4\x90"];
        for bytes in wrong {
            for before in [0, 16_380, 16_384, 50_000] {
                let mut end = End::new(side, deflate(takeover()));
                let mut blocks = Blocks::new().stored(false, b"");
                if before > 0 {
                    blocks = blocks.fixed(false, &run_of(b'a', before));
                }
                // The message, and even the block, has not ended.
                let data = blocks.stored(false, &[bytes, b"more"].concat()).into_bytes();
                end.receive(&Wire::to(side).frame(RSV1 | TEXT, &data[..data.len() - 4]));
                assert_eq!(refused(&end), (ProtocolError::TextNotUtf8, 1007), "{bytes:x?}");
            }
        }
    }
}

#[test]
fn text_that_ends_within_a_character_is_1007_and_binary_may_be_anything() {
    for side in SIDES {
        for bytes in [&b"\xC3"[..], b"a\xE2\x82", b"\xF0\x9F\x98"] {
            let payload = zlib(bytes);
            let wire = Wire::to(side).frame(COMPRESSED_TEXT, &payload);
            let refusal = violation(side, &deflate(takeover()), &wire);
            assert_eq!(refusal, (ProtocolError::TextNotUtf8, 1007));
            let mut end = End::new(side, deflate(takeover()));
            end.receive(&Wire::to(side).frame(FIN | RSV1 | BINARY, &payload));
            assert_eq!(messages(&mut end), [binary(bytes)]);
        }
    }
}

#[test]
fn plain_and_compressed_streams_follow_each_other() {
    for side in SIDES {
        let mut end = End::new(side, streamed());
        let wire = Wire::to(side)
            .frame(COMPRESSED_TEXT, &zlib(b"one"))
            .text_start(b"tw")
            .last(b"o")
            .frame(RSV1 | TEXT, &zlib(b"three"))
            .ping(b"")
            .last(b"")
            .binary(b"four");
        for byte in wire.chunks(1) {
            end.receive(byte);
        }
        let expected = [text("one"), text("two"), text("three"), binary(b"four")];
        assert_eq!(joined(&mut end), expected);
    }
}
