//! Who may do what over HTTP, and which pages may come in.

use http::{Method, StatusCode};
use longwire_server::config::{Action, NamespaceConfig, Secret, WhoName};
use serde_json::json;

use crate::support::{
    ALL, TestServer,
    http::{call, delete, get, post},
    seconds,
    ws::Client,
};

#[tokio::test]
async fn nobody_comes_in_without_a_token() {
    let server = TestServer::guarded().await;
    let addr = server.addr();
    for path in [
        "/v1/channels",
        "/v1/channels/a",
        "/v1/channels/a/messages",
        "/v1/channels/a/events",
        "/v1/channels/a/socket",
        "/v1/connections",
    ] {
        let reply = get(addr, path).header("connection", "close").send().await;
        if path.ends_with("/socket") {
            assert!(reply.status.is_client_error());
            continue;
        }
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
        reply.assert_refused(401, "unauthenticated", "Authorization: Bearer");
    }
    for path in ["/v1/channels/a/messages", "/v1/channels/a/end", "/v1/batch", "/v1/broadcast"] {
        post(addr, path, "x").send().await.assert_refused(401, "unauthenticated", "Bearer");
    }
    for path in ["/v1/channels/a", "/v1/connections/0000000000000000", "/v1/users/a/connections"] {
        delete(addr, path).send().await.assert_refused(401, "unauthenticated", "Bearer");
    }
    let url = format!("ws://{addr}/v1/channels/a/socket");
    let refused = longwire::connect(&url).await.expect_err("not let in").to_string();
    assert!(refused.contains("401"), "{refused}");
}

#[tokio::test]
async fn a_token_allows_what_it_names_and_nothing_else() {
    let server = TestServer::guarded().await;
    let addr = server.addr();
    let token = server.token("alice", &[("chat:*", &[Action::Publish]), ("log", ALL)]);
    post(addr, "/v1/channels/chat:1/messages", "x").bearer(&token).send().await.ok();
    post(addr, "/v1/channels/news/messages", "x").bearer(&token).send().await.assert_refused(
        403,
        "forbidden",
        "news",
    );
    get(addr, "/v1/channels/chat:1/messages").bearer(&token).send().await.assert_refused(
        403,
        "forbidden",
        "chat:1",
    );
    get(addr, "/v1/channels/chat:1/events").bearer(&token).send().await.assert_refused(
        403,
        "forbidden",
        "chat:1",
    );
    post(addr, "/v1/channels/chat:1/end", "").bearer(&token).send().await.assert_refused(
        403,
        "forbidden",
        "chat:1",
    );
    delete(addr, "/v1/channels/chat:1").bearer(&token).send().await.assert_refused(
        403,
        "forbidden",
        "chat:1",
    );
    get(addr, "/v1/connections").bearer(&token).send().await.assert_refused(403, "forbidden", "");
    // In the address, for those who cannot send headers.
    let history = get(addr, &format!("/v1/channels/log/messages?token={token}")).send().await;
    assert_eq!(history.ok()["last"], 0);
    let channels = get(addr, "/v1/channels").bearer(&token).send().await.ok();
    assert_eq!(channels["channels"].as_array().map(Vec::len), Some(0), "{channels}");
}

#[tokio::test]
async fn an_expired_token_asks_for_a_fresh_one() {
    let server = TestServer::guarded().await;
    let token = server.token_until("alice", &[("*", ALL)], seconds() - 100);
    let reply = get(server.addr(), "/v1/channels").bearer(&token).send().await;
    reply.assert_refused(401, "token_expired", "fresh");
}

#[tokio::test]
async fn an_api_key_publishes_without_a_user() {
    let server = TestServer::with(|config| {
        let file = "api_keys = [{ name = 'app', key = 'key-0123456789abcdef' }]";
        config.auth = toml::from_str(file).expect("sound");
    })
    .await;
    let key = "key-0123456789abcdef";
    post(server.addr(), "/v1/channels/a/messages", "x").bearer(key).send().await.ok();
    let history = get(server.addr(), "/v1/channels/a/messages").bearer(key).send().await.ok();
    assert!(history["messages"][0].get("publisher").is_none());
    get(server.addr(), "/v1/connections").bearer(key).send().await.ok();
    get(server.addr(), "/v1/connections")
        .bearer("key-0123456789abcdeF")
        .send()
        .await
        .assert_refused(401, "unauthenticated", "[auth]");
}

#[tokio::test]
async fn a_namespace_may_be_open_to_users_or_to_everybody() {
    let server = TestServer::with(|config| {
        config.auth.hmac_secret = Some(Secret("s".repeat(32)));
        for (name, who) in [("users", WhoName::User), ("open", WhoName::Anyone)] {
            let mut namespace = NamespaceConfig::default();
            namespace.access.publish = Some(who);
            config.namespaces.insert(name.to_owned(), namespace);
        }
    })
    .await;
    let addr = server.addr();
    post(addr, "/v1/channels/open:1/messages", "x").send().await.ok();
    post(addr, "/v1/channels/users:1/messages", "x").send().await.assert_refused(
        403,
        "forbidden",
        "users:1",
    );
    let token = server.token("alice", &[]);
    post(addr, "/v1/channels/users:1/messages", "x").bearer(&token).send().await.ok();
}

#[tokio::test]
async fn the_protocol_takes_tokens_and_tickets() {
    let server = TestServer::guarded().await;
    let token = server.token("alice", &[("chat:*", ALL)]);
    let mut client = Client::open(server.addr()).await;
    let hello = json!({ "type": "connect", "id": 1, "capabilities": 7, "token": token });
    let connected = client.ask(hello).await;
    assert_eq!((&connected["type"], &connected["user"]), (&json!("connected"), &json!("alice")));
    let ticket = connected["ticket"].as_str().expect("a ticket").to_owned();
    let mut again = Client::open(server.addr()).await;
    let hello = json!({ "type": "connect", "id": 1, "ticket": ticket });
    assert_eq!(again.ask(hello).await["user"], "alice");
    for (hello, code, words) in [
        (json!({ "type": "connect", "id": 1 }), 4501, "no token"),
        (json!({ "type": "connect", "id": 1, "token": "x.y.z" }), 4501, "JSON Web Token"),
        (json!({ "type": "connect", "id": 1, "ticket": "x.y.z" }), 4004, "ticket"),
        (
            json!({ "type": "connect", "id": 1,
                "token": server.token_until("a", &[], seconds() - 100) }),
            4004,
            "fresh",
        ),
    ] {
        let mut client = Client::open(server.addr()).await;
        client.say(&hello).await;
        let (last, close, _) = client.end().await;
        assert_eq!(
            (&last["type"], &last["code"], close),
            (&json!("disconnect"), &json!(code), code)
        );
        assert!(last["reason"].as_str().is_some_and(|it| it.contains(words)), "{last}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let server = TestServer::with(|config| {
        config.auth.hmac_secret = Some(Secret("s".repeat(32)));
        config.allowed_origins = vec!["https://app.example".to_owned()];
    })
    .await;
    let addr = server.addr();
    let token = server.token("alice", &[("*", ALL)]);
    let from =
        |origin: &str| get(addr, "/v1/channels").bearer(&token).header("origin", origin).send();
    let allowed = from("https://app.example").await;
    assert_eq!(allowed.headers["access-control-allow-origin"], "https://app.example");
    assert_eq!(allowed.headers["vary"], "Origin");
    from(&format!("http://{addr}")).await.ok();
    let refused = from("https://evil.example").await;
    assert!(!refused.headers.contains_key("access-control-allow-origin"));
    refused.assert_refused(403, "forbidden", "allowed_origins");
    let url = format!("ws://{addr}/v1/connect");
    let foreign = longwire::Connect::new(&url).origin("https://evil.example").await;
    assert!(foreign.expect_err("refused").to_string().contains("403"));
    longwire::Connect::new(&url).origin("https://app.example").await.expect("let in");
}

#[tokio::test]
async fn browsers_are_told_what_they_may_send() {
    let server = TestServer::start().await;
    let preflight = call(server.addr(), Method::OPTIONS, "/v1/channels/a/messages")
        .header("origin", "http://localhost:5173")
        .header("access-control-request-method", "POST")
        .send()
        .await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.headers["access-control-allow-origin"], "http://localhost:5173");
    let headers = preflight.headers["access-control-allow-headers"].to_str().expect("ASCII");
    for name in
        ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Longwire-Event"]
    {
        assert!(headers.contains(name), "{name}");
    }
    assert!(
        preflight.headers["access-control-allow-methods"]
            .to_str()
            .expect("ASCII")
            .contains("DELETE")
    );
}

#[tokio::test]
async fn what_is_measured_is_for_keys_and_for_those_who_manage_everything() {
    let auth = "hmac_secret = 'ssssssssssssssssssssssssssssssss'
        api_keys = [{ name = 'prometheus', key = 'key-0123456789abcdef', channels = {} }]";
    let server =
        TestServer::with(|config| config.auth = toml::from_str(auth).expect("sound")).await;
    let scrape = || get(server.addr(), "/metrics").header("host", "prometheus.example");
    let refused = scrape().send().await;
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    refused.assert_refused(401, "unauthenticated", "metrics.open");
    scrape().bearer("key-0123456789abcdeF").send().await.assert_refused(
        401,
        "unauthenticated",
        "[auth]",
    );
    let user = server.token("alice", &[("*", &[Action::Subscribe])]);
    scrape().bearer(&user).send().await.assert_refused(403, "forbidden", "API key");
    let manager = server.token("ada", &[("*", &[Action::Manage])]);
    for shown in ["key-0123456789abcdef", &manager] {
        let metrics = scrape().bearer(shown).send().await;
        assert_eq!(metrics.status, 200);
        assert!(String::from_utf8_lossy(&metrics.body).contains("longwire_sessions 0"));
    }
    // Such a key may do nothing else.
    post(server.addr(), "/v1/channels/a/messages", "x")
        .bearer("key-0123456789abcdef")
        .send()
        .await
        .assert_refused(403, "forbidden", "publish");
    let open = TestServer::with(|config| {
        config.auth = toml::from_str(auth).expect("sound");
        config.metrics.open = true;
    })
    .await;
    assert_eq!(get(open.addr(), "/metrics").send().await.status, 200);
}

#[tokio::test]
async fn a_token_counts_as_long_as_clocks_may_be_apart() {
    let server = TestServer::guarded().await;
    let token = server.token_until("alice", &[("*", ALL)], seconds() - 10);
    get(server.addr(), "/v1/channels").bearer(&token).send().await.ok();
    let mut client = Client::open(server.addr()).await;
    let connected = client.ask(json!({ "type": "connect", "id": 1, "token": token })).await;
    assert_eq!(connected["type"], "connected", "{connected}");
    assert!(connected["expires_in_ms"].as_u64().is_some_and(|it| it <= 20_000), "{connected}");
}

#[tokio::test]
async fn a_channel_may_be_called_as_a_part_of_an_address_is() {
    let server = TestServer::start().await;
    post(server.addr(), "/v1/channels/socket/messages", "x").send().await.ok();
    assert_eq!(get(server.addr(), "/v1/channels/socket").send().await.ok()["seq"], 1);
}
