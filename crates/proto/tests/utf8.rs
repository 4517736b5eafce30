//! Text is UTF-8, validated as it arrives (RFC 6455 §5.6, §8.1).

mod support;

use longwire_proto::{Delivery, Event, ProtocolError, Side};
use support::{End, FIN, SIDES, TEXT, Wire, config, plain, run, text};

/// Characters of one to four bytes, and the ends of each range.
const EVERY_LENGTH: &str =
    "aé€😀\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}";

/// Texts that are not UTF-8, and how many bytes show it.
const BAD: [(&[u8], usize); 14] = [
    (b"\x80", 1),
    (b"\xBF", 1),
    (b"\xC0\x80", 1),
    (b"\xC1\xBF", 1),
    (b"\xC3(", 2),
    (b"\xE0\x80\x80", 2),
    (b"\xE0\x9F\xBF", 2),
    (b"\xED\xA0\x80", 2),
    (b"\xED\xBF\xBF", 2),
    (b"\xE2\x82(", 3),
    (b"\xF0\x8F\xBF\xBF", 2),
    (b"\xF4\x90\x80\x80", 2),
    (b"\xF5\x80\x80\x80", 1),
    (b"\xFF", 1),
];

#[test]
fn characters_may_be_split_across_reads() {
    for side in SIDES {
        let outcome = run(side, &plain(), &Wire::to(side).text(EVERY_LENGTH));
        assert_eq!(outcome.events, [Event::Message(text(EVERY_LENGTH))]);
    }
}

#[test]
fn characters_may_be_split_across_fragments() {
    for side in SIDES {
        let bytes = EVERY_LENGTH.as_bytes();
        for cut in 0..=bytes.len() {
            let wire = Wire::to(side).text_start(&bytes[..cut]).more(b"").last(&bytes[cut..]);
            let mut end = End::new(side, plain());
            end.receive(&wire);
            assert_eq!(end.events, [Event::Message(text(EVERY_LENGTH))], "cut at {cut}");
        }
        let (first, rest) = bytes.split_at(1);
        let wire = rest
            .iter()
            .fold(Wire::to(side).text_start(first), |wire, byte| wire.more(&[*byte]).pong(b""))
            .last(b"");
        let outcome = run(side, &plain(), &wire);
        assert_eq!(outcome.events.last(), Some(&Event::Message(text(EVERY_LENGTH))));
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_with_1007() {
    for side in SIDES {
        for (bad, _) in BAD {
            let outcome = run(side, &plain(), &Wire::to(side).frame(FIN | TEXT, bad));
            assert_eq!(outcome.events, [Event::Violation(ProtocolError::TextNotUtf8)], "{bad:x?}");
            assert_eq!(outcome.sent[0].close_code(), Some(1007));
        }
    }
}

#[test]
fn a_frame_fails_at_its_first_bad_byte() {
    for side in SIDES {
        let header = Wire::to(side).text("").len();
        for (bad, shown_by) in BAD {
            let payload = [b"good", bad, b" and more"].concat();
            let wire = Wire::to(side).frame(FIN | TEXT, &payload);
            let mut end = End::new(side, plain());
            end.receive(&wire[..header + 4 + shown_by - 1]);
            assert_eq!(end.events, [], "{bad:x?}");
            end.receive(&wire[header + 4 + shown_by - 1..][..1]);
            assert_eq!(end.events, [Event::Violation(ProtocolError::TextNotUtf8)], "{bad:x?}");
        }
    }
}

#[test]
fn a_fragment_that_spoils_the_text_fails_before_the_last_one() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.receive(&Wire::to(side).text_start("κόσμε".as_bytes()));
        assert_eq!(end.events, []);
        end.receive(&Wire::to(side).more(b"\xF4\x90\x80\x80"));
        assert_eq!(end.events, [Event::Violation(ProtocolError::TextNotUtf8)]);
    }
}

#[test]
fn a_fragment_may_end_inside_a_character_and_the_message_may_not() {
    for side in SIDES {
        for cut in [&b"\xC3"[..], b"\xE2\x82", b"\xF0\x9F\x98"] {
            let mut end = End::new(side, plain());
            end.receive(&Wire::to(side).text_start(cut));
            assert_eq!(end.events, [], "{cut:x?} may still go on");
            end.receive(&Wire::to(side).last(b""));
            assert_eq!(end.events, [Event::Violation(ProtocolError::TextNotUtf8)]);
            let outcome = run(side, &plain(), &Wire::to(side).frame(FIN | TEXT, cut));
            assert_eq!(outcome.events, [Event::Violation(ProtocolError::TextNotUtf8)]);
        }
    }
}

#[test]
fn a_cut_character_of_one_message_does_not_leak_into_the_next() {
    for side in SIDES {
        let wire = Wire::to(side).text_start(b"\xC3").last(b"\xA9").text("\u{a9}");
        let outcome = run(side, &plain(), &wire);
        assert_eq!(outcome.events, [text("é"), text("\u{a9}")].map(Event::Message));
    }
}

#[test]
fn binary_may_be_any_bytes() {
    for side in SIDES {
        for (bad, _) in BAD {
            let outcome = run(side, &plain(), &Wire::to(side).binary(bad));
            assert_eq!(outcome.events, [Event::Message(support::binary(bad))]);
        }
    }
}

#[test]
fn streamed_text_fails_at_its_first_bad_byte_too() {
    for side in SIDES {
        let config = config(|it| it.delivery = Delivery::Fragments);
        for (bad, _) in BAD {
            let mut end = End::new(side, config.clone());
            end.receive(&Wire::to(side).text_start(b"good"));
            end.receive(&Wire::to(side).more(bad).last(b""));
            assert_eq!(end.events.last(), Some(&Event::Violation(ProtocolError::TextNotUtf8)));
        }
    }
}

#[test]
fn a_megabyte_of_four_byte_characters_may_arrive_in_reads_of_any_length() {
    let whole = "😀".repeat(1 << 18);
    let wire = Wire::to(Side::Server).text(&whole);
    for step in [1021, 4096, 65_535] {
        let mut end = End::new(Side::Server, plain());
        for piece in wire.chunks(step) {
            end.receive(piece);
        }
        assert_eq!(end.events, [Event::Message(text(&whole))]);
    }
}
