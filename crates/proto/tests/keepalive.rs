//! Keepalive pings and the idle timeout (RFC 6455 §5.5.2).

mod support;

use std::{sync::Arc, time::Duration};

use bytes::BufMut;
use longwire_proto::{Cause, Config, Event, Input, Keepalive, Timer};
use support::{
    BINARY, CLOSE, End, FIN, Frame, PING, SECOND, SIDES, Wire, binary, close, config, text,
};

/// A Ping after 20 s of silence, and 10 s to answer it.
fn alive() -> Arc<Config> {
    config(|it| it.keepalive = Some(Keepalive { interval: 20 * SECOND, timeout: 10 * SECOND }))
}

fn pings(end: &End) -> Vec<Frame> {
    end.frames().into_iter().filter(|frame| frame.opcode() == PING).collect()
}

#[test]
fn a_quiet_connection_is_pinged_and_given_up_without_an_answer() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        end.advance(Duration::from_millis(19_999));
        assert_eq!(pings(&end).len(), 0);
        end.advance(SECOND / 1000);
        assert_eq!(pings(&end).len(), 1);
        end.advance(Duration::from_millis(9_999));
        assert_eq!(end.closed, None);
        end.advance(SECOND / 1000);
        assert_eq!(end.closed().cause, Cause::TimedOut(Timer::Keepalive));
        assert_eq!((end.closed().sent.clone(), end.closed().code().get()), (None, 1006));
        assert_eq!(pings(&end).len(), 1);
    }
}

#[test]
fn a_peer_that_answers_is_pinged_for_ever() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        for n in 1..=200 {
            end.advance(20 * SECOND);
            let ping = pings(&end).pop().expect("one more");
            assert_eq!(pings(&end).len(), n);
            end.receive(&Wire::to(side).pong(&ping.payload));
        }
        assert_eq!(end.closed, None);
    }
}

#[test]
fn any_byte_is_a_sign_of_life_even_within_a_frame() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        let wire = Wire::to(side).text("slow but alive");
        for byte in wire.chunks(1) {
            end.advance(29 * SECOND);
            end.receive(byte);
        }
        assert_eq!(end.events, [Event::Message(text("slow but alive"))]);
        assert_eq!(end.closed, None);
    }
}

#[test]
fn payload_that_is_read_directly_is_a_sign_of_life() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        end.receive(&Wire::to(side).declare(FIN | BINARY, 10 << 20));
        for _ in 0..10 {
            end.advance(19 * SECOND);
            let space = end.connection.payload_space();
            space.expect("a large frame is under way").put_slice(b"payload");
            end.pump();
        }
        assert_eq!(pings(&end), [], "the peer was never silent for 20 s");
        assert_eq!(end.closed, None);
    }
}

#[test]
fn a_message_in_between_restarts_the_interval() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        end.advance(15 * SECOND);
        end.receive(&Wire::to(side).text("hello"));
        end.advance(15 * SECOND);
        assert_eq!(pings(&end), []);
        end.advance(5 * SECOND);
        assert_eq!(pings(&end).len(), 1);
    }
}

#[test]
fn sending_is_not_a_sign_of_the_peers_life() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        for _ in 0..29 {
            end.connection.send(text("anyone?"), end.now).expect("open");
            end.pump();
            end.advance(SECOND);
        }
        assert_eq!((pings(&end).len(), &end.closed), (1, &None));
        end.advance(SECOND);
        assert_eq!(end.closed().cause, Cause::TimedOut(Timer::Keepalive));
    }
}

#[test]
fn the_wait_for_an_answer_starts_when_the_ping_is_out() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        end.room = 0;
        end.connection.send(binary(&[0; 50]), end.now).expect("open");
        end.advance(20 * SECOND);
        // Every 9 s the transport takes ten bytes, so the Ping is out after seven times.
        for _ in 0..7 {
            end.advance(9 * SECOND);
            end.room = 10;
            end.pump();
        }
        assert_eq!(end.connection.buffered_amount(), 0);
        end.advance(9 * SECOND);
        assert_eq!(end.closed, None);
        end.advance(SECOND);
        assert_eq!(end.closed().cause, Cause::TimedOut(Timer::Keepalive));
    }
}

#[test]
fn a_transport_that_takes_nothing_is_given_up() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        end.room = 0;
        end.connection.send(binary(&[0; 50]), end.now).expect("open");
        end.advance(30 * SECOND);
        assert_eq!(end.closed().cause, Cause::TimedOut(Timer::Keepalive));
    }
}

#[test]
fn a_write_of_nothing_is_not_progress() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        end.room = 0;
        end.connection.send(binary(&[0; 50]), end.now).expect("open");
        end.advance(25 * SECOND);
        end.connection.handle_written(0, end.now);
        end.advance(5 * SECOND);
        assert_eq!(end.closed().cause, Cause::TimedOut(Timer::Keepalive));
    }
}

#[test]
fn a_caller_that_does_not_read_blames_nobody() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        end.advance(19 * SECOND);
        end.connection.handle_reading(false, end.now);
        assert_eq!(end.connection.poll_timeout(), None);
        end.advance(3600 * SECOND);
        assert_eq!((pings(&end).len(), &end.closed), (0, &None));
        end.connection.handle_reading(true, end.now);
        end.advance(19 * SECOND);
        assert_eq!(pings(&end), []);
        end.advance(SECOND);
        assert_eq!(pings(&end).len(), 1);
    }
}

#[test]
fn a_caller_that_stops_reading_with_a_ping_out_may_come_back() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        end.advance(20 * SECOND);
        end.connection.handle_reading(false, end.now);
        end.advance(3600 * SECOND);
        end.connection.handle_reading(true, end.now);
        end.connection.handle_reading(true, end.now);
        end.advance(20 * SECOND);
        assert_eq!((pings(&end).len(), &end.closed), (2, &None));
    }
}

#[test]
fn keepalive_has_no_say_once_the_connection_is_closing() {
    for side in SIDES {
        let config = config(|it| {
            it.keepalive = Some(Keepalive { interval: SECOND, timeout: SECOND });
            it.close_timeout = 10 * SECOND;
        });
        let mut end = End::new(side, config);
        end.advance(SECOND);
        end.connection.close(close(1000, ""), end.now);
        end.pump();
        end.advance(9 * SECOND);
        assert_eq!(end.closed, None);
        end.advance(SECOND);
        assert_eq!(end.closed().cause, Cause::TimedOut(Timer::Close));
    }
}

#[test]
fn without_keepalive_and_idle_timeout_nothing_waits_for_time() {
    for side in SIDES {
        let end = End::new(side, support::plain());
        assert_eq!(end.connection.poll_timeout(), None);
    }
}

#[test]
fn keepalive_of_zero_ends_and_does_not_spin() {
    for side in SIDES {
        let config = config(|it| {
            it.keepalive = Some(Keepalive { interval: Duration::ZERO, timeout: Duration::ZERO });
        });
        let mut end = End::new(side, config);
        for _ in 0..2 {
            end.connection.handle_timeout(end.now);
            end.pump();
        }
        assert_eq!(end.closed().cause, Cause::TimedOut(Timer::Keepalive));
    }
}

#[test]
fn a_peer_that_talks_and_answers_no_ping_costs_at_most_64_pings() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        for _ in 0..100 {
            end.advance(29 * SECOND);
            end.receive(&Wire::to(side).text("busy"));
        }
        assert_eq!(end.closed, None);
        assert_eq!(pings(&end).len(), 64);
    }
}

#[test]
fn a_connection_without_messages_is_closed_with_1001_when_idle() {
    for side in SIDES {
        let mut end = End::new(side, config(|it| it.idle_timeout = Some(60 * SECOND)));
        end.advance(30 * SECOND);
        end.receive(&Wire::to(side).text("in"));
        end.advance(40 * SECOND);
        end.connection.send(text("out"), end.now).expect("open");
        end.pump();
        end.advance(50 * SECOND);
        // Control frames are no messages.
        end.receive(&Wire::to(side).ping(b"").pong(b""));
        assert!(end.connection.ping(end.now).is_some());
        end.advance(9 * SECOND);
        assert!(end.frames().iter().all(|frame| frame.opcode() != CLOSE));
        end.advance(SECOND);
        let last = end.frames().pop().expect("a Close frame");
        assert_eq!(last.close_code(), Some(1001));
        end.receive(&Wire::to(side).close(1001, ""));
        end.eof();
        assert!(end.closed().is_clean());
    }
}

#[test]
fn a_streamed_message_is_activity() {
    for side in SIDES {
        let config = config(|it| {
            it.idle_timeout = Some(10 * SECOND);
            it.delivery = longwire_proto::Delivery::Fragments;
        });
        let mut end = End::new(side, config);
        end.receive(&Wire::to(side).binary_start(b"a"));
        for n in 0..10 {
            end.advance(9 * SECOND);
            end.receive(&Wire::to(side).more(&[n]));
        }
        end.advance(9 * SECOND);
        end.connection.send_fragment(support::part(binary(b"x"), false), end.now).expect("open");
        end.advance(9 * SECOND);
        assert!(end.frames().iter().all(|frame| frame.opcode() != CLOSE));
    }
}

#[test]
fn keepalive_and_idle_timeout_at_the_same_instant_close_once() {
    for side in SIDES {
        let config = config(|it| {
            it.keepalive = Some(Keepalive { interval: 20 * SECOND, timeout: 20 * SECOND });
            it.idle_timeout = Some(20 * SECOND);
        });
        let mut end = End::new(side, config);
        end.advance(20 * SECOND);
        let opcodes: Vec<u8> = end.frames().iter().map(Frame::opcode).collect();
        assert_eq!(opcodes, [PING, CLOSE]);
    }
}

#[test]
fn a_late_timeout_after_bytes_arrived_is_no_verdict() {
    for side in SIDES {
        let mut end = End::new(side, alive());
        end.advance(20 * SECOND);
        end.now += 9 * SECOND;
        let mut bytes = Wire::to(side).text("here").to_vec();
        let event = end.connection.poll_event(&mut Input::new(&mut bytes), end.now);
        assert_eq!(event, Some(Event::Message(text("here"))));
        end.connection.handle_timeout(end.now + SECOND);
        end.pump();
        assert_eq!(end.closed, None);
    }
}
