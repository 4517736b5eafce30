//! `bench-broadcast`: sends the next message to every connection whenever one asks for it, on longwire and
//! one thread.

mod program;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bench_common::Listen;
use bench_common::broadcast::{NEXT, READY};
use clap::Parser;
use longwire::{Acceptor, Config, Sender, Server, WebSocket};
use tokio::net::TcpListener;

use crate::program::{Program, Way};

/// Send the same JSON messages to every WebSocket connection; a connection that sends `next` asks for
/// the next
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
    /// How the messages are sent
    #[arg(long, value_enum, default_value_t)]
    way: Way,
    /// Let compressed messages refer to those before them, where a receiver's own are compressed
    #[arg(long)]
    takeover: bool,
    /// Bytes a message, before it is compressed
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    size: usize,
}

/// What the connections share.
struct Hall {
    receivers: Vec<Sender>,
    program: Program,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut config = Config::default();
    config.deflate = args.way.deflate(args.takeover);
    let program = Program::new(args.way, args.size)?;
    let hall = Arc::new(Mutex::new(Hall { receivers: Vec::new(), program }));
    let listener = TcpListener::from_std(args.listen.bind()?)?;
    Server::from(listener)
        .acceptor(Acceptor::new().config(config))
        .serve(move |socket| attend(socket, hall.clone()))
        .await?;
    Ok(())
}

/// One connection: a receiver of all broadcasts, and perhaps the one that asks for them.
async fn attend(socket: WebSocket, hall: Arc<Mutex<Hall>>) {
    let (sender, mut receiver) = socket.split();
    lock(&hall).receivers.push(sender.clone());
    if sender.send(READY).await.is_err() {
        return;
    }
    while let Ok(Some(message)) = receiver.recv().await {
        if message.as_text() == Some(NEXT) {
            lock(&hall).broadcast();
        }
    }
}

/// Only one thread runs, so nobody waits here.
fn lock(hall: &Mutex<Hall>) -> MutexGuard<'_, Hall> {
    hall.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hall {
    fn broadcast(&mut self) {
        let message = self.program.next();
        // A receiver that has gone, or that does not read, misses the rest.
        self.receivers.retain(|receiver| receiver.try_send(message.clone()).is_ok());
    }
}
