//! Progress in writing, which is told when somebody waits for it: to `flush`, to senders that wait, and
//! by `buffered_amount`.

use std::future::{Future, poll_fn};

use futures_sink::Sink;
use longwire::{Message, MessageType, Prepared, SendError, WebSocket};

use crate::{
    pipe::{Peer, Plan},
    support::*,
};

const SHUT: Plan = Plan { outbound_max: 0, ..Plan::SMOOTH };

async fn ends() -> [(WebSocket, Peer); 2] {
    [server(quiet()).await, client(quiet()).await]
}

#[test]
fn a_flush_of_nothing_completes_at_its_first_poll() {
    run(async {
        for (socket, peer) in ends().await {
            dropped_after(socket.flush(), 1).await.expect("at once").expect("open");
            // What others had to send is no business of it.
            peer.plan(SHUT);
            peer.write(plain(true, PING, b"its Pong waits"));
            settle().await;
            dropped_after(socket.flush(), 1).await.expect("at once").expect("open");
        }
    });
}

#[test]
fn a_flush_completes_although_everything_went_out_before_it() {
    run(async {
        for (socket, peer) in ends().await {
            for len in [1, 4096, 4097, 100_000] {
                for round in 0..3 {
                    socket.send(vec![1; len]).await.expect("open");
                    if round > 0 {
                        settle().await;
                        assert_eq!(socket.buffered_amount(), 0);
                    }
                    socket.flush().await.expect("open");
                    dropped_after(socket.flush(), 1).await.expect("at once").expect("open");
                }
            }
            assert_rests(&peer).await;
        }
    });
}

#[test]
fn everybody_who_waits_for_a_flush_is_told_and_nobody_too_early() {
    run(async {
        for (socket, peer) in ends().await {
            let header = if socket.response().is_none() { 4 } else { 8 };
            let before = peer.seen().written;
            peer.plan(SHUT);
            let (sender, receiver) = socket.split();
            let mut waiting = Vec::new();
            for number in 0..10_u8 {
                sender.send(vec![number; 200]).await.expect("open");
                let sender = sender.clone();
                waiting.push(tokio::spawn(async move { sender.flush().await }));
                if number % 3 == 0 {
                    settle().await;
                }
            }
            settle().await;
            for taken in 0..=10 * (200 + header) {
                peer.plan(Plan { outbound_max: taken, ..Plan::SMOOTH });
                settle_a_little().await;
                settle_a_little().await;
                let flushed = (peer.seen().written - before) / (200 + header);
                for (number, flush) in waiting.iter().enumerate() {
                    // Messages that were taken together count as flushed together.
                    assert!(!flush.is_finished() || number < flushed, "{number} at {taken}");
                }
            }
            for flush in waiting {
                flush.await.expect("no panic").expect("open");
            }
            drop((sender, receiver));
        }
    });
}

#[test]
fn a_flush_that_begins_in_the_midst_of_a_write_completes_with_it() {
    run(async {
        for kind in 0..4 {
            for taken in 0..60 {
                let (mut socket, peer) = server(quiet()).await;
                peer.plan(Plan { outbound_max: taken, ..Plan::SMOOTH });
                match kind {
                    0 => socket.send(vec![1; 50]).await.expect("open"),
                    1 => socket.send(Prepared::new(vec![1; 50])).await.expect("open"),
                    2 => socket.send(vec![1; 5000]).await.expect("open"),
                    _ => {
                        let mut writer =
                            socket.send_writer(MessageType::Binary).await.expect("open");
                        writer.write(vec![1; 50]).await.expect("open");
                        writer.finish().await.expect("open");
                    }
                }
                settle().await;
                let whole = match kind {
                    0 | 1 => 52,
                    2 => 5004,
                    _ => 54,
                };
                let early = dropped_after(socket.flush(), 5).await;
                assert_eq!(early.is_some(), taken >= whole, "kind {kind}, {taken} bytes");
                peer.plan(Plan { outbound_max: whole - 1, ..Plan::SMOOTH });
                if taken < whole {
                    assert!(dropped_after(socket.flush(), 20).await.is_none());
                }
                let (flushed, ()) = tokio::join!(socket.flush(), async {
                    settle().await;
                    peer.plan(Plan::SMOOTH);
                });
                flushed.expect("open");
                assert_rests(&peer).await;
            }
        }
    });
}

#[test]
fn a_flush_waits_until_the_transport_itself_is_flushed() {
    run(async {
        for (socket, peer) in ends().await {
            peer.plan(Plan { buffering: true, ..SHUT });
            socket.send("held back").await.expect("open");
            settle().await;
            assert_eq!(socket.buffered_amount(), 0, "the transport took it");
            assert!(dropped_after(socket.flush(), 50).await.is_none(), "and holds it");
            let (flushed, ()) = tokio::join!(socket.flush(), async {
                settle().await;
                peer.plan(Plan { buffering: true, ..Plan::SMOOTH });
            });
            flushed.expect("open");
            assert_eq!(Frames::default().read(&peer).await.payload, b"held back");
        }
    });
}

#[test]
fn a_flush_waits_for_what_was_sent_before_it_alone() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        peer.plan(SHUT);
        socket.send(vec![1; 100]).await.expect("open");
        settle().await;
        let (flushed, ()) = tokio::join!(socket.flush(), async {
            settle().await;
            socket.send(vec![2; 50_000]).await.expect("open");
            settle().await;
            peer.plan(Plan { outbound_max: 102, ..Plan::SMOOTH });
        });
        flushed.expect("open");
        assert!(dropped_after(socket.flush(), 20).await.is_none());
    });
}

#[test]
fn a_flush_of_what_is_never_written_ends_with_the_connection() {
    run(async {
        for (socket, peer) in ends().await {
            peer.plan(SHUT);
            let (sender, receiver) = socket.split();
            sender.send("never").await.expect("open");
            let waiting = sender.clone();
            let flush = tokio::spawn(async move { waiting.flush().await });
            settle().await;
            peer.reset();
            flush.await.expect("no panic").expect_err("it was not written");
            sender.flush().await.expect_err("nor later");
            drop((sender, receiver));
        }
    });
}

#[test]
fn after_a_stall_there_is_room_as_soon_as_the_transport_took_all() {
    run(async {
        for budget in [1000, 100_000] {
            for len in [100, 5000] {
                let mut settings = quiet();
                settings.limits.max_buffered_amount = budget;
                let (socket, peer) = server(settings).await;
                for _ in 0..5 {
                    peer.plan(SHUT);
                    let mut sent = 0;
                    let full = loop {
                        match socket.try_send(vec![1; len]) {
                            Ok(()) => sent += 1,
                            Err(error) => break error,
                        }
                        settle_a_little().await;
                    };
                    assert!(matches!(full, SendError::Full(_)));
                    assert_eq!(socket.buffered_amount(), sent * len);
                    settle().await;
                    socket.try_send(vec![1; len]).expect_err("still full");
                    peer.plan(Plan::SMOOTH);
                    peer.take(usize::MAX);
                    settle().await;
                    assert_eq!(socket.buffered_amount(), 0);
                    socket.try_send(vec![1; len]).expect("nobody waited, and there is room");
                    settle().await;
                }
            }
        }
    });
}

#[test]
fn the_buffered_amount_counts_payloads_in_every_phase() {
    run(async {
        for (socket, peer) in ends().await {
            peer.plan(SHUT);
            let before = peer.seen().written;
            let mut payload = 0;
            let mut socket = socket;
            for len in [0, 1, 125, 126, 4096, 4097, 70_000, 3] {
                socket.try_send(vec![1; len]).expect("room");
                payload += len;
                assert_eq!(socket.buffered_amount(), payload, "sent");
                if len == 126 {
                    settle().await;
                    assert_eq!(socket.buffered_amount(), payload, "encoded");
                }
                socket.try_send(Prepared::new(vec![1; len])).expect("room");
                payload += len;
                assert_eq!(socket.buffered_amount(), payload, "sent");
            }
            let mut writer = socket.send_writer(MessageType::Text).await.expect("open");
            writer.write("part").await.expect("room");
            writer.finish().await.expect("room");
            payload += 4;
            assert_eq!(socket.buffered_amount(), payload, "sent in parts");
            settle().await;
            assert_eq!(socket.buffered_amount(), payload, "taken by the task");
            let mut last = payload;
            for taken in (1..).step_by(777) {
                peer.plan(Plan { outbound_max: taken, ..Plan::SMOOTH });
                settle_a_little().await;
                settle_a_little().await;
                let now = socket.buffered_amount();
                assert!(now <= last, "it never grows by itself");
                let written = peer.seen().written - before;
                assert!(now >= payload.saturating_sub(written), "{now} after {written} bytes");
                last = now;
                if now == 0 {
                    assert!(written > payload, "not before the last byte");
                    break;
                }
            }
            settle().await;
            assert_eq!(peer.seen().written - before, peer.take(usize::MAX).len());
        }
    });
}

#[test]
fn a_sink_that_waits_is_woken() {
    async fn ready(socket: &mut WebSocket) {
        poll_fn(|cx| std::pin::Pin::new(&mut *socket).poll_ready(cx)).await.expect("open");
    }
    fn flushed(socket: &mut WebSocket) -> impl Future<Output = ()> {
        poll_fn(|cx| std::pin::Pin::new(&mut *socket).poll_flush(cx).map(|it| it.expect("open")))
    }
    run(async {
        let mut settings = quiet();
        settings.limits.max_buffered_amount = 1000;
        let (mut socket, peer) = server(settings).await;
        for _ in 0..20 {
            peer.plan(SHUT);
            for _ in 0..10 {
                if dropped_after(ready(&mut socket), 3).await.is_none() {
                    break;
                }
                std::pin::Pin::new(&mut socket)
                    .start_send(Message::from(vec![1; 300]))
                    .expect("it is ready");
            }
            assert!(dropped_after(ready(&mut socket), 20).await.is_none());
            assert!(dropped_after(flushed(&mut socket), 20).await.is_none());
            let opening = async {
                settle().await;
                peer.plan(Plan::SMOOTH);
            };
            tokio::join!(ready(&mut socket), opening);
            flushed(&mut socket).await;
        }
    });
}

#[test]
fn a_flush_passes_a_ping_that_was_refused() {
    run(async {
        let (socket, _peer) = server(quiet()).await;
        for _ in 0..64 {
            assert!(dropped_after(socket.ping(), 3).await.is_none());
        }
        settle().await;
        socket.flush().await.expect("open");
        socket.ping().await.expect_err("too many");
        socket.flush().await.expect("open");
    });
}
