//! The HTTP API of channels: what each route does where all is well.

use serde_json::json;

use crate::support::{
    TestServer,
    http::{delete, get, post},
};

#[tokio::test]
async fn what_is_published_is_kept() {
    let server = TestServer::start().await;
    let addr = server.addr();
    let first = post(addr, "/v1/channels/demo/messages", "hello").send().await.ok();
    assert_eq!(first["seq"], 1);
    assert_eq!(first["epoch"].as_str().map(str::len), Some(16));
    assert!(first.get("duplicate").is_none());
    let event = post(addr, "/v1/channels/demo/messages", "{\"a\":[1,2.50]}")
        .json()
        .header("longwire-event", "said");
    assert_eq!(event.send().await.ok()["seq"], 2);
    let history = get(addr, "/v1/channels/demo/messages").send().await;
    // As it was published, to the last digit.
    assert!(history.body.windows(14).any(|part| part == b"{\"a\":[1,2.50]}"));
    let history = history.ok();
    assert_eq!(
        (&history["first"], &history["last"], &history["more"]),
        (&json!(1), &json!(2), &json!(false))
    );
    assert_eq!(history["messages"][0]["data"], "hello");
    assert_eq!(history["messages"][1]["event"], "said");
    assert!(history["messages"][1]["time"].as_u64() > Some(1_600_000_000_000));
}

#[tokio::test]
async fn the_content_type_says_what_a_body_is() {
    let server = TestServer::start().await;
    let cases: &[(Option<&str>, &[u8], &str, serde_json::Value)] = &[
        (None, b"plain", "data", json!("plain")),
        (None, &[0xff, 0xfe], "base64", json!("//4=")),
        (Some("text/markdown; charset=utf-8"), b"# x", "data", json!("# x")),
        (Some("application/x-www-form-urlencoded"), b"a=1", "data", json!("a=1")),
        (Some("application/json"), b" [1, 2] ", "data", json!([1, 2])),
        (Some("Application/JSON"), b"\"text\"", "data", json!("text")),
        (Some("application/octet-stream"), b"bytes", "base64", json!("Ynl0ZXM=")),
        (Some("application/vnd.longwire+json"), br#"{"data":null}"#, "data", json!(null)),
        (Some("application/vnd.longwire+json"), br#"{"base64":"AAE="}"#, "base64", json!("AAE=")),
    ];
    for (number, (content_type, body, key, expected)) in cases.iter().enumerate() {
        let path = format!("/v1/channels/types:{number}/messages");
        let mut publish = post(server.addr(), &path, body.to_vec());
        if let Some(content_type) = content_type {
            publish = publish.header("content-type", content_type);
        }
        publish.send().await.ok();
        let history = get(server.addr(), &path).send().await.ok();
        assert_eq!(&history["messages"][0][key], expected, "{content_type:?}");
    }
}

#[tokio::test]
async fn a_repeated_key_is_answered_with_the_first_position() {
    let server = TestServer::start().await;
    let publish = || {
        let publish = post(server.addr(), "/v1/channels/demo/messages", "once");
        publish.header("idempotency-key", "k-1").send()
    };
    let first = publish().await.ok();
    let second = publish().await.ok();
    assert_eq!(second["duplicate"], true);
    assert_eq!((&first["epoch"], &first["seq"]), (&second["epoch"], &second["seq"]));
    let envelope = r#"{"data":"once","key":"k-1"}"#;
    let third = post(server.addr(), "/v1/channels/demo/messages", envelope)
        .header("content-type", "application/vnd.longwire+json");
    assert_eq!(third.send().await.ok()["duplicate"], true);
}

#[tokio::test]
async fn a_producer_counts_for_itself() {
    let server = TestServer::start().await;
    let publish = |epoch: u64, seq: u64| {
        let body = json!({ "data": seq, "producer": { "id": "p", "epoch": epoch, "seq": seq } });
        post(server.addr(), "/v1/channels/demo/messages", body.to_string())
            .header("content-type", "application/vnd.longwire+json")
            .send()
    };
    publish(1, 1).await.ok();
    assert_eq!(publish(1, 1).await.ok()["duplicate"], true);
    publish(1, 3).await.assert_refused(409, "producer_gap", "2");
    publish(2, 1).await.ok();
    publish(1, 2).await.assert_refused(409, "producer_fenced", "larger");
}

#[tokio::test]
async fn what_is_ephemeral_has_no_position() {
    let server = TestServer::start().await;
    let body = r#"{"data":1,"ephemeral":true}"#;
    let publish = post(server.addr(), "/v1/channels/demo/messages", body)
        .header("content-type", "application/vnd.longwire+json");
    assert_eq!(publish.send().await.ok(), json!({}));
    let history = get(server.addr(), "/v1/channels/demo/messages").send().await.ok();
    assert_eq!(history["messages"], json!([]));
}

#[tokio::test]
async fn history_is_read_from_anywhere_in_both_directions() {
    let server = TestServer::start().await;
    let addr = server.addr();
    let mut epoch = String::new();
    for number in 1..=5 {
        let published = post(addr, "/v1/channels/demo/messages", number.to_string()).send().await;
        epoch = published.ok()["epoch"].as_str().expect("an epoch").to_owned();
    }
    let seqs = async |query: &str| {
        let path = format!("/v1/channels/demo/messages?{query}");
        let page = get(addr, &path).send().await.ok();
        let records = page["messages"].as_array().expect("records").clone();
        (
            records.iter().filter_map(|it| it["seq"].as_u64()).collect::<Vec<_>>(),
            page["more"] == true,
        )
    };
    assert_eq!(seqs("limit=2").await, (vec![1, 2], true));
    assert_eq!(seqs(&format!("from={epoch}:2&limit=2")).await, (vec![3, 4], true));
    assert_eq!(seqs(&format!("from={epoch}:3")).await, (vec![4, 5], false));
    assert_eq!(seqs("order=backwards&limit=2").await, (vec![5, 4], true));
    assert_eq!(seqs(&format!("order=backwards&from={epoch}:3")).await, (vec![2, 1], false));
    assert_eq!(seqs("since=0&limit=1").await, (vec![1], true));
    assert_eq!(seqs("since=9007199254740991").await, (vec![], false));
}

#[tokio::test]
async fn a_batch_succeeds_and_fails_one_by_one() {
    let server = TestServer::start().await;
    post(server.addr(), "/v1/channels/over/end", "").send().await.ok();
    let body = json!({ "publications": [
        { "channel": "a", "data": 1.5 },
        { "channel": "over", "data": 2 },
        { "channel": "a", "base64": "AA==", "event": "e" },
    ] });
    let answer = post(server.addr(), "/v1/batch", body.to_string()).send().await.ok();
    assert_eq!(answer["results"][0]["seq"], 1);
    assert_eq!(answer["results"][1]["error"]["code"], "stream_ended");
    assert_eq!(answer["results"][2]["seq"], 2);
}

#[tokio::test]
async fn a_broadcast_goes_to_every_channel() {
    let server = TestServer::start().await;
    let body = json!({ "channels": ["a", "b"], "data": { "n": 1 }, "event": "news" });
    let answer = post(server.addr(), "/v1/broadcast", body.to_string()).send().await.ok();
    assert_eq!(answer["results"].as_array().map(Vec::len), Some(2));
    for channel in ["a", "b"] {
        let path = format!("/v1/channels/{channel}/messages");
        let history = get(server.addr(), &path).send().await.ok();
        assert_eq!(history["messages"][0]["data"], json!({ "n": 1 }));
        assert_eq!(history["messages"][0]["event"], "news");
    }
}

#[tokio::test]
async fn a_stream_ends_and_is_deleted_and_begins_anew() {
    let server = TestServer::start().await;
    let addr = server.addr();
    let first = post(addr, "/v1/channels/demo/messages", "x").send().await.ok();
    let end = post(addr, "/v1/channels/demo/end", "").send().await.ok();
    assert_eq!((&end["epoch"], &end["seq"]), (&first["epoch"], &json!(1)));
    let late = post(addr, "/v1/channels/demo/messages", "y").send().await;
    late.assert_refused(410, "stream_ended", "delete");
    assert_eq!(get(addr, "/v1/channels/demo").send().await.ok()["ended"], true);
    assert_eq!(delete(addr, "/v1/channels/demo").send().await.status, 204);
    let anew = post(addr, "/v1/channels/demo/messages", "z").send().await.ok();
    assert_eq!(anew["seq"], 1);
    assert_ne!(anew["epoch"], first["epoch"]);
}

#[tokio::test]
async fn channels_are_listed_page_by_page() {
    let server = TestServer::start().await;
    let addr = server.addr();
    for name in ["a", "b", "c%2Fd"] {
        post(addr, &format!("/v1/channels/{name}/messages"), "x").send().await.ok();
    }
    let page = get(addr, "/v1/channels?limit=2").send().await.ok();
    assert_eq!(page["channels"][0]["channel"], "a");
    let next = page["next"].as_str().expect("more follow").to_owned();
    let page = get(addr, &format!("/v1/channels?after={next}")).send().await.ok();
    assert_eq!(page["channels"][0]["channel"], "c/d");
    assert!(page.get("next").is_none());
    let one = get(addr, "/v1/channels/c%2Fd").send().await.ok();
    assert_eq!(
        (&one["seq"], &one["first"], &one["subscriptions"]),
        (&json!(1), &json!(1), &json!(0))
    );
}
