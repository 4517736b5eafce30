//! Development mode: who may come in, and what it adds.

use serde_json::json;

use crate::support::{
    TestServer,
    http::{get, post},
    ws::Client,
};

#[tokio::test]
async fn it_is_on_only_without_credentials() {
    let server = TestServer::start().await;
    assert!(server.running.is_development() && server.config.is_development());
    let console = get(server.addr(), "/").send().await;
    assert_eq!(console.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(console.headers["cache-control"], "no-cache");
    let policy = console.headers["content-security-policy"].to_str().expect("ASCII");
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
    let script = get(server.addr(), "/console/console.js").send().await;
    assert_eq!(script.headers["content-type"], "text/javascript; charset=utf-8");
    let info = get(server.addr(), "/dev/info").send().await.ok();
    assert_eq!(info["pid"], std::process::id());
    assert_eq!(info["namespaces"][""]["durability"], "memory");

    let guarded = TestServer::guarded().await;
    assert!(!guarded.running.is_development());
    for path in ["/", "/console/console.js", "/dev/info"] {
        get(guarded.addr(), path).send().await.assert_refused(404, "not_found", path);
    }
    for path in ["/dev/kill", "/dev/cut?session=0000000000000000", "/dev/answer?channel=answers:1"]
    {
        assert_eq!(post(guarded.addr(), path, "").send().await.status, 404);
    }
}

#[tokio::test]
async fn the_sdk_is_for_pages_anywhere() {
    for server in [TestServer::start().await, TestServer::guarded().await] {
        let sdk = get(server.addr(), "/longwire.js").send().await;
        assert_eq!(sdk.status, 200);
        assert_eq!(sdk.headers["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(sdk.headers["access-control-allow-origin"], "*");
        assert!(sdk.body.len() > 1000);
    }
}

#[tokio::test]
async fn only_names_and_pages_of_this_machine_come_in() {
    let server = TestServer::start().await;
    let foreign = get(server.addr(), "/v1/channels").header("host", "evil.example").send().await;
    foreign.assert_refused(403, "forbidden", "evil.example");
    let page = post(server.addr(), "/v1/channels/a/messages", "x")
        .header("origin", "https://evil.example")
        .send()
        .await;
    page.assert_refused(403, "forbidden", "https://evil.example");
    let local = post(server.addr(), "/v1/channels/a/messages", "x")
        .header("origin", "http://localhost:5173");
    local.send().await.ok();
    // What breaks things is for the server's own pages and for programs.
    let path = "/dev/cut?session=0000000000000000";
    let neighbour = post(server.addr(), path, "").header("origin", "http://localhost:5173");
    neighbour.send().await.assert_refused(403, "forbidden", "own pages");
    let own = post(server.addr(), path, "").header("origin", &format!("http://{}", server.addr()));
    own.send().await.assert_refused(404, "not_found", "no session");
}

#[tokio::test]
async fn a_session_is_cut_without_a_word() {
    let server = TestServer::start().await;
    let (mut client, connected) = Client::connect(server.addr(), json!([])).await;
    let session = connected["session"].as_str().expect("a name");
    let cut = post(server.addr(), &format!("/dev/cut?session={session}"), "").send().await;
    assert_eq!(cut.status, 204);
    assert!(client.socket.recv().await.is_err());
    assert_eq!(client.socket.closed().expect("ended").received, None);
    get(server.addr(), "/healthz").send().await;
    let again = post(server.addr(), &format!("/dev/cut?session={session}"), "").send().await;
    again.assert_refused(404, "not_found", session);
}

#[tokio::test]
async fn an_answer_is_typed_once() {
    let server = TestServer::start().await;
    let (mut client, _) = Client::connect(
        server.addr(),
        json!([{ "sub": 1, "channel": "answers:1", "start": { "beginning": true } }]),
    )
    .await;
    let body = json!({ "from": 0, "interval_ms": 5, "pieces": ["a", "b", "c"] }).to_string();
    let ask = || post(server.addr(), "/dev/answer?channel=answers:1", body.clone()).send();
    let first = ask().await;
    assert_eq!((first.status.as_u16(), first.json()), (202, json!({ "running": false })));
    assert_eq!(ask().await.json(), json!({ "running": true }));
    for (number, piece) in ["a", "b", "c"].iter().enumerate() {
        let push = client.hear().await;
        assert_eq!(push["data"], json!({ "n": number, "text": piece }));
        assert_eq!(push["event"], "token");
    }
    assert_eq!(client.hear().await["type"], "ended");
    let elsewhere = post(server.addr(), "/dev/answer?channel=chat:1", body).send().await;
    elsewhere.assert_refused(400, "bad_request", "answers");
}
