//! The opening handshake as a tower service, served by hyper.

mod raw;

use std::{future::Future, net::SocketAddr, time::Duration};

use http::{Request, StatusCode};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use longwire::{
    Acceptor, CloseCode, Connect, ConnectError, WebSocket,
    server::{Connections, UpgradeService},
};
use raw::{Raw, TEXT, assert_echo, echo, frame, opening, soon};
use tokio::{net::TcpListener, sync::mpsc};
use tower_service::Service as _;

async fn serve<H, F>(service: UpgradeService<H>) -> SocketAddr
where
    H: Fn(WebSocket, Request<()>) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.expect("the listener works");
            let service = TowerToHyperService::new(service.clone().from_peer(peer));
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client may leave at any time.
            tokio::spawn(async move { drop(served.with_upgrades().await) });
        }
    });
    address
}

#[tokio::test]
async fn the_handler_gets_the_connection_and_its_request() {
    let (report, mut reported) = mpsc::unbounded_channel();
    let acceptor = Acceptor::new().subprotocols(["chat".parse().expect("a token")]);
    let service = UpgradeService::new(acceptor, move |socket: WebSocket, request: Request<()>| {
        let report = report.clone();
        async move {
            let header = request.headers()["x-user"].clone();
            report
                .send((request.uri().to_string(), header, socket.peer_addr()))
                .expect("the test waits");
            echo(socket).await;
        }
    });
    let address = serve(service).await;
    let connect = Connect::new(&format!("ws://{address}/room?n=1"))
        .header("X-User", "ann")
        .subprotocols(["chat"]);
    let mut socket = soon(connect.into_future()).await.expect("open");
    assert_eq!(socket.subprotocol(), Some("chat"));
    assert_echo(&mut socket).await;
    let (target, user, peer) = soon(reported.recv()).await.expect("a connection");
    assert_eq!((target.as_str(), user.as_bytes()), ("/room?n=1", &b"ann"[..]));
    assert!(peer.is_some_and(|peer| peer.ip().is_loopback()), "{peer:?}");
}

#[tokio::test]
async fn a_fault_of_the_request_is_answered_and_the_handler_does_not_run() {
    let service = UpgradeService::new(Acceptor::new(), async |_, _| panic!("no connection"));
    let address = serve(service).await;
    let refused = soon(
        Connect::new(&format!("ws://{address}/")).origin("https://evil.example").into_future(),
    );
    let refused = refused.await;
    let Err(ConnectError::Refused(response)) = refused else { panic!("{refused:?}") };
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let (_raw, answer) = Raw::ask(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status, 426);
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
    assert_eq!(answer.body.lines().count(), 1);
}

#[tokio::test]
async fn it_is_always_ready_and_answers_at_once() {
    let mut service = UpgradeService::new(Acceptor::new(), async |_, _| {});
    std::future::poll_fn(|cx| tower_service::Service::<Request<()>>::poll_ready(&mut service, cx))
        .await
        .expect("it cannot fail");
    let response = service.call(Request::new(())).await.expect("it cannot fail");
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_sent_right_behind_the_request_is_the_first_message() {
    let address =
        serve(UpgradeService::new(Acceptor::new(), async |socket, _| echo(socket).await)).await;
    let bytes = [opening("/", &[]), frame(TEXT, b"early")].concat();
    let (mut raw, answer) = Raw::ask(address, &bytes).await;
    assert_eq!(answer.status, 101);
    assert_eq!(raw.frame().await, (TEXT, b"early".to_vec()));
}

#[tokio::test]
async fn a_handler_that_panics_closes_its_connection_with_1011() {
    let service = UpgradeService::new(Acceptor::new(), async |socket: WebSocket, _| {
        assert!(socket.peer_addr().is_none(), "the test's panic");
    });
    let mut raw = Raw::open(serve(service).await).await;
    assert_eq!(raw.close_code().await, 1011);
}

#[tokio::test]
async fn tracked_connections_are_closed_with_1001_and_further_requests_get_503() {
    let connections = Connections::new();
    let acceptor = Acceptor::new().track(&connections);
    let address = serve(UpgradeService::new(acceptor, async |socket, _| echo(socket).await)).await;
    let raw = Raw::open(address).await;
    let closing = connections.close_all(CloseCode::GOING_AWAY, Duration::from_mins(1));
    let (drained, code) = soon(async { tokio::join!(closing, raw.leave()) }).await;
    assert_eq!(code, 1001);
    assert_eq!((drained.ended, drained.aborted), (1, 0));
    assert_eq!(Raw::ask(address, &opening("/", &[])).await.1.status, 503);
}
