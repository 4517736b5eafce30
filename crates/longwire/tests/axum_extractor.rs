//! The opening handshake as an extractor of axum.

mod raw;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use http::{HeaderValue, StatusCode, header};
use longwire::{
    Acceptor, CloseCode, Config, Connect, ConnectError, OriginPolicy, Subprotocol, WebSocket,
    axum::{Rejection, WebSocketUpgrade},
    server::{Answer, Connections, UpgradeError},
};
use raw::{
    ACCEPT, HANDSHAKE, Raw, TEXT, assert_echo, echo, frame, opening, opening_but, request, soon,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// A router whose root echoes.
fn echoing(settings: fn(WebSocketUpgrade) -> WebSocketUpgrade) -> Router {
    Router::new().route(
        "/",
        any(move |upgrade: WebSocketUpgrade| async move { settings(upgrade).on_upgrade(echo) }),
    )
}

fn subprotocols(names: &[&str]) -> Vec<Subprotocol> {
    names.iter().map(|name| name.parse().expect("a token")).collect()
}

#[tokio::test]
async fn a_client_talks_through_axum() {
    let address = serve(echoing(|upgrade| upgrade.subprotocols(subprotocols(&["a", "b"])))).await;
    let connect = Connect::new(&format!("ws://{address}/")).subprotocols(["x", "b", "a"]);
    let mut socket = soon(connect.into_future()).await.expect("open");
    assert_eq!(socket.subprotocol(), Some("b"));
    assert_echo(&mut socket).await;
    assert!(soon(socket.close(CloseCode::NORMAL_CLOSURE)).await.is_clean());
}

#[tokio::test]
async fn the_101_has_the_headers_of_the_rfc() {
    let address = serve(echoing(|upgrade| upgrade)).await;
    let bytes = [opening("/", &[]), frame(TEXT, b"early")].concat();
    let (mut raw, answer) = Raw::ask(address, &bytes).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert!(answer.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("upgrade")));
    assert_eq!(answer.header("sec-websocket-accept"), Some(ACCEPT));
    assert_eq!(answer.header("sec-websocket-protocol"), None);
    // What was sent right behind the request is the first message.
    assert_eq!(raw.frame().await, (TEXT, b"early".to_vec()));
}

#[tokio::test]
async fn the_rejection_has_the_right_status_and_a_reason_of_one_line() {
    let address = serve(echoing(|upgrade| upgrade)).await;
    let cases: [(Vec<u8>, u16, &str); 7] = [
        (request("POST /", HANDSHAKE), 405, "GET"),
        (request("GET /", [("Host", "a.example")]), 426, "Upgrade"),
        (opening_but("Sec-WebSocket-Version", Some("8")), 426, "13"),
        (opening_but("Connection", Some("keep-alive")), 400, "Connection"),
        (opening_but("Sec-WebSocket-Key", None), 400, "Sec-WebSocket-Key"),
        (opening_but("Host", None), 400, "Host"),
        (opening("/", &[("Origin", "https://evil.example")]), 403, "origin"),
    ];
    for (request, status, reason) in cases {
        let shown = String::from_utf8_lossy(&request).into_owned();
        let (_raw, answer) = Raw::ask(address, &request).await;
        assert_eq!(answer.status, status, "{shown}{answer:?}");
        assert!(answer.body.contains(reason), "{shown}{answer:?}");
        assert_eq!(answer.body.lines().count(), 1, "{answer:?}");
        let version = (status == 426).then_some("13");
        assert_eq!(answer.header("sec-websocket-version"), version, "{answer:?}");
    }
}

#[tokio::test]
async fn the_handler_sees_what_the_client_asks_before_it_answers() {
    let (report, mut reported) = mpsc::unbounded_channel();
    let handler = move |upgrade: WebSocketUpgrade| {
        let report = report.clone();
        async move {
            let offered = upgrade.offered_subprotocols().to_vec();
            let origin = upgrade.origin().map(str::to_owned);
            let peer = upgrade.peer_addr();
            upgrade.origins(OriginPolicy::any()).on_upgrade(move |socket| async move {
                report.send((offered, origin, peer, socket.peer_addr())).expect("the test waits");
                echo(socket).await;
            })
        }
    };
    let address = serve(Router::new().route("/", any(handler))).await;
    let connect = Connect::new(&format!("ws://{address}/"))
        .subprotocols(["b", "a"])
        .origin("https://app.example");
    let _socket = soon(connect.into_future()).await.expect("open");
    let (offered, origin, peer, noted) = soon(reported.recv()).await.expect("a connection");
    assert_eq!(offered, subprotocols(&["b", "a"]));
    assert_eq!(origin.as_deref(), Some("https://app.example"));
    assert!(peer.is_some_and(|peer| peer.ip().is_loopback()), "{peer:?}");
    assert_eq!(noted, peer);
}

#[tokio::test]
async fn the_handler_may_reject_with_a_response_of_its_own() {
    let handler = async |_: WebSocketUpgrade| {
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "who are you?")
    };
    let address = serve(Router::new().route("/", any(handler))).await;
    let refused = soon(longwire::connect(&format!("ws://{address}/"))).await;
    let Err(ConnectError::Refused(response)) = refused else { panic!("{refused:?}") };
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!(**response.body(), *b"who are you?");
}

#[tokio::test]
async fn the_handler_may_choose_the_subprotocol_and_add_headers() {
    let address = serve(echoing(|upgrade| {
        let subprotocol = upgrade.offered_subprotocols().last().cloned();
        let mut answer = Answer { subprotocol, ..Answer::default() };
        answer.headers.insert(header::SET_COOKIE, HeaderValue::from_static("a=1"));
        upgrade.answer(answer)
    }))
    .await;
    let offers = [("Sec-WebSocket-Protocol", "a, b")];
    let (_raw, answer) = Raw::ask(address, &opening("/", &offers)).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-protocol"), Some("b"));
    assert_eq!(answer.header("set-cookie"), Some("a=1"));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_request_gives_the_client_500() {
    let address = serve(echoing(|upgrade| {
        upgrade.answer(Answer { subprotocol: subprotocols(&["a"]).pop(), ..Answer::default() })
    }))
    .await;
    let (_raw, answer) = Raw::ask(address, &opening("/", &[])).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body.lines().count(), 1);
}

#[tokio::test]
async fn the_settings_are_those_of_the_connection() {
    let address = serve(echoing(|upgrade| {
        let mut config = Config::default();
        config.limits.max_message_size = 4;
        upgrade.config(config)
    }))
    .await;
    let mut raw = Raw::open(address).await;
    raw.send(&frame(TEXT, b"12345")).await;
    assert_eq!(raw.close_code().await, 1009);
}

#[tokio::test]
async fn a_page_may_be_served_at_the_same_address() {
    let handler = async |upgrade: Result<WebSocketUpgrade, Rejection>| match upgrade {
        Ok(upgrade) => upgrade.on_upgrade(echo),
        Err(_) => "a page".into_response(),
    };
    let router = Router::new().nest("/nested", Router::new().route("/both", get(handler)));
    let address = serve(router).await;
    let (_raw, page) = Raw::ask(address, &request("GET /nested/both", [("Host", "a")])).await;
    assert_eq!((page.status, page.body.as_str()), (200, "a page"));
    let url = format!("ws://{address}/nested/both");
    let mut socket = soon(longwire::connect(&url)).await.expect("open");
    assert_echo(&mut socket).await;
}

#[tokio::test]
async fn a_response_in_place_of_the_101_is_told_to_on_failed_upgrade() {
    let (report, reported) = oneshot::channel::<UpgradeError>();
    let report = Arc::new(Mutex::new(Some(report)));
    let handler = move |upgrade: WebSocketUpgrade| {
        let report = report.lock().expect("not poisoned").take().expect("one request");
        let acceptor = Acceptor::new().handshake_timeout(Duration::from_millis(50));
        async move {
            upgrade
                .acceptor(acceptor)
                .on_failed_upgrade(move |error| report.send(error).expect("the test waits"))
                .on_upgrade(async |_| panic!("there is no connection"))
        }
    };
    let replace = async |request: Request, next: Next| {
        assert_eq!(next.run(request).await.status(), StatusCode::SWITCHING_PROTOCOLS);
        StatusCode::IM_A_TEAPOT
    };
    let address = serve(Router::new().route("/", any(handler)).layer(from_fn(replace))).await;
    let (_raw, answer) = Raw::ask(address, &opening("/", &[])).await;
    assert_eq!(answer.status, 418);
    let error = soon(reported).await.expect("it is told");
    assert!(matches!(error, UpgradeError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn sockets_that_outlive_axum_are_closed_with_1001() {
    async fn upgrade(State(acceptor): State<Acceptor>, upgrade: WebSocketUpgrade) -> Response {
        upgrade.acceptor(acceptor).on_upgrade(echo)
    }
    let connections = Connections::new();
    let router =
        Router::new().route("/", any(upgrade)).with_state(Acceptor::new().track(&connections));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(async move {
        let served = axum::serve(listener, router);
        served.with_graceful_shutdown(async { stopped.await.expect("the test stops it") }).await
    });
    let mut sockets: Vec<WebSocket> = Vec::new();
    for _ in 0..3 {
        sockets.push(soon(longwire::connect(&format!("ws://{address}/"))).await.expect("open"));
    }
    stop.send(()).expect("it runs");
    soon(served).await.expect("no panic").expect("no error");
    assert_eq!(connections.len(), 3);
    assert_echo(&mut sockets[0]).await;

    let client = async {
        for socket in &mut sockets {
            assert_eq!(socket.recv().await.expect("a clean close"), None);
            assert_eq!(socket.closed().expect("it has ended").code(), CloseCode::GOING_AWAY);
        }
    };
    let closing = connections.close_all(CloseCode::GOING_AWAY, Duration::from_mins(1));
    let (drained, ()) = soon(async { tokio::join!(closing, client) }).await;
    assert_eq!((drained.ended, drained.aborted), (3, 0));
}
