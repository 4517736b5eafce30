//! Reserved bits without an extension that owns them (RFC 6455 §5.2).

mod support;

use longwire_proto::{Event, ProtocolError};
use support::{
    BINARY, CLOSE, CONTINUATION, End, FIN, PING, PONG, SIDES, TEXT, Wire, plain, run, text,
};

#[test]
fn every_reserved_bit_on_every_opcode_is_refused() {
    for side in SIDES {
        for rsv in 1..8u8 {
            for first in
                [TEXT, BINARY, FIN | TEXT, FIN | BINARY, FIN | PING, FIN | PONG, FIN | CLOSE]
            {
                let outcome = run(side, &plain(), &Wire::to(side).frame(first | rsv << 4, b""));
                let error = ProtocolError::ReservedBitSet { rsv };
                assert_eq!(outcome.events, [Event::Violation(error)]);
                assert_eq!(outcome.sent[0].close_code(), Some(1002));
            }
        }
    }
}

#[test]
fn a_reserved_bit_on_a_continuation_is_refused() {
    for side in SIDES {
        for rsv in 1..8u8 {
            for first in [CONTINUATION, FIN | CONTINUATION] {
                let wire = Wire::to(side).text_start(b"a").frame(first | rsv << 4, b"b");
                let outcome = run(side, &plain(), &wire);
                let error = ProtocolError::ReservedBitSet { rsv };
                assert_eq!(outcome.events, [Event::Violation(error)]);
            }
        }
    }
}

#[test]
fn a_message_before_the_reserved_bit_is_delivered() {
    for side in SIDES {
        let wire = Wire::to(side).text("ok").frame(FIN | 0x40 | TEXT, b"compressed?");
        let outcome = run(side, &plain(), &wire);
        let violation = Event::Violation(ProtocolError::ReservedBitSet { rsv: 4 });
        assert_eq!(outcome.events, [Event::Message(text("ok")), violation]);
    }
}

#[test]
fn the_payload_of_the_refused_frame_is_not_waited_for() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.receive(&Wire::to(side).declare(FIN | 0x40 | BINARY, 1 << 20));
        assert_eq!(end.events, [Event::Violation(ProtocolError::ReservedBitSet { rsv: 4 })]);
    }
}

#[test]
fn no_reserved_bit_is_ever_sent() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.send(text("a"), end.now).expect("open");
        end.connection.ping(end.now).expect("open");
        end.receive(&Wire::to(side).ping(b"").close_empty());
        assert_eq!(end.frames().len(), 4);
        assert!(end.frames().iter().all(|frame| frame.first & 0x70 == 0));
    }
}
