//! Echo server on tokio-tungstenite, on a current-thread runtime.
//!
//! The plain loop receives and sends, as its documentation's users write it. The best one feeds what is there
//! and then flushes: its own example, `echo-server`, does that by `split` and `forward`, of which the `split`
//! costs a lock more. `--broadcast` is its example `server`: a channel for each connection, whose end is
//! forwarded to the socket. Here the channel is bounded.

use std::future::ready;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bench_common::serve::{Serve, Transport, serve};
use bench_common::{Listen, Loop, batch};
use clap::Parser;
use futures_channel::mpsc::{Sender, channel};
use futures_util::future::select;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async};

/// Echo every WebSocket message with tokio-tungstenite on one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
    /// How messages are echoed
    #[arg(long = "loop", value_enum, default_value_t)]
    mode: Loop,
    /// Send every message to all connections instead
    #[arg(long, conflicts_with = "mode")]
    broadcast: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    if args.broadcast {
        serve(&args.listen, Broadcast::default()).await
    } else {
        serve(&args.listen, Echo(args.mode)).await
    }
}

#[derive(Clone)]
struct Echo(Loop);

impl Serve for Echo {
    async fn serve<T: Transport>(self, stream: T) -> Result<()> {
        let mut socket = accept_async(stream).await?;
        match self.0 {
            Loop::Plain => plain(socket).await?,
            Loop::Best => {
                let answer = |message: Result<_, Error>| Ok(Some(message?).filter(is_data));
                batch::echo(&mut socket, usize::MAX, answer).await?;
            }
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

/// The channels of all connections.
#[derive(Clone, Default)]
struct Broadcast(Arc<Mutex<Vec<Sender<Message>>>>);

impl Serve for Broadcast {
    async fn serve<T: Transport>(self, stream: T) -> Result<()> {
        let (write, read) = accept_async(stream).await?.split();
        let (sender, queue) = channel(QUEUE);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        let to_all = read.try_for_each(|message| {
            if is_data(&message) {
                self.send(&message);
            }
            ready(Ok(()))
        });
        let from_all = queue.map(Ok).forward(write);
        let (ended, _) = select(pin!(to_all), pin!(from_all)).await.factor_first();
        Ok(ended?)
    }
}

impl Broadcast {
    /// A connection that has gone, or whose queue is full, gets no more, and ends.
    fn send(&self, message: &Message) {
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        senders.retain_mut(|sender| sender.try_send(message.clone()).is_ok());
    }
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

/// Messages that wait for a receiver.
const QUEUE: usize = 1024;
