//! `longwire echo`: a server that sends every message back.

use std::{io, process, thread};

use longwire::{Acceptor, OriginPolicy, Server, WebSocket, tls::ServerTls};
use tokio::runtime::{self, Runtime};

use crate::{
    args::{self, EchoArgs},
    failure::Failure,
    limits, listening, output,
    signals::Signals,
};

/// Serves until a signal asks for the end.
pub(crate) fn run(args: &EchoArgs) -> Result<(), Failure> {
    limits::raise_open_files();
    let threads = match args.threads {
        Some(threads) => usize::from(threads),
        None => thread::available_parallelism().map_or(1, usize::from),
    };
    let runtime = runtime(threads).map_err(|error| {
        Failure::new(format!("no threads to serve with: {error}; try --threads 1"))
    })?;
    runtime.block_on(serve(args))
}

fn runtime(threads: usize) -> io::Result<Runtime> {
    match threads {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    }
    .worker_threads(threads)
    .enable_all()
    .build()
}

async fn serve(args: &EchoArgs) -> Result<(), Failure> {
    let tls = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => {
            Some(ServerTls::from_pem_files(cert, key).map_err(Failure::new)?)
        }
        _ => None,
    };
    let mut server = Server::bind(&args.listen)
        .await
        .map_err(|error| Failure::new(listening::problem(&args.listen, &error)))?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    if let Some(tls) = tls {
        server = server.tls(tls);
    }
    let server = server.acceptor(
        Acceptor::new()
            .config(args::config(args.max_message_size, args.deflate))
            .subprotocols(args.subprotocols.iter().cloned())
            .origins(origins(args)),
    );
    let mut signals = Signals::catch()?;
    let addr = server.local_addr().map_err(Failure::new)?;
    listening::announce(&format!("listening on {scheme}://{addr}"));
    let stop = async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            output::complain("stopped before every connection had closed");
            process::exit(1);
        });
    };
    let drained = server.serve_until(stop, echo).await.map_err(Failure::new)?;
    if drained.aborted > 0 {
        output::complain(format_args!(
            "{} of {} connections did not close in time and were dropped",
            drained.aborted,
            drained.aborted + drained.ended
        ));
    }
    Ok(())
}

/// Whatever ends the connection, the peer has been told; there is nobody else to tell here.
async fn echo(mut socket: WebSocket) {
    while let Ok(Some(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

fn origins(args: &EchoArgs) -> OriginPolicy {
    if args.allow_origins.iter().any(|origin| origin == "*") {
        return OriginPolicy::any();
    }
    args.allow_origins.iter().fold(OriginPolicy::same_origin(), OriginPolicy::allow)
}
