//! A server's handlers: what they do to their connection, their server, and each other; and that
//! nothing of them stays.

mod raw;

use std::{
    future::{Future, pending},
    net::SocketAddr,
    panic::resume_unwind,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use longwire::{Acceptor, Server, WebSocket, server::Connections};
use raw::{CLOSE, Raw, TEXT, assert_echo, echo, frame, soon};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::{JoinHandle, yield_now},
};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// A server, and the list of its connections.
struct Running {
    address: SocketAddr,
    connections: Connections,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<longwire::server::Drained>>,
}

impl Running {
    async fn start<H, F>(change: impl FnOnce(Server) -> Server, handler: H) -> Self
    where
        H: Fn(WebSocket) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let connections = Connections::new();
        let server = Server::bind("127.0.0.1:0").await.expect("a port");
        let server = change(server.acceptor(Acceptor::new().track(&connections)));
        let address = server.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let serving = tokio::spawn(server.serve_until(stopped, handler));
        Self { address, connections, stop, serving }
    }

    async fn connect(&self) -> WebSocket {
        soon(longwire::connect(&format!("ws://{}/", self.address))).await.expect("it accepts")
    }

    /// Stops it: how many connections ended, and how many were aborted.
    async fn stop(self) -> (usize, usize) {
        self.stop.send(()).expect("it runs");
        let drained = soon(self.serving).await.expect("no panic").expect("no error");
        assert!(self.connections.is_empty());
        (drained.ended, drained.aborted)
    }
}

/// Waits until something holds, by turns of the runtime.
async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            yield_now().await;
        }
    })
    .await;
}

/// Counts its kind: alive, and dropped.
#[derive(Clone, Default)]
struct Count {
    alive: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

struct Counted(Count);

impl Count {
    fn one(&self) -> Counted {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }

    fn counts(&self) -> (usize, usize) {
        (self.alive.load(Ordering::SeqCst), self.dropped.load(Ordering::SeqCst))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

const FOREVER: Duration = Duration::from_mins(10);

/// As short as a limit may be that is meant to run out.
const BRIEF: Duration = Duration::from_millis(50);

/// Keeps the warnings of this thread.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |_: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            text = format!("{value:?}");
        });
        self.0.lock().expect("not poisoned").push(text);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn a_handler_that_panics_is_logged_and_harms_nobody_else() {
    let warnings = Warnings::default();
    let _logged = tracing::subscriber::set_default(warnings.clone());
    let server = Running::start(
        |server| server,
        async |mut socket: WebSocket| {
            while let Ok(Some(message)) = socket.recv().await {
                if message.as_text() == Some("panic") {
                    socket.send("last words").await.expect("open");
                    resume_unwind(Box::new("the handler's bug"));
                }
                socket.send(message).await.expect("open");
            }
        },
    )
    .await;
    let mut other = server.connect().await;
    for _ in 0..3 {
        let mut raw = Raw::open(server.address).await;
        raw.send(&frame(TEXT, b"panic")).await;
        assert_eq!(raw.frame().await, (TEXT, b"last words".to_vec()));
        assert_eq!(raw.leave().await, 1011);
        assert_echo(&mut other).await;
    }
    until(|| server.connections.len() == 1).await;
    let logged = warnings.0.lock().expect("not poisoned").clone();
    assert_eq!(logged, ["a connection's handler panicked"; 3]);
    assert_echo(&mut server.connect().await).await;
}

#[tokio::test]
async fn nothing_of_a_finished_connection_stays() {
    let count = Count::default();
    let handler = {
        let count = count.clone();
        move |socket: WebSocket| {
            let guard = count.one();
            async move {
                let _guard = guard;
                echo(socket).await;
            }
        }
    };
    let server = Running::start(|server| server, handler).await;
    for round in 1..=30 {
        let mut raw = Raw::open(server.address).await;
        raw.send(&frame(TEXT, b"hello")).await;
        assert_eq!(raw.frame().await, (TEXT, b"hello".to_vec()));
        match round % 3 {
            0 => raw.send(&frame(CLOSE, &[])).await,
            1 => raw.send(&frame(CLOSE, &1000_u16.to_be_bytes())).await,
            // It vanishes.
            _ => {}
        }
        drop(raw);
        until(|| server.connections.is_empty()).await;
        until(|| count.counts() == (0, round)).await;
    }
    assert_eq!(server.stop().await, (0, 0));
}

#[tokio::test]
async fn dropping_the_server_drops_handlers_and_their_connections_close_in_order() {
    let count = Count::default();
    let handler = {
        let count = count.clone();
        move |socket: WebSocket| {
            let guard = count.one();
            async move {
                let _guard = guard;
                socket.send("hello").await.expect("open");
                pending::<()>().await;
            }
        }
    };
    let server = Running::start(|server| server, handler).await;
    let mut raws = Vec::new();
    for _ in 0..3 {
        let mut raw = Raw::open(server.address).await;
        assert_eq!(raw.frame().await, (TEXT, b"hello".to_vec()));
        raws.push(raw);
    }
    // One more is in its opening handshake.
    let mut half = Raw::connect(server.address).await;
    half.send(b"GET / HTTP/1.1\r\n").await;
    until(|| server.connections.len() == 4).await;
    server.serving.abort();
    assert!(!half.ended().await, "it is dropped");
    until(|| count.counts() == (0, 3)).await;
    assert_eq!(server.connections.len(), 3, "they are closing");
    for raw in raws {
        assert_eq!(raw.leave().await, 1000);
    }
    until(|| server.connections.is_empty()).await;
}

#[tokio::test]
async fn a_handler_that_outlives_its_connection_is_waited_for() {
    let (gate, count) = (Arc::new(Notify::new()), Count::default());
    let handler = {
        let (gate, count) = (gate.clone(), count.clone());
        move |socket: WebSocket| {
            let (gate, guard) = (gate.clone(), count.one());
            async move {
                echo(socket).await;
                gate.notified().await;
                drop(guard);
            }
        }
    };
    let server = Running::start(|server| server.shutdown_timeout(FOREVER), handler).await;
    let mut socket = server.connect().await;
    assert_echo(&mut socket).await;
    let connections = server.connections.clone();
    let stopping = tokio::spawn(server.stop());
    assert_eq!(soon(socket.recv()).await.expect("a clean close"), None);
    until(|| connections.is_empty()).await;
    for _ in 0..100 {
        yield_now().await;
    }
    assert!(!stopping.is_finished(), "the handler is at work");
    gate.notify_one();
    assert_eq!(soon(stopping).await.expect("no panic"), (1, 0));
    assert_eq!(count.counts(), (0, 1));
}

#[tokio::test]
async fn at_the_deadline_handlers_are_dropped_whether_their_connection_lives_or_not() {
    let count = Count::default();
    let (report, mut reported) = mpsc::unbounded_channel();
    let handler = {
        let count = count.clone();
        move |mut socket: WebSocket| {
            let (guard, report) = (count.one(), report.clone());
            async move {
                let _guard = guard;
                let message = socket.recv().await.expect("open").expect("open");
                match message.as_text() {
                    Some("leave") => drop(socket),
                    // Its connection goes on in another task.
                    Some("elsewhere") => {
                        tokio::spawn(async move {
                            let ended = socket.recv().await;
                            report.send(ended.is_err()).expect("the test waits");
                        });
                    }
                    _ => {
                        pending::<()>().await;
                        drop(socket);
                    }
                }
                pending::<()>().await;
            }
        }
    };
    let server = Running::start(|server| server.shutdown_timeout(BRIEF), handler).await;
    let mut raws = Vec::new();
    for text in ["leave", "elsewhere", "stay"] {
        let mut raw = Raw::open(server.address).await;
        raw.send(&frame(TEXT, text.as_bytes())).await;
        raws.push(raw);
    }
    let left = raws.remove(0);
    assert_eq!(left.leave().await, 1000);
    until(|| server.connections.len() == 2).await;
    assert_eq!(count.counts(), (3, 0));
    server.stop.send(()).expect("it runs");
    for raw in &mut raws {
        assert_eq!(raw.close_code().await, 1001);
        assert!(!raw.ended().await);
    }
    let drained = soon(server.serving).await.expect("no panic").expect("no error");
    assert_eq!((drained.ended, drained.aborted), (0, 2));
    assert_eq!(count.counts(), (0, 3));
    assert_eq!(soon(reported.recv()).await, Some(true), "its transport was dropped");
    until(|| server.connections.is_empty()).await;
}

#[tokio::test]
async fn a_place_is_free_when_connection_and_handles_are_gone_and_not_before() {
    let (let_go, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (let_go, gate) = (let_go.clone(), gate.clone());
        move |mut socket: WebSocket| {
            let (let_go, gate) = (let_go.clone(), gate.clone());
            async move {
                while let Ok(Some(message)) = socket.recv().await {
                    socket.send(message).await.expect("open");
                }
                let_go.notified().await;
                drop(socket);
                gate.notified().await;
            }
        }
    };
    let server = Running::start(|server| server.max_connections(1), handler).await;
    let mut first = Raw::open(server.address).await;
    first.send(&frame(CLOSE, &[])).await;
    assert_eq!(first.frame().await.0, CLOSE);
    drop(first);
    // It waits in the kernel's backlog.
    let mut second = Raw::connect(server.address).await;
    second.send(&raw::opening("/", &[])).await;
    for _ in 0..200 {
        yield_now().await;
    }
    assert_eq!(server.connections.len(), 1, "the socket of the first is there");
    let_go.notify_one();
    assert_eq!(second.answer().await.status, 101, "although the first handler is at work");
    second.send(&frame(TEXT, b"hello")).await;
    assert_eq!(second.frame().await, (TEXT, b"hello".to_vec()));
    gate.notify_one();
}
