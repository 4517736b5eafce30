//! The server's side of the opening handshake (RFC 6455 section 4.2) over sockets: what it answers,
//! how long it waits, and how many it serves.

mod raw;

use std::{net::SocketAddr, time::Duration};

use http::{HeaderValue, Response, StatusCode, header};
use longwire::{
    Acceptor, CloseCode, ConnectError, Incoming, Server, Subprotocol,
    proto::handshake::{BadRequest, HandshakeError},
    server::{AcceptError, Answer, HandshakeLimits, Transport},
};
use raw::{
    ACCEPT, HANDSHAKE, Raw, TEXT, assert_echo, echo, frame, opening, opening_but, request, soon,
};
use tokio::io::{AsyncWriteExt as _, duplex};

async fn serve(acceptor: Acceptor) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.expect("a port").acceptor(acceptor);
    let address = server.local_addr().expect("bound");
    tokio::spawn(server.serve(echo));
    address
}

/// A server whose handler looks at each request.
async fn serve_incoming<H, F>(handler: H) -> SocketAddr
where
    H: Fn(Incoming<Transport>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let server = Server::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("bound");
    tokio::spawn(server.serve_incoming_until(std::future::pending(), handler));
    address
}

fn subprotocols(names: &[&str]) -> Vec<Subprotocol> {
    names.iter().map(|name| name.parse().expect("a token")).collect()
}

#[tokio::test]
async fn a_valid_request_is_answered_with_101_and_nothing_more() {
    let address = serve(Acceptor::new()).await;
    let (_raw, answer) = Raw::ask(address, &opening("/chat?n=1", &[])).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("connection"), Some("Upgrade"));
    assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
    assert_eq!(answer.headers.len(), 3, "{answer:?}");
}

#[tokio::test]
async fn the_subprotocol_is_the_first_of_the_clients_that_the_server_knows() {
    let address = serve(Acceptor::new().subprotocols(subprotocols(&["a", "b"]))).await;
    let cases =
        [("b, a", Some("b")), ("c, a, b", Some("a")), ("c", None), ("A", None), ("a", Some("a"))];
    for (offered, chosen) in cases {
        let (_raw, answer) =
            Raw::ask(address, &opening("/", &[("Sec-WebSocket-Protocol", offered)])).await;
        assert_eq!(answer.status, 101, "{offered}");
        assert_eq!(answer.header("sec-websocket-protocol"), chosen, "{offered}");
    }
}

#[tokio::test]
async fn both_sides_know_the_subprotocol_and_the_peers_address() {
    let (report, mut reported) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::bind("127.0.0.1:0")
        .await
        .expect("a port")
        .acceptor(Acceptor::new().subprotocols(subprotocols(&["b"])));
    let address = server.local_addr().expect("bound");
    tokio::spawn(server.serve(move |socket| {
        let seen = (socket.subprotocol().map(str::to_owned), socket.peer_addr());
        let report = report.clone();
        async move {
            report.send(seen).expect("the test waits");
            echo(socket).await;
        }
    }));
    let url = format!("ws://{address}/");
    let mut socket = soon(longwire::Connect::new(&url).subprotocols(["a", "b"]).into_future())
        .await
        .expect("open");
    assert_eq!(socket.subprotocol(), Some("b"));
    assert_eq!(socket.peer_addr(), Some(address));
    assert_echo(&mut socket).await;
    let (subprotocol, peer) = soon(reported.recv()).await.expect("a connection");
    assert_eq!(subprotocol.as_deref(), Some("b"));
    assert!(peer.is_some_and(|peer| peer.ip().is_loopback()), "{peer:?}");
}

#[tokio::test]
async fn each_fault_of_a_request_has_its_status_and_a_reason_of_one_line() {
    let mut limits = HandshakeLimits::default();
    limits.max_headers = 10;
    let address = serve(Acceptor::new().handshake_limits(limits)).await;
    let many = [("X-A", "1"); 10];
    let cases: [(Vec<u8>, u16, &str); 14] = [
        (request("POST /", HANDSHAKE), 405, "GET"),
        (request("GET /", [("Host", "a.example")]), 426, "Upgrade"),
        (opening_but("Upgrade", Some("h2c")), 426, "Upgrade"),
        (opening_but("Connection", Some("keep-alive")), 400, "Connection"),
        (opening_but("Sec-WebSocket-Version", Some("8")), 426, "13"),
        (opening_but("Sec-WebSocket-Version", None), 426, "13"),
        (opening_but("Sec-WebSocket-Key", None), 400, "Sec-WebSocket-Key"),
        (opening_but("Sec-WebSocket-Key", Some("short")), 400, "Sec-WebSocket-Key"),
        (opening_but("Host", None), 400, "Host"),
        (opening("/", &[("Content-Length", "5")]), 400, "body"),
        (opening("/", &[("Sec-WebSocket-Protocol", "a, a")]), 400, "twice"),
        (opening("/", &[("Origin", "https://evil.example")]), 403, "origin"),
        (opening("/", &many), 431, "10 headers"),
        (b"GET / HTTP/1.1\r\nHost\r\n\r\n".to_vec(), 400, "header"),
    ];
    for (request, status, reason) in cases {
        let shown = String::from_utf8_lossy(&request).into_owned();
        let (mut raw, answer) = Raw::ask(address, &request).await;
        assert_eq!(answer.status, status, "{shown}{answer:?}");
        assert!(answer.body.contains(reason), "{shown}{answer:?}");
        assert_eq!(answer.body.lines().count(), 1, "{answer:?}");
        assert!(answer.header("connection").is_some_and(|it| it.contains("close")), "{answer:?}");
        assert!(answer.header("content-type").is_some_and(|it| it.contains("text/plain")));
        let version = (status == 426).then_some("13");
        assert_eq!(answer.header("sec-websocket-version"), version, "{answer:?}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET"), "{answer:?}");
        assert!(!raw.ended().await, "{shown}");
    }
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let address = serve(Acceptor::new()).await;
    let mut raw = Raw::connect(address).await;
    raw.io.set_nodelay(true).expect("a socket");
    for byte in opening("/", &[]) {
        raw.send(&[byte]).await;
    }
    assert_eq!(raw.answer().await.status, 101);
}

#[tokio::test]
async fn what_is_sent_right_behind_the_request_is_the_first_message() {
    let address = serve(Acceptor::new()).await;
    let bytes = [opening("/", &[]), frame(TEXT, b"early"), frame(TEXT, b"la")].concat();
    // The second frame comes in two parts, the first of them with the request.
    let (first, rest) = bytes.split_at(bytes.len() - 1);
    let (mut raw, answer) = Raw::ask(address, first).await;
    assert_eq!(answer.status, 101);
    assert_eq!(raw.frame().await, (TEXT, b"early".to_vec()));
    raw.send(rest).await;
    assert_eq!(raw.frame().await, (TEXT, b"la".to_vec()));
}

#[tokio::test]
async fn the_application_may_reject_with_a_response_of_its_own() {
    let address = serve_incoming(async |incoming: Incoming<Transport>| {
        assert_eq!(incoming.request().uri(), "/private");
        let response = Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, "Bearer")
            .body("who are you?")
            .expect("a valid response");
        incoming.reject(response).await.expect("the client reads");
    })
    .await;
    let refused = soon(longwire::connect(&format!("ws://{address}/private"))).await;
    let Err(ConnectError::Refused(response)) = refused else { panic!("{refused:?}") };
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!(**response.body(), *b"who are you?");
}

#[tokio::test]
async fn the_application_may_choose_the_subprotocol_and_add_headers() {
    let address = serve_incoming(async |incoming: Incoming<Transport>| {
        let subprotocol = incoming.subprotocols().last().cloned();
        let mut answer = Answer { subprotocol, ..Answer::default() };
        answer.headers.insert(header::SET_COOKIE, HeaderValue::from_static("a=1"));
        echo(incoming.accept_with(answer).await.expect("a valid answer")).await;
    })
    .await;
    let offers = [("Sec-WebSocket-Protocol", "a, b")];
    let (_raw, answer) = Raw::ask(address, &opening("/", &offers)).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-protocol"), Some("b"));
    assert_eq!(answer.header("set-cookie"), Some("a=1"));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_request_is_an_error_and_gives_the_client_500() {
    let (near, far) = duplex(4096);
    let mut raw = Raw { io: far };
    raw.send(&opening("/", &[("Sec-WebSocket-Protocol", "a")])).await;
    let incoming = soon(Acceptor::new().read(near)).await.expect("a valid request");
    let answer = Answer { subprotocol: subprotocols(&["b"]).pop(), ..Answer::default() };
    let client = async move {
        let answer = raw.answer().await;
        raw.io.shutdown().await.expect("an open pipe");
        answer
    };
    let (accepted, answer) =
        soon(async { tokio::join!(incoming.accept_with(answer), client) }).await;
    let error = accepted.expect_err("a subprotocol that was not offered");
    assert!(matches!(error, AcceptError::Handshake(HandshakeError::Misuse(_))), "{error:?}");
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body.lines().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_there_in_time_is_answered_with_408() {
    let (near, far) = duplex(4096);
    let mut raw = Raw { io: far };
    let request = opening("/", &[]);
    raw.send(&request[..request.len() - 1]).await;
    let start = tokio::time::Instant::now();
    let limit = Duration::from_secs(3);
    let acceptor = Acceptor::new().handshake_timeout(limit);
    let client = async move {
        let answer = raw.answer().await;
        assert_eq!(start.elapsed(), limit);
        drop(raw);
        answer
    };
    let (read, answer) = tokio::join!(acceptor.read(near), client);
    let error = read.expect_err("the request is not whole");
    assert!(matches!(error, AcceptError::TimedOut { limit: it } if it == limit), "{error:?}");
    assert_eq!(answer.status, 408);
    assert_eq!(answer.body.lines().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_neither_reads_nor_leaves_is_given_up_in_time() {
    let (near, far) = duplex(64);
    let mut raw = Raw { io: far };
    let limit = Duration::from_secs(3);
    let client = async {
        raw.send(&request("GET /", [("Host", "a.example")])).await;
    };
    let start = tokio::time::Instant::now();
    let acceptor = Acceptor::new().handshake_timeout(limit);
    let (read, ()) = tokio::join!(acceptor.read(near), client);
    let error = read.expect_err("no opening handshake");
    let expected = AcceptError::Handshake(BadRequest::UpgradeMissing.into());
    assert_eq!(error.to_string(), expected.to_string());
    assert_eq!(start.elapsed(), limit);
}

#[tokio::test(start_paused = true)]
async fn an_acceptance_that_the_client_does_not_read_fails_in_time() {
    let (near, far) = duplex(64);
    let mut raw = Raw { io: far };
    let limit = Duration::from_secs(3);
    let acceptor = Acceptor::new().handshake_timeout(limit);
    let request = opening("/", &[]);
    let (accepted, ()) = tokio::join!(acceptor.accept(near), raw.send(&request));
    let error = accepted.expect_err("101 does not fit the pipe");
    assert!(matches!(error, AcceptError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_that_leaves_inside_its_request_is_an_error() {
    let (near, far) = duplex(4096);
    let mut raw = Raw { io: far };
    raw.send(b"GET / HT").await;
    drop(raw);
    let error = soon(Acceptor::new().read(near)).await.expect_err("the request is not whole");
    let expected = AcceptError::Handshake(BadRequest::Incomplete.into());
    assert_eq!(error.to_string(), expected.to_string());
}

#[tokio::test]
async fn beyond_max_connections_a_client_waits_until_one_leaves() {
    let server = Server::bind("127.0.0.1:0").await.expect("a port").max_connections(1);
    let url = format!("ws://{}/", server.local_addr().expect("bound"));
    tokio::spawn(server.serve(echo));
    let mut first = soon(longwire::connect(&url)).await.expect("the first");
    let second = tokio::spawn(async move { longwire::connect(&url).await });
    for _ in 0..100 {
        assert_echo(&mut first).await;
    }
    assert!(!second.is_finished(), "the second is served beside the first");
    soon(first.close(CloseCode::NORMAL_CLOSURE)).await;
    let mut second = soon(second).await.expect("no panic").expect("its turn has come");
    assert_echo(&mut second).await;
}

#[tokio::test]
async fn clients_in_their_handshake_count_among_max_connections_and_cannot_stay() {
    let server = Server::bind("127.0.0.1:0")
        .await
        .expect("a port")
        .acceptor(Acceptor::new().handshake_timeout(Duration::from_millis(50)))
        .max_connections(1);
    let address = server.local_addr().expect("bound");
    tokio::spawn(server.serve(echo));
    let mut silent = Raw::connect(address).await;
    let mut second = soon(longwire::connect(&format!("ws://{address}/"))).await.expect("its turn");
    assert_echo(&mut second).await;
    assert_eq!(silent.answer().await.status, 408);
}

#[tokio::test]
async fn a_handler_that_panics_closes_its_connection_with_1011_and_the_server_goes_on() {
    let address = {
        let server = Server::bind("127.0.0.1:0").await.expect("a port");
        let address = server.local_addr().expect("bound");
        tokio::spawn(server.serve(async |mut socket: longwire::WebSocket| {
            let message = socket.recv().await.expect("an open connection");
            assert_eq!(message, Some("hello".into()), "the test's panic");
            socket.send("hello").await.expect("an open connection");
        }));
        address
    };
    let mut raw = Raw::open(address).await;
    raw.send(&frame(TEXT, b"panic")).await;
    assert_eq!(raw.close_code().await, 1011);
    let mut socket =
        soon(longwire::connect(&format!("ws://{address}/"))).await.expect("it goes on");
    assert_echo(&mut socket).await;
}
