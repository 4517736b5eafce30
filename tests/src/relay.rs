//! A TCP relay that counts the bytes of both directions: it shows whether compression took place.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// A relay to one port of this machine. Dropping it ends its connections.
#[derive(Debug)]
pub struct Relay {
    /// Where clients connect to, on 127.0.0.1.
    pub port: u16,
    counts: Arc<Counts>,
    _runtime: Runtime,
}

#[derive(Debug, Default)]
struct Counts {
    from_client: AtomicU64,
    from_server: AtomicU64,
}

impl Relay {
    /// Starts a relay to `server`, a port of 127.0.0.1.
    pub fn start(server: u16) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_io().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let port = listener.local_addr()?.port();
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, shared.clone()));
            }
        });
        Ok(Self { port, counts, _runtime: runtime })
    }

    /// The URL of `path` through this relay.
    pub fn url(&self, path: &str) -> String {
        format!("ws://127.0.0.1:{}{path}", self.port)
    }

    /// Bytes that clients sent, of all connections.
    pub fn from_client(&self) -> u64 {
        self.counts.from_client.load(Ordering::SeqCst)
    }

    /// Bytes that the server sent, in all connections.
    pub fn from_server(&self) -> u64 {
        self.counts.from_server.load(Ordering::SeqCst)
    }
}

async fn relay(client: TcpStream, server: u16, counts: Arc<Counts>) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    tokio::try_join!(
        pass(client_read, server_write, &counts.from_client),
        pass(server_read, client_write, &counts.from_server),
    )?;
    Ok(())
}

/// Counts before it passes on, so that whoever has a byte finds it counted.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return to.shutdown().await;
        }
        count.fetch_add(n as u64, Ordering::SeqCst);
        to.write_all(&buffer[..n]).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread;

    use super::*;

    #[test]
    fn counts_each_direction_and_passes_ends_on() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = server.local_addr().expect("is bound").port();
        let received = thread::spawn(move || {
            let (mut socket, _) = server.accept().expect("the relay connects");
            let mut got = Vec::new();
            socket.read_to_end(&mut got).expect("the client ends its half");
            socket.write_all(&vec![0; 100_000]).expect("the client reads");
            got
        });
        let relay = Relay::start(port).expect("starts");
        let mut client = TcpStream::connect(("127.0.0.1", relay.port)).expect("connects");
        client.write_all(b"to and fro").expect("the server reads");
        client.shutdown(Shutdown::Write).expect("is open");
        let mut got = Vec::new();
        client.read_to_end(&mut got).expect("the server ends");
        assert_eq!(received.join().expect("is served"), b"to and fro");
        assert_eq!((relay.from_client(), relay.from_server()), (10, 100_000));
        assert_eq!(got.len(), 100_000);
    }
}
