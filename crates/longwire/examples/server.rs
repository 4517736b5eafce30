//! An echo server. Ctrl-C closes every connection with 1001, and ends it.
//!
//! ```text
//! cargo run -p longwire --example server -- 127.0.0.1:9001
//! ```

use std::{env, error::Error};

use longwire::{Server, WebSocket};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let server = Server::bind(&address).await.map_err(|error| format!("{address}: {error}"))?;
    println!("listening on ws://{}", server.local_addr()?);

    let drained = server.serve_until(stopped(), echo).await?;
    println!("closed {} connections, dropped {}", drained.ended, drained.aborted);
    Ok(())
}

async fn echo(mut socket: WebSocket) {
    if let Err(error) = echo_all(&mut socket).await {
        eprintln!("{:?}: {error}", socket.peer_addr());
    }
}

async fn echo_all(socket: &mut WebSocket) -> Result<(), Box<dyn Error>> {
    while let Some(message) = socket.recv().await? {
        socket.send(message).await?;
    }
    Ok(())
}

async fn stopped() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("Ctrl-C will not end this: {error}");
        std::future::pending::<()>().await;
    }
}
