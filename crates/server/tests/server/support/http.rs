//! An HTTP client for tests: one connection a request, unless it is kept on purpose.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A request that is being put together.
pub(crate) struct Call {
    addr: SocketAddr,
    request: http::request::Builder,
    body: Bytes,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) fn get(addr: SocketAddr, path: &str) -> Call {
    call(addr, Method::GET, path)
}

pub(crate) fn post(addr: SocketAddr, path: &str, body: impl Into<Bytes>) -> Call {
    Call { body: body.into(), ..call(addr, Method::POST, path) }
}

pub(crate) fn delete(addr: SocketAddr, path: &str) -> Call {
    call(addr, Method::DELETE, path)
}

pub(crate) fn call(addr: SocketAddr, method: Method, path: &str) -> Call {
    let request = Request::builder().method(method).uri(path).header("host", addr.to_string());
    Call { addr, request, body: Bytes::new() }
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if name == "host" {
            self.request.headers_mut().expect("sound so far").remove("host");
        }
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self) -> Self {
        self.header("content-type", "application/json")
    }

    pub(crate) async fn send(self) -> Reply {
        let response = self.open().await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// The answer, whose body is still to come.
    pub(crate) async fn open(self) -> http::Response<Incoming> {
        let stream = TcpStream::connect(self.addr).await.expect("connected");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        let request = self.request.body(Full::new(self.body)).expect("a request");
        sender.send_request(request).await.expect("an answer")
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?} {:?}", self.status, self.body))
    }

    /// Status, code and words of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String, String) {
        let json = self.json();
        let text = |key| json["error"][key].as_str().expect("a text").to_owned();
        (self.status.as_u16(), text("code"), text("message"))
    }

    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str, words: &str) {
        let refusal = self.refusal();
        assert_eq!((refusal.0, refusal.1.as_str()), (status, code), "{}", refusal.2);
        assert!(refusal.2.contains(words), "`{words}` is not in: {}", refusal.2);
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{:?}", self.body);
        self.json()
    }
}
