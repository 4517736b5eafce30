//! `Sink` and `Stream`, by their contracts.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
};

use futures_core::Stream;
use futures_sink::Sink;
use longwire::{Error, Message, SendError};

use crate::{pipe::Plan, support::*};

async fn feed<S: Sink<Message, Error = SendError> + Unpin>(
    sink: &mut S,
    message: impl Into<Message>,
) -> Result<(), SendError> {
    poll_fn(|cx| Pin::new(&mut *sink).poll_ready(cx)).await?;
    Pin::new(sink).start_send(message.into())
}

async fn flush<S: Sink<Message, Error = SendError> + Unpin>(sink: &mut S) -> Result<(), SendError> {
    poll_fn(|cx| Pin::new(&mut *sink).poll_flush(cx)).await
}

async fn close<S: Sink<Message, Error = SendError> + Unpin>(sink: &mut S) -> Result<(), SendError> {
    poll_fn(|cx| Pin::new(&mut *sink).poll_close(cx)).await
}

async fn next<S: Stream<Item = Result<Message, Error>> + Unpin>(
    stream: &mut S,
) -> Option<Result<Message, Error>> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

#[test]
fn a_sink_waits_at_the_budget_and_flushes_to_the_transport() {
    for plan in [
        Plan::SMOOTH,
        Plan::DRIPPING,
        Plan { buffering: true, ..Plan::DRIPPING },
        Plan { buffering: true, outbound_max: 10, ..Plan::SMOOTH },
    ] {
        run(async move {
            let mut settings = quiet();
            settings.limits.max_buffered_amount = 100;
            let (mut socket, peer) = server(settings).await;
            peer.plan(plan);
            let reading = peer.clone();
            let reading = tokio::spawn(async move {
                let mut frames = Frames::default();
                for number in 0..50_u8 {
                    assert_eq!(frames.read(&reading).await.payload, [number; 60]);
                }
            });
            for number in 0..50_u8 {
                feed(&mut socket, vec![number; 60]).await.expect("open");
                assert!(socket.buffered_amount() <= 100 + 60 + 2 * 60);
            }
            flush(&mut socket).await.expect("open");
            assert_eq!(socket.buffered_amount(), 0, "{plan:?}");
            reading.await.expect("no panic");
        });
    }
}

#[test]
fn flush_means_the_same_to_the_sink_and_to_the_method() {
    for by_sink in [true, false] {
        run(async move {
            let (mut socket, peer) = server(quiet()).await;
            peer.plan(Plan { buffering: true, outbound_max: 3, ..Plan::SMOOTH });
            feed(&mut socket, "hello").await.expect("open");
            settle().await;
            let task = tokio::spawn(async move {
                if by_sink {
                    flush(&mut socket).await.expect("open");
                } else {
                    socket.flush().await.expect("open");
                }
                socket
            });
            settle().await;
            assert!(!task.is_finished(), "four bytes are still in the transport's own buffer");
            let first = peer.take(3);
            settle().await;
            assert!(!task.is_finished());
            let second = peer.take(3);
            settle().await;
            assert!(task.is_finished(), "nobody tells that the transport was flushed");
            let third = peer.take(3);
            assert_eq!([first, second, third].concat(), plain(true, TEXT, b"hello"));
        });
    }
}

#[test]
fn poll_close_closes_with_1000_and_waits_for_the_end() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        feed(&mut socket, "last").await.expect("open");
        let closing = tokio::spawn(async move {
            close(&mut socket).await.expect("closed");
            socket
        });
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, b"last");
        assert_eq!(frames.read(&peer).await.payload, close_payload(1000, ""));
        settle().await;
        assert!(!closing.is_finished());
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        peer.end();
        let mut socket = closing.await.expect("no panic");
        assert!(matches!(feed(&mut socket, "late").await, Err(SendError::Closed(_))));
        close(&mut socket).await.expect("closed already");
        assert!(next(&mut socket).await.is_none());
    });
}

#[test]
fn a_message_given_to_a_sink_that_closed_meanwhile_comes_back() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (mut sender, receiver) = socket.split();
        poll_fn(|cx| Pin::new(&mut sender).poll_ready(cx)).await.expect("open");
        peer.end();
        sender.ended().await;
        let result = Pin::new(&mut sender).start_send("mine".into());
        let Err(SendError::Closed(message)) = result else { panic!("{result:?}") };
        assert_eq!(message, Message::from("mine"));
        drop(receiver);
    });
}

#[test]
fn a_stream_gives_the_messages_then_nothing_after_a_clean_close() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(masked(true, TEXT, b"one"));
        peer.write(masked(true, CLOSE, &[]));
        peer.end();
        assert_eq!(next(&mut socket).await.expect("one").expect("clean"), "one".into());
        for _ in 0..3 {
            assert!(next(&mut socket).await.is_none());
        }
    });
}

#[test]
fn a_stream_gives_one_error_and_then_nothing() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (_sender, mut receiver) = socket.split();
        peer.write(masked(true, TEXT, b"one"));
        settle().await;
        peer.reset();
        assert_eq!(next(&mut receiver).await.expect("one").expect("a message"), "one".into());
        next(&mut receiver).await.expect("an error").expect_err("reset");
        for _ in 0..3 {
            assert!(next(&mut receiver).await.is_none());
        }
    });
}

#[test]
fn sinks_of_many_clones_wait_together() {
    run(async {
        let mut settings = quiet();
        settings.limits.max_buffered_amount = 100;
        let (socket, peer) = server(settings).await;
        peer.plan(Plan { outbound_max: 10, ..Plan::SMOOTH });
        let (sender, _receiver) = socket.split();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..10_u8 {
            let mut sender = sender.clone();
            tasks.spawn(async move {
                for _ in 0..20 {
                    feed(&mut sender, vec![task; 50]).await.expect("open");
                    flush(&mut sender).await.expect("open");
                }
            });
        }
        let mut frames = Frames::default();
        let mut seen = [0; 10];
        for _ in 0..200 {
            let frame = frames.read(&peer).await;
            assert_eq!(frame.payload, [frame.payload[0]; 50]);
            seen[usize::from(frame.payload[0])] += 1;
        }
        assert_eq!(seen, [20; 10]);
        while let Some(task) = tasks.join_next().await {
            task.expect("no panic");
        }
    });
}

#[test]
fn a_poll_that_is_forgotten_harms_nobody() {
    run(async {
        let mut settings = quiet();
        settings.limits.max_buffered_amount = 100;
        let (socket, peer) = server(settings).await;
        peer.plan(Plan { outbound_max: 0, ..Plan::SMOOTH });
        let (mut sender, _receiver) = socket.split();
        sender.send(vec![0; 100]).await.expect("room");
        let mut other = sender.clone();
        let waiting = pin!(async { poll_fn(|cx| Pin::new(&mut sender).poll_ready(cx)).await });
        assert!(dropped_after(waiting, 3).await.is_none());
        drop(sender);
        let task = tokio::spawn(async move { feed(&mut other, "served").await });
        settle().await;
        peer.plan(Plan::SMOOTH);
        task.await.expect("no panic").expect("open");
    });
}
