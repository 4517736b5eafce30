//! What goes through the outbox in different ways, such as small messages that are encoded where they
//! are sent, stays in order.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use longwire::{CloseCode, Message, MessageType, Prepared, SendError, Sendable, Sender, WebSocket};

use crate::{
    pipe::{Peer, Plan},
    support::*,
};

/// A seeded source of choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn len(&mut self) -> usize {
        let len = match self.below(8) {
            0 => [0, 1, 125, 126, 4095, 4096, 4097][usize::try_from(self.below(7)).expect("small")],
            1 => usize::try_from(4097 + self.below(100_000)).expect("small"),
            2 => usize::try_from(self.below(4097)).expect("small"),
            _ => usize::try_from(self.below(50)).expect("small"),
        };
        len.max(9)
    }

    /// A payload that says whose it is and which.
    fn payload(&mut self, sender: u8, number: u64) -> Vec<u8> {
        let mut payload = vec![sender; self.len()];
        payload[1..9].copy_from_slice(&number.to_be_bytes());
        payload
    }
}

/// Sends the next thing, in one of all ways, and gives the payload.
async fn send_any(sender: &mut Sender, choices: &mut Choices, id: u8, number: u64) -> Vec<u8> {
    let payload = choices.payload(id, number);
    let message = payload.clone();
    match choices.below(10) {
        0 => sender.send(Prepared::new(message)).await.expect("open"),
        1 => sender.send(Sendable::Uncompressed(message.into())).await.expect("open"),
        2 => {
            let mut writer = sender.send_writer(MessageType::Binary).await.expect("open");
            for piece in message.chunks(message.len() / 3 + 1) {
                writer.write(piece.to_vec()).await.expect("open");
            }
            writer.finish().await.expect("open");
        }
        3..6 => match sender.try_send(message) {
            Ok(()) => {}
            Err(SendError::Full(message) | SendError::FragmentPending(message)) => {
                sender.send(message).await.expect("open");
            }
            Err(error) => panic!("{error}"),
        },
        _ => sender.send(message).await.expect("open"),
    }
    payload
}

/// The next message, whole, and the Pings before it.
async fn read_message(frames: &mut Frames, peer: &Peer) -> (Vec<u8>, u32) {
    let (mut payload, mut pings) = (Vec::new(), 0);
    loop {
        let frame = frames.read(peer).await;
        match frame.opcode {
            PING => pings += 1,
            BINARY | CONTINUATION => payload.extend(frame.payload),
            opcode => panic!("opcode {opcode}"),
        }
        if frame.fin && frame.opcode != PING {
            return (payload, pings);
        }
    }
}

const PACES: [Plan; 4] = [
    Plan::SMOOTH,
    Plan { outbound_max: 700, ..Plan::SMOOTH },
    Plan { write_max: 333, hesitant: true, vectored: false, ..Plan::SMOOTH },
    Plan { buffering: true, outbound_max: 5000, ..Plan::SMOOTH },
];

async fn ends() -> [(WebSocket, Peer); 2] {
    let mut settings = quiet();
    settings.limits.max_buffered_amount = 150_000;
    [server(settings.clone()).await, client(settings).await]
}

#[test]
fn whatever_one_sender_sends_goes_out_in_order_and_a_close_frame_behind_it() {
    for (seed, plan) in PACES.into_iter().enumerate() {
        run(async move {
            for (socket, peer) in ends().await {
                peer.plan(plan);
                let (mut sender, _receiver) = socket.split();
                let mut choices = Choices(seed as u64);
                let (told, mut expected) = tokio::sync::mpsc::unbounded_channel();
                let sending = async {
                    for number in 0..400 {
                        let mut pings = 0;
                        if choices.below(8) == 0 {
                            assert!(dropped_after(sender.ping(), 1).await.is_none());
                            pings = 1;
                        }
                        let payload = send_any(&mut sender, &mut choices, 1, number).await;
                        told.send((payload, pings)).expect("the reader lives");
                        match choices.below(12) {
                            0 => settle_a_little().await,
                            1 => sender.flush().await.expect("open"),
                            _ => {}
                        }
                    }
                    assert!(
                        dropped_after(sender.close(CloseCode::NORMAL_CLOSURE), 1).await.is_none()
                    );
                    drop(told);
                };
                let reading = async {
                    let mut frames = Frames::default();
                    while let Some((payload, pings)) = expected.recv().await {
                        let (read, pinged) = read_message(&mut frames, &peer).await;
                        assert!(read == payload, "a message is lost, doubled, cut or out of order");
                        assert_eq!(pinged, pings, "a Ping out of order");
                    }
                    assert_eq!(frames.read(&peer).await.opcode, CLOSE);
                    assert!(frames.is_empty());
                };
                tokio::join!(sending, reading);
            }
        });
    }
}

#[test]
fn each_of_several_senders_keeps_its_order() {
    for (seed, plan) in PACES.into_iter().enumerate() {
        run(async move {
            const SENDERS: u8 = 5;
            const EACH: u64 = 60;
            for (socket, peer) in ends().await {
                peer.plan(plan);
                let (sender, _receiver) = socket.split();
                for id in 0..SENDERS {
                    let mut sender = sender.clone();
                    tokio::spawn(async move {
                        let mut choices = Choices(seed as u64 * 100 + u64::from(id));
                        for number in 0..EACH {
                            send_any(&mut sender, &mut choices, id, number).await;
                            if choices.below(6) == 0 {
                                tokio::task::yield_now().await;
                            }
                        }
                    });
                }
                let mut next = [0; SENDERS as usize];
                let mut frames = Frames::default();
                for _ in 0..u64::from(SENDERS) * EACH {
                    let (payload, _) = read_message(&mut frames, &peer).await;
                    let number = u64::from_be_bytes(payload[1..9].try_into().expect("eight bytes"));
                    let id = payload[0];
                    assert!(payload[9..].iter().all(|byte| *byte == id), "messages are mixed");
                    assert_eq!(number, next[usize::from(id)], "of sender {id}");
                    next[usize::from(id)] += 1;
                }
                settle().await;
                assert_eq!(frames.rest(&peer), []);
            }
        });
    }
}

#[test]
fn messages_encoded_where_they_are_sent_are_the_same_bytes() {
    run(async {
        for (socket, peer) in ends().await {
            let mut frames = Frames::default();
            for len in [0, 1, 125, 126, 127, 4095, 4096, 4097, 65_535, 65_536] {
                for message in [Message::from(vec![b'x'; len]), Message::from("x".repeat(len))] {
                    let opcode = if message.as_text().is_some() { TEXT } else { BINARY };
                    let expected = Frame { fin: true, opcode, payload: vec![b'x'; len] };
                    socket.send(message).await.expect("open");
                    assert_eq!(frames.read(&peer).await, expected);
                }
            }
            assert!(frames.is_empty());
        }
    });
}

#[test]
fn a_pong_passes_small_messages_that_wait() {
    run(async {
        let mut settings = quiet();
        settings.limits.max_buffered_amount = 1 << 20;
        let (socket, peer) = server(settings).await;
        peer.plan(Plan { outbound_max: 100, ..Plan::SMOOTH });
        for _ in 0..10_000 {
            socket.try_send(vec![1; 50]).expect("room");
        }
        settle().await;
        peer.write(masked(true, PING, b"soon"));
        settle().await;
        let mut frames = Frames::default();
        let mut before = 0;
        while frames.read(&peer).await.opcode != PONG {
            before += 1;
        }
        // 64 KiB ahead of the transport, and the run that crosses it.
        assert!(before <= (64 + 16 + 1) * 1024 / 52, "{before} messages went before the Pong");
        for _ in before..10_000 {
            assert_eq!(frames.read(&peer).await.payload, [1; 50]);
        }
    });
}

#[test]
fn the_limit_of_messages_that_wait_is_met_exactly_and_passes() {
    const LIMIT: usize = 16 * 1024;
    for full_size in [false, true] {
        run(async move {
            let mut settings = quiet();
            // With a small budget the connection refuses what the outbox still took.
            settings.limits.max_buffered_amount = if full_size { 1 << 20 } else { 1000 };
            let (socket, peer) = server(settings).await;
            peer.plan(Plan { outbound_max: 100, ..Plan::SMOOTH });
            for round in 0..3 {
                for number in 0..LIMIT {
                    assert!(socket.try_send("").is_ok(), "round {round}: no room after {number}");
                }
                let Err(SendError::Full(message)) = socket.try_send("") else {
                    panic!("beyond the limit");
                };
                assert_eq!(message.into_message(), Message::from(""));
                assert_eq!(socket.buffered_amount(), 0);
                // One that waits is served.
                let waiting = async {
                    socket.send("waited").await.expect("open");
                    socket.flush().await.expect("open");
                };
                let reading = async {
                    let mut frames = Frames::default();
                    for _ in 0..LIMIT {
                        assert_eq!(frames.read(&peer).await.payload, b"");
                    }
                    assert_eq!(frames.read(&peer).await.payload, b"waited");
                };
                tokio::join!(waiting, reading);
            }
            assert_rests(&peer).await;
        });
    }
}

#[test]
fn no_wake_is_lost_among_senders_flushers_and_a_peer_that_reads_in_bursts() {
    run_threads(async {
        const SENDERS: u8 = 4;
        const EACH: u64 = 1500;
        let (socket, peer) = {
            let mut settings = quiet();
            settings.limits.max_buffered_amount = 20_000;
            server(settings).await
        };
        peer.plan(Plan { outbound_max: 3000, ..Plan::SMOOTH });
        let (sender, receiver) = socket.split();
        let done = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for id in 0..SENDERS {
            let mut sender = sender.clone();
            tasks.spawn(async move {
                let mut choices = Choices(u64::from(id));
                for number in 0..EACH {
                    send_any(&mut sender, &mut choices, id, number).await;
                    if choices.below(50) == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                sender.flush().await.expect("open");
            });
        }
        let mut flushers = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (sender, done) = (sender.clone(), done.clone());
            flushers.spawn(async move {
                while !done.load(Ordering::Acquire) {
                    sender.flush().await.expect("open");
                    tokio::task::yield_now().await;
                }
            });
        }
        let reader = peer.clone();
        tasks.spawn(async move {
            let mut frames = Frames::default();
            let mut next = [0; SENDERS as usize];
            let mut burst = Choices(7);
            for _ in 0..u64::from(SENDERS) * EACH {
                let (payload, _) = read_message(&mut frames, &reader).await;
                let number = u64::from_be_bytes(payload[1..9].try_into().expect("eight bytes"));
                assert_eq!(number, next[usize::from(payload[0])], "of sender {}", payload[0]);
                next[usize::from(payload[0])] += 1;
                for _ in 0..burst.below(4) * burst.below(4) {
                    tokio::task::yield_now().await;
                }
            }
        });
        while let Some(task) = tasks.join_next().await {
            task.expect("no panic");
        }
        done.store(true, Ordering::Release);
        while let Some(task) = flushers.join_next().await {
            task.expect("no panic");
        }
        assert_eq!(sender.buffered_amount(), 0);
        drop(receiver);
    });
}
