//! Echo server on sockudo-ws, on a current-thread runtime, with compression in each of its modes.
//!
//! The plain loop is that of its README's quick start. The best one, also in its README, feeds: its `next`
//! writes what was fed before it reads more from the transport.

use anyhow::{Result, ensure};
use bench_common::serve::{Serve, Transport, serve};
use bench_common::{Deflate, Listen, Loop};
use bytes::{Buf, Bytes, BytesMut};
use clap::Parser;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use sockudo_ws::deflate::{DeflateConfig, DeflateNegotiation, negotiate_server_deflate};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::{CompressedWebSocketStream, Config, Error, Message, Role, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Echo every WebSocket message with sockudo-ws on one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
    /// How messages are echoed
    #[arg(long = "loop", value_enum, default_value_t)]
    mode: Loop,
    /// Compression to agree to
    #[arg(long, value_enum, default_value_t)]
    deflate: Deflate,
    /// Compression level, 1 to 9 [default: sockudo-ws's own]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=9))]
    level: Option<u32>,
}

impl Args {
    fn deflate(&self) -> Option<DeflateConfig> {
        let default = DeflateConfig::default();
        let no_takeover = match self.deflate {
            Deflate::Off => return None,
            Deflate::NoTakeover => true,
            Deflate::Takeover => false,
        };
        Some(DeflateConfig {
            server_no_context_takeover: no_takeover,
            client_no_context_takeover: no_takeover,
            compression_level: self.level.unwrap_or(default.compression_level),
            ..default
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    serve(&args.listen, Echo { mode: args.mode, deflate: args.deflate() }).await
}

#[derive(Clone)]
struct Echo {
    mode: Loop,
    deflate: Option<DeflateConfig>,
}

impl Serve for Echo {
    async fn serve<T: Transport>(self, mut stream: T) -> Result<()> {
        let (agreed, leftover) = handshake(&mut stream, self.deflate.as_ref()).await?;
        let config = Config::default();
        match agreed {
            None => {
                let socket = WebSocketStream::from_raw_with_leftover(
                    stream,
                    Role::Server,
                    config,
                    Some(leftover),
                );
                echo(socket, self.mode).await?;
            }
            Some(deflate) => {
                let socket = CompressedWebSocketStream::server_with_leftover(
                    stream,
                    config,
                    deflate,
                    Some(leftover),
                );
                echo(socket, self.mode).await?;
            }
        }
        Ok(())
    }
}

/// The opening handshake, by the library's own parts: its `WebSocketServer` has it without extensions alone.
async fn handshake(
    stream: &mut impl Transport,
    policy: Option<&DeflateConfig>,
) -> Result<(Option<DeflateConfig>, Bytes)> {
    let mut input = BytesMut::with_capacity(4096);
    loop {
        ensure!(stream.read_buf(&mut input).await? > 0, "the client left during the handshake");
        let Some((request, size)) = parse_request(&input)? else { continue };
        let agreed = policy
            .zip(request.extensions)
            .and_then(|(policy, offers)| negotiate_server_deflate(offers, policy));
        let accept = generate_accept_key(request.key);
        let extensions = agreed.as_ref().map(DeflateNegotiation::to_response_header);
        let response = build_response(&accept, None, extensions.as_deref());
        stream.write_all(&response).await?;
        stream.flush().await?;
        input.advance(size);
        return Ok((agreed.map(|agreed| agreed.config), input.freeze()));
    }
}

async fn echo<S>(mut socket: S, mode: Loop) -> Result<(), Error>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    while let Some(message) = socket.next().await {
        match (message?, mode) {
            (message @ (Message::Text(_) | Message::Binary(_)), Loop::Plain) => {
                socket.send(message).await?;
            }
            (message @ (Message::Text(_) | Message::Binary(_)), Loop::Best) => {
                socket.feed(message).await?;
            }
            (Message::Close(_), _) => break,
            (Message::Ping(_) | Message::Pong(_), _) => {}
        }
    }
    Ok(())
}
