//! Pings that keep a connection alive and find a dead one, by a paused clock (RFC 6455 §5.5.2).

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use longwire::{Acceptor, Cause, Config, Keepalive, proto::Timer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{
    pipe::{Pipe, Plan, pipe},
    support::*,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_peer_that_vanished_is_found_after_interval_and_timeout() {
    run(async {
        let (mut socket, peer) = server(Config::default()).await;
        let start = Instant::now();
        let ping = Frames::default().read(&peer).await;
        assert_eq!(ping.opcode, PING);
        assert_eq!(start.elapsed().as_secs(), 20);
        let error = socket.recv().await.expect_err("dead");
        assert_eq!(start.elapsed().as_secs(), 40);
        assert!(error.is_timeout());
        assert_eq!(
            error.to_string(),
            "the peer did not answer a keepalive ping in time; no close frame sent or received"
        );
        assert!(peer.seen().dropped);
    });
}

#[test]
fn a_peer_that_answers_is_kept_for_a_day() {
    run(async {
        let (socket, peer) = client(Config::default()).await;
        let answering = peer.clone();
        let peer_task = tokio::spawn(async move {
            let mut frames = Frames::default();
            for _ in 0..4000 {
                let ping = frames.read(&answering).await;
                assert_eq!(ping.opcode, PING);
                answering.write(plain(true, PONG, &ping.payload));
            }
        });
        peer_task.await.expect("the connection stayed open");
        assert_eq!(socket.closed(), None);
        assert_eq!(socket.latency(), Some(Duration::ZERO));
    });
}

#[test]
fn a_busy_peer_is_not_pinged() {
    run(async {
        let (mut socket, peer) = server(Config::default()).await;
        for _ in 0..60 {
            pass(10 * SECOND).await;
            peer.write(masked(true, TEXT, b"busy"));
            socket.recv().await.expect("open").expect("open");
        }
        assert_eq!(Frames::default().rest(&peer), []);
    });
}

#[test]
fn a_connection_that_we_do_not_read_is_not_given_up() {
    run(async {
        let (mut socket, peer) = server(Config::default()).await;
        peer.write(masked(true, BINARY, &[1; 1000]).repeat(1000));
        settle().await;
        assert!(peer.unread() > 0);
        pass(3600 * SECOND).await;
        assert_eq!(socket.closed(), None, "the silence is ours");
        for _ in 0..1000 {
            socket.recv().await.expect("open").expect("open");
        }
        // Now that we read again, the peer's silence counts from here.
        let start = Instant::now();
        let error = socket.recv().await.expect_err("dead");
        assert!(error.is_timeout());
        assert_eq!(start.elapsed().as_secs(), 40);
    });
}

#[test]
fn a_peer_that_reads_nothing_is_found_while_messages_wait_for_it() {
    run(async {
        let (socket, peer) = server(Config::default()).await;
        peer.plan(Plan { outbound_max: 1000, ..Plan::SMOOTH });
        socket.send(vec![0; 1 << 20]).await.expect("the budget");
        let start = Instant::now();
        let sent = socket.send(vec![0; 1 << 20]).await;
        assert!(matches!(sent, Err(longwire::SendError::Closed(_))), "{sent:?}");
        assert_eq!(start.elapsed().as_secs(), 40);
        assert_eq!(socket.closed().expect("ended").cause, Cause::TimedOut(Timer::Keepalive));
    });
}

#[test]
fn flush_fails_when_the_peer_is_given_up() {
    run(async {
        let (socket, peer) = server(Config::default()).await;
        peer.plan(Plan { outbound_max: 1000, ..Plan::SMOOTH });
        socket.send(vec![0; 50_000]).await.expect("room");
        let error = socket.flush().await.expect_err("the peer took a thousand bytes");
        assert!(error.is_timeout());
    });
}

#[test]
fn a_peer_that_reads_slowly_and_says_nothing_is_kept() {
    run(async {
        let (socket, peer) = server(Config::default()).await;
        peer.plan(Plan { outbound_max: 1000, ..Plan::SMOOTH });
        socket.send(vec![0; 300_000]).await.expect("the budget");
        let mut frames = Frames::default();
        let frame = loop {
            pass(5 * SECOND).await;
            frames.push(&peer.take(1000));
            assert_eq!(socket.closed(), None);
            if let Some(frame) = frames.next() {
                break frame;
            }
        };
        assert_eq!(frame.payload.len(), 300_000);
    });
}

#[test]
fn the_timers_outlive_a_turn_that_used_up_tokios_budget() {
    run(async {
        let (pipe, peer) = pipe();
        peer.write(
            "GET / HTTP/1.1\r\nHost: server.example\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n",
        );
        let keepalive = Some(Keepalive { interval: 20 * SECOND, timeout: 20 * SECOND });
        let acceptor = Acceptor::new().config(config(|config| config.keepalive = keepalive));
        let mut socket = acceptor.accept(Greedy(pipe)).await.expect("a good handshake");
        let start = Instant::now();
        let error = tokio::time::timeout(3600 * SECOND, socket.recv()).await;
        let error = error.expect("no timer fires any more").expect_err("the peer is silent");
        assert!(error.is_timeout());
        assert_eq!(start.elapsed().as_secs(), 40);
    });
}

/// A transport that uses up its task's budget at each poll, as a socket does after many reads.
struct Greedy(Pipe);

impl AsyncRead for Greedy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.0).poll_read(cx, buffer);
        // The first read is the opening handshake's, in another task.
        if result.is_pending() {
            while tokio::task::coop::has_budget_remaining() {
                if pin!(tokio::task::coop::consume_budget()).poll(cx).is_pending() {
                    break;
                }
            }
        }
        result
    }
}

impl AsyncWrite for Greedy {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[test]
fn no_keepalive_means_no_ping_and_no_verdict() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        pass(80_000 * SECOND).await;
        assert_eq!(socket.closed(), None);
        assert!(peer.take(usize::MAX).is_empty());
    });
}

#[test]
fn idleness_is_counted_by_messages_and_not_by_pings() {
    run(async {
        let (mut socket, peer) =
            server(config(|config| config.idle_timeout = Some(50 * SECOND))).await;
        let start = Instant::now();
        pass(30 * SECOND).await;
        socket.send("counts").await.expect("open");
        let mut frames = Frames::default();
        loop {
            let frame = frames.read(&peer).await;
            match frame.opcode {
                PING => peer.write(masked(true, PONG, &frame.payload)),
                CLOSE => {
                    peer.write(masked(true, CLOSE, &frame.payload));
                    peer.end();
                    break;
                }
                _ => assert_eq!(frame.payload, b"counts"),
            }
        }
        assert_eq!(start.elapsed().as_secs(), 80);
        assert_eq!(socket.recv().await.expect("clean"), None);
    });
}

#[test]
fn pings_keep_their_interval_where_the_timeout_is_longer() {
    run(async {
        let keepalive = Some(Keepalive { interval: 5 * SECOND, timeout: 60 * SECOND });
        let (socket, peer) = server(config(|config| config.keepalive = keepalive)).await;
        let start = Instant::now();
        let mut frames = Frames::default();
        for number in 1..=10 {
            let ping = frames.read(&peer).await;
            assert_eq!((ping.opcode, start.elapsed().as_secs()), (PING, 5 * number));
            peer.write(masked(true, PONG, &ping.payload));
        }
        assert_eq!(socket.closed(), None);
    });
}
