//! Echo server on tokio-websockets, on a current-thread runtime.
//!
//! The plain loop is that of its README. The best one, for which its documentation has `feed` and the flush
//! threshold alone, takes what is there, feeds all of it and then flushes. Each receive flushes what was fed
//! before, so to feed in between gains nothing.

use anyhow::Result;
use bench_common::serve::{Serve, Transport, serve};
use bench_common::{Listen, Loop};
use clap::Parser;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio_websockets::{Config, Error, Message, ServerBuilder, WebSocketStream};

/// Echo every WebSocket message with tokio-websockets on one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
    /// How messages are echoed
    #[arg(long = "loop", value_enum, default_value_t)]
    mode: Loop,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    serve(&args.listen, Echo(args.mode)).await
}

#[derive(Clone)]
struct Echo(Loop);

impl Serve for Echo {
    async fn serve<T: Transport>(self, stream: T) -> Result<()> {
        let config = match self.0 {
            Loop::Plain => Config::default(),
            Loop::Best => Config::default().flush_threshold(64 * 1024),
        };
        let (_request, socket) = ServerBuilder::new().config(config).accept(stream).await?;
        match self.0 {
            Loop::Plain => plain(socket).await?,
            Loop::Best => best(socket).await?,
        }
        Ok(())
    }
}

async fn plain<T: Transport>(mut socket: WebSocketStream<T>) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        let message = message?;
        if is_data(&message) {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn best<T: Transport>(mut socket: WebSocketStream<T>) -> Result<(), Error> {
    let mut batch = Vec::new();
    while let Some(first) = socket.next().await {
        let mut next = Some(first);
        while let Some(message) = next {
            batch.extend(Some(message?).filter(is_data));
            next = if batch.len() < BATCH { socket.next().now_or_never().flatten() } else { None };
        }
        for message in batch.drain(..) {
            socket.feed(message).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

/// Messages that are held at most.
const BATCH: usize = 64;
