//! Pings of the application's own: round trips, their bound, and their end (RFC 6455 §5.5.2).

use std::time::Duration;

use longwire::{CloseCode, PingError};

use crate::{pipe::Plan, support::*};

#[test]
fn a_ping_gives_the_round_trip_time() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let answering = peer.clone();
        tokio::spawn(async move {
            let mut frames = Frames::default();
            loop {
                let ping = frames.read(&answering).await;
                assert_eq!(ping.opcode, PING);
                pass(Duration::from_millis(250)).await;
                answering.write(masked(true, PONG, &ping.payload));
            }
        });
        assert_eq!(socket.latency(), None);
        for _ in 0..3 {
            let round_trip = socket.ping().await.expect("answered");
            assert_eq!(round_trip.as_millis() / 10, 25, "{round_trip:?}");
            assert_eq!(socket.latency(), Some(round_trip));
        }
    });
}

#[test]
fn a_pong_answers_the_pings_before_it_too() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, _receiver) = socket.split();
        let mut pings = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let sender = sender.clone();
            pings.spawn(async move { sender.ping().await });
        }
        settle().await;
        let frames = Frames::default().rest(&peer);
        assert_eq!(frames.len(), 5);
        peer.write(masked(true, PONG, b"unsolicited"));
        peer.write(masked(true, PONG, &frames[3].payload));
        settle().await;
        for _ in 0..4 {
            pings.join_next().await.expect("a ping").expect("no panic").expect("answered");
        }
        assert_eq!(pings.len(), 1);
        assert!(pings.try_join_next().is_none(), "the last has no answer yet");
        peer.write(masked(true, PONG, &frames[4].payload));
        pings.join_next().await.expect("a ping").expect("no panic").expect("answered");
    });
}

#[test]
fn the_65th_ping_without_an_answer_is_one_too_many() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        for _ in 0..64 {
            assert!(dropped_after(socket.ping(), 3).await.is_none());
        }
        let result = dropped_after(socket.ping(), 50).await;
        assert!(matches!(result, Some(Err(PingError::TooMany))), "{result:?}");
        // One answer to the last of them frees all places.
        let frames = Frames::default().rest(&peer);
        assert_eq!(frames.len(), 64);
        peer.write(masked(true, PONG, &frames[63].payload));
        settle().await;
        assert!(dropped_after(socket.ping(), 50).await.is_none(), "it waits for its own answer");
    });
}

#[test]
fn pings_that_cannot_leave_are_bounded_as_well() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        peer.plan(Plan { outbound_max: 0, ..Plan::SMOOTH });
        socket.send(vec![0; 500_000]).await.expect("room");
        socket.send(vec![0; 500_000]).await.expect("room");
        settle().await;
        for _ in 0..64 {
            assert!(dropped_after(socket.ping(), 1).await.is_none());
        }
        let result = dropped_after(socket.ping(), 50).await;
        assert!(matches!(result, Some(Err(PingError::TooMany))), "{result:?}");
    });
}

#[test]
fn a_ping_goes_behind_what_was_sent() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, _receiver) = socket.split();
        sender.send("first").await.expect("open");
        tokio::spawn(async move { sender.ping().await });
        let mut frames = Frames::default();
        assert_eq!(frames.read(&peer).await.payload, b"first");
        assert_eq!(frames.read(&peer).await.opcode, PING);
    });
}

#[test]
fn a_ping_hears_of_the_close_that_overtakes_its_answer() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, receiver) = socket.split();
        let pinging = sender.clone();
        let ping = tokio::spawn(async move { pinging.ping().await });
        settle().await;
        let closer = tokio::spawn(async move { sender.close(CloseCode::NORMAL_CLOSURE).await });
        settle().await;
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        peer.end();
        assert!(matches!(ping.await.expect("no panic"), Err(PingError::Closed)));
        assert!(closer.await.expect("no panic").is_clean());
        drop(receiver);
    });
}

#[test]
fn an_answer_between_our_close_and_the_peers_still_counts() {
    run(async {
        let (socket, peer) = server(quiet()).await;
        let (sender, _receiver) = socket.split();
        let pinging = sender.clone();
        let ping = tokio::spawn(async move { pinging.ping().await });
        let mut frames = Frames::default();
        let sent = frames.read(&peer).await;
        tokio::spawn(async move { sender.close(CloseCode::NORMAL_CLOSURE).await });
        assert_eq!(frames.read(&peer).await.opcode, CLOSE);
        peer.write(masked(true, PONG, &sent.payload));
        ping.await.expect("no panic").expect("answered");
    });
}
