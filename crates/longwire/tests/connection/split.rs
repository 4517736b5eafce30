//! Readers and writers in tasks of their own: none starves another, whatever the application awaits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use longwire::{CloseCode, WebSocket};

use crate::{pipe::Plan, support::*};

/// Sends and receives `count` numbers at once, from two tasks.
async fn both_ways(socket: WebSocket, count: u32) {
    let (sender, mut receiver) = socket.split();
    let sending = tokio::spawn(async move {
        for number in 0..count {
            sender.send(number.to_be_bytes().to_vec()).await.expect("open");
        }
        sender.flush().await.expect("open");
        sender
    });
    let receiving = tokio::spawn(async move {
        for number in 0..count {
            let message = receiver.recv().await.expect("open").expect("open");
            assert_eq!(message.as_bytes(), number.to_be_bytes());
        }
        receiver
    });
    let (sender, receiver) = (sending.await.expect("no panic"), receiving.await.expect("no panic"));
    drop((sender, receiver));
}

#[test]
fn a_reader_and_a_writer_in_two_tasks_at_both_ends() {
    for buffer in [1, 7, 100, 65_536] {
        run(async move {
            let (server, client) = pair(quiet(), buffer).await;
            let server = tokio::spawn(both_ways(server, 2000));
            both_ways(client, 2000).await;
            server.await.expect("no panic");
        });
    }
}

#[test]
fn a_reader_and_a_writer_on_several_threads() {
    run_threads(async {
        let mut ends = tokio::task::JoinSet::new();
        for buffer in [1, 100, 65_536] {
            let mut settings = quiet();
            settings.limits.max_buffered_amount = 1000;
            let (server, client) = pair(settings, buffer).await;
            let count = if buffer == 1 { 300 } else { 10_000 };
            ends.spawn(both_ways(server, count));
            ends.spawn(both_ways(client, count));
        }
        while let Some(end) = ends.join_next().await {
            end.expect("no panic");
        }
    });
}

#[test]
fn many_senders_on_several_threads_lose_nothing() {
    run_threads(async {
        const TASKS: u32 = 16;
        const EACH: u32 = 500;
        let mut settings = quiet();
        settings.limits.max_buffered_amount = 500;
        let (server, mut client) = pair(settings, 300).await;
        let (sender, _receiver) = server.split();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..TASKS {
            let sender = sender.clone();
            tasks.spawn(async move {
                for number in 0..EACH {
                    let payload = [task.to_be_bytes(), number.to_be_bytes()].concat();
                    sender.send(payload).await.expect("open");
                    if number % 50 == 0 {
                        sender.flush().await.expect("open");
                    }
                }
            });
        }
        let mut next = [0; TASKS as usize];
        for _ in 0..TASKS * EACH {
            let message = client.recv().await.expect("open").expect("open");
            let number = |at: usize| {
                u32::from_be_bytes(message.as_bytes()[at..at + 4].try_into().expect("four bytes"))
            };
            let place = &mut next[number(0) as usize];
            assert_eq!(number(4), *place);
            *place += 1;
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("no panic");
        }
    });
}

#[test]
fn closing_and_dropping_from_several_threads_at_once_always_ends() {
    run_threads(async {
        for round in 0..100_u32 {
            let (server, client) = pair(quiet(), 64).await;
            let echo = tokio::spawn(async move {
                let mut server = server;
                while let Ok(Some(message)) = server.recv().await {
                    if server.send(message).await.is_err() {
                        break;
                    }
                }
            });
            let (sender, mut receiver) = client.split();
            let reading =
                tokio::spawn(async move { while let Ok(Some(_)) = receiver.recv().await {} });
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..4 {
                let sender = sender.clone();
                tasks.spawn(async move {
                    for number in 0..20_u32 {
                        if task == 3 && number == round % 20 {
                            sender.close(CloseCode::NORMAL_CLOSURE).await;
                            return;
                        }
                        if sender.send(vec![0; 30]).await.is_err() {
                            return;
                        }
                    }
                });
            }
            assert!(sender.ended().await.is_clean());
            while let Some(task) = tasks.join_next().await {
                task.expect("no panic");
            }
            reading.await.expect("no panic");
            echo.await.expect("no panic");
        }
    });
}

#[test]
fn an_application_that_only_reads_answers_pings_and_closes() {
    run(async {
        let (mut socket, peer) = client(quiet()).await;
        let reading = tokio::spawn(async move {
            let mut texts = Vec::new();
            while let Some(message) = socket.recv().await.expect("clean") {
                texts.push(message);
            }
            texts
        });
        let mut frames = Frames::default();
        for number in 0..10_u8 {
            peer.write(plain(true, TEXT, &[b'a' + number]));
            peer.write(plain(true, PING, &[number]));
            let pong = frames.read(&peer).await;
            assert_eq!((pong.opcode, pong.payload), (PONG, vec![number]));
        }
        peer.write(plain(true, CLOSE, &close_payload(1000, "")));
        assert_eq!(frames.read(&peer).await.opcode, CLOSE);
        peer.end();
        assert_eq!(reading.await.expect("no panic").len(), 10);
    });
}

#[test]
fn an_application_that_only_writes_answers_pings_and_closes() {
    run(async {
        let (socket, peer) = client(quiet()).await;
        // It never calls recv, and does not drop the receiver either.
        let mut frames = Frames::default();
        for number in 0..10_u8 {
            socket.send(vec![number]).await.expect("open");
            peer.write(plain(true, TEXT, b"ignored"));
            peer.write(plain(true, PING, &[number]));
            assert_eq!(frames.read(&peer).await.payload, [number]);
            assert_eq!(frames.read(&peer).await.opcode, PONG);
        }
        peer.write(plain(true, CLOSE, &close_payload(1000, "")));
        assert_eq!(frames.read(&peer).await.opcode, CLOSE);
        peer.end();
        settle().await;
        assert!(socket.closed().expect("ended").is_clean());
        socket.send("too late").await.expect_err("closed");
    });
}

#[test]
fn an_application_that_awaits_something_else_answers_pings() {
    run(async {
        let (socket, peer) = server(longwire::Config::default()).await;
        let mut frames = Frames::default();
        let other = tokio::spawn(async move {
            pass(Duration::from_hours(1)).await;
            socket
        });
        for number in 0..359_u32 {
            pass(Duration::from_secs(10)).await;
            peer.write(masked(true, PING, &number.to_be_bytes()));
            let pong = frames.read(&peer).await;
            assert_eq!((pong.opcode, pong.payload), (PONG, number.to_be_bytes().to_vec()));
        }
        assert_eq!(other.await.expect("no panic").closed(), None);
    });
}

#[test]
fn a_busy_connection_does_not_starve_another_task() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, receiver) = socket.split();
        drop(receiver);
        peer.flood(Some(masked(true, BINARY, &[0; 100]).repeat(10)));
        settle_a_little().await;
        // Each turn of the connection is bounded, so this task has its own as often.
        let before = peer.seen().read;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let read = peer.seen().read - before;
        assert!(read > 0, "the flood goes on");
        assert!(read <= 21 * 32 * 64 * 1024, "{read} bytes in twenty turns");
        drop(sender);
        peer.flood(None);
    });
}

#[test]
fn connections_on_one_thread_share_it() {
    run(async {
        let counts: Arc<[AtomicU32; 4]> = Arc::default();
        for place in 0..4 {
            let (server, client) = pair(quiet(), 64 * 1024).await;
            let counts = counts.clone();
            tokio::spawn(async move {
                let mut server = server;
                while let Ok(Some(message)) = server.recv().await {
                    server.send(message).await.expect("open");
                }
            });
            tokio::spawn(async move {
                let mut client = client;
                for _ in 0..16 {
                    client.send(vec![0; 32]).await.expect("open");
                }
                while let Ok(Some(message)) = client.recv().await {
                    counts[place].fetch_add(1, Ordering::Relaxed);
                    client.send(message).await.expect("open");
                }
            });
        }
        for _ in 0..2000 {
            tokio::task::yield_now().await;
        }
        let counts = counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let (most, least) = (counts.iter().max(), counts.iter().min());
        let (most, least) = (*most.expect("four"), *least.expect("four"));
        assert!(least * 2 > most, "{counts:?}");
    });
}

#[test]
fn what_is_sent_in_one_turn_goes_out_in_one_write() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        settle().await;
        let before = peer.seen();
        for number in 0..100_u8 {
            socket.send(vec![number; 32]).await.expect("open");
        }
        socket.flush().await.expect("open");
        let seen = peer.seen();
        assert_eq!(seen.plain + seen.vectored - before.plain - before.vectored, 1);
        assert_eq!(Frames::default().rest(&peer).len(), 100);
    });
}

#[test]
fn an_echo_of_pipelined_messages_writes_once_a_read() {
    run(async {
        let (mut socket, peer) = server(quiet()).await;
        tokio::spawn(async move {
            while let Ok(Some(message)) = socket.recv().await {
                socket.send(message).await.expect("open");
            }
        });
        settle().await;
        let mut frames = Frames::default();
        for round in 0..10_u32 {
            peer.write(masked(true, BINARY, &[7; 32]).repeat(16));
            for _ in 0..16 {
                frames.read(&peer).await;
            }
            let seen = peer.seen();
            // The response of the opening handshake is one more.
            assert_eq!(seen.plain + seen.vectored, round + 2);
        }
    });
}

#[test]
fn reading_goes_on_when_the_application_empties_the_inbox_at_that_very_moment() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, mut receiver) = socket.split();
        // Six messages fill the inbox; the seventh is read with the sixth, and waits unparsed.
        for len in [50_000, 50_000, 50_000, 50_000, 50_000, 20_000, 45_000] {
            peer.write(masked(true, BINARY, &vec![1; len]));
        }
        settle().await;
        assert_eq!(peer.unread(), 0);
        receiver.recv().await.expect("open").expect("open");
        sender.send("something to write").await.expect("open");
        // The task's next turn: the seventh fills the inbox again; while it writes, the application
        // takes the second on another thread.
        let (back, taken) = std::sync::mpsc::channel();
        peer.at_write(move || {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            let polled = receiver.poll_recv(&mut cx).map(|it| it.map(|it| it.is_some()));
            assert!(matches!(polled, std::task::Poll::Ready(Ok(true))));
            back.send(receiver).expect("the test waits for it");
        });
        settle().await;
        let mut receiver = taken.try_recv().expect("the task wrote");
        peer.write(masked(true, BINARY, &[2]));
        for _ in 0..5 {
            receiver.recv().await.expect("open").expect("open");
        }
        let message = receiver.recv().await.expect("open").expect("open");
        assert_eq!(message.as_bytes(), [2], "the task reads again");
    });
}

#[test]
fn a_stalled_direction_does_not_stop_the_other() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        peer.plan(Plan { outbound_max: 10, ..Plan::SMOOTH });
        let (sender, mut receiver) = socket.split();
        let sending =
            tokio::spawn(async move { while sender.send(vec![0; 100_000]).await.is_ok() {} });
        settle().await;
        for number in 0..1000_u32 {
            peer.write(masked(true, BINARY, &number.to_be_bytes()));
            let message = receiver.recv().await.expect("open").expect("open");
            assert_eq!(message.as_bytes(), number.to_be_bytes());
        }
        peer.end();
        sending.await.expect("no panic");
    });
}
