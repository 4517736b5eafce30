//! Redirects between real servers.
#![cfg(feature = "tls")]

mod net;

use longwire::client::RedirectError;
use longwire::{Connect, ConnectError};
use net::{Certificates, Server, assert_cancel_safe, assert_echo, failure, soon};

fn redirect(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn a_redirect_within_the_origin_keeps_credentials() {
    let server = Server::scripted(vec![redirect("/new?q")], None).await;
    let connect =
        Connect::new(&server.url("ws", "al:pw@127.0.0.1", "/old")).cookie("c", "1").redirects(1);
    let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
    assert_echo(&mut ws).await;
    let requests = server.requests();
    assert_eq!(requests[1].uri(), "/new?q");
    for request in requests {
        assert_eq!(request.headers()["authorization"], "Basic YWw6cHc=");
        assert_eq!(request.headers()["cookie"], "c=1");
    }
}

#[tokio::test]
async fn another_port_is_another_origin_and_gets_no_credentials() {
    let target = Server::start().await;
    let first =
        Server::scripted(vec![redirect(&target.url("http", "127.0.0.1", "/there"))], None).await;
    let connect = Connect::new(&first.url("ws", "al:pw@127.0.0.1", "/"))
        .cookie("c", "1")
        .header("x-own", "1")
        .redirects(1);
    let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
    assert_echo(&mut ws).await;
    let requests = target.requests();
    let headers = requests[0].headers();
    assert_eq!(requests[0].uri(), "/there");
    assert_eq!(headers["host"], target.address.to_string());
    assert!(!headers.contains_key("authorization") && !headers.contains_key("cookie"));
    assert_eq!(headers["x-own"], "1");
}

#[tokio::test]
async fn a_redirect_may_lead_to_tls_and_never_away_from_it() {
    let certificates = Certificates::new("redirects", &["127.0.0.1"]);
    let plain = Server::start().await;
    let down = redirect(&plain.url("ws", "127.0.0.1", "/"));
    let secure = Server::scripted(vec![down], Some(certificates.server())).await;
    let secure_url = secure.url("wss", "127.0.0.1", "/");

    let connect = Connect::new(&secure_url).tls(certificates.client()).redirects(5);
    let error = failure(connect).await;
    assert!(matches!(error, ConnectError::Redirect(RedirectError::Downgrade { .. })), "{error:?}");
    assert!(plain.requests().is_empty(), "the plain server was not asked");

    let up = Server::scripted(vec![redirect(&secure_url)], None).await;
    let connect =
        Connect::new(&up.url("ws", "127.0.0.1", "/")).tls(certificates.client()).redirects(1);
    let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
    assert_echo(&mut ws).await;
}

#[tokio::test]
async fn dropped_after_any_poll_a_redirected_connection_is_closed() {
    let server = Server::start().await;
    let polls = assert_cancel_safe(server.address, |address| {
        Connect::new(&format!("ws://{address}/moved")).redirects(1)
    })
    .await;
    assert!(polls > 4, "two connections have two waits each");
}
