//! How a client ends: asked to, forgotten, or with its runtime.

use std::time::Duration;

use longwire_client::{Cause, ConnectionState, PublishError, Unanswered, channel::Payload};
use tokio::time::Instant;

use crate::support::*;

const LIMIT: Duration = Duration::from_secs(5);

#[test]
fn close_waits_for_pending_publications() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let mut room = client.subscribe("a").await.expect("a name");
        peer.take_subscription().await;
        let answer = client.publish("a", Payload::text("1")).into_future();
        let closing = tokio::spawn({
            let client = client.clone();
            async move { client.close(LIMIT).await }
        });
        while room.recv().await.is_some() {}
        let mut heard = Vec::new();
        while heard.len() < 2 {
            heard.push(peer.hear().await);
        }
        let publish = heard.iter().find_map(|message| match message {
            longwire_client::channel::ClientMessage::Publish { id, .. } => Some(*id),
            _ => None,
        });
        settle().await;
        assert!(!closing.is_finished());
        peer.published(publish.expect("it is sent"), 1).await;
        assert!(answer.await.is_ok());
        assert_eq!(peer.try_hear().await, None);
        closing.await.expect("closed");
        assert_eq!(client.state(), ConnectionState::Closed(Cause::Closed));
    });
}

#[test]
fn close_waits_no_longer_than_its_limit() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let answer = client.publish("a", Payload::text("1")).into_future();
        peer.hear_publish().await;
        let before = Instant::now();
        let reading = tokio::spawn(async move { while peer.try_hear().await.is_some() {} });
        client.close(LIMIT).await;
        assert!(before.elapsed() < LIMIT + Duration::from_millis(10), "{:?}", before.elapsed());
        let Err(PublishError::Unknown { why, .. }) = answer.await else { panic!("no answer came") };
        assert_eq!(why, Unanswered::Closed(Cause::Closed));
        reading.await.expect("the connection is closed");
    });
}

#[test]
fn a_server_that_is_gone_holds_no_close() {
    run(async {
        let (client, _network) = client();
        let answer = client.publish("a", Payload::text("1")).into_future();
        client.close(LIMIT).await;
        assert_eq!(answer.await, Err(PublishError::NotSent(Unanswered::Closed(Cause::Closed))));
        client.close(LIMIT).await;
        let closed = client.publish("a", Payload::text("1")).await;
        assert_eq!(closed, Err(PublishError::Closed(Cause::Closed)));
        assert!(client.history("a").await.is_err());
    });
}

#[test]
fn the_last_handle_closes_the_client() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let room = client.subscribe("a").await.expect("a name");
        peer.take_subscription().await;
        let clone = client.clone();
        drop(client);
        drop(clone);
        settle().await;
        assert_eq!(peer.socket.closed(), None, "the subscription is a handle");
        drop(room);
        while peer.try_hear().await.is_some() {}
        let received = peer.socket.closed().and_then(|closed| closed.received);
        assert_eq!(received.map(|close| close.code.get()), Some(1000));
    });
}

#[test]
fn a_pending_answer_keeps_the_client_open() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let answer = client.publish("a", Payload::text("1")).into_future();
        drop(client);
        let (id, _) = peer.hear_publish().await;
        peer.published(id, 1).await;
        assert!(answer.await.is_ok());
    });
}

#[test]
fn a_runtime_that_ends_answers_all() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let (client, mut room, answer) = runtime.block_on(async {
        let (client, _network) = client();
        let room = client.subscribe("a").await.expect("a name");
        let answer = client.publish("a", Payload::text("1")).into_future();
        (client, room, answer)
    });
    drop(runtime);
    run(async move {
        assert!(matches!(answer.await, Err(PublishError::NotSent(_))));
        while room.recv().await.is_some() {}
        assert_eq!(client.connected().await, Err(Cause::Closed));
        client.close(LIMIT).await;
    });
}
