//! Opening, losing and finding the connection again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use longwire::{Close, CloseCode};
use longwire_client::{
    Cause, Client, ConnectionState, Session, TokenError,
    channel::{Codec, Connected, Disconnect, Payload, ServerMessage},
};

use crate::support::*;

#[test]
fn either_codec_carries_all_of_it() {
    for codec in Codec::ALL {
        run(async move {
            let (client, mut network) = client_with(*codec, 4096, |builder| builder);
            let (mut peer, connect) = network.greet().await;
            assert_eq!(connect.version, 1);
            let session = Session { id: "s".into(), user: None };
            assert_eq!(client.connected().await, Ok(session));
            let mut room = client.subscribe("a").await.expect("a name");
            let sub = peer.take_subscription().await;
            let answer =
                tokio::spawn(client.publish("a", Payload::Binary("x".into())).into_future());
            let (id, payload) = peer.hear_publish().await;
            assert_eq!(payload, Payload::Binary("x".into()));
            peer.published(id, 1).await;
            peer.push(sub, message(1)).await;
            let published = answer.await.expect("no panic").expect("published");
            assert_eq!(published.position, Some(at(1)));
            assert_eq!(next(&mut room).await, 1);
            assert_eq!(room.position(), Some(at(1)));
        });
    }
}

#[test]
fn a_lost_connection_is_replaced_and_told() {
    run(async {
        let (client, mut network, peer) = open().await;
        let mut states = client.states();
        drop(peer);
        assert!(matches!(states.next().await, Some(ConnectionState::Waiting { .. })));
        let (_peer, _) = network.greet().await;
        client.connected().await.expect("open again");
        assert_eq!(client.stats().reconnects, 1);
    });
}

#[test]
fn a_network_that_is_down_is_tried_until_it_is_up() {
    run(async {
        let fails = Arc::new(AtomicU32::new(5));
        let (sender, mut streams) = tokio::sync::mpsc::unbounded_channel();
        let dial = {
            let fails = fails.clone();
            move || {
                let left = fails
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                let (ours, theirs) = tokio::io::duplex(4096);
                let sent = if left.is_ok() { false } else { sender.send(theirs).is_ok() };
                std::future::ready(sent.then_some(ours).ok_or(std::io::Error::other("down")))
            }
        };
        let client = Client::builder("ws://server.example/").over(dial).connect();
        let stream = streams.recv().await.expect("the sixth attempt");
        assert_eq!(fails.load(Ordering::Relaxed), 0);
        drop((client, stream));
    });
}

#[test]
fn a_wrong_url_closes_the_client_with_its_cause() {
    run(async {
        let client = Client::connect("mailto:somebody");
        let cause = client.connected().await.expect_err("no URL of a server");
        assert!(matches!(cause, Cause::Request(_)));
        assert!(cause.to_string().contains("change nothing"), "{cause}");
        let mut states = client.states();
        assert_eq!(states.next().await, None);
    });
}

#[test]
fn the_servers_last_word_closes_the_client() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let disconnect = Disconnect {
            code: longwire_client::channel::CloseCode::BANNED,
            reason: "you know why".into(),
            retry_after_ms: None,
        };
        let mut room = client.subscribe("a").await.expect("a name");
        peer.say(ServerMessage::Disconnect(disconnect.clone())).await;
        while client.connected().await.is_ok() {
            settle().await;
        }
        assert_eq!(client.state(), ConnectionState::Closed(Cause::Server(disconnect)));
        assert_eq!(peer.socket.closed(), None);
        while peer.try_hear().await.is_some() {}
        let received = peer.socket.closed().and_then(|closed| closed.received);
        assert_eq!(received.map(|close| close.code.get()), Some(1000));
        let failed = room.recv().await;
        assert!(matches!(failed, Some(longwire_client::Event::Failed(_))), "{failed:?}");
        assert_eq!(room.recv().await, None);
    });
}

#[test]
fn the_code_of_a_close_frame_counts() {
    run(async {
        let (client, _network, mut peer) = open().await;
        let close = Close::new(CloseCode::new(4502), longwire::CloseReason::truncated("no"));
        let mut states = client.states();
        peer.socket.close(close).await;
        states.next().await;
        let cause = client.connected().await.expect_err("forbidden");
        assert_eq!(cause.to_string(), "the server ended the connection with 4502: no");
    });
}

#[test]
fn a_frame_that_cannot_be_read_fails_the_connection_with_1002() {
    for frame in [longwire::Message::from("no JSON"), longwire::Message::Binary("{}".into())] {
        run(async move {
            let (client, mut network, mut peer) = open().await;
            peer.socket.send(frame).await.expect("open");
            while peer.try_hear().await.is_some() {}
            let received = peer.socket.closed().and_then(|closed| closed.received);
            assert_eq!(received.map(|close| close.code.get()), Some(1002));
            let (_peer, _) = network.greet().await;
            settle().await;
            assert_eq!(client.stats().reconnects, 1);
        });
    }
}

#[test]
fn a_message_of_a_later_protocol_counts_as_life_and_nothing_more() {
    run(async {
        let (client, _network, peer) = open().await;
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(30)).await;
            peer.socket.send("{\"type\":\"later\"}").await.expect("open");
            settle().await;
        }
        assert!(client.state().is_open());
    });
}

#[test]
fn a_silent_server_is_left() {
    run(async {
        let (client, mut network, _peer) = open().await;
        let mut states = client.states();
        let state = states.next().await.expect("it waits");
        let ConnectionState::Waiting { cause, .. } = state else { panic!("{state:?}") };
        assert!(matches!(cause, Cause::Silence(_)), "{cause}");
        network.greet().await;
    });
}

#[test]
fn disconnect_and_wake_reach_the_connection() {
    run(async {
        let (client, mut network, mut peer) = open().await;
        client.disconnect();
        while peer.try_hear().await.is_some() {}
        settle().await;
        assert!(matches!(client.state(), ConnectionState::Waiting { .. }));
        let before = tokio::time::Instant::now();
        client.wake();
        network.greet().await;
        assert_eq!(tokio::time::Instant::now(), before);
    });
}

#[test]
fn the_callback_is_asked_for_tokens_and_may_use_the_client() {
    run(async {
        let client_of_callback = Arc::new(std::sync::OnceLock::<Client>::new());
        let (asked, own) = (Arc::new(AtomicU32::new(0)), client_of_callback.clone());
        let counted = asked.clone();
        let (client, mut network) = client_with(Codec::Json, 4096, |builder| {
            builder.token_callback(move || {
                let count = counted.fetch_add(1, Ordering::Relaxed) + 1;
                let pending = own.get().map(|client| client.stats().pending);
                async move { Ok(format!("token {count} {pending:?}")) }
            })
        });
        client_of_callback.set(client.clone()).expect("once");
        let mut peer = network.accept().await;
        let connect = peer.hear_connect().await;
        assert_eq!(connect.token.as_deref(), Some("token 1 Some(0)"));
        let connected = Connected { expires_in_ms: Some(30_000), ..connected(connect.id) };
        peer.say(ServerMessage::Connected(Box::new(connected))).await;
        let refresh = peer.hear().await;
        let longwire_client::channel::ClientMessage::Refresh { token, .. } = refresh else {
            panic!("{refresh:?}")
        };
        assert_eq!(token, "token 2 Some(0)");
    });
}

#[test]
fn a_callback_that_has_no_token_closes_the_client() {
    run(async {
        let (client, _network) = client_with(Codec::Json, 4096, |builder| {
            builder.token_callback(async || Err(TokenError::none("signed out")))
        });
        let cause = client.connected().await.expect_err("no token");
        assert_eq!(cause, Cause::NoToken("signed out".into()));
    });
}

#[test]
fn a_callback_that_panics_closes_the_client() {
    run(async {
        let (client, _network) = client_with(Codec::Json, 4096, |builder| {
            builder.token_callback(async || panic!("a fault of the application's"))
        });
        assert_eq!(client.connected().await, Err(Cause::Closed));
        assert!(client.publish("a", Payload::text("1")).await.is_err());
    });
}

#[test]
fn options_of_the_websocket_are_reachable() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let client = Client::builder(&format!("ws://{address}/v1/connect"))
            .token("t")
            .options(|connect| connect.header("X-Region", "eu").no_proxy())
            .connect();
        let (stream, _) = listener.accept().await.expect("the client");
        let incoming = longwire::Acceptor::new().read(stream).await.expect("a request");
        assert_eq!(incoming.request().headers()["x-region"], "eu");
        assert_eq!(incoming.request().uri().path(), "/v1/connect");
        drop(client);
    });
}
