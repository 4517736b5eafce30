//! A server and a client over TLS, with a certificate that signs itself and is trusted by name.
//!
//! ```text
//! cargo run -p longwire --example tls
//! ```

use std::{error::Error, fs};

use longwire::{
    CloseCode, Connect, Server, WebSocket,
    tls::{ClientTls, ServerTls},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(&certificate, signed.cert.pem())?;
    fs::write(&key, signed.signing_key.serialize_pem())?;

    let server =
        Server::bind("127.0.0.1:0").await?.tls(ServerTls::from_pem_files(&certificate, &key)?);
    let port = server.local_addr()?.port();
    tokio::spawn(server.serve(echo));

    // The client trusts this certificate and no other. Without `tls` it trusts the system's store.
    let trusted = ClientTls::with_ca_file(&certificate)?;
    let mut socket = Connect::new(&format!("wss://localhost:{port}/")).tls(trusted).await?;
    socket.send("hello over TLS").await?;
    let message = socket.recv().await?.ok_or("the server closed without an answer")?;
    println!("{}", message.as_text().unwrap_or("not text"));
    println!("{}", socket.close(CloseCode::NORMAL_CLOSURE).await);
    Ok(())
}

async fn echo(mut socket: WebSocket) {
    while let Ok(Some(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}
