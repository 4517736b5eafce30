//! Transports of every kind: slow, hesitant, buffering, scattered or not, failing at every place,
//! and another WebSocket.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use futures_sink::Sink as _;
use longwire::{Acceptor, CloseCode, Connect, Receiver, Sender, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{pipe::Plan, support::*};

/// Every kind of pipe.
fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for hesitant in [false, true] {
        for vectored in [false, true] {
            for buffering in [false, true] {
                for (read_max, write_max, outbound_max) in [
                    (usize::MAX, usize::MAX, usize::MAX),
                    (1, 1, 1),
                    (7, 13, 50),
                    (5000, 3000, 4096),
                ] {
                    plans.push(Plan {
                        read_max,
                        write_max,
                        hesitant,
                        vectored,
                        buffering,
                        outbound_max,
                        ..Plan::SMOOTH
                    });
                }
            }
        }
    }
    plans
}

const LENGTHS: [usize; 9] = [0, 1, 125, 126, 4096, 4097, 10_000, 3, 0];

async fn echo(mut socket: WebSocket) {
    while let Some(message) = socket.recv().await.expect("clean") {
        socket.send(message).await.expect("open");
    }
    assert!(socket.closed().expect("ended").is_clean());
}

#[test]
fn an_echo_is_the_same_over_every_kind_of_transport() {
    for plan in plans() {
        for is_client in [false, true] {
            run(async move {
                let (socket, peer) =
                    if is_client { client(quiet()).await } else { server(quiet()).await };
                let encode = if is_client { plain } else { masked };
                peer.plan(plan);
                let echo = tokio::spawn(echo(socket));
                let mut frames = Frames::default();
                for (number, len) in (0_u8..).zip(LENGTHS) {
                    let payload = vec![number; len];
                    // Cut in two frames with a Ping between.
                    peer.write(encode(false, BINARY, &payload[..len / 2]));
                    peer.write(encode(true, PING, &[number]));
                    peer.write(encode(true, CONTINUATION, &payload[len / 2..]));
                    let pong = frames.read(&peer).await;
                    assert_eq!((pong.opcode, pong.payload), (PONG, vec![number]), "{plan:?}");
                    let back = frames.read(&peer).await;
                    assert_eq!((back.opcode, back.payload), (BINARY, payload), "{plan:?}");
                }
                peer.write(encode(true, CLOSE, &close_payload(1000, "")));
                assert_eq!(frames.read(&peer).await.opcode, CLOSE);
                peer.end();
                echo.await.expect("no panic");
                assert!(frames.rest(&peer).is_empty() && frames.is_empty());
                // A client lets go of a transport that the server has ended.
                assert!(peer.seen().shut_down || is_client, "{plan:?}");
                assert!(peer.seen().dropped, "{plan:?}");
            });
        }
    }
}

#[test]
fn large_messages_side_by_side_go_out_in_scattered_writes_where_the_transport_can() {
    for vectored in [false, true] {
        run(async move {
            let (socket, peer) = server(quiet()).await;
            peer.plan(Plan { vectored, ..Plan::SMOOTH });
            let before = peer.seen();
            for number in 0..8_u8 {
                socket.send(vec![number; 5000]).await.expect("room");
            }
            socket.flush().await.expect("open");
            let seen = peer.seen();
            assert_eq!(seen.vectored > before.vectored, vectored);
            let frames = Frames::default().rest(&peer);
            assert_eq!(frames.len(), 8);
            for (number, frame) in (0_u8..).zip(frames) {
                assert_eq!(frame.payload, [number; 5000]);
            }
        });
    }
}

#[test]
fn a_write_that_fails_at_every_byte_is_told() {
    let kinds = [Some(ErrorKind::BrokenPipe), Some(ErrorKind::ConnectionReset), None];
    for kind in kinds {
        for after in 0..20 {
            run(async move {
                let (mut socket, peer) = server(quiet()).await;
                peer.fail_writes(after, kind);
                socket.send(vec![1; 20]).await.expect("queued");
                let flushed = socket.flush().await.expect_err("the transport failed");
                let expected = kind.unwrap_or(ErrorKind::WriteZero);
                assert_eq!(flushed.io_error().map(io::Error::kind), Some(expected));
                let error = socket.recv().await.expect_err("the transport failed");
                assert_eq!(error.io_error().map(io::Error::kind), Some(expected));
                assert_eq!(io::Error::from(error).kind(), expected);
                let seen = peer.seen();
                assert!(seen.dropped);
                assert!(seen.polls < 100, "{} polls", seen.polls);
            });
        }
    }
}

#[test]
fn a_read_that_fails_at_every_byte_is_told() {
    let frame = masked(true, BINARY, &[9; 130]);
    for after in 0..frame.len() {
        let frame = frame.clone();
        run(async move {
            let (mut socket, peer) = server(quiet()).await;
            peer.fail_reads(after, ErrorKind::ConnectionReset);
            peer.write(frame);
            let error = socket.recv().await.expect_err("the transport failed");
            assert_eq!(error.io_error().map(io::Error::kind), Some(ErrorKind::ConnectionReset));
        });
    }
}

#[test]
fn what_came_with_the_opening_handshake_is_received() {
    run(async {
        let leftover =
            [masked(true, TEXT, b"early"), masked(true, PING, b"?"), masked(false, TEXT, b"be")];
        let (mut socket, peer) = server_with(quiet(), &leftover.concat()).await;
        assert_eq!(socket.recv().await.expect("open"), Some("early".into()));
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.opcode, PONG);
        peer.write(masked(true, CONTINUATION, b"late"));
        assert_eq!(socket.recv().await.expect("open"), Some("belate".into()));
    });
}

#[test]
fn more_than_the_inbox_holds_may_come_with_the_opening_handshake() {
    run(async {
        let leftover = masked(true, BINARY, &[1]).repeat(2000);
        let (mut socket, peer) = server_with(quiet(), &leftover).await;
        peer.write(masked(true, BINARY, &[2]));
        for number in 0..2001 {
            let message = socket.recv().await.expect("open").expect("open");
            assert_eq!(message.as_bytes(), [if number < 2000 { 1 } else { 2 }]);
        }
    });
}

/// A byte stream whose bytes are a WebSocket's binary messages.
struct Tunnel {
    sender: Sender,
    receiver: Receiver,
    rest: Bytes,
}

impl Tunnel {
    fn new(socket: WebSocket) -> Self {
        let (sender, receiver) = socket.split();
        Self { sender, receiver, rest: Bytes::new() }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.receiver.poll_recv(cx))? {
                Some(message) => self.rest = message.into_bytes(),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sender = &mut self.sender;
        ready!(Pin::new(&mut *sender).poll_ready(cx)).map_err(io::Error::other)?;
        let count = buffer.len().min(1000);
        Pin::new(sender).start_send(buffer[..count].to_vec().into()).map_err(io::Error::other)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sender).poll_flush(cx).map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.sender).poll_close(cx).map_err(io::Error::other)
    }
}

#[test]
fn a_websocket_inside_a_websocket_inside_a_websocket() {
    run(async {
        let (mut server, mut client) = pair(quiet(), 100).await;
        for _ in 0..2 {
            let acceptor = Acceptor::new().config(quiet());
            let connect =
                Connect::new("ws://inner.example/").config(quiet()).over(Tunnel::new(client));
            let (inner_server, inner_client) =
                tokio::join!(acceptor.accept(Tunnel::new(server)), async { connect.await });
            server = inner_server.expect("a good handshake");
            client = inner_client.expect("a good handshake");
        }
        let echo = tokio::spawn(echo(server));
        let (sender, mut receiver) = client.split();
        let lengths = [0, 1, 1000, 100_000, 70_000, 5];
        let sending = tokio::spawn(async move {
            for len in lengths {
                sender.send(vec![6; len]).await.expect("open");
            }
            sender
        });
        for len in lengths {
            let message = receiver.recv().await.expect("open").expect("open");
            assert_eq!(message.as_bytes(), vec![6; len]);
        }
        let sender = sending.await.expect("no panic");
        assert!(sender.close(CloseCode::NORMAL_CLOSURE).await.is_clean());
        echo.await.expect("no panic");
    });
}
