//! Shutting down: every connection is closed with 1001 within a deadline, whatever its state and
//! whatever its peer does.

mod raw;

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use longwire::{
    Acceptor, CloseCode, Incoming, Server, WebSocket,
    server::{AcceptError, Connections, Drained, Transport},
};
use raw::{Raw, TEXT, assert_echo, echo, frame, opening, soon};
use tokio::{
    io::duplex,
    net::TcpStream,
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::Instant,
};

/// A server that runs until it is told to stop.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    shutdown: JoinHandle<std::io::Result<Drained>>,
}

impl Running {
    async fn start<H, F>(limit: Duration, handler: H) -> Self
    where
        H: Fn(WebSocket) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (server, address) = bind(limit).await;
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.expect("the test stops it") };
        let shutdown = tokio::spawn(server.serve_until(stopped, handler));
        Self { address, stop, shutdown }
    }

    async fn start_incoming<H, F>(limit: Duration, handler: H) -> Self
    where
        H: Fn(Incoming<Transport>) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (server, address) = bind(limit).await;
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.expect("the test stops it") };
        let shutdown = tokio::spawn(server.serve_incoming_until(stopped, handler));
        Self { address, stop, shutdown }
    }

    fn stop(self) -> JoinHandle<std::io::Result<Drained>> {
        self.stop.send(()).expect("it runs");
        self.shutdown
    }
}

async fn bind(limit: Duration) -> (Server, SocketAddr) {
    let server = Server::bind("127.0.0.1:0").await.expect("a port").shutdown_timeout(limit);
    let address = server.local_addr().expect("bound");
    (server, address)
}

async fn connect(address: SocketAddr) -> WebSocket {
    soon(longwire::connect(&format!("ws://{address}/"))).await.expect("the server accepts")
}

async fn drained(shutdown: JoinHandle<std::io::Result<Drained>>) -> (usize, usize) {
    let drained = soon(shutdown).await.expect("no panic").expect("no error");
    (drained.ended, drained.aborted)
}

/// Longer than any test waits.
const FOREVER: Duration = Duration::from_mins(10);

/// As short as a limit may be that is meant to run out.
const BRIEF: Duration = Duration::from_millis(50);

#[tokio::test]
async fn every_connection_is_closed_with_1001_and_the_listener_is_gone() {
    let server = Running::start(FOREVER, echo).await;
    let address = server.address;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(connect(address).await);
    }
    for socket in &mut sockets {
        assert_echo(socket).await;
    }
    let shutdown = server.stop();
    for mut socket in sockets {
        assert_eq!(soon(socket.recv()).await.expect("a clean close"), None);
        let closed = socket.closed().expect("it has ended");
        assert_eq!(closed.code(), CloseCode::GOING_AWAY);
        assert_eq!(closed.reason(), "server is shutting down");
        assert!(closed.peer_first, "{closed:?}");
    }
    assert_eq!(drained(shutdown).await, (10, 0));
    soon(TcpStream::connect(address)).await.expect_err("nobody listens");
}

#[tokio::test]
async fn the_handler_sees_a_clean_end_and_may_finish_its_work() {
    let finished = Arc::new(AtomicBool::new(false));
    let (gate, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (finished, gate, left) = (finished.clone(), gate.clone(), left.clone());
        move |mut socket: WebSocket| {
            let (finished, gate, left) = (finished.clone(), gate.clone(), left.clone());
            async move {
                while let Some(message) = socket.recv().await.expect("a clean end") {
                    socket.send(message).await.expect("an open connection");
                }
                drop(socket);
                left.notify_one();
                gate.notified().await;
                finished.store(true, Ordering::SeqCst);
            }
        }
    };
    let server = Running::start(FOREVER, handler).await;
    let mut socket = connect(server.address).await;
    assert_echo(&mut socket).await;
    let shutdown = server.stop();
    assert_eq!(soon(socket.recv()).await.expect("a clean close"), None);
    soon(left.notified()).await;
    gate.notify_one();
    assert_eq!(drained(shutdown).await, (1, 0));
    assert!(finished.load(Ordering::SeqCst), "the handler was cut off");
}

#[tokio::test]
async fn a_client_that_does_not_answer_the_close_frame_is_dropped_at_the_deadline() {
    let (report, reported) = std::sync::mpsc::channel();
    let handler = move |mut socket: WebSocket| {
        let report = report.clone();
        async move { report.send(socket.recv().await.is_err()).expect("the test waits") }
    };
    let server = Running::start(BRIEF, handler).await;
    let mut silent = Raw::open(server.address).await;
    let shutdown = server.stop();
    assert_eq!(silent.close_code().await, 1001);
    assert_eq!(drained(shutdown).await, (0, 1));
    assert!(!silent.ended().await, "bytes behind the close frame");
    // The handler may have been dropped before it could tell.
    assert!(reported.iter().all(|is_error| is_error), "that was no clean end");
}

#[tokio::test]
async fn a_client_that_reads_nothing_cannot_hold_the_shutdown_up() {
    let handler = async |socket: WebSocket| {
        // More than the sockets' buffers take.
        while socket.send(vec![0; 1 << 20]).await.is_ok() {}
    };
    let server = Running::start(BRIEF, handler).await;
    let _stalled = Raw::open(server.address).await;
    assert_eq!(drained(server.stop()).await, (0, 1));
}

#[tokio::test]
async fn a_handler_that_does_not_return_is_dropped_at_the_deadline() {
    let (alive, mut dropped) = tokio::sync::mpsc::channel::<()>(1);
    let handler = move |socket: WebSocket| {
        let alive = alive.clone();
        async move {
            drop(socket);
            std::future::pending::<()>().await;
            drop(alive);
        }
    };
    let server = Running::start(BRIEF, handler).await;
    let mut socket = connect(server.address).await;
    assert_eq!(soon(socket.recv()).await.expect("a clean close"), None);
    drained(server.stop()).await;
    assert_eq!(soon(dropped.recv()).await, None);
}

#[tokio::test]
async fn a_client_in_the_midst_of_its_request_gets_503() {
    let server = Running::start(FOREVER, echo).await;
    // The second is accepted behind the first.
    let (mut half, mut open) =
        (Raw::connect(server.address).await, Raw::connect(server.address).await);
    half.send(b"GET / HTTP/1.1\r\nHost: a").await;
    open.send(&opening("/", &[])).await;
    assert_eq!(open.answer().await.status, 101);
    let shutdown = server.stop();
    let answer = half.answer().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body.lines().count(), 1);
    drop(half);
    assert_eq!(open.leave().await, 1001);
    assert_eq!(drained(shutdown).await, (2, 0));
}

#[tokio::test]
async fn a_connection_that_opens_during_the_shutdown_is_closed_at_once() {
    let (reached, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (reached, gate) = (reached.clone(), gate.clone());
        move |incoming: Incoming<Transport>| {
            let (reached, gate) = (reached.clone(), gate.clone());
            async move {
                reached.notify_one();
                gate.notified().await;
                echo(incoming.accept().await.expect("the client waits")).await;
            }
        }
    };
    let server = Running::start_incoming(FOREVER, handler).await;
    let mut raw = Raw::connect(server.address).await;
    raw.send(&opening("/", &[])).await;
    soon(reached.notified()).await;
    let address = server.address;
    let shutdown = server.stop();
    // Once nobody listens, the shutdown has begun.
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    gate.notify_one();
    assert_eq!(raw.answer().await.status, 101);
    assert_eq!(raw.leave().await, 1001);
    // Some that were to see whether anybody listens may count too.
    let (ended, aborted) = drained(shutdown).await;
    assert!(ended >= 1 && aborted == 0, "{ended} ended, {aborted} aborted");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_client_in_the_midst_of_its_tls_handshake_is_dropped_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let signed =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&certificate, signed.cert.pem()).expect("a file");
    std::fs::write(&key, signed.signing_key.serialize_pem()).expect("a file");
    let tls = longwire::tls::ServerTls::from_pem_files(&certificate, &key).expect("valid files");

    let connections = Connections::new();
    let (server, address) = bind(FOREVER).await;
    let acceptor = Acceptor::new().track(&connections).handshake_timeout(FOREVER);
    let server = server.tls(tls).acceptor(acceptor);
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { stopped.await.expect("the test stops it") };
    let shutdown = tokio::spawn(server.serve_until(stopped, echo));
    let mut silent = Raw::connect(address).await;
    soon(async {
        while connections.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stop.send(()).expect("it runs");
    assert_eq!(drained(shutdown).await, (1, 0));
    assert!(!silent.ended().await);
}

#[tokio::test]
async fn messages_before_the_shutdown_are_still_answered() {
    let server = Running::start(FOREVER, echo).await;
    let mut raw = Raw::open(server.address).await;
    raw.send(&frame(TEXT, b"last words")).await;
    assert_eq!(raw.frame().await, (TEXT, b"last words".to_vec()));
    let shutdown = server.stop();
    assert_eq!(raw.leave().await, 1001);
    assert_eq!(drained(shutdown).await, (1, 0));
}

/// A connection in `connections`, over a pipe: what the application has of it, and its client.
async fn tracked(connections: &Connections) -> (WebSocket, Raw<tokio::io::DuplexStream>) {
    let (near, far) = duplex(4096);
    let mut raw = Raw { io: far };
    raw.send(&opening("/", &[])).await;
    let acceptor = Acceptor::new().track(connections);
    let socket = soon(acceptor.accept(near)).await.expect("a valid request");
    assert_eq!(raw.answer().await.status, 101);
    (socket, raw)
}

#[tokio::test(start_paused = true)]
async fn connections_without_a_server_are_closed_with_the_given_code() {
    let connections = Connections::new();
    let (socket, raw) = tracked(&connections).await;
    assert_eq!(connections.len(), 1);
    let handler = tokio::spawn(echo(socket));
    let closing = tokio::spawn({
        let connections = connections.clone();
        async move { connections.close_all(CloseCode::SERVICE_RESTART, FOREVER).await }
    });
    assert_eq!(raw.leave().await, 1012);
    let drained = soon(closing).await.expect("no panic");
    assert_eq!((drained.ended, drained.aborted), (1, 0));
    assert!(connections.is_empty());
    soon(handler).await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_transports_are_dropped_and_the_application_hears_of_it() {
    let connections = Connections::new();
    let (mut socket, mut raw) = tracked(&connections).await;
    let limit = Duration::from_secs(3);
    let start = Instant::now();
    let drained = connections.close_all(CloseCode::GOING_AWAY, limit).await;
    assert_eq!((drained.ended, drained.aborted), (0, 1));
    assert_eq!(start.elapsed(), limit);
    soon(socket.recv()).await.expect_err("no close frame came");
    assert_eq!(raw.close_code().await, 1001);
    assert!(!raw.ended().await);
}

#[tokio::test(start_paused = true)]
async fn after_close_all_every_request_gets_503() {
    let connections = Connections::new();
    let drained = connections.close_all(CloseCode::GOING_AWAY, FOREVER).await;
    assert_eq!((drained.ended, drained.aborted), (0, 0));
    let (near, far) = duplex(4096);
    let mut raw = Raw { io: far };
    raw.send(&opening("/", &[])).await;
    let acceptor = Acceptor::new().track(&connections);
    let client = async {
        let answer = raw.answer().await;
        drop(raw);
        answer
    };
    let (accepted, answer) = soon(async { tokio::join!(acceptor.accept(near), client) }).await;
    let error = accepted.expect_err("the server is shutting down");
    assert!(matches!(error, AcceptError::ShuttingDown), "{error:?}");
    assert_eq!(answer.status, 503);
    assert!(connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn close_all_goes_on_when_its_future_is_dropped() {
    let connections = Connections::new();
    let (socket, raw) = tracked(&connections).await;
    let handler = tokio::spawn(echo(socket));
    let closing = connections.close_all(CloseCode::GOING_AWAY, FOREVER);
    tokio::select! {
        biased;
        _ = closing => panic!("the client has not answered"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(raw.leave().await, 1001);
    soon(handler).await.expect("no panic");
    // A second call only waits, and its code comes too late.
    let drained = connections.close_all(CloseCode::SERVICE_RESTART, FOREVER).await;
    assert_eq!((drained.ended, drained.aborted), (0, 0));
}

#[tokio::test]
async fn a_server_with_a_tracking_acceptor_uses_its_list() {
    let connections = Connections::new();
    let server = Server::bind("127.0.0.1:0")
        .await
        .expect("a port")
        .acceptor(Acceptor::new().track(&connections));
    let address = server.local_addr().expect("bound");
    tokio::spawn(server.serve(echo));
    let mut socket = connect(address).await;
    assert_eq!(connections.len(), 1);
    let (drained, received) = soon(async {
        tokio::join!(connections.close_all(CloseCode::GOING_AWAY, FOREVER), socket.recv())
    })
    .await;
    assert_eq!(received.expect("a clean close"), None);
    assert_eq!((drained.ended, drained.aborted), (1, 0));
    let (mut raw, answer) = Raw::ask(address, &opening("/", &[])).await;
    assert_eq!(answer.status, 503);
    assert!(!raw.ended().await);
}
