//! A WebSocket behind axum, beside an ordinary page. Ctrl-C closes every connection with 1001.
//!
//! ```text
//! cargo run -p longwire --features axum --example axum -- 127.0.0.1:9001
//! cargo run -p longwire --example client -- ws://127.0.0.1:9001/echo hello
//! ```

use std::{env, error::Error, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{any, get},
};
use longwire::{
    CloseCode, WebSocket,
    axum::WebSocketUpgrade,
    server::{Acceptor, Connections},
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener =
        TcpListener::bind(&address).await.map_err(|error| format!("{address}: {error}"))?;
    println!("listening on ws://{}/echo", listener.local_addr()?);

    // axum waits for no WebSocket when it stops, so they are kept in a list.
    let connections = Connections::new();
    let app = Router::new()
        .route("/", get(async || "The WebSocket is at /echo.\n"))
        .route("/echo", any(upgrade))
        .with_state(Acceptor::new().track(&connections));
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;

    let drained = connections.close_all(CloseCode::GOING_AWAY, Duration::from_secs(10)).await;
    println!("closed {} connections, dropped {}", drained.ended, drained.aborted);
    Ok(())
}

async fn upgrade(State(acceptor): State<Acceptor>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.acceptor(acceptor).on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Ok(Some(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    if let Some(closed) = socket.closed() {
        eprintln!("{:?}: {closed}", socket.peer_addr());
    }
}

async fn stopped() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("Ctrl-C will not end this: {error}");
        std::future::pending::<()>().await;
    }
}
