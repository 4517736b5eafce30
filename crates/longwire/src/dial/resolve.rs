//! From a host name to one TCP connection: Happy Eyeballs, RFC 8305.
//!
//! The system's resolver answers for both families at once and has sorted the addresses (RFC 6724), so of
//! RFC 8305 there remain sections 4 (interleave the families) and 5 (stagger the attempts).

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::error::{Attempt, DnsError};

/// RFC 8305 section 8: 250 ms are recommended between two attempts.
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// What the dialler needs of the outside world.
pub(crate) trait Network: Send + Sync {
    /// A connected transport.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Every address of a host name, the best first.
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// One connection attempt.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// The real network, by Tokio.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokioNetwork {
    /// `TCP_NODELAY`.
    pub(crate) nodelay: bool,
}

impl Network for TokioNetwork {
    type Io = TcpStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(self.nodelay)?;
        Ok(stream)
    }
}

/// The addresses of a host in the order to try them. An IP address needs no resolver.
pub(super) async fn resolve<N: Network>(
    network: &N,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, DnsError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let addresses =
        network.resolve(host, port).await.map_err(|cause| DnsError::new(host, Some(cause)))?;
    if addresses.is_empty() {
        return Err(DnsError::new(host, None));
    }
    Ok(interleave(addresses))
}

/// RFC 8305 section 4: alternates the families, beginning with that of the first address; no duplicates.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut seen = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !seen.contains(&address) {
            seen.push(address);
        }
    }
    let total = seen.len();
    let first_is_v6 = seen.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        seen.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::with_capacity(total);
    while order.len() < total {
        order.extend(first.next());
        order.extend(second.next());
    }
    order
}

type Connecting<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// RFC 8305 section 5: starts an attempt, and the next after `delay` or as soon as one fails. The first to
/// succeed wins; the others are dropped, which closes their sockets. `started` hears of each attempt.
///
/// # Errors
/// Every attempt failed; they are listed in the order of failing.
pub(super) async fn race<N: Network>(
    network: &N,
    addresses: Vec<SocketAddr>,
    delay: Duration,
    started: impl Fn(SocketAddr) + Send,
) -> Result<(N::Io, SocketAddr), Vec<Attempt>> {
    let mut waiting = VecDeque::from(addresses);
    let mut running: Vec<(SocketAddr, Connecting<'_, N::Io>)> = Vec::new();
    let mut failed = Vec::new();
    let mut timer = pin!(sleep(delay));
    poll_fn(|cx| {
        loop {
            let failed_before = failed.len();
            let mut at = 0;
            while let Some((address, attempt)) = running.get_mut(at) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(io)) => return Poll::Ready(Ok((io, *address))),
                    Poll::Ready(Err(error)) => {
                        failed.push(Attempt::new(*address, error));
                        drop(running.remove(at));
                    }
                    Poll::Pending => at += 1,
                }
            }
            let due = running.is_empty()
                || failed.len() > failed_before
                || timer.as_mut().poll(cx).is_ready();
            match waiting.pop_front_if(|_| due) {
                Some(address) => {
                    started(address);
                    running.push((address, Box::pin(network.connect(address))));
                    timer.set(sleep(delay));
                }
                None if running.is_empty() => return Poll::Ready(Err(std::mem::take(&mut failed))),
                None => return Poll::Pending,
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &[&str]) -> Vec<SocketAddr> {
        text.iter().map(|text| text.parse().expect("a socket address")).collect()
    }

    #[test]
    fn rfc8305_section_4_families_alternate_from_the_first() {
        for (given, expected) in [
            (
                &["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"][..],
                &["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"][..],
            ),
            (&["1.1.1.1:1", "[::1]:1", "[::2]:1"], &["1.1.1.1:1", "[::1]:1", "[::2]:1"]),
            (&["1.1.1.1:1", "1.1.1.2:1"], &["1.1.1.1:1", "1.1.1.2:1"]),
            (&["1.1.1.1:1", "1.1.1.1:1", "[::1]:1", "[::1]:1"], &["1.1.1.1:1", "[::1]:1"]),
            (&[], &[]),
        ] {
            assert_eq!(interleave(addresses(given)), addresses(expected), "{given:?}");
        }
    }

    #[tokio::test]
    async fn nagles_algorithm_is_off_or_on_as_asked() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        for nodelay in [true, false] {
            let stream = TokioNetwork { nodelay }.connect(address).await.expect("a connection");
            assert_eq!(stream.nodelay().expect("an open socket"), nodelay);
        }
    }
}
