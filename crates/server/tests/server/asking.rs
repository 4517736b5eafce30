//! Another way to tell who somebody is, which takes its time.

use std::time::Duration;

use longwire_hub::{Credentials, Identity, Permissions};
use longwire_server::auth::{Authorisation, Authoriser};
use serde_json::json;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

use crate::support::{
    TestServer,
    http::{get, post},
    ws::{Client, PATIENCE},
};

/// Never knows; says what it is asked, and when nobody waits for that any more.
struct Undecided(UnboundedSender<Said>);

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Asked,
    Dropped,
}

/// Says that nobody waits any more.
struct Question(UnboundedSender<Said>);

impl Drop for Question {
    fn drop(&mut self) {
        // The test may have ended.
        let _ = self.0.send(Said::Dropped);
    }
}

impl Authoriser for Undecided {
    fn authorise(&self, _: &Credentials, _: u64) -> Authorisation {
        self.0.send(Said::Asked).expect("the test listens");
        let question = Question(self.0.clone());
        Authorisation::Pending(Box::pin(async move {
            let _question = question;
            std::future::pending().await
        }))
    }
}

fn undecided() -> (Undecided, UnboundedReceiver<Said>) {
    let (say, said) = unbounded_channel();
    (Undecided(say), said)
}

async fn hear(said: &mut UnboundedReceiver<Said>) -> Said {
    timeout(PATIENCE, said.recv()).await.expect("in time").expect("it lives")
}

#[tokio::test]
async fn who_is_not_known_in_time_is_told_to_come_later() {
    let (undecided, _said) = undecided();
    let server = TestServer::asking(undecided, |config| {
        config.limits.connect_timeout.0 = Duration::from_millis(500);
    })
    .await;
    let mut client = Client::open(server.addr()).await;
    client.say(&json!({ "type": "connect", "id": 1, "token": "x" })).await;
    let (last, code, _) = client.end().await;
    assert_eq!((code, &last["reconnect"]), (4005, &json!(true)));
    assert!(last["reason"].as_str().is_some_and(|it| it.contains("500ms")), "{last}");
    let published = post(server.addr(), "/v1/channels/a/messages", "x").send().await;
    published.assert_refused(503, "unavailable", "try again later");
    let url = format!("ws://{}/v1/channels/a/socket", server.addr());
    assert!(longwire::connect(&url).await.expect_err("refused").to_string().contains("503"));
}

#[tokio::test]
async fn nobody_is_asked_about_whoever_has_left() {
    let (undecided, mut said) = undecided();
    let server = TestServer::asking(undecided, |_| {}).await;
    let mut client = Client::open(server.addr()).await;
    client.say(&json!({ "type": "connect", "id": 1, "token": "x" })).await;
    assert_eq!(hear(&mut said).await, Said::Asked);
    drop(client);
    assert_eq!(hear(&mut said).await, Said::Dropped);
}

#[tokio::test]
async fn whoever_is_still_being_asked_about_does_not_hold_up_the_end() {
    let (undecided, mut said) = undecided();
    let server = TestServer::asking(undecided, |_| {}).await;
    let url = format!("ws://{}/v1/channels/demo/socket", server.addr());
    let waiting = tokio::spawn(async move { longwire::connect(&url).await.map(drop) });
    let mut client = Client::open(server.addr()).await;
    client.say(&json!({ "type": "connect", "id": 1, "token": "x" })).await;
    assert_eq!((hear(&mut said).await, hear(&mut said).await), (Said::Asked, Said::Asked));
    let shutdown = tokio::spawn(server.running.shutdown());
    assert_eq!(client.end().await.1, 4000);
    let refused = waiting.await.expect("no panic").expect_err("refused").to_string();
    assert!(refused.contains("503"), "{refused}");
    assert_eq!(shutdown.await.expect("no panic").cut, 0);
}

/// A fault in somebody else's code.
struct Panicking;

impl Authoriser for Panicking {
    fn authorise(&self, _: &Credentials, _: u64) -> Authorisation {
        panic!("of the authoriser");
    }
}

#[tokio::test]
async fn an_authoriser_that_panics_ends_its_client_alone() {
    let server = TestServer::asking(Panicking, |_| {}).await;
    for _ in 0..2 {
        let mut client = Client::open(server.addr()).await;
        client.say(&json!({ "type": "connect", "id": 1, "token": "x" })).await;
        assert_eq!(client.end().await.1, 4003);
    }
}

/// Knows everybody at once, for good.
struct Known;

impl Authoriser for Known {
    fn authorise(&self, credentials: &Credentials, _: u64) -> Authorisation {
        let mut identity = Identity::nameless(Permissions::all());
        let user = credentials.token.as_deref().map(longwire_channel::Token::new);
        identity.user = user.map(|user| user.expect("a name"));
        Authorisation::Decided(Ok(identity))
    }
}

#[tokio::test]
async fn a_user_without_an_end_is_no_key() {
    let server = TestServer::asking(Known, |config| config.limits.publish_rate = 1).await;
    let publish = |user: &str| post(server.addr(), "/v1/channels/a/messages", "x").bearer(user);
    publish("alice").send().await.ok();
    publish("alice").send().await.ok();
    publish("alice").send().await.assert_refused(429, "rate_limited", "slower");
    for _ in 0..4 {
        post(server.addr(), "/v1/channels/a/messages", "x").send().await.ok();
    }
    get(server.addr(), "/v1/connections").send().await.ok();
}
