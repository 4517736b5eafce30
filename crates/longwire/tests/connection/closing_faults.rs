//! The end of a connection whose peer or transport does not do its part.

use std::{io::ErrorKind, time::Duration};

use longwire::{Cause, CloseCode, SendError, proto::Timer};
use tokio::time::Instant;

use crate::{pipe::Plan, support::*};

const SECOND: Duration = Duration::from_secs(1);

/// A pipe whose peer reads nothing beyond 1,000 bytes.
const STALLED: Plan = Plan { outbound_max: 1000, ..Plan::SMOOTH };

#[test]
fn closing_ends_although_the_peer_reads_nothing_and_there_is_no_keepalive() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.plan(STALLED);
        for _ in 0..10 {
            socket.send(vec![0; 100_000]).await.expect("within the budget");
        }
        settle().await;
        let start = Instant::now();
        let closed = socket.close(CloseCode::NORMAL_CLOSURE).await;
        assert_eq!(closed.cause, Cause::TimedOut(Timer::Close));
        assert!(start.elapsed() <= 10 * 5 * SECOND + SECOND, "{:?}", start.elapsed());
    });
}

#[test]
fn a_dropped_connection_ends_although_the_peer_reads_nothing() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        peer.plan(STALLED);
        for _ in 0..10 {
            socket.send(vec![0; 100_000]).await.expect("within the budget");
        }
        settle().await;
        drop(socket);
        let limit = 10 * 5 * SECOND + SECOND;
        let ended = tokio::time::timeout(limit, peer.until(|seen, _| seen.dropped)).await;
        assert!(ended.is_ok(), "the task and its socket are kept for ever");
    });
}

#[test]
fn closing_ends_although_nobody_reads_at_either_end() {
    run(async {
        let (socket, peer) = server(longwire::Config::default()).await;
        peer.plan(STALLED);
        let (sender, _receiver) = socket.split();
        // The inbox is full, so this end has stopped reading, and its keepalive says nothing.
        peer.write(masked(true, BINARY, &[0; 1000]).repeat(400));
        for _ in 0..10 {
            sender.send(vec![0; 100_000]).await.expect("within the budget");
        }
        settle().await;
        let closing = sender.close(CloseCode::NORMAL_CLOSURE);
        let closed = tokio::time::timeout(10 * 5 * SECOND + SECOND, closing).await;
        assert!(closed.is_ok(), "close() never ends");
    });
}

#[test]
fn a_large_message_that_is_still_read_keeps_the_close_waiting() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        peer.plan(STALLED);
        let (sender, _receiver) = socket.split();
        sender.send(vec![7; 20_000]).await.expect("room");
        let closer = tokio::spawn(async move { sender.close(CloseCode::NORMAL_CLOSURE).await });
        // The peer reads 1,000 bytes a second: four times the close timeout in all.
        let mut frames = Frames::default();
        let close = loop {
            pass(SECOND).await;
            frames.push(&peer.take(1000));
            match frames.next() {
                Some(frame) if frame.opcode == CLOSE => break frame,
                Some(frame) => assert_eq!(frame.payload, vec![7; 20_000]),
                None => {}
            }
        };
        peer.write(masked(true, CLOSE, &close.payload));
        peer.end();
        assert!(closer.await.expect("no panic").is_clean());
    });
}

#[test]
fn the_close_timeout_holds_against_a_flood() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, mut receiver) = socket.split();
        let reader = tokio::spawn(async move { while let Ok(Some(_)) = receiver.recv().await {} });
        settle().await;
        peer.flood(Some(masked(true, PING, b"flood").repeat(10)));
        settle().await;
        let mut closing = Box::pin(sender.close(CloseCode::NORMAL_CLOSURE));
        for _ in 0..60 {
            if dropped_after(&mut closing, 5).await.is_some() {
                drop(reader.await);
                return;
            }
            drop(peer.take(usize::MAX));
            tokio::time::advance(SECOND).await;
        }
        panic!("a minute after close() the flood still keeps the connection open");
    });
}

#[test]
fn a_failed_write_is_told_although_nobody_receives() {
    run(async {
        let (socket, peer) = server(longwire::Config::default()).await;
        peer.plan(STALLED);
        let (sender, _receiver) = socket.split();
        peer.write(masked(true, BINARY, &[0; 1000]).repeat(400));
        settle().await;
        assert!(peer.unread() > 0, "this end stopped reading");
        let sending = tokio::spawn(async move {
            loop {
                if let Err(error) = sender.send(vec![0; 300_000]).await {
                    return error;
                }
            }
        });
        settle().await;
        peer.reset();
        let told = tokio::time::timeout(60 * SECOND, sending).await;
        let error = told.expect("send() waits for ever").expect("no panic");
        assert!(matches!(error, SendError::Closed(_)), "{error:?}");
    });
}

#[test]
fn a_failed_write_ends_a_connection_whose_peer_is_silent() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.fail_writes(0, Some(ErrorKind::BrokenPipe));
        socket.send("lost").await.expect("queued");
        let ended = tokio::time::timeout(60 * SECOND, socket.recv()).await;
        let error = ended.expect("recv() waits for ever").expect_err("not clean");
        assert_eq!(error.io_error().map(std::io::Error::kind), Some(ErrorKind::BrokenPipe));
    });
}

#[test]
fn the_task_rests_in_every_state() {
    run(async {
        // Open; with a full inbox; stalled; with a write that failed; half closed and held.
        for state in 0..6 {
            let (mut socket, peer) = server(quiet()).await;
            match state {
                0 => {}
                1 => peer.write(masked(true, BINARY, &[0; 1000]).repeat(1000)),
                2 => {
                    peer.plan(STALLED);
                    socket.send(vec![0; 500_000]).await.expect("room");
                    socket.send(vec![0; 500_000]).await.expect("room");
                }
                3 => {
                    peer.fail_writes(0, None);
                    socket.send("lost").await.expect("queued");
                }
                4 => {
                    peer.write(masked(true, BINARY, &[1]));
                    peer.write(masked(true, CLOSE, &[]));
                    peer.end();
                    socket.recv().await.expect("open").expect("open");
                }
                _ => {
                    peer.plan(Plan { outbound_max: 3, buffering: true, ..Plan::SMOOTH });
                    socket.send("flush me").await.expect("room");
                    dropped_after(socket.close(CloseCode::NORMAL_CLOSURE), 1).await;
                }
            }
            assert_rests(&peer).await;
        }
    });
}

#[test]
fn what_arrived_before_a_failed_write_is_still_received() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.fail_writes(0, Some(ErrorKind::BrokenPipe));
        socket.send("lost").await.expect("queued");
        settle().await;
        peer.write(masked(true, TEXT, b"last words"));
        peer.fail_reads(16, ErrorKind::ConnectionReset);
        let message = socket.recv().await.expect("a message").expect("a message");
        assert_eq!(message.as_text(), Some("last words"));
        socket.recv().await.expect_err("the transport is gone");
    });
}

#[test]
fn the_answer_to_a_close_leaves_a_buffering_transport_although_the_peer_has_ended_its_half() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        peer.plan(Plan { outbound_max: 0, buffering: true, ..Plan::SMOOTH });
        socket.send("before").await.expect("room");
        settle().await;
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        peer.end();
        let (sender, mut receiver) = socket.split();
        let reader = tokio::spawn(async move { receiver.recv().await });
        settle().await;
        // Only now does the peer read.
        peer.plan(Plan { buffering: true, ..Plan::SMOOTH });
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, b"before");
        assert_eq!(frames.read(&peer).await.opcode, CLOSE);
        assert!(sender.ended().await.is_clean());
        assert_eq!(reader.await.expect("no panic").expect("clean"), None);
        assert!(peer.seen().shut_down, "the transport was ended in order");
    });
}

#[test]
fn a_peer_that_never_takes_the_answer_to_its_close_does_not_keep_the_connection() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        peer.plan(Plan { outbound_max: 0, buffering: true, ..Plan::SMOOTH });
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        peer.end();
        let ended = tokio::time::timeout(60 * SECOND, peer.until(|seen, _| seen.dropped)).await;
        assert!(ended.is_ok(), "the transport is never let go of");
        drop(socket);
    });
}

#[test]
fn a_close_at_once_after_everything_else_reaches_a_peer_of_any_pace() {
    for plan in [
        Plan::SMOOTH,
        Plan::DRIPPING,
        Plan { buffering: true, outbound_max: 7, ..Plan::SMOOTH },
        Plan { buffering: true, outbound_max: 1, ..Plan::DRIPPING },
        Plan { outbound_max: 1, vectored: false, ..Plan::SMOOTH },
    ] {
        run(async move {
            let (socket, peer) = server(quiet()).await;
            peer.plan(plan);
            for number in 0..20_u8 {
                socket.send(vec![number; 10]).await.expect("room");
            }
            drop(socket);
            let mut frames = Frames::default();
            for number in 0..20_u8 {
                assert_eq!(frames.read(&peer).await.payload, [number; 10], "{plan:?}");
            }
            assert_eq!(frames.read(&peer).await.payload, close_payload(1000, ""), "{plan:?}");
            peer.write(masked(true, CLOSE, &close_payload(1000, "")));
            peer.end();
            peer.until(|seen, _| seen.shut_down && seen.dropped).await;
            assert!(frames.is_empty());
        });
    }
}

#[test]
fn an_end_without_a_close_is_told_although_a_flush_is_pending() {
    run(async {
        let (mut socket, peer) = server(longwire::Config::default()).await;
        peer.plan(Plan { outbound_max: 0, buffering: true, ..Plan::SMOOTH });
        socket.send("never flushed").await.expect("room");
        settle().await;
        peer.end();
        let ended = tokio::time::timeout(60 * SECOND, socket.recv()).await;
        let error = ended.expect("recv() waits for ever").expect_err("not clean");
        assert_eq!(error.closed().cause, Cause::Lost);
    });
}
