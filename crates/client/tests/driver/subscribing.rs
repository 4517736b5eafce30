//! Subscriptions through the handle, and applications that do not read.

use longwire_client::{
    Event, SubscribeError, SubscriptionState,
    channel::{
        ClientMessage, Outcome, Payload, Policy, Pushed, Record, ServerMessage, Start, Subscribed,
    },
};

use crate::support::*;

#[test]
fn settings_go_to_the_server_and_events_come_back() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let policy = Policy::Latest { interval_ms: 10 };
        let subscribing = client.subscribe("chat:1").start(Start::Last(2)).policy(policy);
        let mut room = subscribing.await.expect("a name");
        let (id, subscribe) = peer.hear_subscribe().await;
        assert_eq!(subscribe.channel.as_str(), "chat:1");
        assert_eq!((subscribe.start, subscribe.policy), (Start::Last(2), Some(policy)));
        let outcome = Outcome::Snapshot { after: 3 };
        let subscribed = Subscribed { sub: subscribe.sub, position: at(5), outcome };
        peer.say(ServerMessage::Subscribed { id, subscribed }).await;
        peer.push(subscribe.sub, page(4..=5, false)).await;
        assert_eq!(room.recv().await, Some(Event::State(SubscriptionState::Recovering)));
        assert_eq!((next(&mut room).await, next(&mut room).await), (4, 5));
        assert_eq!(room.recv().await, Some(Event::State(SubscriptionState::Live)));
        assert_eq!(room.state(), Some(SubscriptionState::Live));
    });
}

#[test]
fn a_name_that_is_none_is_refused_at_once() {
    run(async {
        let (client, _network) = client();
        let refused = client.subscribe("a b").await;
        assert!(matches!(refused, Err(SubscribeError::Channel(_))), "{refused:?}");
    });
}

#[test]
fn subscriptions_survive_their_connections() {
    run(async {
        let (client, mut network, mut peer) = open().await;
        let mut room = client.subscribe("a").await.expect("a name");
        let mut sub = peer.take_subscription().await;
        for seq in 1..20 {
            peer.push(sub, message(seq)).await;
            assert_eq!(next(&mut room).await, seq);
            drop(peer);
            peer = network.accept().await;
            let connect = peer.hear_connect().await;
            assert_eq!(connect.subscriptions[0].start, Start::After(at(seq)));
            sub = connect.subscriptions[0].sub;
            let live = Subscribed { sub, position: at(seq), outcome: Outcome::Live };
            peer.say(ServerMessage::Connected(Box::new(longwire_client::channel::Connected {
                subscriptions: vec![(sub, Ok(live))],
                ..connected(connect.id)
            })))
            .await;
        }
        assert_eq!((client.stats().received, client.stats().gaps), (19, 0));
    });
}

#[test]
fn a_dropped_subscription_is_unsubscribed() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let room = client.subscribe("a").await.expect("a name");
        let sub = peer.take_subscription().await;
        drop(room);
        let left = peer.hear().await;
        assert!(matches!(left, ClientMessage::Unsubscribe { sub: left, .. } if left == sub));
    });
}

#[test]
fn an_end_is_the_last_event() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let mut room = client.subscribe("a").await.expect("a name");
        let sub = peer.take_subscription().await;
        peer.push(sub, message(1)).await;
        peer.push(sub, Pushed::Ended { seq: 1 }).await;
        assert_eq!(next(&mut room).await, 1);
        assert_eq!(room.recv().await, Some(Event::Ended { seq: 1 }));
        assert_eq!((room.recv().await, room.recv().await), (None, None));
        assert_eq!(room.state(), None);
    });
}

#[test]
fn an_application_that_does_not_read_pauses_its_own_subscription_alone() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let mut slow = client.subscribe("slow").await.expect("a name");
        let slow_sub = peer.take_subscription().await;
        let mut quick = client.subscribe("quick").await.expect("a name");
        let quick_sub = peer.take_subscription().await;
        for seq in 1..=2_000 {
            peer.push(slow_sub, message(seq)).await;
            peer.push(quick_sub, message(seq)).await;
            assert_eq!(next(&mut quick).await, seq);
        }
        let left = peer.hear().await;
        assert!(matches!(left, ClientMessage::Unsubscribe { sub, .. } if sub == slow_sub));
        assert_eq!(slow.state(), Some(SubscriptionState::Paused));
        peer.say(ServerMessage::Ping).await;
        assert_eq!(peer.hear().await, ClientMessage::Pong, "pings are answered all the same");

        let held = slow.position().expect("it was live").seq;
        assert!(held <= 1_025, "{held} records are held");
        for seq in 1..=held / 2 {
            assert_eq!(next(&mut slow).await, seq);
        }
        assert_eq!(slow.state(), Some(SubscriptionState::Paused));
        for seq in held / 2 + 1..=held {
            assert_eq!(next(&mut slow).await, seq);
        }
        let (id, subscribe) = peer.hear_subscribe().await;
        assert_eq!(subscribe.start, Start::After(at(held)));
        let outcome = Outcome::Deltas { after: held };
        let subscribed = Subscribed { sub: subscribe.sub, position: at(2_000), outcome };
        peer.say(ServerMessage::Subscribed { id, subscribed }).await;
        peer.push(subscribe.sub, page(held + 1..=2_000, false)).await;
        for seq in held + 1..=2_000 {
            assert_eq!(next(&mut slow).await, seq);
        }
        assert_eq!((client.stats().paused, client.stats().lost), (1, 0));
    });
}

#[test]
fn bytes_pause_a_subscription_too() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let mut room = client.subscribe("a").await.expect("a name");
        let sub = peer.take_subscription().await;
        let payload = Payload::text("x".repeat(1 << 20));
        for seq in 1..=4 {
            let record =
                Record { seq, time: 0, payload: payload.clone(), event: None, publisher: None };
            let record = std::sync::Arc::new(record);
            peer.push(sub, Pushed::Message { prev: seq - 1, skipped: 0, record }).await;
        }
        let left = peer.hear().await;
        assert!(matches!(left, ClientMessage::Unsubscribe { .. }), "{left:?}");
        assert_eq!(next(&mut room).await, 1);
        settle().await;
        assert_eq!(room.state(), Some(SubscriptionState::Paused));
        assert_eq!(next(&mut room).await, 2);
        assert_eq!(peer.hear_subscribe().await.1.start, Start::After(at(4)));
    });
}

#[test]
fn a_page_that_is_read_at_once_pauses_nothing() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let mut room = client.subscribe("a").await.expect("a name");
        let sub = peer.take_subscription().await;
        let reader = tokio::spawn(async move {
            for seq in 1..=20_000 {
                assert_eq!(next(&mut room).await, seq);
            }
        });
        for first in (1..=20_000).step_by(250) {
            peer.push(sub, page(first..=first + 249, true)).await;
        }
        reader.await.expect("all came");
        assert_eq!(client.stats().paused, 0);
    });
}
