//! What a compressed message may become: the limits hold while it is inflated (RFC 6455 §10.4).

use std::{num::NonZeroU32, sync::Arc};

use longwire_proto::{Config, Delivery, Event, Limit, ProtocolError, Side};

use crate::{
    COMPRESSED_BINARY, COMPRESSED_TEXT, RSV1, deflate, messages, refused,
    support::{BINARY, Blocks, End, FIN, Rng, SIDES, TEXT, Wire, binary, config, run_of, text},
    takeover, zlib,
};

/// Settings with a limit for messages.
fn at_most(bytes: usize, delivery: Delivery) -> Arc<Config> {
    config(|config| {
        config.deflate = Some(takeover());
        config.delivery = delivery;
        config.limits.max_message_size = bytes as u64;
    })
}

/// What must come of a message beyond a limit.
const fn too_big(bytes: usize) -> (ProtocolError, u16) {
    (ProtocolError::LimitExceeded(Limit::MessageSize(bytes as u64)), 1009)
}

#[test]
fn exactly_the_limit_passes_and_one_byte_more_is_1009() {
    for side in SIDES {
        for size in [1, 2, 100, 16_383, 16_384, 16_385, 32_768, 32_769, 100_000] {
            let message = "x".repeat(size);
            let mut stored = Blocks::new();
            for piece in message.as_bytes().chunks(60_000) {
                stored = stored.stored(false, piece);
            }
            for payload in [zlib(message.as_bytes()), stored.end()] {
                for first in [COMPRESSED_TEXT, COMPRESSED_BINARY] {
                    // In one frame, and in several, of which the last adds nothing.
                    let (start, rest) = payload.split_at(payload.len() / 2);
                    let frames =
                        Wire::to(side).frame(first & !FIN, start).more(rest).ping(b"").last(b"");
                    let wire = Wire::to(side).frame(first, &payload);
                    for wire in [wire, frames] {
                        let mut end = End::new(side, at_most(size, Delivery::Messages));
                        for _ in 0..2 {
                            end.receive(&wire);
                            let arrived = messages(&mut end);
                            assert_eq!(arrived.len(), 1);
                            assert_eq!(arrived[0].as_bytes(), message.as_bytes());
                        }
                        let mut end = End::new(side, at_most(size - 1, Delivery::Messages));
                        end.receive(&wire);
                        assert_eq!(refused(&end), too_big(size - 1));
                    }
                }
            }
        }
    }
}

#[test]
fn a_limit_of_nothing_lets_empty_messages_pass() {
    for side in SIDES {
        let mut end = End::new(side, at_most(0, Delivery::Messages));
        for payload in [&b""[..], &[0x00], &[0x02, 0x00], &[0x03, 0x00, 0x00]] {
            end.receive(&Wire::to(side).frame(COMPRESSED_TEXT, payload));
            assert_eq!(messages(&mut end), [text("")]);
        }
        end.receive(&Wire::to(side).frame(COMPRESSED_TEXT, &zlib(b"a")));
        assert_eq!(refused(&end), too_big(0));
    }
}

#[test]
fn a_message_beyond_the_limit_is_refused_before_it_ends() {
    for side in SIDES {
        for first in [TEXT, BINARY] {
            let mut end = End::new(side, at_most(1000, Delivery::Messages));
            let run = Blocks::new().fixed(false, &run_of(b'x', 1000)).stored(false, b"");
            let start = run.clone().into_bytes();
            end.receive(&Wire::to(side).frame(RSV1 | first, &start).ping(b"").more(b""));
            assert!(end.events.iter().all(|event| matches!(event, Event::Ping(_))));
            let more = Blocks::new().fixed(false, &run_of(b'y', 1)).stored(false, b"").into_bytes();
            end.receive(&Wire::to(side).more(&more));
            assert_eq!(refused(&end), too_big(1000));
        }
    }
}

#[test]
fn each_message_has_the_whole_limit() {
    for side in SIDES {
        let mut end = End::new(side, at_most(1000, Delivery::Messages));
        for _ in 0..5 {
            let wire = Wire::to(side)
                .frame(COMPRESSED_BINARY, &zlib(&[1; 1000]))
                .binary(&[2; 1000])
                .frame(RSV1 | TEXT, &zlib("x".repeat(999).as_bytes()))
                .last(b"");
            end.receive(&wire);
            let expected = [binary(&[1; 1000]), binary(&[2; 1000]), text(&"x".repeat(999))];
            assert_eq!(messages(&mut end), expected);
        }
    }
}

/// `count` times 16 MiB of zeros, in about 16 KiB each.
fn bomb(count: usize) -> Vec<u8> {
    let mut piece = zlib(&vec![0; 16 << 20]);
    // Between two pieces the flush is whole, and nothing refers across it.
    piece.extend_from_slice(&[0x00, 0x00, 0xFF, 0xFF]);
    let mut bomb = piece.repeat(count);
    bomb.push(0x00);
    bomb
}

#[test]
fn a_mebibyte_that_becomes_a_gibibyte_is_stopped_at_the_limit() {
    let bomb = bomb(64);
    assert!(bomb.len() < 1_100_000, "{}", bomb.len());
    for side in SIDES {
        let mut end = End::new(side, deflate(takeover()));
        // A limit of 16 MiB, which the default is, is met by the first piece to the byte.
        end.receive(&Wire::to(side).frame(COMPRESSED_BINARY, &bomb));
        assert_eq!(end.events.len(), 1);
        assert_eq!(refused(&end), too_big(16 << 20));
    }
}

#[test]
fn a_stream_has_no_limit_but_is_never_handed_out_in_large_parts() {
    let bomb = bomb(8);
    for side in SIDES {
        let mut end = End::new(side, at_most(10, Delivery::Fragments));
        end.receive(&Wire::to(side).frame(COMPRESSED_BINARY, &bomb));
        let mut total = 0;
        for event in &end.events {
            let Event::Fragment(fragment) = event else { panic!("{event:?}") };
            assert!(fragment.part.len() <= 16 * 1024);
            total += fragment.part.len();
        }
        assert_eq!(total, 8 << 24);
    }
}

#[test]
fn the_limit_for_frames_is_of_bytes_on_the_wire() {
    let mut rng = Rng::new(51);
    for side in SIDES {
        let config = config(|config| {
            config.deflate = Some(takeover());
            config.limits.max_frame_size = 100;
        });
        let mut end = End::new(side, Arc::clone(&config));
        let message = vec![7; 50_000];
        let payload = zlib(&message);
        assert!(payload.len() <= 100);
        end.receive(&Wire::to(side).frame(COMPRESSED_BINARY, &payload));
        assert_eq!(messages(&mut end), [binary(&message)]);
        end.receive(&Wire::to(side).frame(COMPRESSED_BINARY, &zlib(&rng.bytes(100))));
        let error = ProtocolError::LimitExceeded(Limit::FrameSize(100));
        assert_eq!(refused(&end), (error, 1009));
    }
}

#[test]
fn empty_frames_of_a_compressed_message_count() {
    for side in SIDES {
        let config = config(|config| {
            config.deflate = Some(takeover());
            config.limits.max_fragments = 4;
        });
        let mut end = End::new(side, config);
        let payload = zlib(b"message");
        let frames = |count| {
            let start = Wire::to(side).frame(RSV1 | TEXT, &payload);
            (2..count).fold(start, |wire, _| wire.more(b"")).last(b"")
        };
        end.receive(&frames(4));
        assert_eq!(messages(&mut end), [text("message")]);
        end.receive(&frames(5));
        let error = ProtocolError::LimitExceeded(Limit::Fragments(4));
        assert_eq!(refused(&end), (error, 1009));
    }
}

/// A message of 96,000 bytes, of which the first 80 KiB come of `taken` bytes or a few more.
fn inflating(taken: usize) -> Vec<u8> {
    const JUDGED: usize = 80 * 1024;
    let mut rng = Rng::new(52);
    let noise = rng.bytes(taken);
    let start = |noise: &[u8], len: usize| {
        Blocks::new().stored(false, noise).fixed(false, &run_of(7, len - noise.len()))
    };
    // A run costs about a 160th of its length.
    let noise = (taken - 600..taken)
        .map(|len| &noise[..len])
        .find(|noise| start(noise, JUDGED).into_bytes().len() >= taken)
        .expect("noise is not compressed");
    start(noise, 96_000).end()
}

/// What comes of a message where one byte may become `ratio`, in reads of `grain` bytes.
fn under_ratio(
    side: Side,
    delivery: Delivery,
    ratio: u32,
    payload: &[u8],
    grain: usize,
) -> Result<(), (ProtocolError, u16)> {
    let config = config(|config| {
        let mut deflate = takeover();
        deflate.max_ratio = NonZeroU32::new(ratio);
        config.deflate = Some(deflate);
        config.delivery = delivery;
    });
    let mut end = End::new(side, config);
    for piece in Wire::to(side).frame(COMPRESSED_BINARY, payload).chunks(grain) {
        end.receive(piece);
    }
    match end.events.last().expect("something came of it") {
        Event::Violation(_) => Err(refused(&end)),
        _ => Ok(()),
    }
}

#[test]
fn a_message_that_grows_more_than_it_may_is_1009() {
    let refusal = |ratio| Err((ProtocolError::LimitExceeded(Limit::InflationRatio(ratio)), 1009));
    // 80 KiB at ten for one are 8192 bytes; the last byte may be taken or not.
    let (just, beyond) = (inflating(8194), inflating(8188));
    for side in SIDES {
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            for grain in [1, 1000, usize::MAX] {
                let outcome =
                    |ratio, payload: &[u8]| under_ratio(side, delivery, ratio, payload, grain);
                assert_eq!(outcome(10, &just), Ok(()));
                assert_eq!(outcome(10, &beyond), refusal(10));
                assert_eq!(outcome(9, &just), refusal(9));
                assert_eq!(outcome(11, &beyond), Ok(()));
            }
        }
    }
}

#[test]
fn whatever_becomes_of_the_first_64_kib_has_no_ratio() {
    for side in SIDES {
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            for (len, sound) in [(65_536, true), (65_536 + 16_383, true), (65_536 + 16_384, false)]
            {
                let outcome = under_ratio(side, delivery, 1, &zlib(&vec![0; len]), 10);
                assert_eq!(outcome.is_ok(), sound, "{len}");
            }
        }
    }
}

#[test]
fn a_header_that_declares_more_than_comes_does_not_widen_the_ratio() {
    for side in SIDES {
        let config = config(|config| {
            let mut deflate = takeover();
            deflate.max_ratio = NonZeroU32::new(100);
            config.deflate = Some(deflate);
            config.delivery = Delivery::Fragments;
        });
        let mut end = End::new(side, config);
        // The masking key of the header is zero.
        let wire = Wire::to(side).declare(COMPRESSED_BINARY, 1 << 40).raw(&zlib(&vec![0; 100_000]));
        end.receive(&wire);
        let error = ProtocolError::LimitExceeded(Limit::InflationRatio(100));
        assert_eq!(refused(&end), (error, 1009));
    }
}
