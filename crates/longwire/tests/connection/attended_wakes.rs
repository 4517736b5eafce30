//! A connection and its handler in one future: who wakes whom, from within, from other tasks and from
//! other threads; and when it rests.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use longwire::{Acceptor, CloseCode, Message, WebSocket};
use tokio::sync::mpsc;

use crate::{
    pipe::{Peer, Plan, pipe},
    support::*,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_socket_that_moves_into_another_task_works_there() {
    run(async {
        let (serving, peer) = spawned(quiet(), async |socket: WebSocket| {
            tokio::spawn(echo(socket));
        })
        .await;
        let mut frames = Frames::default();
        for number in 0..300_u32 {
            peer.write(masked(true, BINARY, &number.to_be_bytes()));
            assert_eq!(frames.read(&peer).await.payload, number.to_be_bytes());
        }
        assert!(!serving.is_finished(), "the connection lives on");
        assert_rests(&peer).await;
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        assert_eq!(leave(&mut frames, &peer).await, 1000);
        serving.await.expect("no panic").expect("accepted");
    });
}

#[test]
fn a_socket_that_the_handler_waited_on_moves_into_another_task_and_back() {
    run(async {
        let (serving, peer) = spawned(quiet(), async |mut socket: WebSocket| {
            for _ in 0..20 {
                assert!(dropped_after(socket.recv(), 1).await.is_none(), "nothing comes yet");
                socket.send("ready").await.expect("open");
                socket = tokio::spawn(async move {
                    let message = socket.recv().await.expect("open").expect("open");
                    socket.send(message).await.expect("open");
                    assert!(dropped_after(socket.recv(), 1).await.is_none(), "nothing comes yet");
                    socket
                })
                .await
                .expect("no panic");
                let message = socket.recv().await.expect("open").expect("open");
                socket.send(message).await.expect("open");
            }
        })
        .await;
        let mut frames = Frames::default();
        for number in 0..20_u8 {
            assert_eq!(frames.read(&peer).await.payload, b"ready");
            for half in [0, 100] {
                settle().await;
                peer.write(masked(true, BINARY, &[number + half]));
                assert_eq!(frames.read(&peer).await.payload, [number + half]);
            }
        }
        assert_eq!(leave(&mut frames, &peer).await, 1000);
        serving.await.expect("no panic").expect("accepted");
    });
}

#[test]
fn halves_in_tasks_on_several_threads_lose_no_wake() {
    run_threads(async {
        const COUNT: u32 = 3000;
        let mut ends = tokio::task::JoinSet::new();
        for buffer in [1, 100, 65_536] {
            let count = if buffer == 1 { 100 } else { COUNT };
            let (here, there) = tokio::io::duplex(buffer);
            let mut settings = quiet();
            settings.limits.max_buffered_amount = 1000;
            let acceptor = Acceptor::new().config(settings.clone());
            ends.spawn(async move {
                let incoming = acceptor.read(here).await.expect("a good request");
                let serving = incoming.serve(async |socket: WebSocket| {
                    let (sender, mut receiver) = socket.split();
                    let (forward, mut forwarded) = mpsc::unbounded_channel();
                    let receiving = tokio::spawn(async move {
                        while let Ok(Some(message)) = receiver.recv().await {
                            forward.send(message).expect("the sender lives");
                        }
                    });
                    let sending = tokio::spawn(async move {
                        while let Some(message) = forwarded.recv().await {
                            sender.send(message).await.expect("open");
                            if rand_bit(&sender) {
                                sender.flush().await.expect("open");
                            }
                        }
                    });
                    receiving.await.expect("no panic");
                    sending.await.expect("no panic");
                });
                serving.await.expect("accepted");
            });
            ends.spawn(async move {
                let connect = longwire::Connect::new("ws://server.example/").config(settings);
                let socket = connect.over(there).await.expect("a good handshake");
                let (sender, mut receiver) = socket.split();
                let sending = tokio::spawn(async move {
                    for number in 0..count {
                        sender.send(number.to_be_bytes().to_vec()).await.expect("open");
                    }
                    sender
                });
                for number in 0..count {
                    let message = receiver.recv().await.expect("open").expect("open");
                    assert_eq!(message.as_bytes(), number.to_be_bytes());
                }
                let sender = sending.await.expect("no panic");
                assert!(sender.close(CloseCode::NORMAL_CLOSURE).await.is_clean());
            });
        }
        while let Some(end) = ends.join_next().await {
            end.expect("no panic");
        }
    });
}

/// True now and then, by how much waits.
fn rand_bit(sender: &longwire::Sender) -> bool {
    sender.buffered_amount() % 16 == 4
}

/// A part of a handler with a waker of its own, as collections of futures have: it is polled when
/// that waker was woken, and never else.
struct Branch<F> {
    future: Pin<Box<F>>,
    own: Arc<Own>,
}

struct Own {
    woken: AtomicBool,
    outer: std::sync::Mutex<Option<Waker>>,
}

impl Wake for Own {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        let outer = self.outer.lock().expect("not poisoned").take();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl<F: Future> Branch<F> {
    fn new(future: F) -> Self {
        let own = Own { woken: AtomicBool::new(true), outer: std::sync::Mutex::new(None) };
        Self { future: Box::pin(future), own: Arc::new(own) }
    }
}

impl<F: Future> Future for Branch<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        *self.own.outer.lock().expect("not poisoned") = Some(cx.waker().clone());
        if !self.own.woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(self.own.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

#[test]
fn wakes_reach_the_branches_of_a_handler_that_have_wakers_of_their_own() {
    run(async {
        let (ask, mut asked) = mpsc::unbounded_channel::<u8>();
        let (serving, peer) = spawned(quiet(), async move |socket: WebSocket| {
            let (sender, mut receiver) = socket.split();
            let other = sender.clone();
            let receiving = Branch::new(async move {
                while let Some(message) = receiver.recv().await.expect("a clean end") {
                    sender.send(message).await.expect("open");
                    sender.flush().await.expect("open");
                }
            });
            let pushing = Branch::new(async move {
                while let Some(number) = asked.recv().await {
                    other.send(vec![number; 2]).await.expect("open");
                    other.flush().await.expect("open");
                }
            });
            tokio::join!(receiving, pushing);
        })
        .await;
        peer.plan(Plan { hesitant: true, ..Plan::SMOOTH });
        let mut frames = Frames::default();
        for number in 0..100_u8 {
            peer.write(masked(true, BINARY, &[number]));
            assert_eq!(frames.read(&peer).await.payload, [number]);
            ask.send(number).expect("the handler lives");
            assert_eq!(frames.read(&peer).await.payload, [number, number]);
        }
        assert_rests(&peer).await;
        drop(ask);
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        assert_eq!(leave(&mut frames, &peer).await, 1000);
        serving.await.expect("no panic").expect("accepted");
    });
}

#[test]
fn a_select_in_the_handler_is_woken_by_either_branch() {
    run(async {
        let (ask, mut asked) = mpsc::unbounded_channel::<u8>();
        let (serving, peer) = spawned(quiet(), async move |mut socket: WebSocket| {
            loop {
                let reply = tokio::select! {
                    message = socket.recv() => match message.expect("a clean end") {
                        Some(message) => message,
                        None => return,
                    },
                    Some(number) = asked.recv() => Message::from(vec![number; 2]),
                    () = pass(SECOND) => Message::from("tick"),
                };
                socket.send(reply).await.expect("open");
            }
        })
        .await;
        let mut frames = Frames::default();
        for number in 0..50_u8 {
            peer.write(masked(true, BINARY, &[number]));
            assert_eq!(frames.read(&peer).await.payload, [number]);
            ask.send(number).expect("the handler lives");
            assert_eq!(frames.read(&peer).await.payload, [number, number]);
            assert_eq!(frames.read(&peer).await.payload, b"tick");
        }
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        assert_eq!(leave(&mut frames, &peer).await, 1000);
        serving.await.expect("no panic").expect("accepted");
    });
}

#[test]
fn a_connection_served_within_the_handler_of_another_relays_for_it() {
    run(async {
        let (inner_pipe, inner_peer) = pipe();
        inner_peer.write(OPENING);
        let inner = Acceptor::new().config(quiet()).read(inner_pipe).await.expect("a good request");
        let (serving, outer_peer) = spawned(quiet(), async move |outer: WebSocket| {
            let (outer_sender, mut outer_receiver) = outer.split();
            let serving = inner.serve(async move |inner: WebSocket| {
                let (inner_sender, mut inner_receiver) = inner.split();
                let up = async {
                    while let Some(message) = inner_receiver.recv().await.expect("a clean end") {
                        outer_sender.send(message).await.expect("open");
                    }
                };
                let down = async {
                    while let Some(message) = outer_receiver.recv().await.expect("a clean end") {
                        inner_sender.send(message).await.expect("open");
                    }
                };
                tokio::join!(up, down);
            });
            serving.await.expect("accepted");
        })
        .await;
        skip_answer(&inner_peer).await;
        let (mut outer, mut inner) = (Frames::default(), Frames::default());
        for number in 0..100_u8 {
            outer_peer.write(masked(true, BINARY, &[number]));
            assert_eq!(inner.read(&inner_peer).await.payload, [number]);
            inner_peer.write(masked(true, BINARY, &[number, 1]));
            assert_eq!(outer.read(&outer_peer).await.payload, [number, 1]);
        }
        assert_rests(&outer_peer).await;
        assert_rests(&inner_peer).await;
        for (frames, peer) in [(&mut outer, &outer_peer), (&mut inner, &inner_peer)] {
            peer.write(masked(true, CLOSE, &close_payload(1000, "")));
            assert_eq!(leave(frames, peer).await, 1000);
        }
        serving.await.expect("no panic").expect("accepted");
    });
}

#[test]
fn what_is_sent_in_the_midst_of_a_turn_goes_out() {
    for len in [3, 5000] {
        run(async move {
            let (give, given) = tokio::sync::oneshot::channel();
            let (serving, peer) = spawned(quiet(), async move |socket: WebSocket| {
                let (sender, mut receiver) = socket.split();
                give.send(sender).expect("the test waits");
                while let Ok(Some(_)) = receiver.recv().await {}
            })
            .await;
            let sender = given.await.expect("the handler runs");
            let before = peer.seen().written;
            // A transport may well call code that sends, such as a log that goes to the peer.
            let other = sender.clone();
            peer.at_write(move || other.try_send(vec![2; len]).expect("room"));
            sender.send(vec![1; 3]).await.expect("open");
            // Nothing else happens: to read would wake the connection.
            let header = if len < 126 { 2 } else { 4 };
            peer.until(|seen, _| seen.written - before == 2 + 3 + header + len).await;
            let mut frames = Frames::default();
            assert_eq!(frames.read(&peer).await.payload, [1; 3]);
            assert_eq!(frames.read(&peer).await.payload, vec![2; len]);
            drop(sender);
            peer.write(masked(true, CLOSE, &close_payload(1000, "")));
            assert_eq!(leave(&mut frames, &peer).await, 1000);
            serving.await.expect("no panic").expect("accepted");
        });
    }
}

#[test]
fn a_future_that_moves_into_another_task_goes_on_there() {
    run(async {
        let (ask, mut asked) = mpsc::unbounded_channel::<u8>();
        let (give, given) = tokio::sync::oneshot::channel();
        let (pipe, peer) = pipe();
        peer.write(OPENING);
        let incoming = Acceptor::new().config(quiet()).read(pipe).await.expect("a good request");
        let mut serving = Box::pin(incoming.serve(async move |socket: WebSocket| {
            let (sender, receiver) = socket.split();
            drop(give.send(sender.clone()));
            while let Some(number) = asked.recv().await {
                sender.send(vec![number; 2]).await.expect("open");
            }
            drop(receiver);
        }));
        // In tasks that end before it does, as with timeouts around it.
        for _ in 0..3 {
            let task = tokio::spawn(async move {
                assert!(dropped_after(&mut serving, 20).await.is_none());
                Some(serving)
            });
            serving = task.await.expect("no panic").expect("given back");
        }
        let sender = given.await.expect("the handler runs");
        skip_answer(&peer).await;
        let serving = tokio::spawn(serving);
        settle().await;
        let before = peer.seen().written;
        sender.send("one").await.expect("open");
        // Nothing else happens: to read would wake the connection.
        peer.until(|seen, _| seen.written - before == 5).await;
        ask.send(1).expect("the handler lives");
        peer.until(|seen, _| seen.written - before == 9).await;
        drop((ask, sender));
        peer.until(|seen, _| seen.written - before == 13).await;
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, b"one");
        assert_eq!(frames.read(&peer).await.payload, [1, 1]);
        assert_eq!(leave(&mut frames, &peer).await, 1000);
        serving.await.expect("no panic").expect("accepted");
    });
}

#[test]
fn a_busy_handler_leaves_other_tasks_their_turn() {
    async fn others_run(peer: &Peer) {
        let before = peer.seen();
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        assert!(peer.seen().polls > before.polls, "it is busy");
    }
    // Messages without an end.
    run(async {
        let (serving, peer) = spawned(quiet(), echo).await;
        peer.flood(Some(masked(true, BINARY, &[1; 10]).repeat(20)));
        others_run(&peer).await;
        serving.abort();
    });
    // A peer that takes all that it is sent.
    run(async {
        let mut settings = quiet();
        settings.limits.max_buffered_amount = 2000;
        let (serving, peer) = spawned(
            settings,
            async |socket: WebSocket| {
                while socket.send(vec![1; 1000]).await.is_ok() {}
            },
        )
        .await;
        others_run(&peer).await;
        serving.abort();
    });
    // A handler that wakes itself again and again.
    run(async {
        let (serving, peer) = spawned(quiet(), async |_socket: WebSocket| {
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            })
            .await;
        })
        .await;
        peer.write(masked(true, PING, b"busy?"));
        assert_eq!(Frames::default().read(&peer).await.opcode, PONG);
        others_run(&peer).await;
        serving.abort();
    });
}

#[test]
fn it_rests_while_nothing_happens_whatever_happened_before() {
    run(async {
        let (serving, peer) = spawned(quiet(), async |mut socket: WebSocket| {
            let first = socket.recv().await.expect("open").expect("open");
            assert!(dropped_after(pin!(socket.ping()), 1).await.is_none());
            socket.send(first).await.expect("open");
            socket.flush().await.expect("open");
            socket.send(vec![1; 100_000]).await.expect("open");
            let mut writer = socket.send_writer(longwire::MessageType::Text).await.expect("open");
            writer.write("in parts").await.expect("open");
            writer.finish().await.expect("open");
            echo(socket).await;
        })
        .await;
        assert_rests(&peer).await;
        peer.write(masked(true, TEXT, b"begin"));
        assert_rests(&peer).await;
        let opcodes: Vec<u8> = Frames::default().rest(&peer).iter().map(|it| it.opcode).collect();
        assert_eq!(opcodes, [PING, TEXT, BINARY, TEXT, CONTINUATION]);
        peer.plan(Plan { outbound_max: 100, ..Plan::SMOOTH });
        peer.write(masked(true, BINARY, &[7; 5000]));
        assert_rests(&peer).await;
        serving.abort();
    });
}

#[test]
fn a_future_that_moves_after_its_connection_ended_is_still_woken() {
    run(async {
        let (ask, mut asked) = mpsc::unbounded_channel::<u8>();
        let (pipe, peer) = pipe();
        peer.write(OPENING);
        let incoming = Acceptor::new().config(quiet()).read(pipe).await.expect("a good request");
        let mut serving = Box::pin(incoming.serve(async move |mut socket: WebSocket| {
            socket.recv().await.expect_err("the transport is reset");
            drop(socket);
            asked.recv().await;
        }));
        let other = peer.clone();
        let first = tokio::spawn(async move {
            assert!(dropped_after(&mut serving, 20).await.is_none());
            other.reset();
            assert!(dropped_after(&mut serving, 20).await.is_none());
            (serving,)
        });
        let (serving,) = first.await.expect("no panic");
        assert!(peer.seen().dropped, "the connection has ended");
        let serving = tokio::spawn(serving);
        settle().await;
        ask.send(1).expect("the handler lives");
        serving.await.expect("no panic").expect("accepted");
    });
}
