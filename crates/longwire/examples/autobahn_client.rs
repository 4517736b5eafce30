//! The client side of the Autobahn testsuite: runs every case of its fuzzing server as an echo client.
//!
//! ```text
//! cargo run --release -p longwire --example autobahn_client -- ws://127.0.0.1:9001
//! ```
//!
//! The server judges the cases and writes the report. This program fails only if it cannot reach it.

use std::{env, error::Error, process::ExitCode};

use longwire::{Config, Connect, Deflate, WebSocket};

/// The suite's name for this client in its report.
const AGENT: &str = "longwire";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let server = env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:9001".to_owned());
    match run(server.trim_end_matches('/')).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(server: &str) -> Result<(), Box<dyn Error>> {
    let mut socket = open(&format!("{server}/getCaseCount")).await?;
    let message = socket.recv().await?.ok_or("the server did not say how many cases it has")?;
    let count: u32 = message.as_text().ok_or("the number of cases is not text")?.parse()?;
    for case in 1..=count {
        let socket = open(&format!("{server}/runCase?case={case}&agent={AGENT}")).await?;
        echo(socket).await;
    }
    let mut socket = open(&format!("{server}/updateReports?agent={AGENT}")).await?;
    // The server closes when the report is written.
    while socket.recv().await?.is_some() {}
    println!("ran {count} cases");
    Ok(())
}

/// Echoes until the connection ends. How it ends is the case's business: many break the protocol.
async fn echo(mut socket: WebSocket) {
    while let Ok(Some(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn open(url: &str) -> Result<WebSocket, Box<dyn Error>> {
    let mut config = Config::default();
    // The largest messages have 16 MiB, in up to 262,144 fragments.
    config.limits.max_message_size = 64 << 20;
    config.limits.max_frame_size = 64 << 20;
    config.limits.max_fragments = 1 << 20;
    // Categories 12 and 13 are on compression.
    config.deflate = Some(Deflate::context_takeover());
    Ok(Connect::new(url).no_proxy().config(config).await?)
}
