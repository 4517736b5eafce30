//! The client of tokio-websockets: `ClientBuilder` on a connected socket, and its plain loop.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench_common::client::{self, Client, verify};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

fn main() -> ExitCode {
    client::main::<TokioWebsockets>()
}

struct TokioWebsockets(WebSocketStream<TcpStream>);

impl Client for TokioWebsockets {
    async fn open(target: SocketAddr) -> Result<Self> {
        // Its own `connect` leaves Nagle's algorithm on.
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let builder = ClientBuilder::new().uri(&format!("ws://{target}/"))?;
        let (socket, _) = builder.connect_on(stream).await?;
        Ok(Self(socket))
    }

    async fn send(&mut self, message: &Bytes) -> Result<()> {
        Ok(self.0.send(Message::binary(message.clone())).await?)
    }

    async fn receive(&mut self, expected: &Bytes) -> Result<()> {
        let message = self.0.next().await.context("the server closed the connection")??;
        verify(&message.into_payload(), expected)
    }
}
