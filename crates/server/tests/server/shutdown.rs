//! The end of a server.

use std::time::{Duration, Instant};

use longwire_server::config::Span;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    TestServer,
    http::{get, post},
    ws::{Client, PATIENCE, closed, upgraded},
};

#[tokio::test]
async fn clients_are_told_to_come_back_spread_over_the_window() {
    let server =
        TestServer::with(|config| config.shutdown.drain_window = Span::seconds(1000)).await;
    let addr = server.addr();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Client::connect(addr, json!([])).await.0);
    }
    let events = get(addr, "/v1/channels/demo/events").open().await;
    let shutdown = tokio::spawn(server.running.shutdown());
    let mut delays = Vec::new();
    for client in clients {
        let (last, code, _) = client.end().await;
        assert_eq!((&last["code"], code), (&json!(4000), 4000));
        assert_eq!(last["reconnect"], true);
        delays.push(last["retry_after_ms"].as_u64().expect("a delay"));
    }
    assert!(delays.iter().all(|delay| *delay <= 1_000_000));
    assert!(delays.iter().max() > delays.iter().min(), "{delays:?}");
    let body =
        http_body_util::BodyExt::collect(events.into_body()).await.expect("whole").to_bytes();
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("\nretry: ") && text.contains("longwire.disconnect"), "{text}");
    assert_eq!(shutdown.await.expect("no panic").cut, 0);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn whoever_does_not_leave_is_cut_in_time() {
    let server =
        TestServer::with(|config| config.shutdown.timeout.0 = Duration::from_millis(50)).await;
    // A peer that never reads: the closing handshake does not come to its end.
    let mut silent = TcpStream::connect(server.addr()).await.expect("connected");
    let request = format!(
        "GET /v1/connect HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        server.addr()
    );
    silent.write_all(request.as_bytes()).await.expect("written");
    let mut head = [0; 12];
    silent.read_exact(&mut head).await.expect("read");
    assert_eq!(&head, b"HTTP/1.1 101");
    let begin = Instant::now();
    assert_eq!(server.running.shutdown().await.cut, 1);
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_it_up() {
    let server = TestServer::start().await;
    let kept = TcpStream::connect(server.addr()).await.expect("connected");
    assert_eq!(get(server.addr(), "/readyz").send().await.status, 200);
    assert_eq!(server.running.shutdown().await.cut, 0);
    drop(kept);
}

#[tokio::test]
async fn what_was_published_before_is_answered() {
    let server = TestServer::start().await;
    let addr = server.addr();
    let published = tokio::spawn(post(addr, "/v1/channels/a/messages", "x").send());
    published.await.expect("no panic").ok();
    assert_eq!(server.running.shutdown().await.cut, 0);
}

#[tokio::test]
async fn a_socket_behind_another_request_is_waited_for_and_told() {
    let server = TestServer::start().await;
    let mut stream = upgraded(server.addr()).await;
    let shutdown = tokio::spawn(server.running.shutdown());
    let mut said = Vec::new();
    // Only this side's answer to the Close frame ends the connection.
    while !said.windows(2).any(|it| it == 4000_u16.to_be_bytes()) {
        assert_ne!(stream.read_buf(&mut said).await.expect("read"), 0, "{said:?}");
    }
    assert!(!shutdown.is_finished());
    let masked_close = [0x88, 0x82, 0, 0, 0, 0, 0x0f, 0xa0];
    stream.write_all(&masked_close).await.expect("written");
    assert_eq!(shutdown.await.expect("no panic").cut, 0);
}

#[tokio::test]
async fn a_publisher_whose_publications_wait_is_told_to_come_back_as_well() {
    let server = TestServer::with(|config| config.limits.publish_rate = 1).await;
    let url = format!("ws://{}/v1/channels/demo/socket", server.addr());
    let mut socket = longwire::connect(&url).await.expect("connected");
    for number in 0..5 {
        socket.send(number.to_string()).await.expect("sent");
    }
    // What was published so far comes back; the rest waits for its time.
    for number in 0..2 {
        let message = socket.recv().await.expect("no fault").expect("a message");
        assert_eq!(message, longwire::Message::text(number.to_string()));
    }
    let do_wait = async || {
        let metrics = get(server.addr(), "/metrics").send().await;
        String::from_utf8_lossy(&metrics.body).contains("longwire_held_total 3")
    };
    timeout(PATIENCE, async { while !do_wait().await {} }).await.expect("in time");
    let shutdown = tokio::spawn(server.running.shutdown());
    while socket.recv().await.expect("no fault").is_some() {}
    assert_eq!(closed(&socket).0, 4000);
    shutdown.await.expect("no panic");
}
