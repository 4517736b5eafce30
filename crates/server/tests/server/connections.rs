//! The list of connections, and sending them away.

use serde_json::json;

use crate::support::{
    ALL, TestServer,
    http::{delete, get},
    ws::Client,
};

#[tokio::test]
async fn connections_are_listed_with_what_is_known_of_them() {
    let server = TestServer::start().await;
    let (_one, connected) =
        Client::connect(server.addr(), json!([{ "sub": 1, "channel": "demo" }])).await;
    let (_two, _) = Client::connect(server.addr(), json!([])).await;
    let page = get(server.addr(), "/v1/connections?limit=1").send().await.ok();
    let first = &page["connections"][0];
    assert_eq!(first["session"], connected["session"]);
    assert_eq!(
        (&first["transport"], &first["address"]),
        (&json!("websocket"), &json!("127.0.0.1"))
    );
    assert_eq!((&first["subscriptions"], &first["congested"]), (&json!(1), &json!(false)));
    let next = page["next"].as_str().expect("more follow");
    let page = get(server.addr(), &format!("/v1/connections?after={next}")).send().await.ok();
    assert_eq!(page["connections"].as_array().map(Vec::len), Some(1));
    assert!(page.get("next").is_none());
}

#[tokio::test]
async fn a_connection_is_ended_for_good_or_for_now() {
    let server = TestServer::start().await;
    for (query, code) in [("", 4504), ("?reconnect=true", 4006), ("?reconnect=false", 4504)] {
        let (client, connected) = Client::connect(server.addr(), json!([])).await;
        let session = connected["session"].as_str().expect("a name");
        let path = format!("/v1/connections/{session}{query}");
        assert_eq!(delete(server.addr(), &path).send().await.ok(), json!({ "disconnected": 1 }));
        let (last, close, _) = client.end().await;
        assert_eq!((&last["code"], close), (&json!(code), code));
        assert_eq!(last["reconnect"], code == 4006);
    }
}

#[tokio::test]
async fn all_connections_of_a_user_are_ended() {
    let server = TestServer::guarded().await;
    let token = server.token("alice", &[("*", ALL)]);
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::open(server.addr()).await;
        client.ask(json!({ "type": "connect", "id": 1, "token": token })).await;
        clients.push(client);
    }
    let other = server.token("bob", &[]);
    let mut bob = Client::open(server.addr()).await;
    bob.ask(json!({ "type": "connect", "id": 1, "token": other })).await;
    let listed = get(server.addr(), "/v1/connections?user=alice").bearer(&token).send().await.ok();
    assert_eq!(listed["connections"].as_array().map(Vec::len), Some(2));
    let ended = delete(server.addr(), "/v1/users/alice/connections").bearer(&token).send().await;
    assert_eq!(ended.ok(), json!({ "disconnected": 2 }));
    for client in clients {
        assert_eq!(client.end().await.1, 4504);
    }
    let pong = bob.ask(json!({ "type": "history", "id": 2, "channel": "a" })).await;
    assert_eq!(pong["code"], "forbidden");
}
