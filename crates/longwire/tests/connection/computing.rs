//! A handler that computes for long, and then goes on: its connection loses nothing by it.

use std::{pin::pin, time::Duration};

use longwire::{CloseCode, Config, WebSocket};
use tokio::sync::mpsc;

use crate::{pipe::Peer, support::*};

/// Time passes, and nothing else has a turn.
async fn compute(time: Duration) {
    assert!(dropped_after(pin!(tokio::time::advance(time)), 1).await.is_none());
}

#[test]
fn a_close_after_it_has_its_whole_time() {
    run(async {
        let (serving, peer) = spawned(quiet(), async |mut socket: WebSocket| {
            compute(Duration::from_secs(6)).await;
            let closed = socket.close(CloseCode::NORMAL_CLOSURE).await;
            assert!(closed.is_clean(), "{closed}");
        })
        .await;
        let mut frames = Frames::default();
        let close = frames.read(&peer).await;
        peer.write(masked(true, CLOSE, &close.payload));
        serving.await.expect("no panic").expect("accepted");
    });
}

#[test]
fn a_pong_that_came_meanwhile_counts() {
    run(async {
        let (tell, mut told) = mpsc::unbounded_channel::<Peer>();
        let (serving, peer) = spawned(Config::default(), async move |mut socket: WebSocket| {
            let peer = told.recv().await.expect("told");
            let mut frames = Frames::default();
            let ping = frames.read(&peer).await;
            assert_eq!(ping.opcode, PING);
            peer.write(masked(true, PONG, &ping.payload));
            // Longer than a Pong may take.
            compute(Duration::from_secs(25)).await;
            let message = socket.recv().await.expect("not given up");
            assert!(message.is_some());
        })
        .await;
        tell.send(peer.clone()).expect("the handler listens");
        pass(Duration::from_secs(46)).await;
        peer.write(masked(true, TEXT, b"hello"));
        // The handler returns, and with it goes the socket.
        let mut frames = Frames::default();
        while frames.read(&peer).await.opcode != CLOSE {}
        peer.write(masked(true, CLOSE, &close_payload(1000, "")));
        serving.await.expect("no panic").expect("accepted");
    });
}
