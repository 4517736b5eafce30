//! A listener that accepts, limits, and shuts down gracefully.

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use longwire_proto::{Close, CloseCode, CloseReason};
use tokio::{
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::Semaphore,
    time::{Instant, sleep, timeout_at},
};
use tracing::{debug, warn};

use super::{
    AcceptError, Acceptor, Drained, Incoming, Registration, Transport, handlers::Handlers,
    serving::Serving,
};
use crate::WebSocket;
#[cfg(feature = "tls")]
use crate::tls::ServerTls;

/// A listener for WebSocket connections over TCP, with or without TLS.
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// let server = longwire::Server::bind("127.0.0.1:9001").await?;
/// server
///     .serve(async |mut socket: longwire::WebSocket| {
///         while let Ok(Some(message)) = socket.recv().await {
///             if socket.send(message).await.is_err() {
///                 break;
///             }
///         }
///     })
///     .await
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    acceptor: Acceptor,
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
    max_connections: usize,
    shutdown_timeout: Duration,
}

/// A client's request, being read.
type Opening = Pin<Box<dyn Future<Output = Result<Incoming<Transport>, AcceptError>> + Send>>;

impl Server {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound: it is in use, or not this machine's.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        TcpListener::bind(addr).await.map(Self::from)
    }

    /// Settings of the connections. Default: [`Acceptor::new`].
    #[must_use]
    pub fn acceptor(mut self, acceptor: Acceptor) -> Self {
        self.acceptor = acceptor;
        self
    }

    /// Serves `wss:` instead of `ws:`. Default: no TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Connections at a time, those in their opening handshake included. Beyond it no more are
    /// accepted until one ends: new clients wait in the kernel's backlog. Default: 65,536.
    #[must_use]
    pub fn max_connections(mut self, max: usize) -> Self {
        self.max_connections = max;
        self
    }

    /// Time for all connections to close in a graceful shutdown; what is left then is dropped.
    /// Default: 10 s.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts connections and runs `handler` for each, for ever.
    ///
    /// Each handler shares a task with its connection, and so must not block: see [`Incoming::serve`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops accepting and drops the handlers.
    pub async fn serve<H, F>(self, handler: H) -> io::Result<()>
    where
        H: Fn(WebSocket) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.serve_until(std::future::pending(), handler).await.map(|_| ())
    }

    /// Accepts connections and runs `handler` for each, until `stop` completes. Then it accepts no
    /// more, closes every connection with 1001, and waits until they have ended, at most
    /// [`Self::shutdown_timeout`].
    ///
    /// Each handler shares a task with its connection, and so must not block: see [`Incoming::serve`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops accepting and drops the handlers; their connections close.
    pub async fn serve_until<H, F>(
        self,
        stop: impl Future<Output = ()>,
        handler: H,
    ) -> io::Result<Drained>
    where
        H: Fn(WebSocket) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.run(stop, move |opening, peer_addr, handlers| {
            let handler = handler.clone();
            let (opens, attends) = (handlers.place(), handlers.place());
            let opening = opens.attend(async move {
                let opened = async {
                    let incoming = opening.await?.from_peer(peer_addr);
                    let answer = incoming.answer();
                    incoming.open(answer).await
                };
                opened
                    .await
                    .inspect_err(|error: &AcceptError| {
                        debug!(%peer_addr, %error, "a client's request was not accepted");
                    })
                    .ok()
            });
            Serving::new(Box::pin(async move { opening.await.flatten() }), handler, attends)
        })
        .await
    }

    /// As [`Self::serve_until`], for a handler that looks at the request before it accepts or
    /// rejects it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops accepting and drops the handlers.
    pub async fn serve_incoming_until<H, F>(
        self,
        stop: impl Future<Output = ()>,
        handler: H,
    ) -> io::Result<Drained>
    where
        H: Fn(Incoming<Transport>) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.run(stop, move |opening, peer_addr, handlers| {
            let handler = handler.clone();
            let attended = handlers.place().attend(async move {
                let opened = opening.await;
                match opened {
                    Ok(incoming) => handler(incoming.from_peer(peer_addr)).await,
                    Err(error) => debug!(%peer_addr, %error, "a client's request was refused"),
                }
            });
            async move {
                attended.await;
            }
        })
        .await
    }

    /// Accepts until `stop`, runs a task for each connection, and shuts down.
    async fn run<C, F>(self, stop: impl Future<Output = ()>, connection: C) -> io::Result<Drained>
    where
        C: Fn(Opening, SocketAddr, &Handlers) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let connections = self.acceptor.connections().cloned().unwrap_or_default();
        let permits = Arc::new(Semaphore::new(self.max_connections.min(Semaphore::MAX_PERMITS)));
        let handlers = Handlers::default();
        tokio::pin!(stop);
        loop {
            let accepted = async {
                let permit = permits.clone().acquire_owned().await.expect("it is never closed");
                (self.accept_tcp().await, permit)
            };
            let ((stream, peer_addr), permit) = tokio::select! {
                accepted = accepted => accepted,
                () = &mut stop => break,
            };
            let opening = self.opening(stream, connections.register(Some(permit)));
            tokio::spawn(connection(Box::pin(opening), peer_addr, &handlers));
        }
        let limit = self.shutdown_timeout;
        drop(self);
        let reason = CloseReason::truncated("server is shutting down");
        let deadline = Instant::now() + limit;
        let drained = connections.close_all(Close::new(CloseCode::GOING_AWAY, reason), limit).await;
        // A handler may have work to do once its connection has ended.
        if timeout_at(deadline, handlers.ended()).await.is_err() {
            handlers.dismiss();
            handlers.ended().await;
        }
        Ok(drained)
    }

    /// The next TCP connection, whatever happened to those before it.
    async fn accept_tcp(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer_addr)) => {
                    // Without it a small message waits for the acknowledgement of the one before.
                    if let Err(error) = stream.set_nodelay(true) {
                        debug!(%peer_addr, %error, "TCP_NODELAY could not be set");
                    }
                    return (stream, peer_addr);
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

    /// Reads the opening handshake, behind that of TLS.
    fn opening(
        &self,
        stream: TcpStream,
        registration: Registration,
    ) -> impl Future<Output = Result<Incoming<Transport>, AcceptError>> + Send + 'static {
        let acceptor = self.acceptor.clone();
        #[cfg(feature = "tls")]
        let tls = self.tls.clone();
        async move {
            #[cfg(feature = "tls")]
            if let Some(tls) = tls {
                let limit = acceptor.timeout();
                let stream = tokio::select! {
                    stream = tokio::time::timeout(limit, tls.accept(stream)) => stream,
                    () = registration.closing() => return Err(AcceptError::ShuttingDown),
                };
                let stream = stream
                    .map_err(|_| AcceptError::TimedOut { limit })?
                    .map_err(AcceptError::Tls)?;
                return acceptor.read_registered(Transport::from(stream), Some(registration)).await;
            }
            acceptor.read_registered(Transport::from(stream), Some(registration)).await
        }
    }
}

impl From<TcpListener> for Server {
    fn from(listener: TcpListener) -> Self {
        Self {
            listener,
            acceptor: Acceptor::new(),
            #[cfg(feature = "tls")]
            tls: None,
            max_connections: 65_536,
            shutdown_timeout: Duration::from_secs(10),
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
