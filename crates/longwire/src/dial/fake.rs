//! An in-memory network for tests, in virtual time.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, sleep};

use super::Network;

pub(crate) const MS: fn(u64) -> Duration = Duration::from_millis;

/// Longer than any timeout.
pub(crate) const NEVER: Duration = Duration::from_secs(1_000_000);

/// What an attempt at one address does: after a time it connects, or fails.
pub(crate) type Outcome = (Duration, Result<(), io::ErrorKind>);

/// A network with a name service that knows one answer, and addresses with scripted outcomes.
pub(crate) struct Fake {
    pub(crate) names: Result<Vec<SocketAddr>, io::ErrorKind>,
    /// How long the name service takes. Default: no time.
    pub(crate) naming: Duration,
    outcomes: Vec<(SocketAddr, Outcome)>,
    pub(crate) asked: Mutex<Vec<String>>,
    started: Mutex<Vec<(SocketAddr, Duration)>>,
    pub(crate) running: AtomicUsize,
    /// The other ends of all transports that were connected.
    peers: tokio::sync::mpsc::UnboundedSender<DuplexStream>,
    pub(crate) birth: Instant,
}

pub(crate) type Peers = tokio::sync::mpsc::UnboundedReceiver<DuplexStream>;

impl Fake {
    pub(crate) fn new(outcomes: &[(&str, Outcome)]) -> (Self, Peers) {
        let outcomes: Vec<_> =
            outcomes.iter().map(|(address, outcome)| (at(address), *outcome)).collect();
        let names = Ok(outcomes.iter().map(|(address, _)| *address).collect());
        let (peers, receiver) = tokio::sync::mpsc::unbounded_channel();
        let fake = Self {
            names,
            naming: Duration::ZERO,
            outcomes,
            asked: Mutex::default(),
            started: Mutex::default(),
            running: AtomicUsize::new(0),
            peers,
            birth: Instant::now(),
        };
        (fake, receiver)
    }

    pub(crate) fn started(&self) -> Vec<(SocketAddr, Duration)> {
        self.started.lock().expect("not poisoned").clone()
    }
}

/// Counts an attempt as running until it is dropped.
struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Network for Fake {
    type Io = DuplexStream;

    async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.lock().expect("not poisoned").push(host.to_owned());
        sleep(self.naming).await;
        self.names.clone().map_err(io::Error::from)
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<DuplexStream> {
        self.running.fetch_add(1, Ordering::Relaxed);
        let _running = Running(&self.running);
        self.started.lock().expect("not poisoned").push((address, self.birth.elapsed()));
        let found = self.outcomes.iter().find(|(known, _)| *known == address);
        let (_, (after, result)) = found.expect("an address of the script");
        sleep(*after).await;
        (*result)?;
        let (io, peer) = duplex(4096);
        self.peers.send(peer).expect("the test keeps the receiver");
        Ok(io)
    }
}

pub(crate) fn at(address: &str) -> SocketAddr {
    address.parse().expect("a socket address")
}

/// Polls a future at most `polls` times, then drops it.
pub(crate) async fn polled<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
