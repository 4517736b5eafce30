//! Slow applications and slow peers: bounded memory, and whoever waits is served.

use std::time::Duration;

use longwire::{Config, Message, SendError, WebSocket};

use crate::{
    pipe::{Peer, Plan},
    support::*,
};

const SECOND: Duration = Duration::from_secs(1);

const STALLED: Plan = Plan { outbound_max: 100, ..Plan::SMOOTH };

fn budget(bytes: usize) -> Config {
    config(|config| {
        config.keepalive = None;
        config.limits.max_buffered_amount = bytes;
    })
}

async fn stalled(bytes: usize) -> (WebSocket, Peer) {
    let (socket, peer) = server(budget(bytes)).await;
    peer.plan(STALLED);
    (socket, peer)
}

#[test]
fn a_slow_application_stops_the_peer_within_a_bound_and_lets_it_go_on() {
    for len in [0, 1, 100, 1000, 60_000, 200_000] {
        run(async move {
            let (mut socket, peer) = server(quiet()).await;
            peer.plan(Plan { inbound_max: 64 * 1024, ..Plan::SMOOTH });
            let frame = masked(true, BINARY, &vec![5; len]);
            let mut written = 0;
            let mut total = 0;
            // The peer writes for as long as the pipe takes anything.
            let write_all = async |written: &mut usize| {
                loop {
                    let count = peer.offer(&frame[*written % frame.len()..]);
                    *written += count;
                    if count == 0 {
                        settle().await;
                        if peer.unread() >= 64 * 1024 {
                            return;
                        }
                    }
                    settle_a_little().await;
                }
            };
            write_all(&mut written).await;
            // The inbox's 256 KiB, a message that crosses it, a read ahead, and the pipe itself.
            let bound = 256 * 1024 + frame.len() + 2 * 64 * 1024 + 64 * 1024;
            assert!(written <= bound, "{written} bytes for messages of {len}");
            if len < 100 {
                assert!(written <= (256 + 1) * frame.len() + 3 * 64 * 1024, "{written}");
            }
            // It goes on, and nothing is lost: as many messages as the peer wrote whole.
            for _ in 0..3 {
                while let Some(message) = dropped_after(socket.recv(), 50).await {
                    let message = message.expect("open").expect("open");
                    assert_eq!(message.as_bytes(), vec![5; len]);
                    total += 1;
                }
                assert_eq!(total, written / frame.len(), "messages of {len}");
                write_all(&mut written).await;
            }
        });
    }
}

#[test]
fn send_waits_at_the_budget_exactly_and_no_sooner() {
    run(async {
        let (mut socket, peer) = stalled(1000).await;
        peer.plan(Plan { outbound_max: 0, ..Plan::SMOOTH });
        socket.try_send(vec![1; 400]).expect("room");
        socket.try_send(vec![2; 600]).expect("exactly the budget");
        assert_eq!(socket.buffered_amount(), 1000);
        let Err(SendError::Full(message)) = socket.try_send(vec![3; 1]) else {
            panic!("one byte over the budget");
        };
        assert_eq!(message, Message::from(vec![3; 1]), "the message comes back");
        assert!(dropped_after(socket.send(vec![4; 1]), 20).await.is_none(), "send waits");
        assert!(socket.writer_waits().await);
    });
}

/// Whether a writer waits as well.
trait WriterWaits {
    async fn writer_waits(&mut self) -> bool;
}

impl WriterWaits for WebSocket {
    async fn writer_waits(&mut self) -> bool {
        let mut writer =
            self.send_writer(longwire::MessageType::Binary).await.expect("nobody else writes");
        dropped_after(writer.write(vec![5; 1]), 20).await.is_none()
    }
}

#[test]
fn a_message_larger_than_the_budget_goes_when_nothing_else_waits() {
    run(async {
        let (socket, peer) = stalled(1000).await;
        socket.try_send(vec![1; 5000]).expect("nothing else waits");
        assert!(matches!(socket.try_send(vec![2; 1]), Err(SendError::Full(_))));
        let sending = tokio::spawn(async move {
            socket.send(vec![3; 5000]).await.expect("open");
            socket
        });
        settle().await;
        assert!(!sending.is_finished());
        peer.plan(Plan::SMOOTH);
        sending.await.expect("no panic");
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, [1; 5000]);
        assert_eq!(frames.read(&peer).await.payload, [3; 5000]);
    });
}

#[test]
fn the_buffered_amount_comes_back_to_nothing_at_every_pace() {
    for plan in [Plan::SMOOTH, Plan::DRIPPING, Plan { buffering: true, ..Plan::DRIPPING }] {
        run(async move {
            let (socket, peer) = client(quiet()).await;
            for round in 0..5 {
                peer.plan(Plan { outbound_max: 50, ..plan });
                let mut sent = 0;
                for len in [0, 1, 125, 126, 5000, 70] {
                    socket.try_send(vec![round; len]).expect("room");
                    sent += len;
                }
                assert!(socket.buffered_amount() <= sent);
                settle().await;
                if !plan.buffering {
                    assert!(socket.buffered_amount() > 0);
                }
                peer.plan(plan);
                peer.write(plain(true, PING, b"a Pong goes between"));
                socket.flush().await.expect("open");
                settle().await;
                assert_eq!(socket.buffered_amount(), 0);
            }
        });
    }
}

#[test]
fn the_budget_counts_what_empty_messages_cost() {
    run(async {
        let (socket, _peer) = stalled(1000).await;
        socket.try_send(vec![0; 500]).expect("room");
        settle().await;
        let accepted = (0..100_000).take_while(|_| socket.try_send("").is_ok()).count();
        assert!(accepted < 100_000, "a peer that never reads makes the queue grow without end");
    });
}

#[test]
fn many_senders_are_all_served_in_a_bounded_time() {
    run(async {
        const TASKS: u32 = 20;
        const EACH: u32 = 100;
        let (socket, peer) = stalled(2000).await;
        let (sender, _receiver) = socket.split();
        for task in 0..TASKS {
            let sender = sender.clone();
            tokio::spawn(async move {
                for number in 0..EACH {
                    let mut payload = vec![0; 200];
                    payload[..4].copy_from_slice(&task.to_be_bytes());
                    payload[4..8].copy_from_slice(&number.to_be_bytes());
                    sender.send(payload).await.expect("open");
                }
            });
        }
        let mut frames = Frames::default();
        let mut next = [0; TASKS as usize];
        for _ in 0..TASKS * EACH {
            let frame = frames.read(&peer).await;
            let number = |at: usize| {
                u32::from_be_bytes(frame.payload[at..at + 4].try_into().expect("four bytes"))
            };
            let (task, number) = (number(0), number(4));
            assert_eq!(next[task as usize], number, "in order, none lost or doubled");
            next[task as usize] += 1;
            let (most, least) = (next.iter().max(), next.iter().min());
            let ahead = most.expect("tasks") - least.expect("tasks");
            assert!(ahead <= 20, "one sender is {ahead} messages ahead of another: {next:?}");
        }
    });
}

#[test]
fn a_large_message_is_not_starved_by_small_ones() {
    run(async {
        let (socket, peer) = stalled(10_000).await;
        let (sender, _receiver) = socket.split();
        for _ in 0..4 {
            let sender = sender.clone();
            tokio::spawn(async move { while sender.send(vec![1; 1000]).await.is_ok() {} });
        }
        settle().await;
        let large = tokio::spawn(async move { sender.send(vec![2; 9_000]).await });
        let mut frames = Frames::default();
        for _ in 0..500 {
            if frames.read(&peer).await.payload[0] == 2 {
                large.await.expect("no panic").expect("open");
                return;
            }
        }
        panic!("500 small messages passed the large one, which waited before them");
    });
}

#[test]
fn flush_is_not_starved_by_others_who_send() {
    run(async {
        let (socket, peer) = stalled(10_000).await;
        let (sender, _receiver) = socket.split();
        sender.send("first").await.expect("room");
        let flushing = sender.clone();
        let flush = tokio::spawn(async move { flushing.flush().await });
        for _ in 0..2 {
            let sender = sender.clone();
            tokio::spawn(async move { while sender.send(vec![1; 3000]).await.is_ok() {} });
        }
        let mut frames = Frames::default();
        for _ in 0..500 {
            frames.read(&peer).await;
            if flush.is_finished() {
                return;
            }
        }
        panic!("500 messages after it went out, the first is not called flushed");
    });
}

#[test]
fn sends_dropped_while_they_wait_leave_their_place_to_others() {
    run(async {
        let (socket, peer) = stalled(1000).await;
        socket.send(vec![0; 1000]).await.expect("room");
        let (sender, _receiver) = socket.split();
        let mut waiting = Vec::new();
        for number in 1..=10_u8 {
            let sender = sender.clone();
            waiting.push(tokio::spawn(async move { sender.send(vec![number; 900]).await }));
        }
        settle().await;
        for task in &waiting[..9] {
            task.abort();
        }
        settle().await;
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload[0], 0);
        assert_eq!(frames.read(&peer).await.payload[0], 10, "only the one that still waits");
        settle().await;
        assert_eq!(frames.rest(&peer), []);
    });
}

#[test]
fn a_peer_that_pings_and_never_reads_costs_a_fixed_amount() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        peer.plan(Plan { outbound_max: 0, inbound_max: 64 * 1024, ..Plan::SMOOTH });
        for number in 0..100_000_u32 {
            peer.write(masked(true, PING, &number.to_be_bytes()));
            if number % 1000 == 0 {
                settle_a_little().await;
            }
        }
        settle().await;
        assert_eq!(peer.unread(), 0, "reading goes on");
        peer.plan(Plan::SMOOTH);
        settle().await;
        let pongs = Frames::default().rest(&peer);
        assert!(pongs.len() <= 17, "{} Pongs were kept", pongs.len());
        let last = pongs.last().expect("at least one");
        assert_eq!((last.opcode, last.payload.as_slice()), (PONG, &99_999_u32.to_be_bytes()[..]));
        drop(socket);
    });
}

#[test]
fn pings_are_answered_although_messages_wait_for_a_slow_peer() {
    run(async {
        let (socket, peer) = stalled(1 << 20).await;
        socket.send(vec![1; 1 << 20]).await.expect("room");
        settle().await;
        peer.write(masked(true, PING, b"slow"));
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload.len(), 1 << 20);
        let pong = frames.read(&peer).await;
        assert_eq!((pong.opcode, pong.payload.as_slice()), (PONG, &b"slow"[..]));
    });
}

#[test]
fn a_pong_passes_messages_that_wait() {
    run(async {
        let (socket, peer) = stalled(1 << 20).await;
        for _ in 0..100 {
            socket.send(vec![1; 10_000]).await.expect("room");
        }
        settle().await;
        peer.write(masked(true, PING, b"soon"));
        settle().await;
        let mut frames = Frames::default();
        let mut before = 0;
        while frames.read(&peer).await.opcode != PONG {
            before += 1;
        }
        assert!(before <= 8, "{before} messages of 10,000 bytes went before the Pong");
    });
}

#[test]
fn an_inbox_that_is_full_and_emptied_again_and_again_never_stalls() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        peer.plan(Plan { read_max: 1000, hesitant: true, ..Plan::SMOOTH });
        for number in 0..5000_u32 {
            peer.write(masked(true, BINARY, &number.to_be_bytes()));
        }
        for number in 0..5000_u32 {
            if number % 250 == 0 {
                settle().await;
            }
            let waiting = tokio::time::timeout(SECOND, socket.recv()).await;
            let message = waiting.expect("it stalls").expect("open").expect("open");
            assert_eq!(message.as_bytes(), number.to_be_bytes());
        }
    });
}
