//! A server with every default, but for its address: `cargo run -p longwire-server --example serve -- 127.0.0.1:8000`.

use longwire_server::{
    Server,
    config::{Config, Overrides},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut overrides = Overrides::new();
    if let Some(listen) = std::env::args().nth(1) {
        overrides.set("listen", listen);
    }
    let mut running = Server::start(Config::load(None, &overrides)?).await?;
    println!("listening on http://{}", running.local_addr());
    running.wait().await;
    Ok(())
}
