//! The protocol over a WebSocket.

use longwire::{Connect, Message};
use longwire_channel::{
    ChannelName, ClientMessage, Codec, Payload, Publication, Publish, Pushed, ServerMessage, Start,
    Subscribe,
};
use serde_json::json;

use crate::support::{
    TestServer,
    http::{get, post},
    ws::{Client, closed, connect_cbor, hear_cbor},
};

#[tokio::test]
async fn one_round_trip_connects_and_subscribes() {
    let server = TestServer::start().await;
    post(server.addr(), "/v1/channels/demo/messages", "before").send().await.ok();
    let two = json!([
        { "sub": 1, "channel": "demo" },
        { "sub": 2, "channel": "demo", "start": { "beginning": true } },
    ]);
    let (mut client, connected) = Client::connect(server.addr(), two).await;
    assert_eq!(connected["subscriptions"][0]["outcome"], "live");
    assert_eq!(connected["limits"]["max_message_bytes"], 256 << 10);
    let page = client.hear().await;
    assert_eq!(
        (&page["sub"], &page["messages"][0]["data"]),
        (&json!(2), &json!("before")),
        "{page}"
    );
    post(server.addr(), "/v1/channels/demo/messages", "after").send().await.ok();
    let mut seen = [client.hear().await, client.hear().await].map(|push| push["sub"].as_u64());
    seen.sort();
    assert_eq!(seen, [Some(1), Some(2)]);
}

#[tokio::test]
async fn every_command_has_its_answer() {
    let server = TestServer::start().await;
    let (mut client, _) = Client::connect(server.addr(), json!([])).await;
    let publish =
        json!({ "type": "publish", "id": 2, "channel": "demo", "data": { "n": 1 }, "key": "k" });
    let published = client.ask(publish.clone()).await;
    assert_eq!((&published["type"], &published["seq"]), (&json!("published"), &json!(1)));
    assert_eq!(client.ask(publish).await["duplicate"], true);
    let history = client.ask(json!({ "type": "history", "id": 3, "channel": "demo" })).await;
    assert_eq!(history["messages"][0]["data"], json!({ "n": 1 }));
    let subscribe = json!({ "type": "subscribe", "id": 4, "sub": 7, "channel": "demo" });
    assert_eq!(client.ask(subscribe.clone()).await["type"], "subscribed");
    assert_eq!(client.ask(subscribe).await["code"], "subscription_exists");
    let unsubscribe = json!({ "type": "unsubscribe", "id": 5, "sub": 7 });
    assert_eq!(client.ask(unsubscribe).await["type"], "unsubscribed");
    let both = json!([
        { "type": "publish", "id": 6, "channel": "demo", "data": 2 },
        { "type": "fly", "id": 7 },
    ]);
    let mut answers = [client.ask(both).await, client.hear().await];
    answers.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!((&answers[0]["id"], &answers[0]["seq"]), (&json!(6), &json!(2)));
    assert_eq!((&answers[1]["id"], &answers[1]["code"]), (&json!(7), &json!("bad_request")));
}

#[tokio::test]
async fn both_codecs_see_the_same() {
    let server = TestServer::start().await;
    let (mut json_client, _) =
        Client::connect(server.addr(), json!([{ "sub": 1, "channel": "demo" }])).await;
    let mut cbor = connect_cbor(server.addr()).await;
    let channel = ChannelName::new("demo").expect("valid");
    let subscribe = Subscribe { sub: 5, channel: channel.clone(), start: Start::Now, policy: None };
    let subscribe = ClientMessage::Subscribe { id: 2, subscribe };
    cbor.send(Codec::Cbor.encode_client(&subscribe)).await.expect("sent");
    assert!(matches!(&hear_cbor(&mut cbor).await[..], [ServerMessage::Subscribed { .. }]));
    let publication = Publication::new(Payload::Binary(vec![0, 255].into()));
    let publish =
        ClientMessage::Publish { id: 3, publish: Box::new(Publish { channel, publication }) };
    cbor.send(Codec::Cbor.encode_client(&publish)).await.expect("sent");
    assert_eq!(json_client.hear().await["base64"], "AP8=");
    let mut messages = hear_cbor(&mut cbor).await;
    messages.extend(hear_cbor(&mut cbor).await);
    let pushed = messages.iter().find_map(|message| match message {
        ServerMessage::Push(push) => Some(&push.pushed),
        _ => None,
    });
    match pushed {
        Some(Pushed::Message { record, .. }) => {
            assert_eq!(record.payload, Payload::Binary(vec![0, 255].into()));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_message_ends_the_connection_with_its_reason() {
    let server = TestServer::start().await;
    for (frame, words) in [
        (Message::text("{"), "JSON"),
        (Message::text("7"), "object"),
        (Message::text(r#"{"type":"subscribe"}"#), "id"),
        (Message::binary(&b"x"[..]), "text frames"),
    ] {
        let (client, _) = Client::connect(server.addr(), json!([])).await;
        client.socket.send(frame).await.expect("sent");
        let (last, code, reason) = client.end().await;
        assert_eq!((&last["code"], code), (&json!(4500), 4500), "{last}");
        assert!(last["reason"].as_str().is_some_and(|it| it.contains(words)), "{last}");
        assert!(!reason.is_empty());
    }
    let mut client = Client::open(server.addr()).await;
    client.say(&json!({ "type": "publish", "id": 1, "channel": "a", "data": 1 })).await;
    assert_eq!(client.end().await.1, 4505);
}

#[tokio::test]
async fn a_subprotocol_that_nobody_speaks_is_told() {
    let server = TestServer::start().await;
    let url = format!("ws://{}/v1/connect", server.addr());
    let mut socket = Connect::new(&url).subprotocols(["mqtt"]).await.expect("connected");
    let last = socket.recv().await.expect("no fault").expect("the last word");
    assert!(last.as_text().is_some_and(|text| text.contains("4503")), "{last:?}");
    assert_eq!(socket.recv().await.expect("no fault"), None);
    assert_eq!(closed(&socket).0, 4503);
    let both = Connect::new(&url).subprotocols(["mqtt", "longwire.v1.cbor", "longwire.v1.json"]);
    assert_eq!(both.await.expect("connected").subprotocol(), Some("longwire.v1.cbor"));
}

#[tokio::test]
async fn a_socket_opens_behind_other_requests_of_its_connection_too() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = TestServer::start().await;
    let mut stream = tokio::net::TcpStream::connect(server.addr()).await.expect("connected");
    let host = format!("host: {}\r\n", server.addr());
    stream
        .write_all(format!("GET /healthz HTTP/1.1\r\n{host}\r\n").as_bytes())
        .await
        .expect("written");
    let mut read = Vec::new();
    while !read.ends_with(b"ok\n") {
        assert_ne!(stream.read_buf(&mut read).await.expect("read"), 0);
    }
    let connect = Connect::new(&format!("ws://{}/v1/connect", server.addr()));
    let connect = connect.subprotocols(["longwire.v1.json"]).over(stream);
    let mut socket = connect.await.expect("upgraded");
    assert_eq!(socket.subprotocol(), Some("longwire.v1.json"));
    socket.send(r#"{"type":"connect","id":1}"#).await.expect("sent");
    let connected = socket.recv().await.expect("no fault").expect("an answer");
    assert!(connected.as_text().is_some_and(|it| it.contains("connected")));
    let sessions = get(server.addr(), "/v1/connections").send().await.ok();
    assert_eq!(sessions["connections"].as_array().map(Vec::len), Some(1), "{sessions}");
}
