//! `bench-broadcast`: sends every message to every connection, on longwire and one thread.
//!
//! A list of senders, and `try_send` to each. `--way prepared` makes one `Prepared` of a message, as the
//! library's documentation has it for many receivers; `--way each` gives each a message of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bench_common::Listen;
use clap::{Parser, ValueEnum};
use longwire::tls::ServerTls;
use longwire::{Acceptor, Config, Message, Prepared, Sendable, Sender, Server, WebSocket};
use tokio::net::TcpListener;

/// Send every WebSocket message to all connections, the sender too, with longwire on one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
    /// How a message goes to all
    #[arg(long, value_enum, default_value_t)]
    way: Way,
    /// Compression to agree to
    #[arg(long, value_enum, default_value_t)]
    deflate: bench_common::Deflate,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Way {
    /// Encoded once, and compressed once
    #[default]
    Prepared,
    /// Encoded, and compressed, for each
    Each,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let tls = args.listen.tls()?;
    let mut server = Server::from(TcpListener::from_std(args.listen.bind()?)?);
    if let Some(tls) = tls {
        server = server.tls(ServerTls::from_config(tls));
    }
    let hall = Hall { way: args.way, senders: Arc::default() };
    server
        .acceptor(Acceptor::new().config(config(args.deflate)))
        .serve(move |socket| attend(socket, hall.clone()))
        .await?;
    Ok(())
}

fn config(deflate: bench_common::Deflate) -> Config {
    let mut config = Config::default();
    config.deflate = match deflate {
        bench_common::Deflate::Off => None,
        bench_common::Deflate::NoTakeover => Some(longwire::Deflate::no_context_takeover()),
        bench_common::Deflate::Takeover => Some(longwire::Deflate::context_takeover()),
    };
    config
}

/// One connection, whose messages go to all.
async fn attend(socket: WebSocket, hall: Hall) {
    let (sender, mut receiver) = socket.split();
    hall.senders().push(sender);
    while let Ok(Some(message)) = receiver.recv().await {
        hall.broadcast(message);
    }
}

/// What the connections share.
#[derive(Clone)]
struct Hall {
    way: Way,
    senders: Arc<Mutex<Vec<Sender>>>,
}

impl Hall {
    fn broadcast(&self, message: Message) {
        let message: Sendable = match self.way {
            Way::Prepared => Prepared::new(message).into(),
            Way::Each => message.into(),
        };
        // A receiver that has gone, or that does not read, misses the rest.
        self.senders().retain(|sender| sender.try_send(message.clone()).is_ok());
    }

    /// Only one thread runs, so nobody waits here.
    fn senders(&self) -> MutexGuard<'_, Vec<Sender>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
