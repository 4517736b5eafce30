//! Echo server on tokio-tungstenite, on a current-thread runtime: the receive-and-send loop that users
//! write, or with `--forward` the loop of its own example.

use std::future::ready;

use anyhow::Result;
use bench_common::Listen;
use clap::Parser;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;

/// Echo every WebSocket message with tokio-tungstenite on one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
    /// Echo with `split` and `forward`, which flushes only when nothing more is there to read
    #[arg(long)]
    forward: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let listener = TcpListener::from_std(args.listen.bind()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let echoed =
                if args.forward { forward(stream).await } else { receive_and_send(stream).await };
            if let Err(error) = echoed {
                eprintln!("tokio-tungstenite: connection dropped: {error:#}");
            }
        });
    }
}

async fn receive_and_send(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn forward(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let (write, read) = accept_async(stream).await?.split();
    read.try_filter(|message| ready(message.is_text() || message.is_binary()))
        .forward(write)
        .await?;
    Ok(())
}
