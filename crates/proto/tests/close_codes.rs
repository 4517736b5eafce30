//! Status codes and reasons of Close frames (RFC 6455 §5.5.1, §7.4).

mod support;

use longwire_proto::{Close, CloseCode, CloseReason, Event, Limit, ProtocolError, Side};
use support::{CLOSE, End, FIN, Frame, SIDES, Wire, close, plain, run};

#[test]
fn codes_that_may_be_on_the_wire_are_accepted_and_echoed() {
    for side in SIDES {
        let codes = (1000..=1003).chain(1007..=1014).chain([3000, 3003, 3999, 4000, 4999]);
        for code in codes {
            let outcome = run(side, &plain(), &Wire::to(side).close(code, ""));
            assert_eq!(outcome.events, [Event::CloseReceived(close(code, ""))]);
            assert_eq!(outcome.sent, [Frame::close(code, "")]);
        }
    }
}

#[test]
fn codes_that_may_not_be_on_the_wire_are_refused() {
    for side in SIDES {
        let codes = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
        for code in codes {
            let outcome = run(side, &plain(), &Wire::to(side).close(code, "why"));
            let error = ProtocolError::CloseCodeReserved { code };
            assert_eq!(outcome.events, [Event::Violation(error)]);
            assert_eq!(outcome.sent[0].close_code(), Some(1002));
        }
    }
}

#[test]
fn all_65536_codes_are_sorted_by_the_table_of_7_4_2() {
    for code in 0..=u16::MAX {
        let expected = match code {
            1000..=2999 => matches!(code, 1000..=1003 | 1007..=1014),
            3000..=4999 => true,
            _ => false,
        };
        let mut end = End::new(Side::Server, plain());
        end.receive(&Wire::to(Side::Server).close(code, ""));
        let accepted = matches!(end.events[..], [Event::CloseReceived(_)]);
        assert_eq!(accepted, expected, "{code}");
        assert_eq!(CloseCode::new(code).may_be_sent(), expected, "{code}");
    }
}

#[test]
fn a_body_of_one_byte_is_refused() {
    for side in SIDES {
        for body in [0x00, 0x03, 0xFF] {
            let outcome = run(side, &plain(), &Wire::to(side).frame(FIN | CLOSE, &[body]));
            assert_eq!(outcome.events, [Event::Violation(ProtocolError::CloseFrameTruncated)]);
            assert_eq!(outcome.sent[0].close_code(), Some(1002));
        }
    }
}

#[test]
fn a_reason_that_is_not_utf8_is_refused_with_1007() {
    for side in SIDES {
        for reason in [&b"\xFF"[..], b"ok\xC3", b"\xED\xA0\x80", b"\xC0\x80", b"\xF4\x90\x80\x80"] {
            let body = [&1000u16.to_be_bytes(), reason].concat();
            let outcome = run(side, &plain(), &Wire::to(side).frame(FIN | CLOSE, &body));
            assert_eq!(outcome.events, [Event::Violation(ProtocolError::CloseReasonNotUtf8)]);
            assert_eq!(outcome.sent[0].close_code(), Some(1007));
        }
    }
}

#[test]
fn a_reason_of_123_bytes_is_accepted_and_one_of_124_refused() {
    for side in SIDES {
        let longest = "é".repeat(61) + "x";
        let outcome = run(side, &plain(), &Wire::to(side).close(1000, &longest));
        assert_eq!(outcome.events, [Event::CloseReceived(close(1000, &longest))]);
        let outcome = run(side, &plain(), &Wire::to(side).close(1000, &"é".repeat(62)));
        assert_eq!(outcome.events, [Event::Violation(ProtocolError::ControlFrameTooLong)]);
        assert_eq!(outcome.sent[0].close_code(), Some(1002));
    }
}

#[test]
fn the_longest_reason_can_be_sent_and_a_longer_one_cannot_be_made() {
    for side in SIDES {
        let longest = "é".repeat(61) + "x";
        let mut end = End::new(side, plain());
        end.connection.close(close(1000, &longest), end.now);
        end.pump();
        assert_eq!(end.frames(), [Frame::close(1000, &longest)]);
    }
    assert!(CloseReason::try_from("é".repeat(62)).is_err());
    assert!(CloseReason::try_from("é".repeat(62).as_str()).is_err());
}

#[test]
fn a_code_that_may_not_be_sent_is_replaced_by_1000() {
    for side in SIDES {
        for code in [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65_535] {
            let mut end = End::new(side, plain());
            end.connection.close(close(code, "why"), end.now);
            end.receive(&Wire::to(side).close(1000, ""));
            end.eof();
            assert_eq!(end.frames(), [Frame::close(1000, "why")]);
            assert_eq!(end.closed().sent, Some(close(1000, "why")), "the code that was sent");
        }
    }
}

#[test]
fn what_closed_says_was_sent_is_what_was_sent() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.close(close(1005, "why"), end.now);
        end.receive(&Wire::to(side).close_empty());
        end.eof();
        let sent = end.closed().sent.clone().expect("sent");
        let [frame] = &end.frames()[..] else { panic!("one Close frame") };
        assert_eq!(Close::parse(&frame.payload), Ok(sent));
    }
}

#[test]
fn an_empty_close_stays_empty() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.close(Close::EMPTY, end.now);
        end.receive(&Wire::to(side).close_empty());
        end.eof();
        assert_eq!(end.frames(), [Frame::new(FIN | CLOSE, b"")]);
        assert_eq!(end.closed().sent, Some(Close::EMPTY));
        assert_eq!(end.closed().received, Some(Close::EMPTY));
        assert_eq!((end.closed().code().get(), end.closed().reason()), (1005, ""));
    }
}

#[test]
fn each_violation_has_the_code_that_section_7_4_1_names() {
    let table = [
        (ProtocolError::CloseCodeReserved { code: 0 }, 1002),
        (ProtocolError::CloseFrameTruncated, 1002),
        (ProtocolError::CloseReasonNotUtf8, 1007),
        (ProtocolError::ContinuationExpected, 1002),
        (ProtocolError::ContinuationUnexpected, 1002),
        (ProtocolError::ControlFrameFragmented, 1002),
        (ProtocolError::ControlFrameTooLong, 1002),
        (ProtocolError::FrameMasked, 1002),
        (ProtocolError::FrameUnmasked, 1002),
        (ProtocolError::LengthNotMinimal, 1002),
        (ProtocolError::LengthTooLong, 1002),
        (ProtocolError::LimitExceeded(Limit::FrameSize(u64::MAX)), 1009),
        (ProtocolError::LimitExceeded(Limit::MessageSize(u64::MAX)), 1009),
        (ProtocolError::LimitExceeded(Limit::Fragments(u32::MAX)), 1009),
        (ProtocolError::OpcodeReserved { opcode: 3 }, 1002),
        (ProtocolError::ReservedBitSet { rsv: 7 }, 1002),
        (ProtocolError::TextNotUtf8, 1007),
    ];
    for (error, code) in table {
        assert_eq!(error.close_code().get(), code, "{error:?}");
        let reason = error.to_string();
        assert!((1..=CloseReason::MAX).contains(&reason.len()), "{reason}: fits a Close frame");
        assert!(!reason.contains('\n'), "{reason}: one line");
    }
}
