//! Channels on disk.

use serde_json::json;

use crate::support::{
    TestServer,
    http::{get, post},
    ws::Client,
};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let server = TestServer::durable().await;
    let publish = |addr, text: &'static str, key: &str| {
        post(addr, "/v1/channels/demo/messages", text).header("idempotency-key", key).send()
    };
    let first = publish(server.addr(), "one", "k-1").await.ok();
    publish(server.addr(), "two", "k-2").await.ok();
    let server = server.restart().await;
    let again = publish(server.addr(), "one", "k-1").await.ok();
    assert_eq!(again["duplicate"], true);
    assert_eq!((&again["epoch"], &again["seq"]), (&first["epoch"], &first["seq"]));
    let start = json!({ "epoch": first["epoch"], "seq": 1 });
    let (mut client, connected) =
        Client::connect(server.addr(), json!([{ "sub": 1, "channel": "demo", "start": start }]))
            .await;
    assert_eq!(connected["subscriptions"][0]["outcome"], "deltas");
    let page = client.hear().await;
    assert_eq!((&page["prev"], &page["messages"][0]["data"]), (&json!(1), &json!("two")));
    assert_eq!(publish(server.addr(), "three", "k-3").await.ok()["seq"], 3);
    assert_eq!(client.hear().await["data"], "three");
}

#[tokio::test]
async fn the_log_is_measured() {
    let server = TestServer::durable().await;
    post(server.addr(), "/v1/channels/demo/messages", "x").send().await.ok();
    let metrics = get(server.addr(), "/metrics").send().await;
    let text = String::from_utf8_lossy(&metrics.body);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse::<f64>().expect("a number")
    };
    assert!(text.lines().any(|line| line == "longwire_log_records_total 1"), "{text}");
    assert!(text.lines().any(|line| line == "longwire_log_failed 0"), "{text}");
    assert!(value("longwire_log_commit_seconds_count") >= 1.0);
    assert!(value("longwire_log_sync_seconds_count") >= 1.0);
    assert!(value("longwire_log_disk_bytes") > 0.0);
    assert!(value("longwire_log_commit_seconds_sum") > 0.0);
}

#[tokio::test]
async fn two_channels_are_each_where_their_namespace_says() {
    let server = TestServer::with(|config| {
        let disk = toml::from_str("durability = 'disk'").expect("sound");
        config.namespaces.insert("kept".to_owned(), disk);
    })
    .await;
    for channel in ["kept:1", "other"] {
        let path = format!("/v1/channels/{channel}/messages");
        post(server.addr(), &path, "x").send().await.ok();
    }
    let server = server.restart().await;
    let channels = get(server.addr(), "/v1/channels").send().await.ok();
    let names: Vec<_> = channels["channels"].as_array().expect("a list").iter().collect();
    assert_eq!(names.len(), 1, "{channels}");
    assert_eq!(names[0]["channel"], "kept:1");
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_published_is_readable_for_the_owner_alone() {
    let server = TestServer::with(|config| {
        config.data = config.data.join("made");
        config.namespaces.clear();
    })
    .await;
    let folder = std::fs::metadata(&server.config.data).expect("it was made");
    let mode = std::os::unix::fs::PermissionsExt::mode(&folder.permissions());
    assert_eq!(mode & 0o777, 0o700);
}
