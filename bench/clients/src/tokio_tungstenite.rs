//! The client of tokio-tungstenite: `connect_async_with_config` with `TCP_NODELAY`, and its plain loop.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench_common::client::{self, Client, verify};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

fn main() -> ExitCode {
    client::main::<Tungstenite>()
}

struct Tungstenite(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client for Tungstenite {
    async fn open(target: SocketAddr) -> Result<Self> {
        let no_delay = true;
        let url = format!("ws://{target}/");
        let (socket, _) = connect_async_with_config(url, None, no_delay).await?;
        Ok(Self(socket))
    }

    async fn send(&mut self, message: &Bytes) -> Result<()> {
        Ok(self.0.send(Message::Binary(message.clone())).await?)
    }

    async fn receive(&mut self, expected: &Bytes) -> Result<()> {
        let message = self.0.next().await.context("the server closed the connection")??;
        verify(&message.into_data(), expected)
    }
}
