//! Which web pages may connect (RFC 6455 section 10.2), seen from the client.

mod raw;

use std::net::SocketAddr;

use http::StatusCode;
use longwire::{Acceptor, Connect, ConnectError, OriginPolicy, Server};
use raw::{Raw, assert_echo, echo, opening_but, soon};

async fn serve(policy: OriginPolicy) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.expect("a port");
    let server = server.acceptor(Acceptor::new().origins(policy));
    let address = server.local_addr().expect("bound");
    tokio::spawn(server.serve(echo));
    address
}

async fn status(address: SocketAddr, origin: &str) -> u16 {
    let request = String::from_utf8(opening_but("Host", Some("app.example:8080"))).expect("text");
    let request = request.replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n"));
    Raw::ask(address, request.as_bytes()).await.1.status
}

#[tokio::test]
async fn by_default_a_page_of_another_origin_gets_403_and_a_reason() {
    let address = serve(OriginPolicy::default()).await;
    let connect = Connect::new(&format!("ws://{address}/")).origin("https://evil.example");
    let refused = soon(connect.into_future()).await;
    let Err(ConnectError::Refused(response)) = refused else { panic!("{refused:?}") };
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let body = std::str::from_utf8(response.body()).expect("text");
    assert!(body.contains("OriginPolicy") && body.ends_with('\n'), "{body:?}");
}

#[tokio::test]
async fn by_default_pages_of_the_servers_own_host_and_port_may_connect() {
    let address = serve(OriginPolicy::default()).await;
    assert_eq!(status(address, "http://app.example:8080").await, 101);
    assert_eq!(status(address, "https://App.Example:8080").await, 101);
    assert_eq!(status(address, "http://app.example").await, 403);
    assert_eq!(status(address, "http://app.example:8081").await, 403);
    assert_eq!(status(address, "http://x.app.example:8080").await, 403);
    assert_eq!(status(address, "null").await, 403);
    assert_eq!(status(address, "file://").await, 403);
}

#[tokio::test]
async fn a_program_that_sends_no_origin_may_connect() {
    let address = serve(OriginPolicy::default()).await;
    let mut socket = soon(longwire::connect(&format!("ws://{address}/"))).await.expect("open");
    assert_echo(&mut socket).await;
}

#[tokio::test]
async fn an_allowed_origin_may_connect_beside_the_servers_own() {
    let address = serve(OriginPolicy::same_origin().allow("https://friend.example")).await;
    assert_eq!(status(address, "https://friend.example").await, 101);
    assert_eq!(status(address, "http://app.example:8080").await, 101);
    assert_eq!(status(address, "http://friend.example").await, 403);
    assert_eq!(status(address, "https://friend.example.evil.example").await, 403);
}

#[tokio::test]
async fn every_page_may_connect_where_the_policy_says_so() {
    let address = serve(OriginPolicy::any()).await;
    assert_eq!(status(address, "https://evil.example").await, 101);
    assert_eq!(status(address, "null").await, 101);
}

#[tokio::test]
async fn an_origin_given_twice_is_a_fault_of_the_request() {
    let address = serve(OriginPolicy::any()).await;
    assert_eq!(status(address, "https://a.example\r\nOrigin: https://b.example").await, 400);
}
