//! Fragmentation (RFC 6455 §5.4).

mod support;

use std::num::NonZeroUsize;

use longwire_proto::{Event, Message, ProtocolError, SendError};
use support::{
    BINARY, CONTINUATION, End, FIN, Frame, PING, PONG, SIDES, TEXT, Wire, binary, config, part,
    plain, run, text,
};

#[test]
fn fragments_make_one_message() {
    for side in SIDES {
        let wire = Wire::to(side).text_start(b"Hel").more(b"l").last(b"o").binary(b"next");
        let outcome = run(side, &plain(), &wire);
        assert_eq!(outcome.events, [text("Hello"), binary(b"next")].map(Event::Message));
    }
}

#[test]
fn a_message_may_consist_of_empty_fragments() {
    for side in SIDES {
        let wire = Wire::to(side).text_start(b"").more(b"").last(b"").binary_start(b"").last(b"x");
        let outcome = run(side, &plain(), &wire);
        assert_eq!(outcome.events, [text(""), binary(b"x")].map(Event::Message));
    }
}

#[test]
fn control_frames_between_fragments_are_answered_at_once() {
    for side in SIDES {
        let wire = Wire::to(side)
            .text_start(b"a")
            .ping(b"1")
            .more(b"b")
            .pong(b"unasked")
            .ping(b"2")
            .last(b"c");
        let outcome = run(side, &plain(), &wire);
        let [Event::Ping(_), Event::Pong { .. }, Event::Ping(_), last] = &outcome.events[..] else {
            panic!("{:?}", outcome.events)
        };
        assert_eq!(*last, Event::Message(text("abc")));
        assert_eq!(outcome.sent, [b"1", b"2"].map(|it| Frame::new(FIN | PONG, it)));
    }
}

#[test]
fn a_close_frame_between_fragments_ends_the_message_unfinished() {
    for side in SIDES {
        let wire = Wire::to(side).text_start(b"a").close(1001, "").last(b"b");
        let outcome = run(side, &plain(), &wire);
        assert_eq!(outcome.events, [Event::CloseReceived(support::close(1001, ""))]);
    }
}

#[test]
fn a_continuation_without_a_start_is_refused() {
    for side in SIDES {
        for first in [CONTINUATION, FIN | CONTINUATION] {
            for payload in [&b""[..], b"x"] {
                let outcome = run(side, &plain(), &Wire::to(side).frame(first, payload));
                let error = ProtocolError::ContinuationUnexpected;
                assert_eq!(outcome.events, [Event::Violation(error)]);
                assert_eq!(outcome.sent[0].close_code(), Some(1002));
            }
        }
    }
}

#[test]
fn a_continuation_after_a_whole_message_is_refused() {
    for side in SIDES {
        let wire = Wire::to(side).text_start(b"a").last(b"b").last(b"c");
        let outcome = run(side, &plain(), &wire);
        let error = ProtocolError::ContinuationUnexpected;
        assert_eq!(outcome.events, [Event::Message(text("ab")), Event::Violation(error)]);
    }
}

#[test]
fn a_new_message_inside_a_fragmented_one_is_refused() {
    for side in SIDES {
        for first in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
            let wire = Wire::to(side).text_start(b"a").ping(b"").frame(first, b"b").last(b"c");
            let outcome = run(side, &plain(), &wire);
            let error = ProtocolError::ContinuationExpected;
            assert_eq!(outcome.events[1..], [Event::Violation(error)]);
            assert_eq!(outcome.sent[1].close_code(), Some(1002));
        }
    }
}

#[test]
fn a_message_is_sent_in_fragments_of_the_size_that_is_set() {
    for side in SIDES {
        let frame = |first, payload: &str| Frame::new(first, payload.as_bytes());
        let cases = [
            ("", vec![frame(FIN | BINARY, "")]),
            ("abc", vec![frame(FIN | BINARY, "abc")]),
            ("abcd", vec![frame(BINARY, "abc"), frame(FIN, "d")]),
            ("abcdef", vec![frame(BINARY, "abc"), frame(FIN, "def")]),
            ("abcdefg", vec![frame(BINARY, "abc"), frame(0, "def"), frame(FIN, "g")]),
        ];
        for (payload, expected) in cases {
            let mut end = End::new(side, config(|it| it.fragment_size = NonZeroUsize::new(3)));
            end.connection.send(binary(payload.as_bytes()), end.now).expect("open");
            end.pump();
            assert_eq!(end.frames(), expected);
        }
    }
}

#[test]
fn large_fragments_carry_the_whole_message() {
    for side in SIDES {
        let mut end = End::new(side, config(|it| it.fragment_size = NonZeroUsize::new(10_000)));
        let payload: Vec<u8> = (0..=250).cycle().take(45_000).collect();
        end.connection.send(binary(&payload), end.now).expect("open");
        end.pump();
        let frames = end.frames();
        assert_eq!(frames.len(), 5);
        assert_eq!(frames.iter().flat_map(|it| it.payload.clone()).collect::<Vec<_>>(), payload);
    }
}

#[test]
fn fragments_of_the_caller_go_out_as_they_are() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        for (piece, fin) in [("", false), ("é", false), ("", true)] {
            end.connection.send_fragment(part(text(piece), fin), end.now).expect("open");
        }
        end.connection.send_fragment(part(binary(b"all"), true), end.now).expect("open");
        end.pump();
        let expected = [
            Frame::new(TEXT, b""),
            Frame::new(CONTINUATION, "é".as_bytes()),
            Frame::new(FIN | CONTINUATION, b""),
            Frame::new(FIN | BINARY, b"all"),
        ];
        assert_eq!(end.frames(), expected);
    }
}

#[test]
fn nothing_but_control_frames_passes_between_the_callers_fragments() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        let now = end.now;
        end.connection.send_fragment(part(text("a"), false), now).expect("open");
        assert_eq!(
            end.connection.send(binary(b"whole"), now),
            Err(SendError::FragmentPending(binary(b"whole").into()))
        );
        assert_eq!(
            end.connection.send_fragment(part(binary(b"other"), true), now),
            Err(SendError::FragmentPending(binary(b"other").into()))
        );
        assert_eq!(end.connection.ping(now), Some(0));
        end.receive(&Wire::to(side).ping(b"?"));
        end.connection.send_fragment(part(text("b"), true), now).expect("open");
        end.connection.send(binary(b"whole"), now).expect("the message under way is finished");
        end.pump();
        let firsts: Vec<u8> = end.frames().iter().map(|it| it.first).collect();
        assert_eq!(firsts, [TEXT, FIN | PING, FIN | PONG, FIN, FIN | BINARY]);
    }
}

#[test]
fn a_close_frame_may_cut_the_callers_fragments_and_none_follows() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.send_fragment(part(text("a"), false), end.now).expect("open");
        end.connection.close(support::close(1000, ""), end.now);
        assert_eq!(
            end.connection.send_fragment(part(text("b"), true), end.now),
            Err(SendError::Closed(text("b").into()))
        );
        end.pump();
        assert_eq!(end.frames(), [Frame::new(TEXT, b"a"), Frame::close(1000, "")]);
    }
}

#[test]
fn a_refused_message_comes_back_whole() {
    let mut end = End::new(longwire_proto::Side::Server, plain());
    end.connection.send_fragment(part(text("a"), false), end.now).expect("open");
    let error =
        end.connection.send(binary(&[9; 5000]), end.now).expect_err("a fragment is pending");
    assert_eq!(error.into_message(), Message::Binary(vec![9; 5000].into()));
}
