//! The document against the routes, and a disk without room.

use std::{collections::BTreeSet, future::poll_fn, sync::Arc, time::Instant};

use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode};
use longwire_hub::{
    Now,
    broker::{self, Broker, Event, Memory, MemoryLimits},
};
use serde_json::Value;
use tokio::sync::Notify;
use tower_service::Service;

use super::*;
use crate::{
    auth::Everybody,
    config::Config,
    development::Development,
    node::{Node, Parts},
    settings,
    storage::Storage,
};

fn document() -> Value {
    serde_json::from_str(files::OPENAPI).expect("JSON")
}

#[test]
fn the_document_is_sound() {
    let document = oas3::from_json(files::OPENAPI).expect("OpenAPI 3.1");
    assert_eq!(document.validate_version().expect("a version").major, 3);
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    let documented: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("operations").keys();
            methods.map(|method| (path.clone(), method.to_uppercase()))
        })
        .collect();
    let served: BTreeSet<(String, String)> = routes()
        .iter()
        .map(|route| {
            let method = match route.method {
                MethodFilter::GET => "GET",
                MethodFilter::POST => "POST",
                MethodFilter::DELETE => "DELETE",
                other => panic!("{other:?}"),
            };
            (route.path.to_owned(), method.to_owned())
        })
        .collect();
    assert_eq!(documented, served);
}

#[test]
fn every_error_code_is_in_the_document_with_its_status() {
    let document = document();
    let code = &document["components"]["schemas"]["Code"];
    let listed: Vec<&str> =
        code["enum"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    let names: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(listed, names);
    let words = code["description"].as_str().expect("words");
    for code in ErrorCode::ALL {
        let line = format!("- `{}` ({}):", code.name(), code.status());
        assert!(words.contains(&line), "{line}");
        let responses = document["components"]["responses"].as_object().expect("responses");
        let quoted = format!("`{}`", code.name());
        let describes =
            |it: &Value| it["description"].as_str().is_some_and(|it| it.contains(&quoted));
        assert!(responses.values().any(describes), "{quoted}");
    }
}

#[test]
fn every_operation_names_the_statuses_that_every_request_may_get() {
    let document = document();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if operation["security"] == serde_json::json!([]) {
                continue;
            }
            for status in ["400", "401", "403", "500", "503"] {
                assert!(operation["responses"].get(status).is_some(), "{method} {path} {status}");
            }
        }
    }
}

/// Streams in memory, of which those of the namespace `full` and `failed` take nothing more once they have a record.
#[derive(Debug)]
struct Faulty {
    memory: Memory,
    events: Vec<Event>,
    taken: BTreeSet<String>,
}

impl Broker for Faulty {
    fn submit(&mut self, token: u64, request: broker::Request, now: Now) {
        if let broker::Request::Append { channel, .. } = &request
            && !self.taken.insert(channel.as_str().to_owned())
        {
            let error = match channel.namespace() {
                "full" => Some(broker::Error::Full),
                "failed" => Some(broker::Error::Failed("the disk is gone".to_owned())),
                _ => None,
            };
            if let Some(error) = error {
                self.events.push(Event::Completed { token, result: Err(error) });
                return;
            }
        }
        self.memory.submit(token, request, now);
    }

    fn poll(&mut self, now: Now) -> Option<Event> {
        self.events.pop().or_else(|| self.memory.poll(now))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.memory.poll_timeout()
    }
}

/// A router over a faulty broker.
fn faulty() -> Router {
    let app = Arc::new(App::new(Config::default(), Some(Development::new(0))));
    let memory = Memory::new(MemoryLimits::default(), 1);
    let broker = Faulty { memory, events: Vec::new(), taken: BTreeSet::new() };
    let authoriser = Arc::new(Everybody);
    let (node, handle) = Node::new(Parts {
        config: settings::hub(&app.config),
        storage: Storage::Other(Box::new(broker)),
        authoriser: authoriser.clone(),
        authorise_timeout: app.config.limits.connect_timeout.0,
        wake: Arc::new(Notify::new()),
        queue_bytes: 1 << 18,
    });
    tokio::spawn(node.run());
    app.begin(handle, authoriser);
    router(&app)
}

async fn ask(router: &mut Router, method: Method, path: &str) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let request = request.body(Body::from("x")).expect("a request");
    poll_fn(|cx| Service::<Request<Body>>::poll_ready(router, cx)).await.expect("infallible");
    let response = router.call(request).await.expect("infallible");
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_full_disk_refuses_publications_and_nothing_else() {
    let mut router = faulty();
    let path = "/v1/channels/full:1/messages";
    assert_eq!(ask(&mut router, Method::POST, path).await.0, StatusCode::OK);
    let (status, body) = ask(&mut router, Method::POST, path).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(body["error"]["code"], "storage_full");
    assert_eq!(body["error"]["temporary"], true);
    assert!(
        body["error"]["message"].as_str().is_some_and(|words| words.contains("free some space"))
    );
    let (status, body) = ask(&mut router, Method::GET, path).await;
    assert_eq!((status, &body["messages"][0]["data"]), (StatusCode::OK, &"x".into()));
    let memory = "/v1/channels/memory:1/messages";
    for _ in 0..2 {
        assert_eq!(ask(&mut router, Method::POST, memory).await.0, StatusCode::OK);
    }
    assert_eq!(ask(&mut router, Method::GET, "/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_failed_log_refuses_publications_and_the_server_is_not_ready() {
    let mut router = faulty();
    let path = "/v1/channels/failed:1/messages";
    assert_eq!(ask(&mut router, Method::POST, path).await.0, StatusCode::OK);
    let (status, body) = ask(&mut router, Method::POST, path).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["error"]["code"], "storage_failed");
    assert_eq!(ask(&mut router, Method::GET, path).await.0, StatusCode::OK);
    let (status, body) = ask(&mut router, Method::GET, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body["status"].as_str().is_some_and(|words| words.contains("start the server again")));
    assert_eq!(ask(&mut router, Method::GET, "/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn until_the_log_is_open_only_those_who_watch_are_answered() {
    let app = Arc::new(App::new(Config::default(), Some(Development::new(0))));
    let mut router = router(&app);
    assert_eq!(ask(&mut router, Method::GET, "/healthz").await.0, StatusCode::OK);
    let (status, body) = ask(&mut router, Method::GET, "/readyz").await;
    assert_eq!((status, &body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"starting".into()));
    assert_eq!(ask(&mut router, Method::GET, "/metrics").await.0, StatusCode::OK);
    let (status, body) = ask(&mut router, Method::GET, "/v1/channels").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (&body["error"]["code"], &body["error"]["temporary"]),
        (&"unavailable".into(), &true.into())
    );
    app.drain();
    let (_, body) = ask(&mut router, Method::GET, "/readyz").await;
    assert_eq!(body["status"], "draining");
}
