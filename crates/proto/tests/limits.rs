//! The limits on what a peer may send (RFC 6455 §10.4): at the limit it passes, one more is 1009.

mod support;

use std::sync::Arc;

use longwire_proto::{Config, Delivery, Event, Limit, ProtocolError, Side};
use support::{BINARY, End, FIN, SIDES, TEXT, Wire, binary, config, run, text};

fn limited(frame: u64, message: u64, fragments: u32) -> Arc<Config> {
    config(|it| {
        it.limits.max_frame_size = frame;
        it.limits.max_message_size = message;
        it.limits.max_fragments = fragments;
    })
}

#[track_caller]
fn refused(side: Side, config: &Arc<Config>, wire: &Wire, limit: Limit) {
    let outcome = run(side, config, wire);
    let error = ProtocolError::LimitExceeded(limit);
    assert_eq!(outcome.events.last(), Some(&Event::Violation(error)));
    assert_eq!(outcome.sent.last().and_then(support::Frame::close_code), Some(1009));
}

#[track_caller]
fn passes(side: Side, config: &Arc<Config>, wire: &Wire, payload: &[u8]) {
    let outcome = run(side, config, wire);
    assert_eq!(outcome.events, [Event::Message(binary(payload))]);
}

#[test]
fn a_frame_at_its_limit_passes_and_one_byte_more_does_not() {
    for side in SIDES {
        let config = limited(300, 1000, 10);
        passes(side, &config, &Wire::to(side).binary(&[1; 300]), &[1; 300]);
        refused(side, &config, &Wire::to(side).binary(&[1; 301]), Limit::FrameSize(300));
        let wire = Wire::to(side).binary_start(b"a").last(&[1; 301]);
        refused(side, &config, &wire, Limit::FrameSize(300));
    }
}

#[test]
fn a_message_at_its_limit_passes_and_one_byte_more_does_not() {
    for side in SIDES {
        let config = limited(1000, 300, 10);
        passes(side, &config, &Wire::to(side).binary(&[1; 300]), &[1; 300]);
        refused(side, &config, &Wire::to(side).binary(&[1; 301]), Limit::MessageSize(300));
        let start = Wire::to(side).binary_start(&[1; 150]);
        passes(side, &config, &start.clone().more(&[1; 149]).last(b"\x01"), &[1; 300]);
        let wire = start.clone().more(&[1; 149]).last(b"\x01\x01");
        refused(side, &config, &wire, Limit::MessageSize(300));
        refused(side, &config, &start.more(&[1; 151]), Limit::MessageSize(300));
    }
}

#[test]
fn fragments_at_their_limit_pass_and_one_more_even_empty_does_not() {
    for side in SIDES {
        let config = limited(1000, 1000, 3);
        let start = Wire::to(side).binary_start(b"").more(b"");
        passes(side, &config, &start.clone().last(b""), b"");
        refused(side, &config, &start.more(b"").last(b""), Limit::Fragments(3));
    }
}

#[test]
fn one_fragment_may_be_all_that_is_allowed() {
    for side in SIDES {
        let config = limited(1000, 1000, 1);
        passes(side, &config, &Wire::to(side).binary(b"whole"), b"whole");
        let wire = Wire::to(side).binary_start(b"a").last(b"b");
        refused(side, &config, &wire, Limit::Fragments(1));
    }
}

#[test]
fn limits_of_zero_let_empty_messages_pass() {
    for side in SIDES {
        let config = limited(0, 0, 1);
        passes(side, &config, &Wire::to(side).binary(b""), b"");
        refused(side, &config, &Wire::to(side).binary(b"x"), Limit::FrameSize(0));
    }
}

#[test]
fn limits_are_of_one_message_and_not_of_all() {
    for side in SIDES {
        let config = limited(10, 20, 2);
        let wire = (0..20).fold(Wire::to(side), |wire, _| {
            wire.binary_start(&[1; 10]).last(&[1; 10]).frame(FIN | TEXT, b"0123456789")
        });
        let outcome = run(side, &config, &wire);
        assert_eq!(outcome.events.len(), 40);
        assert_eq!(outcome.sent, []);
    }
}

#[test]
fn control_frames_do_not_count() {
    for side in SIDES {
        let config = limited(5, 5, 2);
        let wire = Wire::to(side)
            .binary_start(b"ab")
            .ping(&[1; 125])
            .pong(&[2; 125])
            .ping(&[3; 125])
            .last(b"cde");
        let outcome = run(side, &config, &wire);
        assert_eq!(outcome.events.last(), Some(&Event::Message(binary(b"abcde"))));
    }
}

#[test]
fn a_declared_length_beyond_the_limit_is_refused_before_any_payload() {
    for side in SIDES {
        let config = limited(16 << 20, 16 << 20, 10);
        for len in [(16 << 20) + 1, u64::from(u32::MAX) + 1, (1 << 63) - 1] {
            let wire = Wire::to(side).declare(FIN | BINARY, len);
            refused(side, &config, &wire, Limit::FrameSize(16 << 20));
        }
    }
}

#[test]
fn declared_lengths_that_overflow_their_sum_are_refused() {
    for side in SIDES {
        let config = limited(u64::MAX, (1 << 63) - 1, 10);
        let wire = Wire::to(side).binary_start(b"x").declare(FIN, (1 << 63) - 1);
        refused(side, &config, &wire, Limit::MessageSize((1 << 63) - 1));
    }
}

#[test]
fn limits_hold_after_our_own_close() {
    for side in SIDES {
        let mut end = End::new(side, limited(10, 10, 10));
        end.connection.close(support::close(1000, ""), end.now);
        end.receive(&Wire::to(side).binary(&[1; 11]));
        let error = ProtocolError::LimitExceeded(Limit::FrameSize(10));
        assert_eq!(end.events, [Event::Violation(error)]);
    }
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    let limits = Config::default().limits;
    assert_eq!(limits.max_frame_size, 16 * 1024 * 1024);
    assert_eq!(limits.max_message_size, 16 * 1024 * 1024);
    assert_eq!(limits.max_fragments, 131_072);
    assert_eq!(limits.max_buffered_amount, 1024 * 1024);
}

#[test]
fn a_stream_of_fragments_has_no_limit() {
    for side in SIDES {
        let config = config(|it| {
            it.delivery = Delivery::Fragments;
            it.limits.max_frame_size = 3;
            it.limits.max_message_size = 3;
            it.limits.max_fragments = 1;
        });
        let mut end = End::new(side, config);
        end.receive(&Wire::to(side).text_start(b"many ").more(b"more than ").last(b"three"));
        let all: Vec<u8> = end
            .events
            .iter()
            .flat_map(|event| match event {
                Event::Fragment(fragment) => fragment.part.as_bytes().to_vec(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(all, b"many more than three");
    }
}

#[test]
fn the_reason_names_the_limit() {
    for side in SIDES {
        let outcome = run(side, &limited(300, 1000, 10), &Wire::to(side).binary(&[1; 301]));
        assert_eq!(&outcome.sent[0].payload[2..], b"frame of more than 300 bytes");
        let wire = Wire::to(side).text("ok").text_start(b"a").last(b"b");
        let outcome = run(side, &limited(300, 1000, 1), &wire);
        assert_eq!(outcome.events[0], Event::Message(text("ok")));
        assert_eq!(&outcome.sent[0].payload[2..], b"message of more than 1 fragments");
    }
}
