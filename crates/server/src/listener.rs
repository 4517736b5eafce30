//! The listener: one port for `WebSocket`s and for HTTP.
//!
//! A connection whose first request is for a WebSocket goes straight to the WebSocket library, which then holds nothing
//! of HTTP for the rest of its life; every other one goes through hyper, which also upgrades what comes later.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use futures_util::FutureExt;
use http::Request;
use hyper::{body::Incoming as IncomingBody, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use longwire::{
    Acceptor, Config, OriginPolicy, Subprotocol,
    proto::Keepalive,
    server::{Connections, HandshakeLimits},
};
use longwire_channel::Codec;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service;
use tracing::{debug, warn};

use crate::{
    app::{App, stopping},
    config::LimitsConfig,
    http::network,
    upgrade,
};

/// Accepts connections and serves each in a task of its own.
pub(crate) struct Listener {
    front: Arc<Front>,
    tcp: TcpListener,
    permits: Arc<Semaphore>,
    per_ip: Option<Arc<PerIp>>,
}

/// What every connection needs. Also how all of them are ended.
pub(crate) struct Front {
    app: Arc<App>,
    router: Router,
    acceptor: Acceptor,
    sockets: Connections,
    tasks: TaskTracker,
    /// No more requests are read.
    stopping: CancellationToken,
    /// What is left is dropped.
    aborting: CancellationToken,
}

/// Connections of each address.
struct PerIp {
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place among those of its address.
struct Place(Arc<PerIp>, IpAddr);

impl Front {
    pub(crate) fn new(app: Arc<App>, router: Router) -> Self {
        let sockets = Connections::new();
        let acceptor = acceptor(&app.config.limits).track(&sockets);
        Self {
            app,
            router,
            acceptor,
            sockets,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            aborting: CancellationToken::new(),
        }
    }

    /// No more connections and no more requests.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
    }

    /// Waits until every connection has ended, at most so long; then drops what is left, and says how many those were.
    pub(crate) async fn end(&self, limit: Duration) -> usize {
        if timeout(limit, self.tasks.wait()).await.is_ok() {
            return 0;
        }
        let left = self.tasks.len();
        self.aborting.cancel();
        self.sockets.close_all(longwire::CloseCode::GOING_AWAY, Duration::ZERO).await;
        // Each has been told, and has nothing more to wait for; the end does not rest on that.
        if timeout(LAST, self.tasks.wait()).await.is_err() {
            warn!(left = self.tasks.len(), "connections did not even end when they were cut");
        }
        left
    }
}

impl Listener {
    pub(crate) fn new(front: Arc<Front>, tcp: TcpListener) -> Self {
        let limits = &front.app.config.limits;
        let permits = limits.connections.min(Semaphore::MAX_PERMITS);
        let per_ip = limits.connections_per_ip;
        Self {
            tcp,
            permits: Arc::new(Semaphore::new(permits)),
            per_ip: per_ip.map(|most| Arc::new(PerIp { most, counts: Mutex::default() })),
            front,
        }
    }

    /// Accepts until [`Front::stop`].
    pub(crate) async fn run(self) {
        loop {
            let accepted = async {
                let permit =
                    self.permits.clone().acquire_owned().await.expect("it is never closed");
                (self.accept().await, permit)
            };
            let ((stream, peer), permit) = tokio::select! {
                accepted = accepted => accepted,
                () = self.front.stopping.cancelled() => return,
            };
            let place = match &self.per_ip {
                None => None,
                Some(per_ip) => {
                    let Some(place) = per_ip.take(network(peer.ip())) else {
                        self.front.app.metrics.refused("connections_per_ip");
                        debug!(%peer, "refused: its address has all the connections it may have");
                        continue;
                    };
                    Some(place)
                }
            };
            let stage = Stage(Box::pin(open(self.front.clone(), stream, peer)));
            let connection = Connection { stage, _permit: permit, _place: place.map(Box::new) };
            // Boxed, a task is half as large: the runtime rounds it up to a multiple of 128 bytes.
            let task = self.front.tasks.spawn(Box::pin(connection));
            if let Some(development) = &self.front.app.development {
                development.note_task(task.abort_handle());
            }
        }
    }

    /// The next connection, whatever happened to those before it.
    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.tcp.accept().await {
                Ok((stream, peer)) => {
                    prepare(&stream);
                    return (stream, peer);
                }
                // The client has gone: nothing that concerns the next.
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    warn!(%error, "accepting failed; trying again in a second");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// A part of a connection's life, and what follows it. Boxed, so that what only HTTP or a handshake needs goes with it.
struct Stage(Pin<Box<dyn Future<Output = Option<Stage>> + Send>>);

/// One connection, from its first byte to its end. By hand, since an async block would keep each of these twice.
struct Connection {
    stage: Stage,
    _permit: OwnedSemaphorePermit,
    _place: Option<Box<Place>>,
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(next) = ready!(self.stage.0.as_mut().poll(cx)) {
            self.stage = next;
        }
        Poll::Ready(())
    }
}

/// What a connection's first bytes ask for: a WebSocket, which follows, or HTTP, which is served to its end.
async fn open(front: Arc<Front>, stream: TcpStream, peer: SocketAddr) -> Option<Stage> {
    let mut head = [0; HEAD_PEEKED];
    let peeked = tokio::select! {
        peeked = timeout(front.app.config.limits.connect_timeout.0, stream.peek(&mut head)) => peeked,
        () = front.stopping.cancelled() => return None,
    };
    let Ok(Ok(length)) = peeked else { return None };
    if !upgrade::is_for_socket(&head[..length]) {
        return http(&front, stream, peer).await;
    }
    let incoming = match front.acceptor.read(stream).await {
        Ok(incoming) => incoming.from_peer(peer),
        Err(error) => {
            debug!(%peer, %error, "an opening handshake was refused");
            front.app.metrics.refused("handshake");
            return None;
        }
    };
    let request = incoming.request();
    let (uri, headers) = (request.uri(), request.headers());
    let plan = tokio::select! {
        plan = upgrade::plan(&front.app, uri, headers, incoming.subprotocols()) => plan,
        // Whoever is still being asked who this is may take longer than there is time.
        () = front.stopping.cancelled() => Err(stopping()),
    };
    match plan {
        Ok(plan) => {
            let answer = plan.answer(incoming.answer());
            let app = front.app.clone();
            let served =
                incoming.serve_with(answer, move |socket| plan.attend(app, socket, peer.ip()));
            // Without the peer, which every connection would have a place for to its end.
            Some(Stage(Box::pin(served.map(|result| {
                if let Err(error) = result {
                    debug!(%error, "a WebSocket did not open");
                }
                None
            }))))
        }
        Err(refusal) => {
            let response = crate::http::refusal_response(&refusal);
            // The refusal is what counts, whether it arrives or not.
            let _ = incoming.reject(response).await;
            None
        }
    }
}

/// HTTP/1.1 until the connection ends, or is a WebSocket's, which then follows in the same place.
async fn http(front: &Arc<Front>, stream: TcpStream, peer: SocketAddr) -> Option<Stage> {
    let limits = &front.app.config.limits;
    let behind = BehindHttp { acceptor: front.acceptor.clone(), next: Arc::default() };
    let next = behind.next.clone();
    let service = service_fn(|request: Request<IncomingBody>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(behind.clone());
        front.router.clone().call(request)
    });
    let head_bytes = limits.head_bytes.bytes();
    // Not TCP_USER_TIMEOUT: Linux counts all time since a client's window was first closed, though it opens again and again.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.stall_timeout.0));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout.0)
        .max_header_size(head_bytes)
        .max_buf_size(head_bytes)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .with_upgrades();
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = front.stopping.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
                continue;
            }
            () = front.aborting.cancelled() => return None,
        };
        if let Err(error) = result {
            debug!(%peer, %error, "an HTTP connection failed");
            return None;
        }
        return next.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// How `WebSocket`s are accepted behind hyper; in each request's extensions.
#[derive(Clone)]
pub(crate) struct BehindHttp {
    pub(crate) acceptor: Acceptor,
    next: Arc<Mutex<Option<Stage>>>,
}

impl BehindHttp {
    /// What the connection is for once hyper has let go of it. It keeps its task, and with it its places within the limits.
    pub(crate) fn follow(&self, attended: impl Future<Output = ()> + Send + 'static) {
        let stage = Stage(Box::pin(attended.map(|()| None)));
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(stage);
    }
}

/// How `WebSocket`s are accepted. Origins are checked by the rule that HTTP has too.
fn acceptor(limits: &LimitsConfig) -> Acceptor {
    let subprotocols = Codec::ALL.iter().map(|codec| {
        Subprotocol::new(codec.subprotocol()).expect("the names of the codecs are tokens")
    });
    let mut config = Config::default();
    config.limits.max_message_size = limits.message_bytes.0;
    config.limits.max_frame_size = limits.message_bytes.0;
    config.limits.max_buffered_amount = limits.queue_bytes.bytes().saturating_add(BEYOND_QUEUE);
    config.keepalive =
        Some(Keepalive { interval: limits.ping_interval.0, timeout: limits.pong_timeout.0 });
    let mut handshake = HandshakeLimits::default();
    handshake.max_head_size = limits.head_bytes.bytes();
    Acceptor::new()
        .config(config)
        .origins(OriginPolicy::any())
        .subprotocols(subprotocols)
        .handshake_timeout(limits.connect_timeout.0)
        .handshake_limits(handshake)
}

/// What every connection gets, whatever it is for.
fn prepare(stream: &TcpStream) {
    // Without it a small message waits for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "TCP_NODELAY could not be set");
    }
    // What waits for a slow client waits with us, where it is counted, and where a ping overtakes it.
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT) {
        debug!(%error, "TCP_NOTSENT_LOWAT could not be set");
    }
}

impl PerIp {
    fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place(self.clone(), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Bytes of a connection that the system may keep unsent. Far fewer would cost throughput where a link is fast.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 << 10;

/// For connections that are cut.
const LAST: Duration = Duration::from_secs(2);

/// Bytes that are looked at: the first line of nearly every request. A longer one goes through hyper.
const HEAD_PEEKED: usize = 1024;

/// Bytes that the hub may still send to a client that is over its queue: a page and the answers to its commands. Whoever
/// has more than that waiting is ended.
const BEYOND_QUEUE: usize = 16 << 20;
