//! Messages in parts, and payload read straight into its place.

mod support;

use std::sync::Arc;

use bytes::BufMut;
use longwire_proto::{Config, Delivery, Event, Message, MessageType, ProtocolError, Side};
use support::{BINARY, End, FIN, SIDES, Wire, binary, config, part, plain, text};

fn streamed() -> Arc<Config> {
    config(|it| it.delivery = Delivery::Fragments)
}

/// The messages that a run of fragments amounts to, and whether the last is unfinished.
fn joined(events: &[Event]) -> (Vec<(MessageType, Vec<u8>)>, bool) {
    let mut messages: Vec<(MessageType, Vec<u8>)> = Vec::new();
    let mut open = false;
    for event in events {
        let Event::Fragment(fragment) = event else { continue };
        let kind = fragment.part.message_type();
        if open {
            assert_eq!(messages.last().expect("open").0, kind, "one type a message");
        } else {
            messages.push((kind, Vec::new()));
        }
        let bytes = fragment.part.as_bytes();
        assert!(fragment.fin || !bytes.is_empty(), "a part that says nothing");
        messages.last_mut().expect("pushed").1.extend_from_slice(bytes);
        open = !fragment.fin;
    }
    (messages, open)
}

/// Every cut of `wire` must give the same messages, though the parts differ.
fn run_streamed(side: Side, wire: &Wire) -> (Vec<(MessageType, Vec<u8>)>, bool) {
    support::every_split(wire, |pieces| {
        let mut end = End::new(side, streamed());
        for piece in pieces {
            end.receive(piece);
        }
        joined(&end.events)
    })
}

#[test]
fn parts_come_as_they_arrive() {
    for side in SIDES {
        let mut end = End::new(side, streamed());
        let wire = Wire::to(side).binary(b"abcdef");
        let (first, second) = wire.split_at(wire.len() - 3);
        end.receive(first);
        assert_eq!(end.events, [Event::Fragment(part(binary(b"abc"), false))]);
        end.receive(second);
        assert_eq!(end.events[1..], [Event::Fragment(part(binary(b"def"), true))]);
    }
}

#[test]
fn parts_of_any_cut_make_the_same_messages() {
    for side in SIDES {
        let wire = Wire::to(side)
            .text("aé€😀")
            .text_start("é".as_bytes())
            .ping(b"between")
            .more(b"")
            .more(&"😀".as_bytes()[..1])
            .pong(b"between")
            .last(&"😀!".as_bytes()[1..])
            .binary(b"")
            .binary_start(b"tail");
        let (messages, open) = run_streamed(side, &wire);
        let expected = [
            (MessageType::Text, "aé€😀".into()),
            (MessageType::Text, "é😀!".into()),
            (MessageType::Binary, vec![]),
            (MessageType::Binary, b"tail".to_vec()),
        ];
        assert_eq!((messages, open), (expected.to_vec(), true));
    }
}

#[test]
fn a_cut_character_waits_while_control_frames_pass() {
    for side in SIDES {
        let mut end = End::new(side, streamed());
        let [a, b, c, d] = *"😀".as_bytes() else { panic!("four bytes") };
        end.receive(&Wire::to(side).text_start(&[b'x', a, b]));
        assert_eq!(end.events, [Event::Fragment(part(text("x"), false))]);
        end.receive(&Wire::to(side).ping(b"").more(&[c]).pong(b""));
        assert_eq!(end.events.len(), 3, "{:?}", end.events);
        end.receive(&Wire::to(side).more(&[d]));
        assert_eq!(end.events[3..], [Event::Fragment(part(text("😀"), false))]);
        end.receive(&Wire::to(side).last(b""));
        assert_eq!(end.events[4..], [Event::Fragment(part(text(""), true))]);
    }
}

#[test]
fn empty_frames_in_the_middle_are_silent_and_the_last_one_is_not() {
    for side in SIDES {
        let mut end = End::new(side, streamed());
        end.receive(&Wire::to(side).text_start(b"").more(b"").more(b""));
        assert_eq!(end.events, []);
        end.receive(&Wire::to(side).last(b""));
        assert_eq!(end.events, [Event::Fragment(part(text(""), true))]);
    }
}

#[test]
fn a_streamed_text_that_ends_inside_a_character_is_refused() {
    for side in SIDES {
        let mut end = End::new(side, streamed());
        end.receive(&Wire::to(side).text_start(b"ok\xE2\x82").last(b""));
        let expected = [
            Event::Fragment(part(text("ok"), false)),
            Event::Violation(ProtocolError::TextNotUtf8),
        ];
        assert_eq!(end.events, expected);
    }
}

#[test]
fn a_sequence_of_frames_is_checked_as_for_whole_messages() {
    for side in SIDES {
        let cases = [
            (Wire::to(side).text_start(b"a").text("b"), ProtocolError::ContinuationExpected),
            (Wire::to(side).last(b"a"), ProtocolError::ContinuationUnexpected),
        ];
        for (wire, error) in cases {
            let mut end = End::new(side, streamed());
            end.receive(&wire);
            assert_eq!(end.events.last(), Some(&Event::Violation(error)));
        }
    }
}

#[test]
fn what_one_end_sends_in_fragments_the_other_streams() {
    for side in SIDES {
        let mut sender = End::new(side, plain());
        for (piece, fin) in [("fr", false), ("", false), ("ag", false), ("ments", true)] {
            sender.connection.send_fragment(part(text(piece), fin), sender.now).expect("open");
        }
        sender.pump();
        let mut receiver = End::new(side.peer(), streamed());
        receiver.receive(&sender.sent);
        let (messages, open) = joined(&receiver.events);
        assert_eq!((messages, open), (vec![(MessageType::Text, b"fragments".to_vec())], false));
    }
}

/// Reads as much of `bytes` directly as there is space for, and says how much.
fn read_directly(end: &mut End, bytes: &[u8]) -> usize {
    let Some(mut space) = end.connection.payload_space() else { return 0 };
    let count = bytes.len().min(space.remaining_mut());
    assert!(count > 0, "space for nothing");
    space.put_slice(&bytes[..count]);
    count
}

/// Feeds `wire` with every byte of payload that may be read directly read so, `step` at a time.
fn feed_directly(end: &mut End, mut wire: &[u8], step: usize) -> usize {
    let mut direct = 0;
    while !wire.is_empty() {
        let piece = &wire[..step.min(wire.len())];
        let count = read_directly(end, piece);
        direct += count;
        // Where there is no space, the whole piece comes as input.
        end.receive(if count == 0 { piece } else { &[] });
        wire = &wire[if count == 0 { piece.len() } else { count }..];
    }
    direct
}

#[test]
fn large_payloads_are_read_straight_into_their_message() {
    for side in SIDES {
        let payload: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
        let wire = Wire::to(side).text("before").binary(&payload).text("after");
        for step in [1000, 16_384, 70_000, 1 << 22] {
            let mut end = End::new(side, plain());
            let direct = feed_directly(&mut end, &wire, step);
            let expected = [text("before"), binary(&payload), text("after")];
            assert_eq!(end.events, expected.map(Event::Message), "{step} a read");
            assert!(step > 70_000 || direct > 800_000, "{direct} bytes went straight");
        }
    }
}

#[test]
fn direct_reads_cross_frames_of_one_message() {
    for side in SIDES {
        let pieces: Vec<Vec<u8>> = (0..4).map(|n| vec![n; 100_001]).collect();
        let wire = Wire::to(side)
            .binary_start(&pieces[0])
            .ping(b"between")
            .more(&pieces[1])
            .more(&pieces[2])
            .last(&pieces[3]);
        let mut end = End::new(side, plain());
        let direct = feed_directly(&mut end, &wire, 5000);
        assert!(direct > 100_000);
        let [Event::Ping(_), Event::Message(message)] = &end.events[..] else { panic!("two") };
        assert_eq!(message.as_bytes(), pieces.concat());
    }
}

#[test]
fn direct_reads_and_plain_input_may_alternate_inside_characters() {
    for side in SIDES {
        let whole = "aé€😀".repeat(20_000);
        let wire = Wire::to(side).text(&whole);
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            let mut end = End::new(side, config(|it| it.delivery = delivery));
            let mut rest = &wire[..];
            for turn in 0.. {
                if rest.is_empty() {
                    break;
                }
                let piece = &rest[..(turn % 1999 + 1).min(rest.len())];
                let count = if turn % 3 == 0 { 0 } else { read_directly(&mut end, piece) };
                end.receive(if count == 0 { piece } else { &[] });
                rest = &rest[if count == 0 { piece.len() } else { count }..];
            }
            let text: String = end
                .events
                .iter()
                .map(|event| match event {
                    Event::Message(message) => message.as_text().expect("text").to_owned(),
                    Event::Fragment(part) => part.part.as_text().expect("text").to_owned(),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(text, whole);
        }
    }
}

#[test]
fn a_direct_read_and_input_in_one_poll_are_taken_in_that_order() {
    for side in SIDES {
        let payload: Vec<u8> = (0..=250).cycle().take(200_000).collect();
        let wire = Wire::to(side).binary(&payload);
        let (header, body) = wire.split_at(wire.len() - payload.len());
        let mut end = End::new(side, plain());
        end.receive(header);
        end.connection.payload_space().expect("large").put_slice(&body[..50_001]);
        end.receive(&body[50_001..]);
        assert_eq!(end.events, [Event::Message(binary(&payload))]);
    }
}

#[test]
fn a_direct_read_of_bad_text_fails_at_once() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        let mut payload = vec![b'x'; 200_000];
        payload[1000] = 0xFF;
        let wire = Wire::to(side).frame(FIN | support::TEXT, &payload);
        let (header, body) = wire.split_at(wire.len() - payload.len());
        end.receive(header);
        end.connection.payload_space().expect("large").put_slice(&body[..1000]);
        end.pump();
        assert_eq!(end.events, []);
        end.connection.payload_space().expect("large").put_slice(&body[1000..1001]);
        end.pump();
        assert_eq!(end.events, [Event::Violation(ProtocolError::TextNotUtf8)]);
        assert!(end.connection.payload_space().is_none());
    }
}

#[test]
fn space_ends_where_the_frame_ends() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        let payload = vec![1; 70_000];
        let wire = Wire::to(side).binary_start(&payload);
        let header = wire.len() - payload.len();
        end.receive(&wire[..header + 4000]);
        let mut taken = header + 4000;
        loop {
            let room = end.connection.payload_space().map_or(0, |space| space.remaining_mut());
            assert!(room <= wire.len() - taken, "beyond the frame");
            if room == 0 {
                break;
            }
            taken += read_directly(&mut end, &wire[taken..]);
            end.pump();
        }
        end.receive(&wire[taken..]);
        end.receive(&Wire::to(side).last(b"end"));
        let Event::Message(message) = &end.events[0] else { panic!("{:?}", end.events) };
        assert_eq!(message.len(), 70_003);
    }
}

#[test]
fn there_is_no_space_but_in_a_large_frame_of_data() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        let none = |end: &mut End, what: &str| {
            assert!(end.connection.payload_space().is_none(), "{what}");
        };
        none(&mut end, "before any frame");
        end.receive(&Wire::to(side).binary_start(&vec![1; 100_000]));
        none(&mut end, "between frames");
        let ping = Wire::to(side).ping(&[1; 125]);
        end.receive(&ping[..20]);
        none(&mut end, "within a control frame");
        end.receive(&ping[20..]);
        let small = Wire::to(side).last(&[1; 1000]);
        end.receive(&small[..100]);
        none(&mut end, "within a small frame");
        end.receive(&small[100..]);
        end.receive(&Wire::to(side).close(1000, "").declare(FIN | BINARY, 1 << 20));
        none(&mut end, "after the peer's Close");

        let mut end = End::new(side, plain());
        end.receive(&Wire::to(side).declare(FIN | BINARY, 1 << 20));
        assert!(end.connection.payload_space().is_some());
        end.connection.fail(support::close(1008, ""), end.now);
        none(&mut end, "after fail");
    }
}

#[test]
fn space_that_is_not_filled_changes_nothing() {
    for side in SIDES {
        let payload = vec![3; 100_000];
        let wire = Wire::to(side).binary(&payload);
        let mut end = End::new(side, plain());
        for piece in wire.chunks(9999) {
            end.receive(piece);
            let _ = end.connection.payload_space();
            end.pump();
            let _ = end.connection.payload_space();
        }
        assert_eq!(end.events, [Event::Message(Message::Binary(payload.into()))]);
    }
}

#[test]
fn a_streamed_gigabyte_passes_in_constant_memory() {
    let mut end = End::new(Side::Client, streamed());
    end.receive(&Wire::to(Side::Client).declare(FIN | BINARY, 1 << 30));
    let block = vec![0x42; 1 << 20];
    for _ in 0..1 << 10 {
        let room = end.connection.payload_space().map_or(0, |space| space.remaining_mut());
        assert!(room <= 1 << 20, "no more than what a part may hold");
        let direct = read_directly(&mut end, &block[..1000]);
        end.pump();
        end.events.clear();
        end.receive(&block[direct..]);
        let [Event::Fragment(part)] = &end.events[..] else { panic!("one part a read") };
        assert!(part.part.len() <= 1 << 20);
        end.events.clear();
    }
    assert!(end.connection.payload_space().is_none());
}
