//! Compressed messages in: each form that a stream may have (RFC 7692 §7.2.2, §7.2.3).

use longwire_proto::{Deflate, Event, ProtocolError, Side};

use crate::{
    COMPRESSED_BINARY, COMPRESSED_TEXT, RSV1, deflate, messages, modes, no_takeover, received,
    support::{
        BINARY, Blocks, CLOSE, CONTINUATION, End, FIN, PING, PONG, Rng, SIDES, Symbol, TEXT, Wire,
        binary, copies, plain, run_of, text,
    },
    takeover, takes_over, violation, with_windows,
};

const HELLO: [u8; 7] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];

/// Literals.
fn bytes(bytes: &[u8]) -> Vec<Symbol> {
    bytes.iter().copied().map(Symbol::Byte).collect()
}

#[test]
fn the_examples_of_section_7_2_3_are_read() {
    let two_blocks = [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00];
    let stored = [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00];
    let last_block = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
    for side in SIDES {
        for mode in modes() {
            let mut wire = Wire::to(side)
                .frame(COMPRESSED_TEXT, &HELLO)
                .frame(RSV1 | TEXT, &HELLO[..3])
                .last(&HELLO[3..])
                .frame(COMPRESSED_TEXT, &stored)
                .frame(COMPRESSED_TEXT, &last_block)
                .frame(COMPRESSED_TEXT, &two_blocks);
            let mut hellos = 5;
            if takes_over(&mode, side.peer()) {
                wire = wire.frame(COMPRESSED_TEXT, &[0xF2, 0x00, 0x11, 0x00, 0x00]);
                hellos += 1;
            }
            assert_eq!(received(side, &deflate(mode), &wire), vec![text("Hello"); hellos]);
        }
    }
}

#[test]
fn an_empty_message_may_have_many_forms() {
    let forms: [&[u8]; 9] = [
        &[],
        &[0x00],
        &[0x02, 0x00],
        &[0x03, 0x00],
        &[0x03, 0x00, 0x00],
        &[0x01, 0x00, 0x00, 0xFF, 0xFF],
        &[0x01, 0x00, 0x00, 0xFF, 0xFF, 0x00],
        &[0x00, 0x00, 0x00, 0xFF, 0xFF, 0x00],
        &[0x03, 0x00, 0x03, 0x00, 0x02, 0x00],
    ];
    for side in SIDES {
        for mode in modes() {
            for form in forms {
                let wire = Wire::to(side)
                    .frame(COMPRESSED_BINARY, form)
                    .frame(RSV1 | TEXT, b"")
                    .more(form)
                    .last(b"")
                    .frame(COMPRESSED_TEXT, &HELLO);
                let expected = [binary(b""), text(""), text("Hello")];
                assert_eq!(received(side, &deflate(mode), &wire), expected, "{form:02x?}");
            }
        }
    }
}

#[test]
fn stored_blocks_alone_are_a_message() {
    for side in SIDES {
        let payload = Blocks::new()
            .stored(false, b"one, ")
            .stored(false, b"")
            .stored(false, b"two")
            .stored(false, &[0, 0, 0xFF, 0xFF])
            .end();
        let wire = Wire::to(side).frame(COMPRESSED_BINARY, &payload);
        let settings = deflate(takeover());
        assert_eq!(received(side, &settings, &wire), [binary(b"one, two\0\0\xFF\xFF")]);
    }
}

#[test]
fn blocks_of_every_kind_follow_each_other_and_refer_back() {
    let back = [Symbol::Copy { len: 5, distance: 5 }];
    let flushed = Blocks::new().stored(false, b"abcde").fixed(false, &back).stored(false, b"");
    let payload = flushed.stored(false, b"").fixed(false, &[]).fixed(false, &back).end();
    for side in SIDES {
        for mode in modes() {
            let wire = Wire::to(side).frame(COMPRESSED_TEXT, &payload);
            assert_eq!(received(side, &deflate(mode), &wire), [text("abcdeabcdeabcde")]);
        }
    }
}

#[test]
fn a_final_block_in_the_middle_ends_nothing_and_what_follows_refers_to_what_came_before() {
    let back = [Symbol::Copy { len: 3, distance: 3 }];
    let payload = Blocks::new()
        .fixed(true, &bytes(b"abc"))
        .aligned()
        .fixed(true, &back)
        .aligned()
        .stored(true, b"def")
        .fixed(false, &back)
        .end();
    for side in SIDES {
        for mode in modes() {
            let mut wire = Wire::to(side).frame(COMPRESSED_TEXT, &payload);
            let mut expected = vec![text("abcabcdefdef")];
            if takes_over(&mode, side.peer()) {
                let back = [Symbol::Copy { len: 12, distance: 12 }];
                wire = wire.frame(COMPRESSED_TEXT, &Blocks::new().fixed(true, &back).end());
                expected.push(text("abcabcdefdef"));
            }
            assert_eq!(received(side, &deflate(mode), &wire), expected);
        }
    }
}

#[test]
fn four_bytes_that_made_another_library_spin_are_an_empty_message() {
    // A final block alone, with a bit set behind it in its last byte.
    for side in SIDES {
        for mode in modes() {
            let wire = Wire::to(side).frame(0xC2, &[0x03, 0x80]).frame(COMPRESSED_TEXT, &HELLO);
            assert_eq!(received(side, &deflate(mode), &wire), [binary(b""), text("Hello")]);
        }
    }
}

#[test]
fn a_message_may_end_with_a_final_block_and_nothing_behind_it() {
    let payload = Blocks::new().fixed(true, &bytes(b"whole")).into_bytes();
    for side in SIDES {
        let wire = Wire::to(side).frame(COMPRESSED_TEXT, &payload).frame(COMPRESSED_TEXT, &HELLO);
        for mode in modes() {
            let expected = [text("whole"), text("Hello")];
            assert_eq!(received(side, &deflate(mode), &wire), expected);
        }
    }
}

#[test]
fn what_is_behind_a_final_block_is_blocks_or_corrupt() {
    let last = Blocks::new().fixed(true, &bytes(b"whole"));
    for side in SIDES {
        for (trailing, sound) in [(&[0x02, 0x00][..], true), (b"\xFF", false), (b"tail", false)] {
            let payload = last.clone().raw(trailing).into_bytes();
            let wire = Wire::to(side).frame(COMPRESSED_TEXT, &payload);
            if sound {
                assert_eq!(received(side, &deflate(takeover()), &wire), [text("whole")]);
            } else {
                let (error, code) = violation(side, &deflate(takeover()), &wire);
                assert_eq!((error, code), (ProtocolError::DeflateInvalid, 1007), "{trailing:x?}");
            }
        }
    }
}

#[test]
fn neither_plain_messages_nor_control_frames_enter_the_window() {
    let abc = Blocks::new().fixed(false, &bytes(b"abcdef")).end();
    let back = |distance| [Symbol::Copy { len: 6, distance }];
    let again = Blocks::new().fixed(false, &back(6)).end();
    let (start, rest) = again.split_at(1);
    for side in SIDES {
        let wire = Wire::to(side)
            .frame(COMPRESSED_TEXT, &abc)
            .text("a plain message")
            .ping(b"a payload")
            .frame(RSV1 | TEXT, start)
            .ping(b"another payload")
            .more(b"")
            .pong(b"and another")
            .last(rest)
            .text_start(b"plain in ")
            .last(b"fragments")
            .frame(COMPRESSED_TEXT, &Blocks::new().fixed(false, &back(12)).end());
        let expected =
            ["abcdef", "a plain message", "abcdef", "plain in fragments", "abcdef"].map(text);
        assert_eq!(received(side, &deflate(takeover()), &wire), expected);
    }
}

#[test]
fn without_context_takeover_nothing_is_left_of_the_message_before() {
    let first = Blocks::new().fixed(false, &bytes(b"abc")).end();
    let second = Blocks::new().fixed(false, &[Symbol::Copy { len: 3, distance: 3 }]).end();
    for side in SIDES {
        for mode in modes() {
            let wire =
                Wire::to(side).frame(COMPRESSED_TEXT, &first).frame(COMPRESSED_TEXT, &second);
            if takes_over(&mode, side.peer()) {
                assert_eq!(received(side, &deflate(mode), &wire), [text("abc"), text("abc")]);
            } else {
                let (error, code) = violation(side, &deflate(mode), &wire);
                assert_eq!((error, code), (ProtocolError::DeflateInvalid, 1007));
            }
        }
    }
}

/// What comes of a message that refers `distance` back into the message before it.
fn across(side: Side, bits: u8, first: &[u8], distance: usize) -> Result<Vec<u8>, ProtocolError> {
    let mut end = End::new(side, deflate(with_windows(takeover(), bits)));
    let mut blocks = Blocks::new();
    for block in first.chunks(60_000) {
        blocks = blocks.stored(false, block);
    }
    let back = [Symbol::Copy { len: 3, distance }];
    let wire = Wire::to(side)
        .frame(COMPRESSED_BINARY, &blocks.end())
        .frame(COMPRESSED_BINARY, &Blocks::new().fixed(false, &back).end());
    for piece in wire.chunks(10_000) {
        end.receive(piece);
    }
    match end.events.last().expect("something came of it") {
        Event::Message(message) => Ok(message.as_bytes().to_vec()),
        Event::Violation(error) => Err(*error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_refers_as_far_back_as_the_window_goes_and_no_farther() {
    let mut rng = Rng::new(1);
    let first = rng.bytes(100_000);
    for side in SIDES {
        for bits in 8..=15 {
            let window = 1 << bits;
            for len in [window, window + 1, window + 7777, first.len()] {
                let first = &first[..len];
                let expected = first[len - window..][..3].to_vec();
                assert_eq!(across(side, bits, first, window), Ok(expected), "{bits} bits");
            }
            // DEFLATE has no distance beyond 32 KiB.
            if bits < 15 {
                let beyond = across(side, bits, &first, window + 1);
                assert_eq!(beyond, Err(ProtocolError::DeflateInvalid), "{bits} bits");
            }
        }
    }
}

#[test]
fn a_window_of_8_bits_is_read_in_both_directions() {
    let mut rng = Rng::new(8);
    for side in SIDES {
        let mut end = End::new(side, deflate(with_windows(takeover(), 8)));
        let mut history = Vec::new();
        for _ in 0..20 {
            let message = [&rng.bytes(50)[..], &rng.bytes(20).repeat(5)].concat();
            let payload = Blocks::new().fixed(false, &copies(&history, &message, 256)).end();
            end.receive(&Wire::to(side).frame(COMPRESSED_BINARY, &payload));
            assert_eq!(messages(&mut end), [binary(&message)]);
            history.extend_from_slice(&message);
        }
    }
}

#[test]
fn output_that_just_fills_the_scratch_is_neither_lost_nor_doubled() {
    const SCRATCH: usize = 16 * 1024;
    for side in SIDES {
        for mode in [no_takeover(), takeover()] {
            let mut end = End::new(side, deflate(mode));
            let around = (SCRATCH - 3..SCRATCH + 3)
                .chain(SCRATCH + 200..SCRATCH + 262)
                .chain(2 * SCRATCH - 2..2 * SCRATCH + 3);
            for len in around {
                // A copy may reach over the border, and what is said ends with a byte of its own.
                let payloads = [
                    Blocks::new().fixed(false, &run_of(b'x', len)).end(),
                    Blocks::new().fixed(true, &run_of(b'x', len)).into_bytes(),
                    Blocks::new().stored(false, &vec![b'x'; len]).end(),
                ];
                for payload in payloads {
                    end.receive(&Wire::to(side).frame(COMPRESSED_TEXT, &payload));
                    // The last frame may have nothing for the output, which was full before it.
                    let wire = Wire::to(side).frame(RSV1 | TEXT, &payload).ping(b"").last(b"");
                    end.receive(&wire);
                    let expected = text(&"x".repeat(len));
                    assert_eq!(messages(&mut end), [expected.clone(), expected], "{len}");
                }
            }
        }
    }
}

#[test]
fn rsv1_is_for_the_first_frame_of_a_message_alone() {
    for side in SIDES {
        for first in [FIN | PING, FIN | PONG, FIN | CLOSE] {
            let wire = Wire::to(side).frame(RSV1 | first, b"");
            let (error, code) = violation(side, &deflate(takeover()), &wire);
            assert_eq!((error, code), (ProtocolError::ReservedBitSet { rsv: 0b100 }, 1002));
        }
        for (start, last) in
            [(TEXT, RSV1 | CONTINUATION), (RSV1 | BINARY, FIN | RSV1 | CONTINUATION)]
        {
            let wire = Wire::to(side).frame(start, b"").frame(last, b"");
            let (error, code) = violation(side, &deflate(takeover()), &wire);
            assert_eq!((error, code), (ProtocolError::ReservedBitSet { rsv: 0b100 }, 1002));
        }
    }
}

#[test]
fn rsv1_without_the_extension_is_1002() {
    for side in SIDES {
        for first in [COMPRESSED_TEXT, COMPRESSED_BINARY, RSV1 | TEXT] {
            let wire = Wire::to(side).frame(first, &HELLO);
            let (error, code) = violation(side, &plain(), &wire);
            assert_eq!((error, code), (ProtocolError::ReservedBitSet { rsv: 0b100 }, 1002));
        }
    }
}

#[test]
fn rsv2_and_rsv3_belong_to_nobody_with_the_extension_too() {
    for side in SIDES {
        for rsv in [0b010, 0b001, 0b110, 0b101, 0b111] {
            let wire = Wire::to(side).frame(FIN | TEXT | rsv << 4, &HELLO);
            let (error, code) = violation(side, &deflate(Deflate::default()), &wire);
            assert_eq!((error, code), (ProtocolError::ReservedBitSet { rsv }, 1002));
        }
    }
}
