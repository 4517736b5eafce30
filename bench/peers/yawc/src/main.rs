//! Echo server on yawc, on a current-thread runtime, with compression in each of its modes.
//!
//! The plain loop, behind the hyper upgrade, is that of its own example `echo_server`. The best one is what
//! its README measures as "yawc tuned": 32 messages a flush, and larger buffers.

use std::future::ready;

use anyhow::Result;
use bench_common::serve::{Serve, Transport, serve};
use bench_common::{Deflate, Listen, Loop, batch};
use bytes::Bytes;
use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use yawc::{
    CompressionLevel, DeflatePool, Frame, OpCode, Options, UpgradeFut, WebSocket, WebSocketError,
};

/// Echo every WebSocket message with yawc on one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
    /// How messages are echoed
    #[arg(long = "loop", value_enum, default_value_t)]
    mode: Loop,
    /// Compression to agree to
    #[arg(long, value_enum, default_value_t)]
    deflate: Deflate,
    /// Compression level, 1 to 9 [default: yawc's own]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=9))]
    level: Option<u32>,
}

impl Args {
    fn options(&self) -> Options {
        // Its own limit is a byte less than 1 MiB.
        let options = Options::default().with_max_payload_read(16 << 20);
        let options = match self.mode {
            Loop::Plain => options,
            Loop::Best => {
                options.with_read_buffer_capacity(128 * 1024).with_backpressure_boundary(64 * 1024)
            }
        };
        let level = self.level.map_or_else(CompressionLevel::default, CompressionLevel::new);
        // Asked by a browser for a window of any size, it would choose one of 512 bytes.
        let takeover = |options: Options| {
            options.with_compression_level(level).with_client_max_window_bits(15)
        };
        match self.deflate {
            Deflate::Off => options,
            Deflate::Takeover => takeover(options),
            // As its documentation has it for many connections: compressors are shared.
            Deflate::NoTakeover => takeover(options)
                .server_no_context_takeover()
                .client_no_context_takeover()
                .with_deflate_pool(DeflatePool::new(64)),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    serve(&args.listen, Echo { mode: args.mode, options: args.options() }).await
}

#[derive(Clone)]
struct Echo {
    mode: Loop,
    options: Options,
}

impl Serve for Echo {
    async fn serve<T: Transport>(self, stream: T) -> Result<()> {
        let service = service_fn(|request| ready(self.accept(request)));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        Ok(connection.with_upgrades().await?)
    }
}

impl Echo {
    fn accept(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Empty<Bytes>>, WebSocketError> {
        let (response, upgraded) =
            WebSocket::upgrade_with_options(&mut request, self.options.clone())?;
        let mode = self.mode;
        tokio::spawn(async move {
            if let Err(error) = echo(upgraded, mode).await {
                eprintln!("connection dropped: {error}");
            }
        });
        Ok(response)
    }
}

async fn echo(upgraded: UpgradeFut, mode: Loop) -> Result<(), WebSocketError> {
    let mut socket = upgraded.await?;
    match mode {
        Loop::Best => {
            batch::echo(&mut socket, BATCH, |frame| Ok(Some(frame).filter(is_data))).await
        }
        Loop::Plain => {
            while let Some(frame) = socket.next().await {
                if is_data(&frame) {
                    socket.send(frame).await?;
                }
            }
            Ok(())
        }
    }
}

fn is_data(frame: &Frame) -> bool {
    matches!(frame.opcode(), OpCode::Text | OpCode::Binary)
}

const BATCH: usize = 32;
