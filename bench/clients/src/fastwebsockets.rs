//! The client of fastwebsockets: its handshake over hyper, and the loop of its example `autobahn_client`.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use bench_common::client::{self, Client, verify};
use bytes::Bytes;
use fastwebsockets::handshake::{self, generate_key};
use fastwebsockets::{FragmentCollector, Frame, Payload};
use http_body_util::Empty;
use hyper::Request;
use hyper::header::{CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

fn main() -> ExitCode {
    client::main::<Fastwebsockets>()
}

struct Fastwebsockets(FragmentCollector<TokioIo<Upgraded>>);

impl Client for Fastwebsockets {
    async fn open(target: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let request = Request::get(format!("http://{target}/"))
            .header(HOST, target.to_string())
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "upgrade")
            .header(SEC_WEBSOCKET_KEY, generate_key())
            .header(SEC_WEBSOCKET_VERSION, "13")
            .body(Empty::<Bytes>::new())?;
        let (socket, _) = handshake::client(&TokioExecutor::new(), request, stream).await?;
        Ok(Self(FragmentCollector::new(socket)))
    }

    async fn send(&mut self, message: &Bytes) -> Result<()> {
        // It masks in place, so it copies what is lent.
        Ok(self.0.write_frame(Frame::binary(Payload::Borrowed(message))).await?)
    }

    async fn receive(&mut self, expected: &Bytes) -> Result<()> {
        verify(&self.0.read_frame().await?.payload, expected)
    }
}
