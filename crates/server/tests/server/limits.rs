//! Limits: what happens at each, and what it leaves alone.

use longwire_server::config::Size;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    ALL, TestServer,
    http::{get, post},
    ws::{Client, PATIENCE, closed, upgraded},
};

#[tokio::test]
async fn a_message_may_be_so_large_and_no_larger() {
    let server = TestServer::with(|config| config.limits.message_bytes = Size(70_000)).await;
    let path = "/v1/channels/demo/messages";
    post(server.addr(), path, vec![b'x'; 64 << 10]).send().await.ok();
    let beyond_namespace = post(server.addr(), path, vec![b'x'; (64 << 10) + 1]).send().await;
    beyond_namespace.assert_refused(413, "too_large", "65536");
    let beyond = post(server.addr(), path, vec![b'x'; 70_001]).send().await;
    beyond.assert_refused(413, "too_large", "less at a time");
    let (mut client, _) = Client::connect(server.addr(), json!([])).await;
    client.socket.send("x".repeat(70_001)).await.expect("sent");
    assert_eq!(client.socket.recv().await.expect("no fault of ours"), None);
    assert_eq!(closed(&client.socket).0, 1009);
}

#[tokio::test]
async fn a_batch_may_be_larger_than_a_message() {
    let server = TestServer::with(|config| {
        config.limits.message_bytes = Size(70_000);
        config.limits.body_bytes = Size(100_000);
    })
    .await;
    let body = |length: usize| {
        let content = "x".repeat(length / 2);
        json!({ "publications": [
            { "channel": "a", "data": content }, { "channel": "a", "data": content },
        ] })
        .to_string()
    };
    post(server.addr(), "/v1/batch", body(90_000)).send().await.ok();
    let beyond = post(server.addr(), "/v1/batch", body(100_000)).send().await;
    beyond.assert_refused(413, "too_large", "less at a time");
}

#[tokio::test]
async fn a_session_has_so_many_subscriptions() {
    let server = TestServer::with(|config| config.limits.subscriptions = 1).await;
    let (mut client, _) =
        Client::connect(server.addr(), json!([{ "sub": 1, "channel": "a" }])).await;
    let more = json!({ "type": "subscribe", "id": 2, "sub": 2, "channel": "b" });
    assert_eq!(client.ask(more).await["code"], "too_many_subscriptions");
}

#[tokio::test]
async fn a_session_publishes_at_its_rate() {
    let server = TestServer::with(|config| config.limits.publish_rate = 1).await;
    let (mut client, _) = Client::connect(server.addr(), json!([])).await;
    let publish = |id| json!({ "type": "publish", "id": id, "channel": "a", "data": 1 });
    for id in 2..6 {
        assert_eq!(client.ask(publish(id)).await["type"], "published");
    }
    // More than wait for their turns, and one behind them that is told at once to come later.
    let flood: Vec<_> = (10..300).map(publish).collect();
    let limited = client.ask(json!(flood)).await;
    assert_eq!(limited["code"], "rate_limited");
    assert!(limited["retry_after_ms"].as_u64() > Some(0));
}

#[tokio::test]
async fn over_http_a_user_publishes_at_the_same_rate() {
    let server = TestServer::with(|config| {
        config.limits.publish_rate = 1;
        config.auth = toml::from_str(
            "hmac_secret = '0123456789abcdef0123456789abcdef'
             api_keys = [{ name = 'app', key = 'key-0123456789abcdef' }]",
        )
        .expect("sound");
    })
    .await;
    let path = "/v1/channels/a/messages";
    let token = server.token("alice", &[("*", ALL)]);
    let publish = |token: &str| post(server.addr(), path, "x").bearer(token).send();
    publish(&token).await.ok();
    publish(&token).await.ok();
    let limited = publish(&token).await;
    assert_eq!(limited.headers["retry-after"], "1");
    limited.assert_refused(429, "rate_limited", "slower");
    let batch = json!({ "channels": ["a", "b", "c"], "data": 1 }).to_string();
    let broadcast = post(server.addr(), "/v1/broadcast", batch).bearer(&token).send().await;
    broadcast.assert_refused(413, "too_large", "in parts");
    publish(&server.token("bob", &[("*", ALL)])).await.ok();
    for _ in 0..4 {
        publish("key-0123456789abcdef").await.ok();
    }
}

#[tokio::test]
async fn beyond_the_most_connections_clients_wait() {
    let server = TestServer::with(|config| config.limits.connections = 2).await;
    let (one, _) = Client::connect(server.addr(), json!([])).await;
    let (_two, _) = Client::connect(server.addr(), json!([])).await;
    let mut third = TcpStream::connect(server.addr()).await.expect("in the system's queue");
    third.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.expect("written");
    drop(one);
    let mut answer = Vec::new();
    timeout(PATIENCE, third.read_to_end(&mut answer)).await.expect("in time").expect("read");
    assert!(answer.ends_with(b"ok\n"));
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let server = TestServer::with(|config| config.limits.connections_per_ip = Some(1)).await;
    let (client, _) = Client::connect(server.addr(), json!([])).await;
    let mut second = TcpStream::connect(server.addr()).await.expect("connected");
    let read = second.read(&mut [0]).await;
    assert!(matches!(read, Ok(0) | Err(_)), "closed unread");
    drop(client);
    let again = async {
        loop {
            if longwire::connect(&format!("ws://{}/v1/connect", server.addr())).await.is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, again).await.expect("its place is free again");
}

#[tokio::test]
async fn a_head_may_be_so_long() {
    let server = TestServer::with(|config| config.limits.head_bytes = Size(8 << 10)).await;
    let reply = get(server.addr(), "/healthz").header("x", &"y".repeat(9 << 10)).send().await;
    assert_eq!(reply.status, 431);
    let url = format!("ws://{}/v1/connect", server.addr());
    let refused = longwire::Connect::new(&url).header("x", &"y".repeat(9 << 10)).await;
    assert!(refused.expect_err("refused").to_string().contains("431"));
}

#[tokio::test]
async fn whoever_says_nothing_is_let_go() {
    let server = TestServer::with(|config| {
        config.limits.connect_timeout.0 = std::time::Duration::from_millis(20);
    })
    .await;
    let mut silent = TcpStream::connect(server.addr()).await.expect("connected");
    let read = timeout(PATIENCE, silent.read(&mut [0])).await.expect("in time");
    assert!(matches!(read, Ok(0) | Err(_)));
    let client = Client::open(server.addr()).await;
    assert_eq!(client.end().await.1, 4007);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = TestServer::with(|config| {
        config.limits.request_timeout.0 = std::time::Duration::from_millis(20);
    })
    .await;
    let mut stream = TcpStream::connect(server.addr()).await.expect("connected");
    let head = format!(
        "POST /v1/channels/a/messages HTTP/1.1\r\nhost: {}\r\ncontent-length: 5\r\n\r\nab",
        server.addr()
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("in time").expect("read");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("400") && answer.contains("did not come within"), "{answer}");
}

#[tokio::test]
async fn a_socket_behind_another_request_keeps_its_place() {
    let server = TestServer::with(|config| config.limits.connections_per_ip = Some(1)).await;
    let _first = upgraded(server.addr()).await;
    let mut second = TcpStream::connect(server.addr()).await.expect("connected");
    let read = timeout(PATIENCE, second.read(&mut [0])).await.expect("in time");
    assert!(matches!(read, Ok(0) | Err(_)), "closed unread");
}

#[tokio::test]
async fn a_batch_is_counted_before_it_is_kept() {
    let server = TestServer::start().await;
    let publications = vec![json!({ "channel": "a", "data": 1 }); 1001];
    let body = json!({ "publications": publications }).to_string();
    let batch = post(server.addr(), "/v1/batch", body).send().await;
    batch.assert_refused(413, "too_large", "1001 publications at once, and 1000 may be");
    let body = json!({ "channels": vec!["a"; 1500], "data": 1 }).to_string();
    let broadcast = post(server.addr(), "/v1/broadcast", body).send().await;
    broadcast.assert_refused(413, "too_large", "1500 channels at once, and 1000 may be");
}

#[tokio::test]
async fn so_many_streams_are_in_memory_and_those_in_use_stay() {
    let server = TestServer::with(|config| config.limits.memory_streams = 2).await;
    for channel in ["a", "b", "c"] {
        let path = format!("/v1/channels/{channel}/messages");
        post(server.addr(), &path, "x").send().await.ok();
    }
    let listed = get(server.addr(), "/v1/channels").send().await.ok();
    assert_eq!(listed["channels"].as_array().map(Vec::len), Some(2), "{listed}");
    let subscriptions = json!([{ "sub": 1, "channel": "d" }, { "sub": 2, "channel": "e" }]);
    let _held = Client::connect(server.addr(), subscriptions).await;
    let refused = post(server.addr(), "/v1/channels/f/messages", "x").send().await;
    refused.assert_refused(503, "unavailable", "memory_streams");
}
