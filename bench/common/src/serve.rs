//! The accept loop of the servers on Tokio: `TCP_NODELAY`, TLS if it is asked for, one task a connection.

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::listen::Listen;

/// A server on one library, or what it keeps for all connections.
pub trait Serve: Clone + Send + Sync + 'static {
    /// Does the opening handshake on `stream`, and serves it to its end.
    fn serve<T: Transport>(self, stream: T) -> impl Future<Output = Result<()>> + Send;
}

/// TCP, or TLS over it. It is a type parameter, so neither costs the other anything.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for T {}

/// Listens, says so, and serves until accepting fails. Why a connection ended early goes to stderr.
pub async fn serve(listen: &Listen, server: impl Serve) -> Result<()> {
    let tls = listen.tls()?.map(TlsAcceptor::from);
    let listener = TcpListener::from_std(listen.bind()?)?;
    loop {
        let (stream, _) = listener.accept().await.context("accept failed; raise `ulimit -n`?")?;
        stream.set_nodelay(true)?;
        let server = server.clone();
        match &tls {
            None => tokio::spawn(complain(server.serve(stream))),
            Some(tls) => {
                let handshake = tls.accept(stream);
                tokio::spawn(complain(async move { server.serve(handshake.await?).await }))
            }
        };
    }
}

async fn complain(served: impl Future<Output = Result<()>>) {
    if let Err(error) = served.await {
        eprintln!("connection dropped: {error:#}");
    }
}
