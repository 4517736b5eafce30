//! One message that is larger than the memory that it takes: written and read piece by piece.
//!
//! ```text
//! cargo run --release -p longwire --example streaming -- 1024
//! ```
//!
//! The argument is the message's size in MiB.

use std::{env, error::Error, fs};

use bytes::Bytes;
use longwire::{Acceptor, CloseCode, Config, Delivery, MessageType, Server, WebSocket};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let size: u64 = env::args().nth(1).map_or(Ok(256), |mebibytes| mebibytes.parse())?;

    // Messages are to be delivered as they arrive. Then no limit of their size applies.
    let mut config = Config::default();
    config.delivery = Delivery::Fragments;
    let server = Server::bind("127.0.0.1:0").await?.acceptor(Acceptor::new().config(config));
    let url = format!("ws://{}", server.local_addr()?);
    tokio::spawn(server.serve(async |socket: WebSocket| {
        if let Err(error) = count(socket).await {
            eprintln!("the server failed: {error}");
        }
    }));

    let mut socket = longwire::connect(&url).await?;
    let piece = Bytes::from(vec![0; 1 << 20]);
    let mut writer = socket.send_writer(MessageType::Binary).await?;
    for _ in 0..size {
        // Waits while more than `Limits::max_buffered_amount` is queued.
        writer.write(piece.clone()).await?;
    }
    writer.finish().await?;
    let answer = socket.recv().await?.ok_or("the server closed without an answer")?;
    println!("{}", answer.as_text().unwrap_or("not text"));
    socket.close(CloseCode::NORMAL_CLOSURE).await;
    if let Some(peak) = peak_memory() {
        println!("both ends took {peak} of memory at most");
    }
    Ok(())
}

/// Answers each message with its size.
async fn count(socket: WebSocket) -> Result<(), Box<dyn Error>> {
    // A reader borrows the half that receives.
    let (sender, mut receiver) = socket.split();
    while let Some(mut reader) = receiver.recv_reader().await? {
        let mut size = 0;
        while let Some(piece) = reader.chunk().await? {
            size += piece.len();
        }
        sender.send(format!("the message had {size} bytes")).await?;
    }
    Ok(())
}

/// The most memory that this process had, where the system tells as Linux does.
fn peak_memory() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().to_owned())
}
