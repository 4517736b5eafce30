//! Compressed data that is corrupt or cut: 1007, never a panic, never a spin (RFC 7692 §7.2.2).

use std::sync::Arc;

use longwire_proto::{Deflate, Delivery, Event, Limit, Message, ProtocolError, Side};

use crate::{
    COMPRESSED_BINARY, COMPRESSED_TEXT, RSV1, deflate, modes, no_takeover, prose, refused,
    support::{BINARY, Blocks, End, FIN, Rng, SIDES, Symbol, TEXT, Wire, config, every_split},
    takeover, violation, zlib,
};

/// Messages whose data is of each kind of block, and the places where they may be cut: where a
/// stored block has its first byte alone, which is how a message ends.
fn sound() -> Vec<(Vec<u8>, Vec<usize>)> {
    let mut rng = Rng::new(41);
    let prose = prose(&mut rng, 700).into_bytes();
    let literals: Vec<_> = b"abcdefgh".iter().copied().map(Symbol::Byte).collect();
    let stored = Blocks::new().stored(false, &rng.bytes(50)).stored(false, &rng.bytes(9)).end();
    let fixed = Blocks::new().fixed(false, &literals);
    let fixed_end = fixed.clone().end().len();
    vec![
        (zlib(&prose), vec![]),
        (zlib(&prose[..20]), vec![]),
        (zlib(&rng.bytes(300)), vec![1]),
        (zlib(&[7; 5000]), vec![]),
        (stored, vec![1, 1 + 4 + 50 + 1]),
        (fixed.stored(false, b"").fixed(false, &literals).end(), vec![fixed_end]),
    ]
}

/// What one end makes of a compressed message.
fn outcome(side: Side, delivery: Delivery, payload: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let config = config(|config| {
        config.deflate = Some(takeover());
        config.delivery = delivery;
    });
    let mut end = End::new(side, config);
    end.receive(&Wire::to(side).frame(COMPRESSED_BINARY, payload));
    let mut whole = Vec::new();
    for event in &end.events {
        match event {
            Event::Message(message) => return Ok(message.as_bytes().to_vec()),
            Event::Fragment(fragment) => whole.extend_from_slice(fragment.part.as_bytes()),
            Event::Violation(error) => return Err(*error),
            other => panic!("{other:?}"),
        }
    }
    Ok(whole)
}

#[test]
fn a_message_that_is_cut_anywhere_is_1007() {
    for side in SIDES {
        for (payload, ends) in sound() {
            for delivery in [Delivery::Messages, Delivery::Fragments] {
                for cut in 1..=payload.len() {
                    let result = outcome(side, delivery, &payload[..cut]);
                    if cut == payload.len() || ends.contains(&cut) {
                        assert!(result.is_ok(), "{result:?} at {cut}");
                    } else {
                        assert_eq!(result, Err(ProtocolError::DeflateInvalid), "at {cut}");
                    }
                }
            }
        }
    }
}

#[test]
fn behind_a_final_block_alone_a_message_may_be_cut() {
    let first = Blocks::new().fixed(true, &[Symbol::Byte(b'a')]).aligned();
    let second = first.clone().stored(true, b"bcd");
    let [first_end, second_end] = [first, second.clone()].map(|blocks| blocks.into_bytes().len());
    let payload = second.fixed(false, &[Symbol::Byte(b'e')]).end();
    for side in SIDES {
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            for cut in 1..payload.len() {
                let expected = if cut == first_end || cut == first_end + 1 {
                    Ok(b"a".to_vec()) // and perhaps an empty stored block, which is a final one
                } else if cut == second_end {
                    Ok(b"abcd".to_vec())
                } else {
                    Err(ProtocolError::DeflateInvalid)
                };
                assert_eq!(outcome(side, delivery, &payload[..cut]), expected, "at {cut}");
            }
        }
    }
}

#[test]
fn a_message_that_is_cut_is_1007_however_it_arrives() {
    let mut rng = Rng::new(42);
    let payload = zlib(prose(&mut rng, 100).as_bytes());
    for side in SIDES {
        for cut in [1, 2, 10, payload.len() - 2, payload.len() - 1] {
            let (start, rest) = payload[..cut].split_at(cut / 2);
            let wire =
                Wire::to(side).frame(RSV1 | TEXT, start).ping(b"").more(rest).more(b"").last(b"");
            let (error, code) = violation(side, &deflate(no_takeover()), &wire);
            assert_eq!((error, code), (ProtocolError::DeflateInvalid, 1007), "{cut}");
        }
    }
}

#[test]
fn a_cut_block_does_not_take_what_stands_for_the_end_as_its_own() {
    // The bytes that a receiver adds are data of these blocks, and some of them end there.
    for len in 1..=10 {
        for last in [false, true] {
            let whole = Blocks::new().stored(last, &vec![0; len]).into_bytes();
            for missing in 1..=len {
                let cut = &whole[..whole.len() - missing];
                for side in SIDES {
                    let wire = Wire::to(side).frame(COMPRESSED_BINARY, cut);
                    let (error, code) = violation(side, &deflate(takeover()), &wire);
                    assert_eq!((error, code), (ProtocolError::DeflateInvalid, 1007));
                }
            }
        }
    }
}

#[test]
fn any_bit_may_be_wrong() {
    let mut rng = Rng::new(43);
    let (mut messages, mut violations) = (0, 0);
    for side in SIDES {
        for (payload, _) in sound() {
            for _ in 0..150 {
                let mut payload = payload.clone();
                let bit = rng.below(0..payload.len() * 8);
                payload[bit / 8] ^= 1 << (bit % 8);
                let whole = outcome(side, Delivery::Messages, &payload);
                match &whole {
                    Ok(_) => messages += 1,
                    Err(error) => {
                        assert_eq!(*error, ProtocolError::DeflateInvalid);
                        violations += 1;
                    }
                }
                assert_eq!(outcome(side, Delivery::Fragments, &payload), whole);
            }
        }
    }
    assert!(messages > 100 && violations > 100, "{messages}, {violations}");
}

#[test]
fn noise_is_1007() {
    let mut rng = Rng::new(44);
    for side in SIDES {
        for _ in 0..300 {
            let len = rng.below(1..200);
            let result = outcome(side, Delivery::Messages, &rng.bytes(len));
            assert!(matches!(result, Ok(_) | Err(ProtocolError::DeflateInvalid)), "{result:?}");
        }
    }
}

#[test]
fn what_no_block_may_be_is_1007() {
    let wrong: [&[u8]; 6] = [
        &[0x06],                         // the reserved type of block
        &[0x07],                         // the same, as the last one
        &[0x00, 0x05, 0x00, 0xFA, 0xFE], // a length and what is not its complement
        &[0x00, 0x00, 0x00, 0xFF, 0xFF], // a flush whose tail was left on
        &[0xFC, 0xFF, 0xFF],             // more codes than the alphabet has
        &[0x63, 0x18, 0x03],             // a distance of 32 KiB, where there is nothing yet
    ];
    for side in SIDES {
        for payload in wrong {
            for mode in modes() {
                let wire = Wire::to(side).frame(COMPRESSED_BINARY, payload);
                let (error, code) = violation(side, &deflate(mode), &wire);
                let expected = (ProtocolError::DeflateInvalid, 1007);
                assert_eq!((error, code), expected, "{payload:02x?}");
            }
        }
    }
}

#[test]
fn a_distance_before_the_first_byte_is_1007() {
    for side in SIDES {
        for distance in [1, 2, 300, 32_768] {
            let nothing = [Symbol::Copy { len: 3, distance }];
            let wire =
                Wire::to(side).frame(COMPRESSED_TEXT, &Blocks::new().fixed(false, &nothing).end());
            let (error, code) = violation(side, &deflate(takeover()), &wire);
            assert_eq!((error, code), (ProtocolError::DeflateInvalid, 1007), "{distance}");
            let one = [Symbol::Byte(b'a'), Symbol::Copy { len: 3, distance: distance.max(2) }];
            let wire =
                Wire::to(side).frame(COMPRESSED_TEXT, &Blocks::new().fixed(false, &one).end());
            let (error, code) = violation(side, &deflate(takeover()), &wire);
            assert_eq!((error, code), (ProtocolError::DeflateInvalid, 1007), "{distance}");
        }
    }
}

#[test]
fn corrupt_data_is_noticed_before_the_message_ends() {
    for side in SIDES {
        let mut end = End::new(side, deflate(Deflate::default()));
        end.receive(&Wire::to(side).frame(RSV1 | BINARY, &[0x00, 0x05, 0x00, 0x00, 0x00]));
        assert_eq!(refused(&end), (ProtocolError::DeflateInvalid, 1007));
        assert!(!end.connection.is_reading());
        assert!(!end.connection.has_more_events());
        // What follows is thrown away.
        end.receive(&Wire::to(side).last(&[0x00]).text("more"));
        assert_eq!(end.events.len(), 1);
    }
}

#[test]
fn what_came_before_corrupt_data_is_delivered() {
    for side in SIDES {
        let mut end = End::new(side, deflate(takeover()));
        let wire = Wire::to(side)
            .frame(FIN | RSV1 | TEXT, &zlib(b"sound"))
            .text("plain")
            .frame(FIN | RSV1 | TEXT, &[0xFF]);
        end.receive(&wire);
        let expected = [
            Event::Message(Message::text("sound")),
            Event::Message(Message::text("plain")),
            Event::Violation(ProtocolError::DeflateInvalid),
        ];
        assert_eq!(end.events, expected);
        assert_eq!(refused(&end).1, 1007);
    }
}

#[test]
fn the_first_fault_counts_however_the_message_arrives() {
    const MAX: usize = 10;
    let too_big = ProtocolError::LimitExceeded(Limit::MessageSize(MAX as u64));
    let stored = |bytes: &[u8]| Blocks::new().stored(false, bytes);
    let corrupt = |bytes: &[u8]| stored(bytes).raw(&[0x07]).into_bytes();
    let cases = [
        (stored(b"aaaa\xFF").into_bytes(), ProtocolError::TextNotUtf8),
        (stored(b"aaaa\xFF").end(), ProtocolError::TextNotUtf8),
        (corrupt(b"aaaa\xFF"), ProtocolError::TextNotUtf8),
        (corrupt(b"aaaa\xC3"), ProtocolError::DeflateInvalid),
        (corrupt(b"aaaa"), ProtocolError::DeflateInvalid),
        (corrupt(b"aaaaaaaaaaa"), too_big),
        (stored(b"aaaaaaaaaaa").into_bytes(), too_big),
        (stored(b"aaaa\xFFaaaaaaaaaaaaaaaaaaaa").end(), ProtocolError::TextNotUtf8),
        (stored(b"aaaaaaaaa\xFFa").end(), ProtocolError::TextNotUtf8),
        (stored(b"aaaaaaaaaa\xFF").end(), too_big),
        (stored(b"aaaaaaaaaaa\xFF").end(), too_big),
    ];
    for side in SIDES {
        let settings = config(|config| {
            config.deflate = Some(takeover());
            config.limits.max_message_size = MAX as u64;
        });
        for (payload, expected) in &cases {
            let (start, rest) = payload.split_at(3);
            let wire = Wire::to(side).frame(RSV1 | TEXT, start).ping(b"").last(rest);
            let error = every_split(&wire, |pieces| {
                let mut end = End::new(side, Arc::clone(&settings));
                for piece in pieces {
                    end.receive(piece);
                }
                refused(&end).0
            });
            assert_eq!(error, *expected, "{payload:02x?}");
        }
    }
}
