//! Echo server on soketto, on a current-thread runtime.
//!
//! The plain loop and its buffers are those of its own example `autobahn_server`. The best one flushes only
//! when it would have to wait for the next message; its documentation has none.

use std::pin::pin;

use anyhow::Result;
use bench_common::serve::{Serve, Transport, serve};
use bench_common::{Listen, Loop};
use clap::Parser;
use futures_util::FutureExt;
use futures_util::io::{BufReader, BufWriter};
use soketto::connection::Error;
use soketto::handshake::Server;
use soketto::handshake::server::Response;
use soketto::{Data, Receiver, Sender};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// Echo every WebSocket message with soketto on one thread
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

type Buffered<T> = BufReader<BufWriter<Compat<T>>>;

impl Serve for Echo {
    async fn serve<T: Transport>(self, stream: T) -> Result<()> {
        let mut server = Server::new(BufReader::new(BufWriter::new(stream.compat())));
        let key = server.receive_request().await?.key();
        server.send_response(&Response::Accept { key, protocol: None }).await?;
        let (sender, receiver) = server.into_builder().finish();
        match echo(sender, receiver, self.0).await {
            Err(Error::Closed) => Ok(()),
            ended => Ok(ended?),
        }
    }
}

async fn echo<T: Transport>(
    mut sender: Sender<Buffered<T>>,
    mut receiver: Receiver<Buffered<T>>,
    mode: Loop,
) -> Result<(), Error> {
    let mut message = Vec::new();
    loop {
        message.clear();
        let data = match mode {
            Loop::Plain => receiver.receive_data(&mut message).await?,
            Loop::Best => {
                // Its futures may not be dropped half-way, so this one goes on behind the flush.
                let mut receive = pin!(receiver.receive_data(&mut message));
                if let Some(data) = receive.as_mut().now_or_never() {
                    data?
                } else {
                    sender.flush().await?;
                    receive.await?
                }
            }
        };
        match data {
            Data::Binary(_) => sender.send_binary_mut(&mut message).await?,
            Data::Text(_) => match std::str::from_utf8(&message) {
                Ok(text) => sender.send_text(text).await?,
                Err(_) => return sender.close().await,
            },
        }
        if mode == Loop::Plain {
            sender.flush().await?;
        }
    }
}
