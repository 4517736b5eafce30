//! Misuse of the HTTP API: each has its status, its code and its cure.

use http::Method;

use crate::support::{
    TestServer,
    http::{call, delete, get, post},
};

#[tokio::test]
async fn addresses_that_are_not_there_are_told() {
    let server = TestServer::start().await;
    get(server.addr(), "/v1/chanels").send().await.assert_refused(
        404,
        "not_found",
        "/openapi.json",
    );
    get(server.addr(), "/console/none.js").send().await.assert_refused(404, "not_found", "none.js");
    let put = call(server.addr(), Method::PUT, "/v1/channels/a/messages").send().await;
    put.assert_refused(405, "bad_request", "PUT");
    let deleted = delete(server.addr(), "/v1/connections/0000000000000099").send().await;
    deleted.assert_refused(404, "not_found", "0000000000000099");
}

#[tokio::test]
async fn names_that_mean_nothing_are_told() {
    let server = TestServer::start().await;
    for (path, words) in [
        ("/v1/channels/a%20b/messages", "' '"),
        ("/v1/channels/%FF/messages", "UTF-8"),
        ("/v1/channels/a/messages?from=7", "EPOCH:SEQ"),
        ("/v1/channels/a/messages?order=random", "backwards"),
        ("/v1/channels/a/messages?limit=many", "limit"),
        ("/v1/channels/a/messages?since=-1", "since"),
        ("/v1/channels/a/events?last=x", "last=10"),
        ("/v1/channels?after=a%20b", "after"),
        ("/v1/connections?after=7", "16 hexadecimal"),
        ("/v1/connections?user=%00", "user"),
    ] {
        get(server.addr(), path).send().await.assert_refused(400, "bad_request", words);
    }
    let long = format!("/v1/channels/{}/messages", "a".repeat(201));
    get(server.addr(), &long).send().await.assert_refused(400, "bad_request", "200");
    let session = delete(server.addr(), "/v1/connections/x").send().await;
    session.assert_refused(400, "bad_request", "16 hexadecimal");
    let user = delete(server.addr(), "/v1/users/%FF/connections").send().await;
    user.assert_refused(400, "bad_request", "UTF-8");
    let flag = delete(server.addr(), "/v1/users/a/connections?reconnect=maybe").send().await;
    flag.assert_refused(400, "bad_request", "reconnect");
}

#[tokio::test]
async fn bodies_that_mean_nothing_are_told() {
    let server = TestServer::start().await;
    let envelope = "application/vnd.longwire+json";
    for (content_type, body, words) in [
        ("application/json", "{", "JSON"),
        (envelope, "[]", "body"),
        (envelope, "{}", "`data`"),
        (envelope, r#"{"data":1,"base64":"AA=="}"#, "either"),
        (envelope, r#"{"base64":"!"}"#, "base64"),
        (envelope, r#"{"data":1,"event":""}"#, "event"),
        (envelope, r#"{"data":1,"key":7}"#, "string"),
        (envelope, r#"{"data":1,"producer":{"id":"p"}}"#, "epoch"),
    ] {
        let publish = post(server.addr(), "/v1/channels/a/messages", body)
            .header("content-type", content_type);
        publish.send().await.assert_refused(400, "bad_request", words);
    }
    let key = post(server.addr(), "/v1/channels/a/messages", "x")
        .header("idempotency-key", &"k".repeat(129));
    key.send().await.assert_refused(400, "bad_request", "Idempotency-Key");
    let event = post(server.addr(), "/v1/channels/a/messages", "x").header("longwire-event", "");
    event.send().await.assert_refused(400, "bad_request", "Longwire-Event");
    for (body, words) in [
        ("", "body"),
        ("{}", "publications"),
        (r#"{"publications":[{"data":1}]}"#, "channel"),
        (
            r#"{"publications":[{"channel":"a","data":1},{"channel":"a b","data":1}]}"#,
            "publications[1]",
        ),
    ] {
        let batch = post(server.addr(), "/v1/batch", body).send().await;
        batch.assert_refused(400, "bad_request", words);
    }
    for (body, words) in [
        (r#"{"data":1}"#, "channels"),
        (r#"{"channels":["a b"],"data":1}"#, "a b"),
        (r#"{"channels":["a"]}"#, "`data`"),
    ] {
        let broadcast = post(server.addr(), "/v1/broadcast", body).send().await;
        broadcast.assert_refused(400, "bad_request", words);
    }
}

#[tokio::test]
async fn a_position_of_another_epoch_is_told() {
    let server = TestServer::start().await;
    post(server.addr(), "/v1/channels/a/messages", "x").send().await.ok();
    let path = "/v1/channels/a/messages?from=00000000000000ab:1";
    get(server.addr(), path).send().await.assert_refused(409, "epoch_mismatch", "epoch");
}

#[tokio::test]
async fn a_plain_request_for_a_socket_is_told_what_to_send() {
    let server = TestServer::start().await;
    for path in ["/v1/connect", "/v1/channels/a/socket"] {
        let reply = get(server.addr(), path).send().await;
        assert!(reply.status.is_client_error(), "{reply:?}");
        let words = String::from_utf8_lossy(&reply.body).to_lowercase();
        assert!(words.contains("upgrade"), "{words}");
    }
}
