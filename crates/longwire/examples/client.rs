//! A client: sends a message, prints what comes back, and closes.
//!
//! ```text
//! cargo run -p longwire --example server
//! cargo run -p longwire --example client -- ws://127.0.0.1:9001 hello
//! ```

use std::{env, error::Error};

use longwire::{CloseCode, Message};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "ws://127.0.0.1:9001".to_owned());
    let text = args.next().unwrap_or_else(|| "hello".to_owned());

    let mut socket = longwire::connect(&url).await?;
    socket.send(text).await?;
    match socket.recv().await? {
        Some(Message::Text(text)) => println!("{text}"),
        Some(Message::Binary(bytes)) => println!("{} bytes", bytes.len()),
        None => println!("the server closed without an answer"),
    }
    let closed = socket.close(CloseCode::NORMAL_CLOSURE).await;
    println!("{closed}");
    Ok(())
}
