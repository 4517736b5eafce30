//! Echo server on fastwebsockets, on a current-thread runtime: the hyper upgrade and the loop of its own
//! example `echo_server`, unconstrained by Tokio's budget as it is there. It writes every frame at once, so
//! there is no other loop.

use anyhow::Result;
use bench_common::Listen;
use bench_common::serve::{Serve, Transport, serve};
use bytes::Bytes;
use clap::Parser;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::unconstrained;

/// Echo every WebSocket message with fastwebsockets on one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    serve(&Args::parse().listen, Echo).await
}

#[derive(Clone)]
struct Echo;

impl Serve for Echo {
    async fn serve<T: Transport>(self, stream: T) -> Result<()> {
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(accept));
        Ok(connection.with_upgrades().await?)
    }
}

async fn accept(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade(&mut request)?;
    tokio::spawn(async move {
        if let Err(error) = unconstrained(echo(upgraded)).await {
            eprintln!("connection dropped: {error}");
        }
    });
    Ok(response)
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
