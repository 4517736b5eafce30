//! A client that takes less than is published.

use std::time::Duration;

use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::support::{
    TestServer,
    http::{get, post},
    sse::Reader,
    ws::{Client, PATIENCE},
};

async fn server_that_keeps_much() -> TestServer {
    TestServer::with(|config| {
        let namespace = config.namespaces.get_mut("default").expect("there");
        namespace.retention.bytes = Some(longwire_server::config::Size(64 << 20));
    })
    .await
}

async fn publish_much(server: &TestServer) {
    let content = "x".repeat(60 << 10);
    for number in 1..=RECORDS {
        let path = "/v1/channels/demo/messages";
        let published = post(server.addr(), path, content.clone()).send().await.ok();
        assert_eq!(published["seq"], number);
    }
    let connections = get(server.addr(), "/v1/connections").send().await.ok();
    assert_eq!(connections["connections"][0]["congested"], true);
    let metrics = get(server.addr(), "/metrics").send().await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    let queue = metrics.lines().find_map(|line| line.strip_prefix("longwire_queue_bytes "));
    let queue: u64 = queue.expect("measured").parse().expect("a number");
    assert!(queue < 2 << 20, "{queue} bytes wait");
}

#[tokio::test]
async fn a_slow_reader_of_events_gets_everything_from_the_stream() {
    let server = server_that_keeps_much().await;
    let mut slow = Reader::open(&server, "demo/events", None).await;
    publish_much(&server).await;
    for seq in 1..=RECORDS {
        let event = slow.next().await.expect("an event");
        assert!(event.split_once('\n').is_some_and(|(id, _)| id.ends_with(&format!(":{seq}"))));
    }
}

#[tokio::test]
async fn a_slow_reader_gets_everything_from_the_stream() {
    let server = server_that_keeps_much().await;
    let subscriptions = json!([{ "sub": 1, "channel": "demo" }]);
    let (mut slow, _) = Client::connect(server.addr(), subscriptions).await;
    publish_much(&server).await;
    let mut seen = 0;
    while seen < RECORDS {
        let push = slow.hear().await;
        let records = match push["type"].as_str() {
            Some("message") => vec![push.clone()],
            Some("page") => push["messages"].as_array().expect("records").clone(),
            _ => panic!("{push}"),
        };
        assert_eq!(push["prev"], seen);
        for record in records {
            seen += 1;
            assert_eq!(record["seq"], seen);
        }
    }
    let published = post(server.addr(), "/v1/channels/demo/messages", "live").send().await.ok();
    assert_eq!(published["seq"], RECORDS + 1);
    assert_eq!(slow.hear().await["data"], "live");
}

/// More than the sockets and the queue hold, if nobody reads meanwhile.
const RECORDS: u64 = 400;

#[tokio::test]
async fn whoever_reads_nothing_is_cut_and_not_only_forgotten() {
    let server = TestServer::with(|config| {
        let namespace = config.namespaces.get_mut("default").expect("there");
        namespace.retention.bytes = Some(longwire_server::config::Size(64 << 20));
        config.limits.stall_timeout.0 = Duration::from_millis(300);
    })
    .await;
    let addr = server.addr();
    let path = "/v1/channels/demo/messages";
    for _ in 0..100 {
        post(addr, path, "x".repeat(60 << 10)).send().await.ok();
    }
    let mut silent = Vec::new();
    for target in ["events?beginning=1", "messages", "messages", "messages"] {
        let mut stream = TcpStream::connect(addr).await.expect("connected");
        let request = format!("GET /v1/channels/demo/{target} HTTP/1.1\r\nhost: {addr}\r\n\r\n");
        stream.write_all(request.repeat(8).as_bytes()).await.expect("written");
        silent.push(stream);
    }
    let cut = async {
        // Its shutdown waits for whoever is left.
        while get(addr, "/v1/connections").send().await.ok()["connections"] != json!([]) {}
        server.running.shutdown().await
    };
    let ended = timeout(PATIENCE, cut).await.expect("in time");
    assert_eq!(ended.cut, 0);
}
