//! One channel, bare, as server-sent events.

use tokio::time::timeout;

use crate::support::{
    TestServer,
    http::{delete, get, post},
    sse::Reader,
    ws::PATIENCE,
};

async fn publish(server: &TestServer, text: &str) -> String {
    let published =
        post(server.addr(), "/v1/channels/demo/messages", text.to_owned()).send().await.ok();
    format!("{}:{}", published["epoch"].as_str().expect("an epoch"), published["seq"])
}

#[tokio::test]
async fn records_are_events_with_their_positions() {
    let server = TestServer::start().await;
    let first = publish(&server, "one\ntwo").await;
    let mut reader = Reader::open(&server, "demo/events?beginning=1", None).await;
    assert_eq!(reader.next().await, Some(format!("id: {first}\ndata: one\ndata: two")));
    post(server.addr(), "/v1/channels/demo/messages", "{\"a\":1}")
        .json()
        .header("longwire-event", "said")
        .send()
        .await
        .ok();
    let event = reader.next().await.expect("an event");
    assert!(event.ends_with(":2\nevent: said\ndata: {\"a\":1}"), "{event}");
}

#[tokio::test]
async fn a_reader_goes_on_behind_its_last_event() {
    let server = TestServer::start().await;
    let first = publish(&server, "one").await;
    let second = publish(&server, "two").await;
    let expected = Some(format!("id: {second}\ndata: two"));
    let mut by_header = Reader::open(&server, "demo/events", Some(&first)).await;
    assert_eq!(by_header.next().await, expected);
    let mut by_query =
        Reader::open(&server, &format!("demo/events?lastEventId={first}"), None).await;
    assert_eq!(by_query.next().await, expected);
    let mut both = Reader::open(&server, &format!("demo/events?from={first}"), Some(&second)).await;
    let third = publish(&server, "three").await;
    assert_eq!(both.next().await, Some(format!("id: {third}\ndata: three")));
}

#[tokio::test]
async fn what_is_lost_is_told() {
    let server = TestServer::with(|config| {
        let namespace = config.namespaces.get_mut("default").expect("there");
        namespace.retention.count = Some(2);
    })
    .await;
    let first = publish(&server, "1").await;
    for text in ["2", "3", "4"] {
        publish(&server, text).await;
    }
    let mut reader = Reader::open(&server, "demo/events", Some(&first)).await;
    let lost = "event: longwire.lost\ndata: {\"from\":1,\"to\":2}";
    assert_eq!(reader.next().await.as_deref(), Some(lost));
    assert!(reader.next().await.is_some_and(|event| event.ends_with("data: 3")));
}

#[tokio::test]
async fn a_stream_that_began_anew_is_told() {
    let server = TestServer::start().await;
    let first = publish(&server, "old").await;
    let mut live = Reader::open(&server, "demo/events", None).await;
    assert_eq!(delete(server.addr(), "/v1/channels/demo").send().await.status, 204);
    let anew = publish(&server, "new").await;
    let (epoch, _) = anew.split_once(':').expect("a position");
    let reset =
        format!("id: {epoch}:0\nevent: longwire.reset\ndata: {{\"epoch\":\"{epoch}\",\"seq\":0}}");
    assert_eq!(live.next().await.as_ref(), Some(&reset));
    assert_eq!(live.next().await, Some(format!("id: {anew}\ndata: new")));
    let mut back = Reader::open(&server, "demo/events", Some(&first)).await;
    assert_eq!(back.next().await, Some(reset));
    assert_eq!(back.next().await, Some(format!("id: {anew}\ndata: new")));
}

#[tokio::test]
async fn the_end_is_told_and_then_nobody_comes_back() {
    let server = TestServer::start().await;
    let last = publish(&server, "last").await;
    let mut reader = Reader::open(&server, "demo/events", None).await;
    post(server.addr(), "/v1/channels/demo/end", "").send().await.ok();
    assert_eq!(reader.next().await.as_deref(), Some("event: longwire.ended\ndata: {\"seq\":1}"));
    assert_eq!(reader.next().await, None);
    let back = get(server.addr(), "/v1/channels/demo/events").header("last-event-id", &last);
    assert_eq!(back.send().await.status, 204);
    // Whoever missed something still gets it.
    let mut late = Reader::open(&server, "demo/events?beginning=1", None).await;
    assert_eq!(late.next().await, Some(format!("id: {last}\ndata: last")));
    assert!(late.next().await.is_some_and(|event| event.contains("longwire.ended")));
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let server = TestServer::with(|config| {
        config.limits.events_interval.0 = std::time::Duration::from_millis(1);
    })
    .await;
    let mut reader = Reader::open(&server, "demo/events", None).await;
    assert_eq!(reader.next().await.as_deref(), Some(":"));
    assert_eq!(reader.next().await.as_deref(), Some(":"));
}

#[tokio::test]
async fn a_reader_that_leaves_is_gone_from_the_list() {
    let server = TestServer::start().await;
    let reader = Reader::open(&server, "demo/events", None).await;
    let count = async || {
        let connections = get(server.addr(), "/v1/connections").send().await.ok();
        connections["connections"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(count().await, 1);
    drop(reader);
    timeout(PATIENCE, async { while count().await > 0 {} }).await.expect("in time");
}
