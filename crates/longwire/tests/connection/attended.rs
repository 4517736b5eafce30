//! A connection and its handler in one future: each goes on whatever the other does, and both come
//! to their end.

use std::{
    future::{Future, pending, poll_fn},
    panic::resume_unwind,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use longwire::{
    Acceptor, Cause, CloseCode, Config, Message, WebSocket,
    server::{AcceptError, Connections},
};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::{
    pipe::{Peer, Plan, pipe},
    support::*,
};

const SECOND: Duration = Duration::from_secs(1);

/// A server's connection and its handler, as a future that was not polled. The peer is a client.
async fn attended<H, F>(
    acceptor: Acceptor,
    handler: H,
) -> (impl Future<Output = Result<(), AcceptError>>, Peer)
where
    H: FnOnce(WebSocket) -> F,
    F: Future<Output = ()>,
{
    let (pipe, peer) = pipe();
    peer.write(OPENING);
    let incoming = acceptor.read(pipe).await.expect("a good request");
    (incoming.serve(handler), peer)
}

/// The same in a task of its own, with the answer to the handshake read.
async fn spawned<H, F>(
    config: Config,
    handler: H,
) -> (tokio::task::JoinHandle<Result<(), AcceptError>>, Peer)
where
    H: FnOnce(WebSocket) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (pipe, peer) = pipe();
    peer.write(OPENING);
    let incoming = Acceptor::new().config(config).read(pipe).await.expect("a good request");
    let serving = tokio::spawn(incoming.serve(handler));
    skip_answer(&peer).await;
    (serving, peer)
}

/// Takes the answer to the opening handshake and no more.
async fn skip_answer(peer: &Peer) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        peer.until(|_, outbound| outbound > 0).await;
        answer.extend(peer.take(1));
    }
}

async fn echo(mut socket: WebSocket) {
    while let Ok(Some(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// Answers the Close frame that comes next, and leaves.
async fn leave(frames: &mut Frames, peer: &Peer) -> u16 {
    let close = frames.read(peer).await;
    assert_eq!(close.opcode, CLOSE, "{close:?}");
    peer.write(masked(true, CLOSE, &close.payload));
    peer.end();
    u16::from_be_bytes([close.payload[0], close.payload[1]])
}

#[test]
fn messages_come_back_in_order_at_every_pace() {
    let buffering = Plan { buffering: true, ..Plan::DRIPPING };
    for plan in [Plan::SMOOTH, Plan::DRIPPING, buffering] {
        run(async move {
            let (serving, peer) = spawned(quiet(), echo).await;
            peer.plan(plan);
            for number in 0..600_u32 {
                peer.write(masked(true, BINARY, &number.to_be_bytes()));
            }
            let mut frames = Frames::default();
            for number in 0..600_u32 {
                let frame = frames.read(&peer).await;
                assert_eq!((frame.opcode, &*frame.payload), (BINARY, &number.to_be_bytes()[..]));
            }
            peer.write(masked(true, CLOSE, &close_payload(1000, "")));
            assert_eq!(leave(&mut frames, &peer).await, 1000);
            serving.await.expect("no panic").expect("accepted");
            assert!(peer.seen().shut_down && peer.seen().dropped);
        });
    }
}

#[test]
fn a_message_with_a_close_frame_right_behind_it_is_answered_at_once() {
    run(async {
        let (serving, peer) = spawned(quiet(), echo).await;
        let start = Instant::now();
        let wire = [masked(true, TEXT, b"last"), masked(true, CLOSE, &close_payload(1000, ""))];
        peer.write(wire.concat());
        peer.end();
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, b"last");
        assert_eq!(frames.read(&peer).await.opcode, CLOSE);
        serving.await.expect("no panic").expect("accepted");
        assert!(start.elapsed().is_zero());
    });
}

#[test]
fn pings_are_answered_while_the_handler_awaits_something_else() {
    run(async {
        let gate = Arc::new(Notify::new());
        let (serving, peer) = spawned(quiet(), {
            let gate = gate.clone();
            async move |socket: WebSocket| {
                gate.notified().await;
                echo(socket).await;
            }
        })
        .await;
        let mut frames = Frames::default();
        for number in 0..50_u8 {
            peer.write(masked(true, BINARY, &[number]));
            peer.write(masked(true, PING, &[number]));
            let pong = frames.read(&peer).await;
            assert_eq!((pong.opcode, &*pong.payload), (PONG, &[number][..]));
        }
        assert_rests(&peer).await;
        gate.notify_one();
        for number in 0..50_u8 {
            assert_eq!(frames.read(&peer).await.payload, [number]);
        }
        assert_rests(&peer).await;
        peer.write(masked(true, CLOSE, &[]));
        assert_eq!(frames.read(&peer).await.opcode, CLOSE);
        peer.end();
        serving.await.expect("no panic").expect("accepted");
    });
}

#[test]
fn a_handler_that_returns_closes_with_1000_behind_what_it_sent() {
    run(async {
        let (serving, peer) = spawned(quiet(), async |socket: WebSocket| {
            for number in 0..10_u8 {
                socket.send(vec![number; 3]).await.expect("open");
            }
        })
        .await;
        let mut frames = Frames::default();
        for number in 0..10_u8 {
            assert_eq!(frames.read(&peer).await.payload, [number; 3]);
        }
        let close = frames.read(&peer).await;
        assert_eq!((close.opcode, close.payload), (CLOSE, close_payload(1000, "")));
        settle().await;
        assert!(!serving.is_finished(), "the connection still closes");
        peer.write(masked(true, PING, b"not yet"));
        assert_rests(&peer).await;
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        peer.end();
        serving.await.expect("no panic").expect("accepted");
        assert!(peer.seen().dropped);
    });
}

#[test]
fn a_peer_that_never_answers_the_close_frame_has_its_time_and_no_more() {
    run(async {
        let (serving, peer) = spawned(quiet(), async |_| {}).await;
        let start = Instant::now();
        serving.await.expect("no panic").expect("accepted");
        assert_eq!(start.elapsed(), quiet().close_timeout);
        assert!(peer.seen().dropped);
    });
}

#[test]
fn a_handler_that_let_go_of_its_socket_goes_on() {
    run(async {
        let gate = Arc::new(Notify::new());
        let (serving, peer) = spawned(quiet(), {
            let gate = gate.clone();
            async move |socket: WebSocket| {
                drop(socket);
                gate.notified().await;
            }
        })
        .await;
        assert_eq!(leave(&mut Frames::default(), &peer).await, 1000);
        peer.until(|seen, _| seen.dropped).await;
        settle().await;
        assert!(!serving.is_finished(), "the handler is at work");
        gate.notify_one();
        serving.await.expect("no panic").expect("accepted");
    });
}

#[test]
fn the_handler_goes_on_after_the_connection_has_ended() {
    run(async {
        let (done, mut work) = mpsc::unbounded_channel();
        let (serving, peer) = spawned(quiet(), async move |mut socket: WebSocket| {
            socket.recv().await.expect_err("the peer vanished");
            for step in 0..100 {
                pass(SECOND).await;
                tokio::task::yield_now().await;
                socket.send("too late").await.expect_err("closed");
                done.send(step).expect("the test waits");
            }
        })
        .await;
        peer.reset();
        for step in 0..100 {
            assert_eq!(work.recv().await, Some(step));
            assert!(peer.seen().dropped, "the transport goes when the connection does");
        }
        serving.await.expect("no panic").expect("accepted");
    });
}

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
fn a_handler_that_panics_closes_with_1011_behind_what_it_sent() {
    run(async {
        let elsewhere = Arc::new(std::sync::Mutex::new(None));
        for keep in [false, true] {
            let (serving, peer) = spawned(quiet(), {
                let elsewhere = elsewhere.clone();
                async move |socket: WebSocket| {
                    for number in 0..5_u8 {
                        socket.send(vec![number; 3]).await.expect("open");
                    }
                    if keep {
                        *elsewhere.lock().expect("not poisoned") = Some(socket);
                    }
                    resume_unwind(Box::new("the handler's bug"));
                }
            })
            .await;
            let mut frames = Frames::default();
            for number in 0..5_u8 {
                assert_eq!(frames.read(&peer).await.payload, [number; 3]);
            }
            settle().await;
            assert!(!serving.is_finished(), "the connection ends first, and in order");
            assert_eq!(leave(&mut frames, &peer).await, 1011);
            let panic = serving.await.expect_err("it panics").into_panic();
            assert_eq!(panic.downcast_ref(), Some(&"the handler's bug"));
            assert!(peer.seen().dropped);
        }
    });
}

#[test]
fn a_handler_that_panics_before_it_gives_its_future_closes_with_1011_too() {
    run(async {
        let (serving, peer) = spawned(quiet(), |socket: WebSocket| {
            socket.try_send("before").expect("open");
            resume_unwind(Box::new("the handler's bug"));
            #[allow(unreachable_code, reason = "it says what the future's type is")]
            pending::<()>()
        })
        .await;
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, b"before");
        assert_eq!(leave(&mut frames, &peer).await, 1011);
        let panic = serving.await.expect_err("it panics").into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"the handler's bug"));
    });
}

#[test]
fn a_handler_that_panics_after_the_end_panics_all_the_same() {
    run(async {
        let (serving, peer) = spawned(quiet(), async |mut socket: WebSocket| {
            socket.recv().await.expect_err("the peer vanished");
            resume_unwind(Box::new("the handler's bug"));
        })
        .await;
        peer.reset();
        assert!(serving.await.expect_err("it panics").is_panic());
    });
}

/// Counts how many of its kind are alive, and how many there ever were.
#[derive(Clone, Default)]
struct Count(Arc<[AtomicUsize; 2]>);

struct Counted(Count);

impl Count {
    fn one(&self) -> Counted {
        self.0[0].fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }

    fn begun(&self) -> usize {
        self.0[0].load(Ordering::SeqCst)
    }

    fn dropped(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0[1].fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn dropped_after_any_number_of_polls_it_leaves_nothing_behind() {
    for plan in [Plan::SMOOTH, Plan::DRIPPING] {
        run(async move {
            let connections = Connections::new();
            let mut completed = false;
            for polls in 0..2000 {
                let count = Count::default();
                let acceptor = Acceptor::new().config(quiet()).track(&connections);
                let (serving, peer) = attended(acceptor, {
                    let guard = count.one();
                    async move |socket| {
                        let _guard = guard;
                        echo(socket).await;
                    }
                })
                .await;
                assert_eq!(connections.len(), 1);
                peer.plan(plan);
                peer.write(masked(true, TEXT, b"one"));
                peer.write(masked(true, BINARY, b"two"));
                peer.write(masked(true, CLOSE, &close_payload(1000, "")));
                peer.end();
                completed = dropped_after(serving, polls).await.is_some();
                assert!(peer.seen().dropped, "after {polls} polls");
                assert_eq!((count.begun(), count.dropped()), (1, 1), "after {polls} polls");
                assert!(connections.is_empty(), "after {polls} polls");
                if completed {
                    break;
                }
            }
            assert!(completed, "it never completes");
        });
    }
}

#[test]
fn a_socket_elsewhere_hears_that_the_future_was_dropped() {
    run(async {
        let connections = Connections::new();
        let (give, given) = tokio::sync::oneshot::channel();
        let acceptor = Acceptor::new().config(quiet()).track(&connections);
        let (serving, peer) = attended(acceptor, async move |socket: WebSocket| {
            drop(give.send(socket));
            pending::<()>().await;
        })
        .await;
        let mut serving = Box::pin(serving);
        assert!(dropped_after(&mut serving, 20).await.is_none());
        let mut socket = given.await.expect("the handler gave it");
        let waiting = tokio::spawn(async move {
            let error = socket.recv().await.expect_err("not clean");
            (error.closed().cause, socket)
        });
        settle().await;
        drop(serving);
        let (cause, socket) = waiting.await.expect("no panic");
        assert_eq!(cause, Cause::Lost);
        assert!(peer.seen().dropped);
        assert_eq!(connections.len(), 1, "its socket is there");
        drop(socket);
        assert!(connections.is_empty());
    });
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
        // In a task that ends before it does, as with a timeout around it.
        let first = tokio::spawn(async move {
            assert!(dropped_after(&mut serving, 20).await.is_none());
            (serving,)
        });
        let (serving,) = first.await.expect("no panic");
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
fn at_the_limit_of_a_shutdown_its_transport_is_dropped_and_the_handler_hears_of_it() {
    for elsewhere in [false, true] {
        run(async move {
            let connections = Connections::new();
            let acceptor = Acceptor::new().config(quiet()).track(&connections);
            let (done, mut end) = mpsc::unbounded_channel();
            let (serving, peer) = attended(acceptor, async move |mut socket: WebSocket| {
                let waiting = async move {
                    let error = socket.recv().await.expect_err("not clean");
                    done.send(error.closed().cause).expect("the test waits");
                };
                if elsewhere {
                    tokio::spawn(waiting).await.expect("no panic");
                } else {
                    waiting.await;
                }
            })
            .await;
            let waiting = async {
                serving.await.expect("accepted");
                assert!(peer.seen().dropped);
            };
            let closing = async {
                settle().await;
                let start = Instant::now();
                let drained = connections.close_all(CloseCode::GOING_AWAY, SECOND).await;
                assert_eq!((drained.ended, drained.aborted), (0, 1));
                assert_eq!(start.elapsed(), SECOND);
            };
            tokio::join!(waiting, closing);
            assert_eq!(end.recv().await, Some(Cause::Lost));
            assert!(connections.is_empty());
        });
    }
}
