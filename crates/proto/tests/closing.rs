//! The closing handshake: who sends what, in which order, and who ends the transport
//! (RFC 6455 §5.5.1, §7.1).

mod support;

use longwire_proto::{
    Cause, Close, Closed, Connection, Event, ProtocolError, SendError, Side, State,
};
use support::{
    CLOSE, End, FIN, Frame, Outcome, PONG, SIDES, TEXT, Wire, close, every_split, part, plain, run,
    text,
};

fn facts(closed: &Closed) -> (Option<u16>, Option<u16>, bool, Cause) {
    let code = |close: &Option<Close>| close.as_ref().map(|close| close.code.get());
    (code(&closed.sent), code(&closed.received), closed.peer_first, closed.cause)
}

#[test]
fn we_close_and_the_peer_answers() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.close(close(1001, "leaving"), end.now);
        assert_eq!(end.connection.state(), State::CloseSent);
        end.pump();
        assert_eq!(end.frames(), [Frame::close(1001, "leaving")]);
        assert!(!end.fin, "the peer's Close is awaited");
        end.receive(&Wire::to(side).close(1001, ""));
        assert_eq!(end.connection.state(), State::CloseExchanged);
        assert_eq!(end.events, [Event::CloseReceived(close(1001, ""))]);
        assert_eq!(end.fin, side == Side::Server, "the server ends the transport first");
        end.eof();
        assert_eq!(facts(end.closed()), (Some(1001), Some(1001), false, Cause::Clean));
        assert!(end.closed().is_clean());
        assert_eq!(end.connection.state(), State::Closed);
    }
}

#[test]
fn the_peer_closes_and_we_echo_its_code() {
    for side in SIDES {
        let outcome = every_split(&Wire::to(side).close(4321, "why"), |pieces| {
            let mut end = End::new(side, plain());
            for piece in pieces {
                end.receive(piece);
            }
            assert_eq!(end.connection.state(), State::CloseExchanged);
            end.eof();
            end.into_outcome()
        });
        assert_eq!(outcome.events, [Event::CloseReceived(close(4321, "why"))]);
        assert_eq!(outcome.sent, [Frame::close(4321, "")]);
        let closed = outcome.closed.expect("over");
        assert_eq!(facts(&closed), (Some(4321), Some(4321), true, Cause::Clean));
        assert_eq!((closed.code().get(), closed.reason()), (4321, "why"));
    }
}

#[test]
fn an_empty_close_is_answered_with_an_empty_one() {
    for side in SIDES {
        let outcome = run(side, &plain(), &Wire::to(side).close_empty());
        assert_eq!(outcome.events, [Event::CloseReceived(Close::EMPTY)]);
        assert_eq!(outcome.sent, [Frame::new(FIN | CLOSE, b"")]);
    }
}

#[test]
fn both_close_at_the_same_time() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.close(close(1000, "ours"), end.now);
        // The peer's Close was under way before it can have seen ours.
        end.receive(&Wire::to(side).close(1001, "theirs"));
        assert_eq!(end.frames(), [Frame::close(1000, "ours")], "one Close frame, not two");
        end.eof();
        assert_eq!(facts(end.closed()), (Some(1000), Some(1001), false, Cause::Clean));
    }
}

#[test]
fn two_ends_that_close_at_the_same_time_both_end_clean() {
    let mut server = End::new(Side::Server, plain());
    let mut client = End::new(Side::Client, plain());
    server.connection.close(close(1001, ""), server.now);
    client.connection.close(close(1000, ""), client.now);
    server.pump();
    client.pump();
    let (from_server, from_client) = (server.sent.clone(), client.sent.clone());
    server.receive(&from_client);
    client.receive(&from_server);
    assert!(server.fin && !client.fin);
    client.eof();
    server.eof();
    assert_eq!(facts(server.closed()), (Some(1001), Some(1000), false, Cause::Clean));
    assert_eq!(facts(client.closed()), (Some(1000), Some(1001), false, Cause::Clean));
}

#[test]
fn what_is_queued_goes_out_before_our_close_and_nothing_after_it() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.send(text("last words"), end.now).expect("open");
        end.connection.close(close(1000, ""), end.now);
        assert_eq!(
            end.connection.send(text("no"), end.now),
            Err(SendError::Closed(text("no").into()))
        );
        let fragment = part(text("no"), true);
        assert_eq!(
            end.connection.send_fragment(fragment, end.now),
            Err(SendError::Closed(text("no").into()))
        );
        end.receive(&Wire::to(side).ping(b"no Pong after Close"));
        assert_eq!(end.frames(), [Frame::new(FIN | TEXT, b"last words"), Frame::close(1000, "")]);
    }
}

#[test]
fn a_second_close_changes_nothing() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.close(close(1000, "first"), end.now);
        end.connection.close(close(1001, "second"), end.now);
        end.receive(&Wire::to(side).close(1000, ""));
        end.connection.close(close(1001, "third"), end.now);
        end.eof();
        end.connection.close(close(1001, "fourth"), end.now);
        end.pump();
        assert_eq!(end.frames(), [Frame::close(1000, "first")]);
        assert_eq!(facts(end.closed()), (Some(1000), Some(1000), false, Cause::Clean));
    }
}

#[test]
fn messages_of_the_peer_still_arrive_after_our_close() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.close(close(1000, ""), end.now);
        let wire = Wire::to(side).text("late").text_start(b"la").last(b"ter").close(1000, "");
        end.receive(&wire);
        let expected = [
            Event::Message(text("late")),
            Event::Message(text("later")),
            Event::CloseReceived(close(1000, "")),
        ];
        assert_eq!(end.events, expected);
    }
}

#[test]
fn data_after_the_peers_close_is_thrown_away() {
    for side in SIDES {
        let wire = Wire::to(side)
            .close(1000, "")
            .text("late")
            .ping(b"late")
            .close(1001, "again")
            .frame(FIN | 0x40 | 0xF, b"not even a frame");
        let outcome = run(side, &plain(), &wire);
        assert_eq!(outcome.events, [Event::CloseReceived(close(1000, ""))]);
        assert_eq!(outcome.sent, [Frame::close(1000, "")]);
    }
}

/// Reacts to the peer's first Close frame, or first violation, before the next poll.
fn answered(side: Side, wire: &Wire, react: impl Fn(&mut Connection, &Event)) -> Outcome {
    every_split(wire, |pieces| {
        let mut end = End::new(side, plain());
        for piece in pieces {
            end.receive_and(piece, |connection, event, _| react(connection, event));
        }
        end.eof();
        end.into_outcome()
    })
}

#[test]
fn what_is_sent_on_the_peers_close_goes_out_before_our_answer() {
    for side in SIDES {
        let wire = Wire::to(side).close(1000, "");
        let outcome = answered(side, &wire, |connection, event| {
            assert!(matches!(event, Event::CloseReceived(_)));
            assert!(connection.owes_close() && connection.state() == State::CloseReceived);
            connection.send(text("the last"), support::start()).expect("our Close is not sent");
        });
        assert_eq!(outcome.sent, [Frame::new(FIN | TEXT, b"the last"), Frame::close(1000, "")]);
        assert!(outcome.closed.expect("over").is_clean());
    }
}

#[test]
fn what_is_sent_on_a_violation_goes_out_before_the_close_that_fails() {
    for side in SIDES {
        let wire = Wire::to(side).ping(b"p").frame(FIN | 0x3, b"");
        let outcome = answered(side, &wire, |connection, event| {
            if let Event::Violation(_) = event {
                assert!(connection.owes_close() && connection.state() == State::Open);
                connection.send(text("the last"), support::start()).expect("our Close is not sent");
            }
        });
        let opcodes: Vec<u8> = outcome.sent.iter().map(Frame::opcode).collect();
        assert_eq!(opcodes, [PONG, TEXT, CLOSE]);
        assert_eq!(outcome.sent[2].close_code(), Some(1002));
    }
}

#[test]
fn the_callers_close_takes_the_place_of_the_answer_owed() {
    for side in SIDES {
        let wire = Wire::to(side).close(1000, "");
        let outcome = answered(side, &wire, |connection, _| {
            connection.send(text("the last"), support::start()).expect("our Close is not sent");
            connection.close(close(4000, "mine"), support::start());
            assert!(!connection.owes_close());
        });
        assert_eq!(outcome.sent, [Frame::new(FIN | TEXT, b"the last"), Frame::close(4000, "mine")]);
        let closed = outcome.closed.expect("over");
        assert_eq!(facts(&closed), (Some(4000), Some(1000), true, Cause::Clean));
    }
}

#[test]
fn fail_sends_its_close_reads_no_more_and_ends_the_transport() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.send(text("queued"), end.now).expect("open");
        end.connection.fail(close(1008, "policy"), end.now);
        assert!(!end.connection.is_reading());
        end.receive(&Wire::to(side).text("ignored").close(1000, ""));
        assert_eq!(end.events, []);
        assert_eq!(end.frames(), [Frame::new(FIN | TEXT, b"queued"), Frame::close(1008, "policy")]);
        assert!(end.fin, "either side ends the transport when it fails the connection");
        end.eof();
        assert_eq!(facts(end.closed()), (Some(1008), None, false, Cause::Failed));
        assert_eq!(end.closed().code().get(), 1006);
    }
}

#[test]
fn fail_after_close_sends_no_second_close_and_ends_at_once() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.close(close(1000, "patient"), end.now);
        end.pump();
        assert!(!end.fin);
        end.connection.fail(close(1008, "no longer"), end.now);
        end.pump();
        assert!(end.fin);
        assert_eq!(end.frames(), [Frame::close(1000, "patient")]);
        end.eof();
        assert_eq!(facts(end.closed()), (Some(1000), None, false, Cause::Failed));
    }
}

#[test]
fn fail_takes_the_place_of_the_answer_owed() {
    for side in SIDES {
        let outcome = answered(side, &Wire::to(side).close(1000, ""), |connection, _| {
            connection.fail(close(1011, ""), support::start());
        });
        assert_eq!(outcome.sent, [Frame::close(1011, "")]);
        assert!(outcome.fin);
        let closed = outcome.closed.expect("over");
        assert_eq!(facts(&closed), (Some(1011), Some(1000), true, Cause::Failed));
    }
}

#[test]
fn a_violation_after_our_close_ends_at_once_with_the_violation_as_cause() {
    for side in SIDES {
        let wire = Wire::to(side).text("ok").frame(FIN | 0x3, b"").close(1000, "");
        let outcome = every_split(&wire, |pieces| {
            let mut end = End::new(side, plain());
            end.connection.close(close(1000, ""), end.now);
            for piece in pieces {
                end.receive(piece);
            }
            assert!(end.fin);
            end.eof();
            end.into_outcome()
        });
        let error = ProtocolError::OpcodeReserved { opcode: 3 };
        assert_eq!(outcome.events[1], Event::Violation(error));
        assert_eq!(outcome.sent, [Frame::close(1000, "")], "no second Close frame");
        let closed = outcome.closed.expect("over");
        assert_eq!(facts(&closed), (Some(1000), None, false, Cause::Violation(error)));
    }
}

#[test]
fn close_does_not_hide_a_violation_from_the_peer() {
    for side in SIDES {
        let wire = Wire::to(side).frame(FIN | 0x3, b"");
        let outcome = answered(side, &wire, |connection, event| {
            assert!(matches!(event, Event::Violation(_)));
            connection.close(close(1000, "done"), support::start());
        });
        assert_eq!(outcome.sent.len(), 1);
        assert_eq!(outcome.sent[0].close_code(), Some(1002), "the code that §7.4.1 names");
    }
}

#[test]
fn everything_after_closed_is_harmless() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.connection.send(text("lost"), end.now).expect("open");
        end.lost();
        let closed = end.closed().clone();
        let sent = end.sent.len();
        let now = end.now;
        let connection = &mut end.connection;
        assert_eq!(connection.send(text("no"), now), Err(SendError::Closed(text("no").into())));
        assert_eq!(connection.ping(now), None);
        connection.close(close(1000, ""), now);
        connection.fail(close(1011, ""), now);
        connection.handle_timeout(now);
        connection.handle_reading(false, now);
        connection.handle_reading(true, now);
        connection.handle_eof(now);
        connection.handle_lost();
        assert_eq!(connection.poll_timeout(), None);
        assert_eq!(connection.buffered_amount(), 0);
        assert!(connection.payload_space().is_none());
        end.receive(&Wire::to(side).text("no"));
        assert_eq!((end.events.len(), end.sent.len(), end.fin), (0, sent, false));
        assert_eq!(end.closed(), &closed);
    }
}
