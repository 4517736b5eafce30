//! The client of longwire: `Connect`, and its plain loop.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench_common::client::{self, Client, verify};
use bytes::Bytes;
use longwire::{Connect, WebSocket};

fn main() -> ExitCode {
    client::main::<Longwire>()
}

struct Longwire(WebSocket);

impl Client for Longwire {
    async fn open(target: SocketAddr) -> Result<Self> {
        Ok(Self(Connect::new(&format!("ws://{target}/")).await?))
    }

    async fn send(&mut self, message: &Bytes) -> Result<()> {
        Ok(self.0.send(message.clone()).await?)
    }

    async fn receive(&mut self, expected: &Bytes) -> Result<()> {
        let message = self.0.recv().await?.context("the server closed the connection")?;
        verify(message.as_bytes(), expected)
    }
}
