//! The closing handshake (RFC 6455 §7): what still goes out before it, how long it may take, and
//! what it is called at its end.

use std::time::Duration;

use longwire::{Cause, Close, CloseCode, SendError, proto::Timer};
use tokio::time::Instant;

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

/// Sends back what comes, until nothing more can be sent.
async fn echo(mut socket: longwire::WebSocket) -> Result<(), String> {
    while let Some(message) = socket.recv().await.map_err(|error| error.to_string())? {
        socket.send(message).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn messages_then_close(count: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..count {
        bytes.extend(masked(true, BINARY, &[number]));
    }
    bytes.extend(masked(true, CLOSE, &close_payload(1000, "bye")));
    bytes
}

#[test]
fn what_came_in_one_read_with_a_close_is_echoed_before_our_close() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let echo = tokio::spawn(echo(socket));
        let start = Instant::now();
        peer.write(messages_then_close(100));
        let mut frames = Frames::default();
        for number in 0..100 {
            let frame = frames.read(&peer).await;
            assert_eq!((frame.opcode, frame.payload), (BINARY, vec![number]));
        }
        let frame = frames.read(&peer).await;
        assert_eq!((frame.opcode, frame.payload), (CLOSE, close_payload(1000, "")));
        peer.end();
        assert_eq!(echo.await.expect("no panic"), Ok(()));
        assert_eq!(start.elapsed(), Duration::ZERO, "nothing waits for the clock");
    });
}

#[test]
fn a_client_echoes_before_its_close_as_well() {
    run(async {
        let (socket, peer) = client(quiet()).await;
        let echo = tokio::spawn(echo(socket));
        peer.write([plain(true, TEXT, b"one"), plain(true, CLOSE, &[])].concat());
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, b"one");
        let close = frames.read(&peer).await;
        assert_eq!((close.opcode, close.payload.as_slice()), (CLOSE, &[][..]));
        peer.end();
        assert_eq!(echo.await.expect("no panic"), Ok(()));
    });
}

#[test]
fn what_came_before_a_violation_is_echoed_before_our_close() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let echo = tokio::spawn(echo(socket));
        // Autobahn 3.2: a good frame, then one with a reserved bit.
        let mut bad = masked(true, TEXT, b"bad");
        bad[0] |= 0x40;
        peer.write([masked(true, TEXT, b"good"), bad, masked(true, PING, b"")].concat());
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, b"good");
        let close = frames.read(&peer).await;
        assert_eq!((close.opcode, &close.payload[..2]), (CLOSE, &1002_u16.to_be_bytes()[..]));
        peer.end();
        let error = echo.await.expect("no panic").expect_err("a violation is no clean end");
        assert!(error.starts_with("the peer broke the protocol: "), "{error}");
        assert_eq!(frames.rest(&peer), []);
    });
}

#[test]
fn an_application_that_does_not_come_back_delays_the_close_by_a_second() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(messages_then_close(1));
        socket.recv().await.expect("open").expect("open");
        let start = Instant::now();
        let frame = Frames::default().read(&peer).await;
        assert_eq!(frame.opcode, CLOSE);
        let waited = start.elapsed();
        assert!(waited >= SECOND && waited < SECOND + SECOND / 100, "{waited:?}");
    });
}

#[test]
fn the_task_rests_after_the_hold_has_expired() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(messages_then_close(1));
        socket.recv().await.expect("open").expect("open");
        assert_eq!(Frames::default().read(&peer).await.opcode, CLOSE);
        assert_rests(&peer).await;
    });
}

#[test]
fn the_task_rests_after_the_application_closed_during_the_hold() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(messages_then_close(1));
        socket.recv().await.expect("open").expect("open");
        dropped_after(socket.close(CloseCode::GOING_AWAY), 1).await;
        let frame = Frames::default().read(&peer).await;
        assert_eq!(frame.payload, close_payload(1001, ""), "the application's code goes out");
        tokio::time::advance(2 * SECOND).await;
        assert_rests(&peer).await;
    });
}

#[test]
fn an_older_timer_that_fires_during_the_hold_does_not_end_it() {
    run(async {
        let (mut socket, peer) = server(longwire::Config::default()).await;
        settle().await;
        // The keepalive's timer is set for 20 s; a byte at 10 s moves the deadline, not the timer.
        tokio::time::advance(10 * SECOND).await;
        peer.write(masked(true, PONG, b""));
        settle().await;
        tokio::time::advance(Duration::from_millis(9_700)).await;
        peer.write(messages_then_close(1));
        let message = socket.recv().await.expect("open").expect("open");
        // The application takes 600 ms, in which the old timer fires.
        pass(Duration::from_millis(600)).await;
        socket.send(message).await.expect("the answer to the Close frame waits for this");
        let mut frames = Frames::default();
        drop(socket);
        assert_eq!(frames.read(&peer).await.opcode, BINARY);
        assert_eq!(frames.read(&peer).await.opcode, CLOSE);
    });
}

#[test]
fn all_that_was_sent_goes_out_before_the_answer_to_a_close() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        let mut plan = crate::pipe::Plan::SMOOTH;
        plan.outbound_max = 1000;
        peer.plan(plan);
        peer.write(messages_then_close(1));
        socket.recv().await.expect("open").expect("open");
        // The first two keep the task's own queue from being empty, so the third waits in the outbox.
        socket.send(vec![1; 70_000]).await.expect("held");
        socket.send(vec![2; 70_000]).await.expect("held");
        settle().await;
        socket.send(vec![3; 10]).await.expect("held");
        settle().await;
        let comes_back = tokio::spawn(async move { socket.recv().await });
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        loop {
            let frame = frames.read(&peer).await;
            if frame.opcode == CLOSE {
                break;
            }
            seen.push((frame.payload[0], frame.payload.len()));
        }
        assert_eq!(seen, [(1, 70_000), (2, 70_000), (3, 10)]);
        peer.end();
        assert_eq!(comes_back.await.expect("no panic").expect("clean"), None);
    });
}

#[test]
fn a_message_behind_our_answer_to_a_close_comes_back() {
    run(async {
        let (socket, peer) = client(quiet()).await;
        let (sender, mut receiver) = socket.split();
        let reader = tokio::spawn(async move { receiver.recv().await });
        peer.write(plain(true, CLOSE, &close_payload(1000, "")));
        assert_eq!(Frames::default().read(&peer).await.opcode, CLOSE);
        settle().await;
        // The server has not ended the transport yet.
        let result = sender.try_send("too late");
        assert!(matches!(result, Err(SendError::Closed(_))), "{result:?}");
        let result = dropped_after(sender.ping(), 50).await;
        assert!(matches!(result, Some(Err(longwire::PingError::Closed))), "{result:?}");
        peer.end();
        assert_eq!(reader.await.expect("no panic").expect("clean"), None);
    });
}

#[test]
fn a_message_behind_a_close_for_idleness_comes_back() {
    run(async {
        let (mut socket, peer) =
            server(config(|config| config.idle_timeout = Some(30 * SECOND))).await;
        let mut frames = Frames::default();
        let close = loop {
            let frame = frames.read(&peer).await;
            if frame.opcode == CLOSE {
                break frame;
            }
            assert_eq!(frame.opcode, PING);
            peer.write(masked(true, PONG, &frame.payload));
        };
        assert_eq!(close.payload, close_payload(1001, "idle for too long"));
        settle().await;
        let result = socket.try_send("too late");
        assert!(matches!(result, Err(SendError::Closed(_))), "{result:?}");
        peer.write(masked(true, CLOSE, &close_payload(1001, "")));
        peer.end();
        assert_eq!(socket.recv().await.expect("clean"), None);
    });
}

#[test]
fn a_ping_while_the_answer_to_a_close_waits_says_that_the_connection_closes() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(messages_then_close(1));
        socket.recv().await.expect("open").expect("open");
        settle().await;
        let result = dropped_after(socket.ping(), 50).await;
        assert!(matches!(result, Some(Err(longwire::PingError::Closed))), "{result:?}");
    });
}

#[test]
fn flush_does_not_call_flushed_what_was_thrown_away() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        let mut plan = crate::pipe::Plan::SMOOTH;
        plan.outbound_max = 1000;
        peer.plan(plan);
        peer.write(messages_then_close(1));
        socket.recv().await.expect("open").expect("open");
        for number in 0..5 {
            socket.send(vec![number; 70_000]).await.expect("held");
        }
        let (sender, receiver) = socket.split();
        let flush = tokio::spawn(async move { sender.flush().await });
        // The hold expires: the Close frame goes out behind what is encoded by then.
        settle().await;
        pass(2 * SECOND).await;
        let mut frames = Frames::default();
        let mut messages = 0;
        while frames.read(&peer).await.opcode != CLOSE {
            messages += 1;
        }
        peer.end();
        let flushed = flush.await.expect("no panic");
        assert_eq!(
            flushed.is_ok(),
            messages == 5,
            "{messages} of 5 messages went out: {flushed:?}"
        );
        drop(receiver);
    });
}

#[test]
fn close_goes_behind_all_that_was_sent_and_both_ends_agree() {
    run(async {
        let (mut server, client) = pair(quiet(), 700).await;
        let (sender, mut receiver) = client.split();
        for number in 0..100_u8 {
            sender.send(vec![number; 5000]).await.expect("open");
        }
        let closer = tokio::spawn(async move {
            let reason = longwire::CloseReason::truncated("enough");
            sender.close(Close::new(CloseCode::from(4000), reason)).await
        });
        for number in 0..100_u8 {
            let message = server.recv().await.expect("open").expect("open");
            assert_eq!(message.as_bytes(), vec![number; 5000]);
        }
        assert_eq!(server.recv().await.expect("clean"), None);
        assert_eq!(receiver.recv().await.expect("clean"), None);
        let here = closer.await.expect("no panic");
        let there = server.closed().expect("ended");
        assert_eq!((here.cause, there.cause), (Cause::Clean, Cause::Clean));
        assert_eq!((here.peer_first, there.peer_first), (false, true));
        assert_eq!((there.code().get(), there.reason()), (4000, "enough"));
        assert_eq!(here.sent, there.received);
        assert_eq!(here.received, there.sent);
    });
}

#[test]
fn a_second_close_only_waits_and_hears_the_same() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, _receiver) = socket.split();
        let other = sender.clone();
        let first = tokio::spawn(async move { sender.close(CloseCode::GOING_AWAY).await });
        let second = tokio::spawn(async move { other.close(CloseCode::NORMAL_CLOSURE).await });
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, close_payload(1001, ""));
        peer.write(masked(true, CLOSE, &close_payload(1001, "")));
        peer.end();
        let first = first.await.expect("no panic");
        assert_eq!(first, second.await.expect("no panic"));
        assert!(first.is_clean());
        assert_eq!(frames.rest(&peer), [], "one Close frame");
    });
}

#[test]
fn a_peer_that_does_not_answer_a_close_has_the_close_timeout() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        let start = Instant::now();
        let closed = socket.close(CloseCode::NORMAL_CLOSURE).await;
        assert_eq!(closed.cause, Cause::TimedOut(Timer::Close));
        assert_eq!(closed.received, None);
        let waited = start.elapsed();
        assert!(waited >= 5 * SECOND && waited < 5 * SECOND + SECOND / 100, "{waited:?}");
        assert!(peer.seen().dropped);
        let error = socket.recv().await.expect_err("not clean");
        assert!(error.is_timeout());
        assert_eq!(
            error.to_string(),
            "the peer did not finish the closing handshake in time; sent 1000 (normal closure); \
             received no close frame"
        );
    });
}

#[test]
fn a_client_waits_for_the_server_to_end_the_transport_first() {
    run(async {
        let (socket, peer) = client(quiet()).await;
        let (sender, _receiver) = socket.split();
        peer.write(plain(true, CLOSE, &close_payload(1000, "")));
        assert_eq!(Frames::default().read(&peer).await.opcode, CLOSE);
        settle().await;
        assert!(!peer.seen().shut_down && !peer.seen().dropped);
        let start = Instant::now();
        let closed = sender.ended().await;
        assert!(closed.is_clean(), "both Close frames passed: {closed}");
        assert_eq!(start.elapsed().as_secs(), 5);
    });
}

#[test]
fn a_server_ends_its_direction_and_waits_for_the_clients() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, _receiver) = socket.split();
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        peer.until(|seen, _| seen.shut_down).await;
        settle().await;
        assert!(!peer.seen().dropped, "a reset would cost the client our Close frame");
        peer.end();
        assert!(sender.ended().await.is_clean());
        assert!(peer.seen().dropped);
    });
}

#[test]
fn messages_still_arrive_between_our_close_and_the_peers() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, mut receiver) = socket.split();
        let closer = tokio::spawn(async move { sender.close(CloseCode::NORMAL_CLOSURE).await });
        assert_eq!(Frames::default().read(&peer).await.opcode, CLOSE);
        for number in 0..3 {
            peer.write(masked(true, BINARY, &[number]));
        }
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        peer.end();
        for number in 0..3 {
            let message = receiver.recv().await.expect("clean").expect("a message");
            assert_eq!(message.as_bytes(), [number]);
        }
        assert_eq!(receiver.recv().await.expect("clean"), None);
        assert_eq!(receiver.recv().await.expect("clean"), None, "and again");
        assert!(closer.await.expect("no panic").is_clean());
    });
}
