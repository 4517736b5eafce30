//! The transport's end and the closing handshake's timeout, in every state (RFC 6455 §7.1.1, §7.1.4).

mod support;

use std::time::Duration;

use longwire_proto::{Cause, Close, Event, ProtocolError, Side, State, Timer};
use support::{End, FIN, Frame, SECOND, SIDES, TEXT, Wire, binary, close, config, plain, text};

/// An end in each state that a live connection can be in, with nothing left to write.
fn in_each_state(side: Side) -> Vec<(State, End)> {
    let open = End::new(side, plain());
    let mut sent = End::new(side, plain());
    sent.connection.close(close(1000, "bye"), sent.now);
    sent.pump();
    let mut exchanged = End::new(side, plain());
    exchanged.receive(&Wire::to(side).close(1001, ""));
    vec![(State::Open, open), (State::CloseSent, sent), (State::CloseExchanged, exchanged)]
}

#[test]
fn eof_in_each_state() {
    for side in SIDES {
        for (state, mut end) in in_each_state(side) {
            assert_eq!(end.connection.state(), state);
            end.eof();
            let expected = if state == State::CloseExchanged { Cause::Clean } else { Cause::Lost };
            assert_eq!(end.closed().cause, expected, "{side:?} {state:?}");
            assert_eq!(
                end.closed().code().get(),
                if expected == Cause::Clean { 1001 } else { 1006 }
            );
            assert_eq!(end.connection.state(), State::Closed);
        }
    }
}

#[test]
fn a_lost_transport_in_each_state() {
    for side in SIDES {
        for (state, mut end) in in_each_state(side) {
            end.lost();
            let expected = if state == State::CloseExchanged { Cause::Clean } else { Cause::Lost };
            assert_eq!(end.closed().cause, expected, "{side:?} {state:?}");
        }
    }
}

#[test]
fn eof_twice_and_after_loss_gives_closed_once() {
    for side in SIDES {
        for (_, mut end) in in_each_state(side) {
            end.eof();
            end.eof();
            end.lost();
            assert!(end.closed.is_some(), "the driver asserts that no event follows");
        }
    }
}

#[test]
fn eof_inside_a_message_or_a_header_is_a_loss_and_no_message() {
    for side in SIDES {
        let wire = Wire::to(side).text_start(b"half").more(b"x");
        for cut in 1..wire.len() {
            let mut end = End::new(side, plain());
            end.receive(&wire[..cut]);
            end.eof();
            assert_eq!((&end.events[..], end.closed().cause), (&[][..], Cause::Lost));
        }
    }
}

#[test]
fn eof_right_behind_the_peers_close_still_lets_our_answer_out() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.room = 0;
        end.receive(&Wire::to(side).close(1000, ""));
        end.eof();
        assert_eq!(end.closed, None, "our Close frame can still be written");
        assert_eq!(end.connection.state(), State::CloseExchanged);
        end.room = 3;
        end.pump();
        assert_eq!(end.closed, None, "half of it is not enough");
        end.room = usize::MAX;
        end.pump();
        assert_eq!(end.frames(), [Frame::close(1000, "")]);
        assert!(end.fin, "flush, then end our direction");
        assert_eq!(end.closed().cause, Cause::Clean);
    }
}

#[test]
fn eof_while_the_answer_is_owed_queues_it() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.receive_and(&Wire::to(side).close(1000, ""), |connection, event, now| {
            if let Event::CloseReceived(_) = event {
                connection.send(text("last"), now).expect("our Close is not sent");
                connection.handle_eof(now);
            }
        });
        assert_eq!(end.frames(), [Frame::new(FIN | TEXT, b"last"), Frame::close(1000, "")]);
        assert_eq!(end.closed().cause, Cause::Clean);
    }
}

#[test]
fn eof_while_a_violation_is_owed_its_close_lets_that_out() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.receive_and(&Wire::to(side).frame(FIN | 0x3, b""), |connection, _, now| {
            connection.handle_eof(now);
        });
        assert_eq!(end.frames()[0].close_code(), Some(1002));
        let error = ProtocolError::OpcodeReserved { opcode: 3 };
        assert_eq!(end.closed().cause, Cause::Violation(error));
    }
}

#[test]
fn a_write_that_fails_with_our_answer_unsent_is_a_loss_with_both_halves_known() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.room = 0;
        end.receive(&Wire::to(side).close(1000, "theirs"));
        end.lost();
        assert_eq!(end.closed().cause, Cause::Lost);
        assert_eq!(end.closed().received, Some(close(1000, "theirs")));
    }
}

#[test]
fn a_loss_after_a_violation_is_still_the_peers_violation() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.receive_and(&Wire::to(side).frame(FIN | 0x3, b""), |connection, _, _| {
            connection.handle_lost();
        });
        let error = ProtocolError::OpcodeReserved { opcode: 3 };
        assert_eq!(end.closed().cause, Cause::Violation(error));
    }
}

#[test]
fn a_failed_connection_waits_for_the_peers_eof_or_the_timeout() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.receive(&Wire::to(side).frame(FIN | 0x3, b""));
        assert!(end.fin && end.closed.is_none());
        end.advance(4 * SECOND);
        assert!(end.closed.is_none());
        end.advance(SECOND);
        let error = ProtocolError::OpcodeReserved { opcode: 3 };
        assert_eq!(end.closed().cause, Cause::Violation(error));
    }
}

#[test]
fn a_peer_that_never_answers_our_close_times_out() {
    for side in SIDES {
        let mut end = End::new(side, config(|it| it.close_timeout = 3 * SECOND));
        end.connection.close(close(1000, ""), end.now);
        assert_eq!(end.connection.poll_timeout(), Some(end.now + 3 * SECOND));
        end.pump();
        end.advance(2 * SECOND);
        // What arrives meanwhile does not prolong the wait.
        end.receive(&Wire::to(side).text("still talking").ping(b""));
        end.advance(SECOND);
        assert_eq!(end.closed().cause, Cause::TimedOut(Timer::Close));
        assert_eq!(
            (end.closed().sent.clone(), end.closed().received.clone()),
            (Some(close(1000, "")), None)
        );
    }
}

#[test]
fn a_peer_that_answers_and_never_ends_the_transport_is_left_as_clean() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.receive(&Wire::to(side).close(1000, ""));
        assert_eq!(end.fin, side == Side::Server);
        end.advance(5 * SECOND);
        assert_eq!(end.closed().cause, Cause::Clean, "both Close frames are known");
    }
}

#[test]
fn bytes_that_the_transport_takes_prolong_the_wait() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.room = 0;
        end.connection.send(binary(&[0; 100]), end.now).expect("open");
        end.connection.close(close(1000, ""), end.now);
        for _ in 0..8 {
            end.advance(4 * SECOND);
            end.room = 5;
            end.pump();
        }
        assert!(end.closed.is_none(), "progress is not silence");
        end.advance(5 * SECOND);
        assert_eq!(end.closed().cause, Cause::TimedOut(Timer::Close));
    }
}

#[test]
fn a_peer_that_does_not_take_our_answer_times_out() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.room = 0;
        end.receive(&Wire::to(side).close(1000, ""));
        end.advance(5 * SECOND);
        assert_eq!(
            end.closed().cause,
            Cause::TimedOut(Timer::Close),
            "the transport has not ended, so it was not lost"
        );
    }
}

#[test]
fn a_slow_caller_is_not_held_against_a_peer_that_closed() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.receive_and(&Wire::to(side).close(1000, ""), |connection, event, now| {
            // The caller takes its time before it polls again.
            if let Event::CloseReceived(_) = event {
                connection.handle_timeout(now + 60 * SECOND);
            }
        });
        assert_eq!(end.frames(), [Frame::close(1000, "")], "our answer is still owed");
        end.eof();
        assert_eq!(end.closed().cause, Cause::Clean);
    }
}

#[test]
fn progress_before_our_answer_does_not_stop_the_clock() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.room = 0;
        end.connection.send(binary(&[0; 100]), end.now).expect("open");
        end.receive_and(&Wire::to(side).close(1000, ""), |connection, event, now| {
            if let Event::CloseReceived(_) = event {
                let deadline = connection.poll_timeout();
                assert!(deadline.is_some(), "patience with our own caller");
                connection.handle_written(10, now);
                assert_eq!(connection.poll_timeout(), deadline);
            }
        });
    }
}

#[test]
fn a_peer_that_takes_a_byte_now_and_then_cannot_hold_a_closing_connection_for_ever() {
    for side in SIDES {
        let mut end = End::new(side, plain());
        end.room = 0;
        end.connection.send(binary(&[0; 1000]), end.now).expect("open");
        end.connection.close(close(1000, ""), end.now);
        let mut waited = 0;
        while end.closed.is_none() {
            end.advance(4 * SECOND);
            end.room = 1;
            end.pump();
            waited += 4;
            assert!(waited <= 60, "ten times the timeout is enough");
        }
        assert_eq!(end.closed().cause, Cause::TimedOut(Timer::Close));
    }
}

#[test]
fn a_timeout_that_comes_early_does_nothing() {
    for side in SIDES {
        for (state, mut end) in in_each_state(side) {
            end.connection.handle_timeout(end.now + 4 * SECOND);
            end.pump();
            assert_eq!((end.connection.state(), end.closed), (state, None));
        }
    }
}

#[test]
fn durations_without_end_mean_never() {
    for side in SIDES {
        let config = config(|it| {
            it.close_timeout = Duration::MAX;
            it.idle_timeout = Some(Duration::MAX);
            it.keepalive =
                Some(longwire_proto::Keepalive { interval: Duration::MAX, timeout: Duration::MAX });
        });
        let mut end = End::new(side, config);
        assert_eq!(end.connection.poll_timeout(), None);
        end.advance(1000 * SECOND);
        end.receive(&Wire::to(side).text("alive"));
        end.connection.close(Close::EMPTY, end.now);
        assert_eq!(end.connection.poll_timeout(), None);
        end.pump();
        end.receive(&Wire::to(side).close_empty());
        assert_eq!(end.events.last(), Some(&Event::CloseReceived(Close::EMPTY)));
    }
}
