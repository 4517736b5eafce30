//! One channel, bare, over a WebSocket.

use longwire::Message;
use longwire_server::config::Action;

use crate::support::{
    TestServer,
    http::{get, post},
    ws::closed,
};

async fn open(server: &TestServer, target: &str) -> longwire::WebSocket {
    let url = format!("ws://{}/v1/channels/{target}", server.addr());
    longwire::connect(&url).await.expect("connected")
}

async fn hear(socket: &mut longwire::WebSocket) -> Message {
    socket.recv().await.expect("no fault").expect("a message")
}

#[tokio::test]
async fn contents_go_both_ways_without_an_envelope() {
    let server = TestServer::start().await;
    post(server.addr(), "/v1/channels/demo/messages", "{\"a\":1}").json().send().await.ok();
    let mut socket = open(&server, "demo/socket?beginning=1").await;
    assert_eq!(hear(&mut socket).await, Message::text("{\"a\":1}"));
    socket.send("{\"b\":2}").await.expect("sent");
    assert_eq!(hear(&mut socket).await, Message::text("{\"b\":2}"));
    socket.send(Message::binary(&[0xff][..])).await.expect("sent");
    assert_eq!(hear(&mut socket).await, Message::binary(&[0xff][..]));
    let history = get(server.addr(), "/v1/channels/demo/messages").send().await.ok();
    // What a text says is its sender's business.
    assert_eq!(history["messages"][1]["data"], "{\"b\":2}");
    assert_eq!(history["messages"][2]["base64"], "/w==");
}

#[tokio::test]
async fn it_begins_where_its_address_says() {
    let server = TestServer::start().await;
    let mut epoch = String::new();
    for text in ["one", "two", "three"] {
        let published = post(server.addr(), "/v1/channels/demo/messages", text).send().await.ok();
        epoch = published["epoch"].as_str().expect("an epoch").to_owned();
    }
    for (query, expected) in [
        ("last=1".to_owned(), "three"),
        (format!("from={epoch}:1"), "two"),
        ("start=beginning".to_owned(), "one"),
        ("since=0".to_owned(), "one"),
    ] {
        let mut socket = open(&server, &format!("demo/socket?{query}")).await;
        assert_eq!(hear(&mut socket).await, Message::text(expected), "{query}");
    }
}

#[tokio::test]
async fn the_end_of_the_stream_is_the_end_of_the_connection() {
    let server = TestServer::start().await;
    post(server.addr(), "/v1/channels/demo/messages", "last").send().await.ok();
    let mut socket = open(&server, "demo/socket?beginning=1").await;
    assert_eq!(hear(&mut socket).await, Message::text("last"));
    post(server.addr(), "/v1/channels/demo/end", "").send().await.ok();
    assert_eq!(socket.recv().await.expect("no fault"), None);
    assert_eq!(closed(&socket), (1000, "the stream has ended".to_owned()));
}

#[tokio::test]
async fn what_is_not_allowed_ends_the_connection_with_its_reason() {
    let server = TestServer::guarded().await;
    let reader = server.token("alice", &[("demo", &[Action::Subscribe])]);
    let mut socket = open(&server, &format!("demo/socket?token={reader}")).await;
    socket.send("x").await.expect("sent");
    assert_eq!(socket.recv().await.expect("no fault"), None);
    let (code, reason) = closed(&socket);
    assert_eq!(code, 4502);
    assert!(reason.contains("publish"), "{reason}");
    let writer = server.token("alice", &[("demo", &[Action::Publish])]);
    let mut socket = open(&server, &format!("demo/socket?token={writer}")).await;
    assert_eq!(socket.recv().await.expect("no fault"), None);
    assert_eq!(closed(&socket).0, 4502);
}
