//! The client of yawc: `WebSocket::connect` with `TCP_NODELAY` and no compression, and its plain loop.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use bench_common::client::{self, Client, verify};
use bytes::Bytes;
use futures_util::SinkExt;
use yawc::{Frame, Options, TcpWebSocket, WebSocket};

fn main() -> ExitCode {
    client::main::<Yawc>()
}

struct Yawc(TcpWebSocket);

impl Client for Yawc {
    async fn open(target: SocketAddr) -> Result<Self> {
        // Its own limit is a byte less than 1 MiB.
        let options = Options::default()
            .without_compression()
            .with_max_payload_read(16 << 20)
            .with_no_delay();
        let url = format!("ws://{target}/").parse()?;
        Ok(Self(WebSocket::connect(url).with_options(options).await?))
    }

    async fn send(&mut self, message: &Bytes) -> Result<()> {
        Ok(self.0.send(Frame::binary(message.clone())).await?)
    }

    async fn receive(&mut self, expected: &Bytes) -> Result<()> {
        verify(self.0.next_frame().await?.payload(), expected)
    }
}
