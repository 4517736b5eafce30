//! Echo server on yawc: the hyper upgrade and loop of its own documentation, on a current-thread runtime,
//! with compression in each of its modes.

use std::future::ready;

use anyhow::Result;
use bench_common::Listen;
use bytes::Bytes;
use clap::{Parser, ValueEnum};
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use yawc::{CompressionLevel, DeflatePool, OpCode, Options, UpgradeFut, WebSocket, WebSocketError};

/// Echo every WebSocket message with yawc on one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
    /// Compression to agree to
    #[arg(long, value_enum, default_value_t)]
    deflate: Mode,
    /// Compression level, 1 to 9 [default: yawc's own]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=9))]
    level: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Mode {
    #[default]
    Off,
    NoTakeover,
    Takeover,
}

impl Args {
    fn options(&self) -> Options {
        let level = self.level.map_or_else(CompressionLevel::default, CompressionLevel::new);
        // Asked by a browser for a window of any size, it would choose one of 512 bytes.
        let deflate =
            || Options::default().with_compression_level(level).with_client_max_window_bits(15);
        match self.deflate {
            Mode::Off => Options::default(),
            Mode::Takeover => deflate(),
            // As its documentation has it for many connections: compressors are shared.
            Mode::NoTakeover => deflate()
                .server_no_context_takeover()
                .client_no_context_takeover()
                .with_deflate_pool(DeflatePool::new(64)),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let options = args.options();
    let listener = TcpListener::from_std(args.listen.bind()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let options = options.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| ready(accept(request, options.clone())));
            let served = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
            if let Err(error) = served {
                eprintln!("yawc: request failed: {error}");
            }
        });
    }
}

fn accept(
    mut request: Request<Incoming>,
    options: Options,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(async move {
        if let Err(error) = echo(upgraded).await {
            eprintln!("yawc: connection dropped: {error}");
        }
    });
    Ok(response)
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = upgraded.await?;
    while let Some(frame) = socket.next().await {
        match frame.opcode() {
            OpCode::Text | OpCode::Binary => socket.send(frame).await?,
            _ => {}
        }
    }
    Ok(())
}
