//! Every public future is dropped after each number of polls, and then used again: nothing is lost or doubled.

use std::time::Duration;

use longwire_client::{
    Cause, ConnectionState, Event,
    channel::{ClientMessage, Payload},
};

use crate::support::*;

#[test]
fn recv() {
    for polls in 1..=10 {
        run(async move {
            let (client, mut network) =
                client_with(longwire_client::channel::Codec::Json, 7, |builder| builder);
            let (mut peer, _) = network.greet().await;
            let mut room = client.subscribe("a").await.expect("a name");
            let sub = peer.take_subscription().await;
            let speaking = tokio::spawn(async move {
                for seq in 1..=50 {
                    peer.push(sub, message(seq)).await;
                }
                peer
            });
            let mut expected = 1;
            while expected <= 50 {
                match dropped_after(room.recv(), polls).await {
                    Some(Some(Event::Message(message))) => {
                        assert_eq!(message.record.seq, expected);
                        expected += 1;
                    }
                    Some(Some(Event::State(_))) => {}
                    Some(other) => panic!("{other:?}"),
                    None => tokio::task::yield_now().await,
                }
            }
            drop(speaking.await);
        });
    }
}

#[test]
fn publish_is_sent_once_it_is_awaited() {
    for polls in 1..=5 {
        run(async move {
            let (client, _network, mut peer) = open().await;
            let publish = client.publish("a", Payload::text("1")).into_future();
            assert_eq!(dropped_after(publish, polls).await, None);
            let (id, payload) = peer.hear_publish().await;
            assert_eq!(payload, Payload::text("1"));
            peer.published(id, 1).await;
            settle().await;
            assert_eq!((client.stats().published, client.stats().pending), (1, 0));
        });
    }
}

#[test]
fn publish_that_is_never_awaited_is_not_sent() {
    run(async {
        let (client, _network, mut peer) = open().await;
        drop(client.publish("a", Payload::text("1")));
        client.close(Duration::ZERO).await;
        assert_eq!(peer.try_hear().await, None);
    });
}

#[test]
fn history_is_taken_back() {
    for polls in 1..=5 {
        run(async move {
            let (client, mut network) = client();
            assert_eq!(dropped_after(client.history("a").into_future(), polls).await, None);
            let (mut peer, _) = network.greet().await;
            let _answer = client.publish("a", Payload::text("1")).into_future();
            assert!(matches!(peer.hear().await, ClientMessage::Publish { .. }));
        });
    }
}

#[test]
fn connected_and_states() {
    for polls in 1..=5 {
        run(async move {
            let (client, mut network) = client();
            let mut states = client.states();
            assert_eq!(dropped_after(client.connected(), polls).await, None);
            let first = states.next().await;
            assert_eq!(first, Some(ConnectionState::Connecting));
            assert_eq!(dropped_after(states.next(), polls).await, None);
            let (_peer, _) = network.greet().await;
            assert!(states.next().await.is_some_and(|state| state.is_open()));
            client.connected().await.expect("open");
        });
    }
}

#[test]
fn close_goes_on_without_its_future() {
    for polls in 1..=5 {
        run(async move {
            let (client, _network, mut peer) = open().await;
            // It may be done already.
            let _ = dropped_after(client.close(Duration::ZERO), polls).await;
            while peer.try_hear().await.is_some() {}
            assert_eq!(client.connected().await, Err(Cause::Closed));
        });
    }
}
