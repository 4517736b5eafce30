//! Dialling over real sockets: addresses, the caller's own streams, and cancellation.
#![cfg(feature = "tls")]

mod net;

use std::io;

use longwire::{Connect, ConnectError};
use net::{Server, assert_cancel_safe, assert_echo, failure, soon};
use tokio::net::TcpListener;

#[tokio::test]
async fn an_address_and_a_name_lead_to_the_server() {
    let server = Server::start().await;
    for host in ["127.0.0.1", "localhost"] {
        let url = server.url("ws", host, "/chat?n=1");
        let mut ws = soon(longwire::connect(&url)).await.expect("a WebSocket");
        assert_echo(&mut ws).await;
        let requests = server.requests();
        let request = requests.last().expect("a request");
        assert_eq!(request.uri(), "/chat?n=1");
        assert_eq!(request.headers()["host"], format!("{host}:{}", server.address.port()));
    }
}

#[tokio::test]
async fn http_in_the_url_means_ws() {
    let server = Server::start().await;
    let url = server.url("http", "127.0.0.1", "/");
    let mut ws = soon(longwire::connect(&url)).await.expect("a WebSocket");
    assert_echo(&mut ws).await;
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named_with_the_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let error = failure(Connect::new(&format!("ws://{address}/"))).await;
    let ConnectError::Tcp(tcp) = &error else { panic!("{error:?}") };
    assert_eq!(tcp.attempts().len(), 1);
    assert_eq!(tcp.attempts()[0].address(), address);
    assert_eq!(tcp.attempts()[0].error().kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains("start the server, or check the port"), "{error}");
}

#[tokio::test]
async fn a_name_that_cannot_exist_is_an_error_of_the_name_service() {
    // RFC 6761 section 6.4: no name below "invalid" has an address.
    let error = failure(Connect::new("ws://longwire.invalid/").no_proxy()).await;
    let ConnectError::Dns(dns) = &error else { panic!("{error:?}") };
    assert_eq!(dns.host(), "longwire.invalid");
}

#[tokio::test]
async fn a_callers_own_stream_carries_the_handshake() {
    let (io, mut peer) = tokio::io::duplex(256);
    let server = tokio::spawn(async move {
        let request = net::read_request(&mut peer).await.expect("a request");
        let bytes = net::acceptance(&request);
        tokio::io::AsyncWriteExt::write_all(&mut peer, &bytes).await.expect("the client reads");
        (request, peer)
    });
    let connect = Connect::new("wss://example.com/own").subprotocols(["x"]).over(io);
    let ws = soon(connect.into_future()).await.expect("a WebSocket");
    let (request, peer) = server.await.expect("no panic");
    assert_eq!(request.uri(), "/own");
    assert_eq!(request.headers()["host"], "example.com");
    drop((ws, peer));
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_carries_the_handshake() {
    let server = Server::start().await;
    let (near, mut far) = tokio::net::UnixStream::pair().expect("a pair of sockets");
    let address = server.address;
    let relay = tokio::spawn(async move {
        let mut io = tokio::net::TcpStream::connect(address).await.expect("the server listens");
        // How the connection ends is not the subject.
        let _ = tokio::io::copy_bidirectional(&mut far, &mut io).await;
    });
    let connect = Connect::new("ws://example.com/").over(near);
    let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
    assert_echo(&mut ws).await;
    drop(ws);
    soon(relay).await.expect("no panic");
}

#[tokio::test]
async fn a_refusal_gives_status_headers_and_body() {
    let answer = "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nwho?";
    let server = Server::scripted(vec![answer.to_owned()], None).await;
    let error = failure(Connect::new(&server.url("ws", "127.0.0.1", "/"))).await;
    let ConnectError::Refused(response) = &error else { panic!("{error:?}") };
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Basic");
    assert_eq!(&**response.body(), b"who?");
}

#[tokio::test]
async fn dropped_after_any_poll_a_connection_is_closed() {
    let server = Server::start().await;
    let polls =
        assert_cancel_safe(server.address, |address| Connect::new(&format!("ws://{address}/")))
            .await;
    assert!(polls > 2, "connecting and the handshake have a wait each");
}
