//! The base framing protocol: header forms, lengths, opcodes (RFC 6455 §5.2).

mod support;

use longwire_proto::{Event, ProtocolError};
use support::{
    BINARY, CLOSE, CONTINUATION, End, FIN, PING, PONG, SIDES, TEXT, Wire, binary, close,
    every_split, plain, run, text,
};

/// What a connection does with a wire that breaks the protocol: the event, and the Close code.
fn fault(side: longwire_proto::Side, wire: &Wire) -> (ProtocolError, u16) {
    let outcome = run(side, &plain(), wire);
    let [Event::Violation(error)] = outcome.events[..] else { panic!("{:?}", outcome.events) };
    let [close] = &outcome.sent[..] else { panic!("{:?}", outcome.sent) };
    assert_eq!(close.first, FIN | CLOSE);
    assert_eq!(&close.payload[2..], error.to_string().as_bytes(), "the reason says what was wrong");
    assert!(outcome.fin, "a failed connection is ended at once");
    (error, close.close_code().expect("a status code"))
}

#[test]
fn every_header_may_arrive_in_any_pieces() {
    for side in SIDES {
        let wire = Wire::to(side)
            .text("")
            .text("Hello")
            .binary(&[1; 125])
            .binary(&[2; 126])
            .binary(&[3; 300])
            .ping(b"p")
            .pong(b"q")
            .text_start(b"a")
            .more(b"")
            .last(b"b")
            .close(1000, "done");
        let events = run(side, &plain(), &wire).events;
        let [messages @ .., Event::Ping(ping), Event::Pong { payload, answers }, last, end] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        let whole =
            [text(""), text("Hello"), binary(&[1; 125]), binary(&[2; 126]), binary(&[3; 300])];
        assert_eq!(messages, whole.map(Event::Message));
        assert_eq!((&**ping, &**payload, *answers), (&b"p"[..], &b"q"[..], None));
        assert_eq!(*last, Event::Message(text("ab")));
        assert_eq!(*end, Event::CloseReceived(close(1000, "done")));
    }
}

#[test]
fn each_form_of_length_carries_its_bounds() {
    for side in SIDES {
        for len in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537] {
            let payload = vec![0xA5; len];
            let mut end = End::new(side, plain());
            end.receive(&Wire::to(side).binary(&payload));
            assert_eq!(end.events, [Event::Message(binary(&payload))], "{len} bytes");
        }
    }
}

#[test]
fn a_header_with_a_long_length_may_be_cut_anywhere() {
    for side in SIDES {
        let payload = vec![7; 65_536];
        let wire = Wire::to(side).binary(&payload);
        for cut in 1..15 {
            let mut end = End::new(side, plain());
            end.receive(&wire[..cut]);
            end.receive(&wire[cut..]);
            assert_eq!(end.events, [Event::Message(binary(&payload))], "cut at {cut}");
        }
    }
}

#[test]
fn a_16_bit_length_below_126_is_refused() {
    for side in SIDES {
        for len in [0u8, 1, 125] {
            let wire = Wire::to(side).raw(&[FIN | BINARY, mask_bit(side) | 0x7E, 0, len]);
            assert_eq!(fault(side, &wire), (ProtocolError::LengthNotMinimal, 1002));
        }
    }
}

#[test]
fn a_64_bit_length_below_65536_is_refused() {
    for side in SIDES {
        for len in [0u64, 125, 126, 65_535] {
            let wire =
                Wire::to(side).raw(&[FIN | BINARY, mask_bit(side) | 0x7F]).raw(&len.to_be_bytes());
            assert_eq!(fault(side, &wire), (ProtocolError::LengthNotMinimal, 1002));
        }
    }
}

#[test]
fn a_64_bit_length_with_its_first_bit_set_is_refused() {
    for side in SIDES {
        for len in [1u64 << 63, u64::MAX] {
            let wire = Wire::to(side).declare(FIN | BINARY, len);
            assert_eq!(fault(side, &wire), (ProtocolError::LengthTooLong, 1002));
        }
    }
}

#[test]
fn every_reserved_opcode_is_refused_with_or_without_fin() {
    for side in SIDES {
        for opcode in (0x3..=0x7).chain(0xB..=0xF) {
            for fin in [0, FIN] {
                let wire = Wire::to(side).frame(fin | opcode, b"");
                assert_eq!(fault(side, &wire), (ProtocolError::OpcodeReserved { opcode }, 1002));
            }
        }
    }
}

#[test]
fn a_reserved_opcode_between_fragments_is_refused() {
    for side in SIDES {
        let wire = Wire::to(side).text_start(b"a").frame(FIN | 0x3, b"").last(b"b");
        assert_eq!(fault(side, &wire), (ProtocolError::OpcodeReserved { opcode: 3 }, 1002));
    }
}

#[test]
fn what_came_before_a_violation_is_delivered_and_answered_first() {
    for side in SIDES {
        let wire = Wire::to(side).text("first").ping(b"1").frame(FIN | 0xB, b"").text("never");
        let outcome = every_split(&wire, |pieces| {
            let mut end = End::new(side, plain());
            for piece in pieces {
                end.receive_and(piece, |connection, event, now| {
                    if let Event::Message(message) = event {
                        connection.send(message.clone(), now).expect("open");
                    }
                });
            }
            end.into_outcome()
        });
        assert_eq!(outcome.events.len(), 3, "{:?}", outcome.events);
        let opcodes: Vec<u8> = outcome.sent.iter().map(support::Frame::opcode).collect();
        assert_eq!(opcodes, [TEXT, PONG, CLOSE]);
        assert_eq!(outcome.sent[2].close_code(), Some(1002));
    }
}

#[test]
fn after_a_violation_nothing_that_arrives_has_an_effect() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.receive(&Wire::to(side).frame(FIN | 0x3, b""));
        let (events, sent) = (end.events.len(), end.sent.len());
        assert!(!end.connection.is_reading());
        end.receive(&Wire::to(side).text("no").ping(b"no").close(1000, "").frame(FIN | 0x4, b""));
        assert_eq!((end.events.len(), end.sent.len()), (events, sent));
    }
}

#[test]
fn frames_are_sent_with_lengths_in_their_shortest_form() {
    for side in SIDES {
        for len in [0, 125, 126, 4096, 4097, 65_535, 65_536] {
            let mut end = End::new(side, plain());
            let payload = vec![0x5A; len];
            end.connection.send(binary(&payload), end.now).expect("open");
            end.pump();
            assert_eq!(end.frames(), [support::Frame::new(FIN | BINARY, &payload)], "{len} bytes");
        }
    }
}

#[test]
fn the_opcodes_are_those_of_section_11_8() {
    use longwire_proto::Opcode;
    let known = [
        (Opcode::Continuation, CONTINUATION),
        (Opcode::Text, TEXT),
        (Opcode::Binary, BINARY),
        (Opcode::Close, CLOSE),
        (Opcode::Ping, PING),
        (Opcode::Pong, PONG),
    ];
    for bits in 0..=u8::MAX {
        let expected = known.iter().find(|(_, known)| *known == bits).map(|(opcode, _)| *opcode);
        assert_eq!(Opcode::from_bits(bits), expected);
    }
    for (opcode, bits) in known {
        assert_eq!((opcode.bits(), opcode.is_control()), (bits, bits >= CLOSE));
    }
}

fn mask_bit(receiver: longwire_proto::Side) -> u8 {
    if receiver.peer().masks() { 0x80 } else { 0 }
}
