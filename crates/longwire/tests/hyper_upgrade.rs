//! The opening handshake behind hyper.

mod raw;

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    net::SocketAddr,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use longwire::{
    Acceptor, CloseCode, Connect, ConnectError, Message, OriginPolicy, Subprotocol, WebSocket,
    server::{AcceptError, Answer, Connections, Upgrade, UpgradeError},
};
use raw::{
    ACCEPT, HANDSHAKE, Raw, TEXT, assert_echo, echo, frame, opening, opening_but, request, soon,
};
use tokio::{
    io::{DuplexStream, duplex},
    net::TcpListener,
    sync::mpsc,
};

type Reply = Response<Full<Bytes>>;

/// Serves by hyper with upgrades.
async fn serve<H, F>(handler: H) -> SocketAddr
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.expect("the listener works");
            let handler = handler.clone();
            let service = service_fn(move |request| {
                let reply = handler(request, peer);
                async move { Ok::<_, Infallible>(reply.await) }
            });
            let served = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            // A client may leave at any time.
            tokio::spawn(async move { drop(served.await) });
        }
    });
    address
}

/// Echoes on what is upgraded.
async fn serve_echo(acceptor: Acceptor) -> SocketAddr {
    serve(move |mut request, peer| {
        let accepted = acceptor.upgrade(&mut request);
        async move { reply(accepted.map(|(response, it)| (response, it.from_peer(peer)))) }
    })
    .await
}

fn reply(accepted: Result<(Response<()>, Upgrade), AcceptError>) -> Reply {
    match accepted {
        Ok((response, upgrade)) => {
            tokio::spawn(async move { echo(upgrade.await.expect("hyper hands over")).await });
            response.map(|()| Full::default())
        }
        Err(error) => Response::from(error).map(Full::from),
    }
}

fn subprotocols(names: &[&str]) -> Vec<Subprotocol> {
    names.iter().map(|name| name.parse().expect("a token")).collect()
}

async fn connect(address: SocketAddr) -> WebSocket {
    soon(longwire::connect(&format!("ws://{address}/"))).await.expect("the server accepts")
}

#[tokio::test]
async fn a_client_talks_through_hyper() {
    let address = serve_echo(Acceptor::new().subprotocols(subprotocols(&["a", "b"]))).await;
    let connect = Connect::new(&format!("ws://{address}/")).subprotocols(["x", "b", "a"]);
    let mut socket = soon(connect.into_future()).await.expect("open");
    assert_eq!(socket.subprotocol(), Some("b"));
    assert_echo(&mut socket).await;
    let large = Message::binary(vec![7; 1 << 20]);
    soon(socket.send(large.clone())).await.expect("an open connection");
    assert_eq!(soon(socket.recv()).await.expect("an open connection"), Some(large));
    assert!(soon(socket.close(CloseCode::NORMAL_CLOSURE)).await.is_clean());
}

#[tokio::test]
async fn the_101_has_the_headers_of_the_rfc_and_no_body() {
    let address = serve_echo(Acceptor::new().subprotocols(subprotocols(&["chat"]))).await;
    let offers = [("Sec-WebSocket-Protocol", "other, chat")];
    let (mut raw, answer) = Raw::ask(address, &opening("/chat?n=1", &offers)).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert!(answer.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("upgrade")));
    assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
    assert_eq!(answer.header("sec-websocket-protocol"), Some("chat"));
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.header("transfer-encoding"), None);
    raw.send(&frame(TEXT, b"a")).await;
    assert_eq!(raw.frame().await, (TEXT, b"a".to_vec()));
}

#[tokio::test]
async fn each_fault_of_a_request_has_its_status_and_a_reason_of_one_line() {
    let address = serve_echo(Acceptor::new()).await;
    let cases: [(Vec<u8>, u16, &str); 8] = [
        (request("POST /", HANDSHAKE), 405, "GET"),
        (request("GET /", [("Host", "a.example")]), 426, "Upgrade"),
        (opening_but("Sec-WebSocket-Version", Some("8")), 426, "13"),
        (opening_but("Connection", Some("keep-alive")), 400, "Connection"),
        (opening_but("Sec-WebSocket-Key", Some("short")), 400, "Sec-WebSocket-Key"),
        (opening_but("Host", None), 400, "Host"),
        (opening("/", &[("Sec-WebSocket-Protocol", "a, a")]), 400, "twice"),
        (opening("/", &[("Origin", "https://evil.example")]), 403, "origin"),
    ];
    for (request, status, reason) in cases {
        let shown = String::from_utf8_lossy(&request).into_owned();
        let (_raw, answer) = Raw::ask(address, &request).await;
        assert_eq!(answer.status, status, "{shown}{answer:?}");
        assert!(answer.body.contains(reason), "{shown}{answer:?}");
        assert_eq!(answer.body.lines().count(), 1, "{answer:?}");
        assert!(answer.header("content-type").is_some_and(|it| it.contains("text/plain")));
        let version = (status == 426).then_some("13");
        assert_eq!(answer.header("sec-websocket-version"), version, "{answer:?}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET"), "{answer:?}");
    }
}

#[tokio::test]
async fn the_origin_policy_is_the_acceptors() {
    let policy = OriginPolicy::same_origin().allow("https://friend.example");
    let address = serve_echo(Acceptor::new().origins(policy)).await;
    for (origin, status) in [
        ("https://friend.example", 101),
        ("http://server.example", 101),
        ("https://other.example", 403),
        ("null", 403),
    ] {
        let (_raw, answer) = Raw::ask(address, &opening("/", &[("Origin", origin)])).await;
        assert_eq!(answer.status, status, "{origin}");
    }
}

#[tokio::test]
async fn the_application_may_choose_the_subprotocol_and_add_headers() {
    let address = serve(async |mut request, _| {
        reply(Acceptor::new().upgrade_with(&mut request, |opening| {
            let subprotocol = opening.subprotocols().last().cloned();
            let mut answer = Answer { subprotocol, ..Answer::default() };
            answer.headers.insert(header::SET_COOKIE, HeaderValue::from_static("a=1"));
            answer
        }))
    })
    .await;
    let offers = [("Sec-WebSocket-Protocol", "a, b")];
    let (_raw, answer) = Raw::ask(address, &opening("/", &offers)).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-protocol"), Some("b"));
    assert_eq!(answer.header("set-cookie"), Some("a=1"));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_request_gives_the_client_500() {
    let address = serve(async |mut request, _| {
        reply(Acceptor::new().upgrade_with(&mut request, |_| Answer {
            subprotocol: subprotocols(&["never-offered"]).pop(),
            ..Answer::default()
        }))
    })
    .await;
    let (_raw, answer) = Raw::ask(address, &opening("/", &[])).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body.lines().count(), 1);
    assert!(!answer.body.contains("never-offered"), "{answer:?}");
}

#[tokio::test]
async fn the_application_may_reject_with_a_response_of_its_own() {
    let address = serve(async |_, _| {
        Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, "Bearer")
            .body(Full::from("who are you?"))
            .expect("a valid response")
    })
    .await;
    let refused = soon(longwire::connect(&format!("ws://{address}/"))).await;
    let Err(ConnectError::Refused(response)) = refused else { panic!("{refused:?}") };
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!(**response.body(), *b"who are you?");
}

#[tokio::test]
async fn what_is_sent_right_behind_the_request_is_the_first_message() {
    let address = serve_echo(Acceptor::new()).await;
    let bytes = [opening("/", &[]), frame(TEXT, b"early"), frame(TEXT, b"late")].concat();
    // The second frame comes in two parts, the first of them with the request.
    let (first, rest) = bytes.split_at(bytes.len() - 1);
    let (mut raw, answer) = Raw::ask(address, first).await;
    assert_eq!(answer.status, 101);
    assert_eq!(raw.frame().await, (TEXT, b"early".to_vec()));
    raw.send(rest).await;
    assert_eq!(raw.frame().await, (TEXT, b"late".to_vec()));
}

#[tokio::test]
async fn the_peers_address_is_the_one_that_was_noted() {
    let (report, mut reported) = mpsc::unbounded_channel();
    let address = serve(move |mut request, peer| {
        let report = report.clone();
        async move {
            let (response, upgrade) = Acceptor::new().upgrade(&mut request).expect("valid");
            tokio::spawn(async move {
                let socket = upgrade.from_peer(peer).await.expect("hyper hands over");
                report.send((peer, socket.peer_addr())).expect("the test waits");
                echo(socket).await;
            });
            response.map(|()| Full::default())
        }
    })
    .await;
    let _socket = connect(address).await;
    let (peer, noted) = soon(reported.recv()).await.expect("a connection");
    assert_eq!(noted, Some(peer));
}

/// What became of an upgrade whose request hyper answered as `serve` says.
async fn outcome<F>(
    serve: impl FnOnce(DuplexStream, mpsc::UnboundedSender<Upgrade>) -> F,
) -> UpgradeError
where
    F: Future<Output = ()> + Send + 'static,
{
    let (near, far) = duplex(4096);
    let mut raw = Raw { io: far };
    let (upgrades, mut promises) = mpsc::unbounded_channel();
    let served = tokio::spawn(serve(near, upgrades));
    raw.send(&opening("/", &[])).await;
    let upgrade = soon(promises.recv()).await.expect("a request");
    let error = soon(upgrade).await.expect_err("there is no connection");
    served.abort();
    error
}

fn keep(request: &mut Request<Incoming>, upgrades: &mpsc::UnboundedSender<Upgrade>) -> Reply {
    let (response, upgrade) = Acceptor::new().upgrade(request).expect("a valid request");
    upgrades.send(upgrade).expect("the test waits");
    response.map(|()| Full::default())
}

#[tokio::test]
async fn an_upgrade_fails_where_hyper_has_no_upgrades_enabled() {
    let error = outcome(async |io, upgrades| {
        let service = service_fn(move |mut request| {
            std::future::ready(Ok::<_, Infallible>(keep(&mut request, &upgrades)))
        });
        drop(http1::Builder::new().serve_connection(TokioIo::new(io), service).await);
    })
    .await;
    assert!(matches!(error, UpgradeError::Http(_)), "{error:?}");
    assert!(error.to_string().contains("enable upgrades"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_fails_in_time_where_another_response_is_sent_in_place_of_the_101() {
    let start = tokio::time::Instant::now();
    let error = outcome(async |io, upgrades| {
        let service = service_fn(move |mut request| {
            drop(keep(&mut request, &upgrades));
            std::future::ready(Ok::<_, Infallible>(Reply::default()))
        });
        let served = http1::Builder::new().serve_connection(TokioIo::new(io), service);
        drop(served.with_upgrades().await);
    })
    .await;
    let limit = Duration::from_secs(10);
    assert!(matches!(error, UpgradeError::TimedOut { limit: it } if it == limit), "{error:?}");
    assert_eq!(start.elapsed(), limit);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_fails_in_time_where_no_response_is_sent() {
    let error = outcome(async |io, upgrades| {
        let service = service_fn(move |mut request| {
            drop(keep(&mut request, &upgrades));
            std::future::pending::<Result<Reply, Infallible>>()
        });
        let served = http1::Builder::new().serve_connection(TokioIo::new(io), service);
        drop(served.with_upgrades().await);
    })
    .await;
    assert!(matches!(error, UpgradeError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn an_upgrade_fails_at_once_where_the_client_leaves_before_the_101() {
    let (report, mut reported) = mpsc::unbounded_channel();
    let address = serve(move |mut request, _| {
        let (_, upgrade) = Acceptor::new().upgrade(&mut request).expect("a valid request");
        report.send(upgrade).expect("the test waits");
        std::future::pending()
    })
    .await;
    let mut raw = Raw::connect(address).await;
    raw.send(&opening("/", &[])).await;
    let upgrade = soon(reported.recv()).await.expect("a request");
    drop(raw);
    let error = upgrade.await.expect_err("the client has left");
    assert!(matches!(error, UpgradeError::Http(_)), "{error:?}");
}

#[test]
fn a_request_that_no_hyper_read_is_a_fault_of_the_server() {
    let mut request = Request::new(());
    for (name, value) in HANDSHAKE {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let error = Acceptor::new().upgrade(&mut request).expect_err("no OnUpgrade");
    assert!(matches!(error, AcceptError::NotUpgradable), "{error:?}");
    assert_eq!(error.response().status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn tracked_connections_are_closed_with_1001_and_further_requests_get_503() {
    let connections = Connections::new();
    let address = serve_echo(Acceptor::new().track(&connections)).await;
    let mut socket = connect(address).await;
    assert_echo(&mut socket).await;
    assert_eq!(connections.len(), 1);
    let limit = Duration::from_mins(1);
    let closing = connections.close_all(CloseCode::GOING_AWAY, limit);
    let (drained, received) = soon(async { tokio::join!(closing, socket.recv()) }).await;
    assert_eq!(received.expect("a clean close"), None);
    assert_eq!(socket.closed().expect("it has ended").code(), CloseCode::GOING_AWAY);
    assert_eq!((drained.ended, drained.aborted), (1, 0));

    let (_raw, answer) = Raw::ask(address, &opening("/", &[])).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body.lines().count(), 1);
}

#[tokio::test]
async fn a_connection_whose_101_goes_out_during_the_shutdown_is_closed_at_once() {
    let connections = Connections::new();
    let acceptor = Acceptor::new().track(&connections);
    let (gate, gated) = tokio::sync::oneshot::channel::<()>();
    let gated = Arc::new(Mutex::new(Some(gated)));
    let address = serve(move |mut request, _| {
        let accepted = acceptor.upgrade(&mut request);
        let gated = gated.lock().expect("not poisoned").take().expect("one request");
        async move {
            gated.await.expect("the test opens it");
            reply(accepted)
        }
    })
    .await;
    let mut raw = Raw::connect(address).await;
    raw.send(&opening("/", &[])).await;
    soon(async {
        while connections.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let closing = connections.close_all(CloseCode::GOING_AWAY, Duration::from_mins(1));
    let client = async {
        gate.send(()).expect("the server waits");
        assert_eq!(raw.answer().await.status, 101);
        assert_eq!(raw.leave().await, 1001);
    };
    let (drained, ()) = soon(async { tokio::join!(closing, client) }).await;
    assert_eq!((drained.ended, drained.aborted), (1, 0));
}

#[tokio::test]
async fn a_tracked_connection_whose_client_does_not_answer_is_dropped_at_the_limit() {
    let connections = Connections::new();
    let address = serve_echo(Acceptor::new().track(&connections)).await;
    let mut silent = Raw::open(address).await;
    let drained =
        soon(connections.close_all(CloseCode::GOING_AWAY, Duration::from_millis(50))).await;
    assert_eq!((drained.ended, drained.aborted), (0, 1));
    assert_eq!(silent.close_code().await, 1001);
    assert!(!silent.ended().await);
}

#[tokio::test]
async fn an_upgrade_dropped_after_any_poll_closes_the_connection() {
    for polls in 0..100 {
        let (completed, mut completion) = mpsc::unbounded_channel();
        let address = serve(move |mut request, _| {
            let accepted = Acceptor::new().upgrade(&mut request);
            let (response, upgrade) = accepted.expect("a valid request");
            let completed = completed.clone();
            tokio::spawn(async move {
                let mut upgrade = std::pin::pin!(upgrade);
                for _ in 0..polls {
                    let polled = poll_fn(|cx| Poll::Ready(upgrade.as_mut().poll(cx))).await;
                    if let Poll::Ready(socket) = polled {
                        completed.send(socket.is_ok()).expect("the test waits");
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            });
            async move { response.map(|()| Full::default()) }
        })
        .await;
        // The socket is dropped as soon as it is there: a client that answers sees a clean end, one
        // that was dropped before an end without a Close frame.
        let ended = match soon(longwire::connect(&format!("ws://{address}/"))).await {
            Ok(mut socket) => soon(socket.recv()).await.map(|message| assert_eq!(message, None)),
            Err(_) => continue,
        };
        if completion.try_recv() == Ok(true) {
            assert!(ended.is_ok(), "{ended:?}");
            return;
        }
        assert!(ended.is_err(), "dropped after {polls} polls");
    }
    panic!("the upgrade never completes");
}
