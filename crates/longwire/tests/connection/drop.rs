//! Handles that are dropped, runtimes that end, transports that panic.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use longwire::{Acceptor, Cause, SendError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::support::*;

#[test]
fn dropping_the_socket_closes_with_1000_behind_what_was_sent() {
    run(async {
        let (socket, peer) = client(quiet()).await;
        for number in 0..50_u8 {
            socket.send(vec![number]).await.expect("open");
        }
        drop(socket);
        let mut frames = Frames::default();
        for number in 0..50_u8 {
            assert_eq!(frames.read(&peer).await.payload, [number]);
        }
        assert_eq!(frames.read(&peer).await.payload, close_payload(1000, ""));
    });
}

#[test]
fn the_last_of_many_handles_closes_whichever_it_is() {
    for last in 0..4 {
        run(async move {
            let (socket, peer) = server(quiet()).await;
            let (sender, receiver) = socket.split();
            let mut handles: Vec<Box<dyn std::any::Any + Send>> =
                vec![Box::new(sender.clone()), Box::new(sender.clone()), Box::new(sender)];
            handles.insert(1, Box::new(receiver));
            let kept = handles.remove(last);
            drop(handles);
            settle().await;
            assert!(peer.take(usize::MAX).is_empty(), "one handle is left");
            drop(kept);
            let frame = Frames::default().read(&peer).await;
            assert_eq!((frame.opcode, frame.payload), (CLOSE, close_payload(1000, "")));
        });
    }
}

#[test]
fn dropping_the_socket_in_a_panic_closes_with_1011() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let task = tokio::spawn(async move {
            let _socket = socket;
            // As resume_unwind does not call the hook, the test's output stays clean.
            std::panic::resume_unwind(Box::new("the application's bug"));
        });
        assert!(task.await.expect_err("it panicked").is_panic());
        assert_eq!(Frames::default().read(&peer).await.payload, close_payload(1011, ""));
    });
}

#[test]
fn without_a_receiver_messages_are_thrown_away_and_the_rest_goes_on() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, receiver) = socket.split();
        // Some wait in the inbox, some are not read at all, when the receiver is dropped.
        peer.write(masked(true, BINARY, &[1; 1000]).repeat(1000));
        settle().await;
        assert!(peer.unread() > 0);
        drop(receiver);
        settle().await;
        assert_eq!(peer.unread(), 0, "reading goes on");
        peer.write(masked(true, PING, b"still there?"));
        let mut frames = Frames::default();
        let pong = frames.read(&peer).await;
        assert_eq!((pong.opcode, pong.payload.as_slice()), (PONG, &b"still there?"[..]));
        sender.send("alive").await.expect("open");
        assert_eq!(frames.read(&peer).await.payload, b"alive");
        peer.write(masked(true, BINARY, &[1; 1000]).repeat(1000));
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        assert_eq!(frames.read(&peer).await.opcode, CLOSE, "at once, with nobody to wait for");
        peer.end();
        assert!(sender.ended().await.is_clean());
    });
}

#[test]
fn without_a_sender_receiving_goes_on() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, mut receiver) = socket.split();
        drop(sender);
        peer.write(masked(true, PING, b"?"));
        peer.write(masked(true, TEXT, b"one"));
        assert_eq!(receiver.recv().await.expect("open"), Some("one".into()));
        assert_eq!(Frames::default().read(&peer).await.opcode, PONG);
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        peer.end();
        assert_eq!(receiver.recv().await.expect("clean"), None);
    });
}

#[test]
fn a_receiver_that_is_dropped_while_a_close_is_held_lets_it_go() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.write(masked(true, BINARY, &[1]));
        peer.write(masked(true, CLOSE, &[]));
        socket.recv().await.expect("open").expect("open");
        let (_sender, receiver) = socket.split();
        let start = tokio::time::Instant::now();
        settle().await;
        drop(receiver);
        assert_eq!(Frames::default().read(&peer).await.opcode, CLOSE);
        assert!(start.elapsed().is_zero());
    });
}

#[test]
fn a_runtime_that_shuts_down_tells_everybody() {
    guarded(|| {
        let build = || tokio::runtime::Builder::new_current_thread().enable_time().build();
        let theirs = build().expect("a runtime");
        let ours = build().expect("a runtime");
        // The connection's task lives in `theirs`, the application in `ours`.
        let (socket, peer) = theirs.block_on(server(quiet()));
        peer.plan(crate::pipe::Plan { outbound_max: 0, ..crate::pipe::Plan::SMOOTH });
        let (sender, mut receiver) = socket.split();
        ours.block_on(async move {
            sender.send(vec![0; 1 << 20]).await.expect("the budget");
            let mut waiting = tokio::task::JoinSet::new();
            waiting.spawn(async move {
                let error = receiver.recv().await.expect_err("not clean");
                error.to_string()
            });
            let other = sender.clone();
            waiting.spawn(async move { other.flush().await.expect_err("not clean").to_string() });
            let other = sender.clone();
            waiting.spawn(async move { other.ended().await.cause }.map_to_string());
            let other = sender.clone();
            waiting.spawn(async move {
                let error = other.send("waits").await.expect_err("closed");
                assert!(matches!(error, SendError::Closed(_)));
                String::new()
            });
            let other = sender.clone();
            waiting.spawn(async move {
                other.ping().await.expect_err("closed");
                String::new()
            });
            settle().await;
            theirs.shutdown_background();
            let mut texts = Vec::new();
            while let Some(text) = waiting.join_next().await {
                texts.push(text.expect("no panic"));
            }
            texts.sort();
            let end = "the runtime dropped the connection's task before its end; the transport \
                ended before the closing handshake did; no close frame sent or received";
            assert_eq!(texts, ["", "", "Lost", end, end]);
        });
        assert!(peer.seen().dropped);
    });
}

/// [`Cause`] as text, so that all tasks of a set give the same type.
trait MapToString {
    fn map_to_string(self) -> impl Future<Output = String> + Send;
}

impl<F: Future<Output = Cause> + Send> MapToString for F {
    async fn map_to_string(self) -> String {
        format!("{:?}", self.await)
    }
}

#[test]
fn a_transport_that_panics_ends_the_connection_alone() {
    run(async {
        let mut socket = Acceptor::new().accept(Panicking(OPENING.to_vec())).await.expect("good");
        let error = socket.recv().await.expect_err("not clean");
        assert_eq!(error.closed().cause, Cause::Lost);
        socket.send("too late").await.expect_err("ended");
    });
}

const OPENING: &[u8] = b"GET / HTTP/1.1\r\nHost: server.example\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Gives an opening handshake, and panics at the next read.
struct Panicking(Vec<u8>);

impl AsyncRead for Panicking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            std::panic::resume_unwind(Box::new("the transport's bug"));
        }
        buffer.put_slice(&std::mem::take(&mut self.0));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Panicking {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_dropped_receiver_lets_go_of_the_task_that_waited() {
    run(async {
        let (socket, _peer) = server(quiet()).await;
        let (sender, mut receiver) = socket.split();
        let held = std::sync::Arc::new(Held);
        let weak = std::sync::Arc::downgrade(&held);
        let waker = std::task::Waker::from(held);
        let polled = receiver.poll_recv(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        drop((waker, receiver));
        settle().await;
        poll_fn(|_| Poll::Ready(())).await;
        assert_eq!(weak.strong_count(), 0, "the connection keeps the waker of a dropped handle");
        drop(sender);
    });
}

struct Held;

impl std::task::Wake for Held {
    fn wake(self: std::sync::Arc<Self>) {}
}
