//! A connection and its handler in one future: each goes on whatever the other does, and both come
//! to their end.

use std::{
    future::pending,
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use longwire::{Acceptor, Cause, CloseCode, WebSocket, server::Connections};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::{pipe::Plan, support::*};

const SECOND: Duration = Duration::from_secs(1);

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
fn a_handler_whose_drop_panics_closes_with_1011_too() {
    /// A future that is done at once, and panics when it is dropped.
    struct Spiteful(WebSocket);

    impl Future for Spiteful {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }

    impl Drop for Spiteful {
        fn drop(&mut self) {
            assert!(self.0.closed().is_some(), "dropped while the connection is open");
        }
    }

    run(async {
        let (serving, peer) = spawned(quiet(), Spiteful).await;
        let mut frames = Frames::default();
        assert_eq!(leave(&mut frames, &peer).await, 1011);
        assert!(serving.await.expect_err("the panic goes on").is_panic());
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
