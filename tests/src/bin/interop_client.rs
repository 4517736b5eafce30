//! Longwire's client role as a peer: the script of `tests/peers/README.md`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use longwire::tls::ClientTls;
use longwire::{Close, CloseReason, Connect, Extension, Message, MessageType, Receiver, Sender};
use serde_json::{Value, json};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_mins(1);
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);
const MIB: usize = 1 << 20;
const PATTERN: &str = "añ€🌍";

/// The test client of the interoperation tests, through Longwire.
#[derive(Debug, Parser)]
enum Args {
    /// Run the script against an echo server; print one line of JSON.
    Client {
        /// The server.
        url: String,
        /// Trust the certificates of this PEM file alone.
        #[arg(long)]
        ca: Option<PathBuf>,
        /// A subprotocol to offer; may be given several times.
        #[arg(long = "subprotocol")]
        subprotocols: Vec<String>,
    },
}

/// The connection, and how far the script has come.
struct Script<'a> {
    sender: Sender,
    receiver: Receiver,
    steps: &'a mut Vec<&'static str>,
}

impl Script<'_> {
    async fn run(&mut self) -> Result<()> {
        self.step("text");
        self.echo("hello").await?;
        self.step("empty text");
        self.echo("").await?;
        self.step("non-ASCII text");
        self.echo("Grüße, κόσμε, 世界, 🌍").await?;
        self.step("binary");
        self.echo((0..=255).collect::<Vec<u8>>()).await?;
        self.step("empty binary");
        self.echo(Vec::new()).await?;
        self.step("length boundaries");
        for length in [125, 126, 127, 65_535, 65_536] {
            self.echo(numbered(length)).await?;
        }
        self.step("1 MiB text");
        self.echo(PATTERN.repeat(MIB / PATTERN.len()) + "añ€").await?;
        self.step("1 MiB binary");
        self.echo(numbered(MIB)).await?;
        self.step("fragmented text");
        self.fragmented_text().await?;
        self.step("ping");
        self.sender.ping().await?; // the library compares the Pong's payload
        self.step("ping between fragments");
        self.ping_between_fragments().await?;
        self.step("burst");
        self.burst().await
    }

    fn step(&mut self, name: &'static str) {
        self.steps.push(name);
    }

    async fn echo(&mut self, message: impl Into<Message>) -> Result<()> {
        let message = message.into();
        self.sender.send(message.clone()).await?;
        self.expect(&message).await
    }

    async fn expect(&mut self, wanted: &Message) -> Result<()> {
        let got = self.receiver.recv().await?.context("the server closed before the end")?;
        let kind = |message: &Message| match message {
            Message::Text(_) => "text",
            Message::Binary(_) => "binary message",
        };
        ensure!(kind(&got) == kind(wanted), "a {} came back, not a {}", kind(&got), kind(wanted));
        ensure!(
            got.len() == wanted.len(),
            "the echo has {} bytes, {} were sent",
            got.len(),
            wanted.len()
        );
        ensure!(&got == wanted, "the echo has other bytes than were sent");
        Ok(())
    }

    /// The writer cuts frames at whole characters, and its last frame is empty.
    async fn fragmented_text(&mut self) -> Result<()> {
        let whole = PATTERN.repeat(1000);
        let mut writer = self.sender.send_writer(MessageType::Text).await?;
        for piece in [&whole.as_bytes()[..2], &whole.as_bytes()[2..5009], &whole.as_bytes()[5009..]]
        {
            writer.write(piece.to_vec()).await?;
        }
        writer.finish().await?;
        self.expect(&whole.into()).await
    }

    async fn ping_between_fragments(&mut self) -> Result<()> {
        let before = "before ".repeat(1000);
        let pinger = self.sender.clone();
        let mut writer = self.sender.send_writer(MessageType::Text).await?;
        writer.write(before.clone()).await?;
        pinger.ping().await?;
        writer.write("after").await?;
        writer.finish().await?;
        self.expect(&(before + "after").into()).await
    }

    async fn burst(&mut self) -> Result<()> {
        let messages = || (0..100).map(|i| Message::from(format!("burst {i}")));
        for message in messages() {
            self.sender.send(message).await?;
        }
        for message in messages() {
            self.expect(&message).await?;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<Value> {
        self.step("close");
        let close = Close::new(4001.into(), CloseReason::truncated("done"));
        let closed = timeout(CLOSE_DEADLINE, self.sender.close(close))
            .await
            .context("the server did not end the connection")?;
        ensure!(closed.is_clean(), "the close was not clean: {closed}");
        ensure!(closed.code().get() == 4001, "another code came back: {closed}");
        if let Some(message) = self.receiver.recv().await? {
            bail!("a message of {} bytes was left over", message.len());
        }
        Ok(json!({ "code": closed.code().get(), "reason": closed.reason() }))
    }
}

fn numbered(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from(31 * i % 251).expect("less than 251")).collect()
}

async fn run(
    url: &str,
    ca: Option<PathBuf>,
    subprotocols: &[String],
    steps: &mut Vec<&'static str>,
) -> Result<Value> {
    let mut connect = Connect::new(url).subprotocols(subprotocols);
    if let Some(ca) = ca {
        connect = connect.tls(ClientTls::with_ca_file(ca)?);
    }
    let socket = connect.await?;
    let subprotocol = socket.subprotocol().map(str::to_owned);
    if let Some(first) = subprotocols.first() {
        ensure!(subprotocol.as_ref() == Some(first), "the subprotocol is {subprotocol:?}");
    }
    let extensions: Vec<String> = socket.extensions().iter().map(Extension::to_string).collect();
    let (sender, receiver) = socket.split();
    let mut script = Script { sender, receiver, steps };
    script.run().await?;
    let close = script.close().await?;
    Ok(json!({
        "ok": true,
        "subprotocol": subprotocol,
        "extensions": extensions.join(", "),
        "steps": steps,
        "close": close,
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Args::Client { url, ca, subprotocols } = Args::parse();
    let mut steps = vec!["opening"];
    let outcome = timeout(DEADLINE, run(&url, ca, &subprotocols, &mut steps))
        .await
        .unwrap_or_else(|_| bail!("not done after {DEADLINE:?}"));
    let succeeded = outcome.is_ok();
    let mut report = outcome.unwrap_or_else(
        |error| json!({ "ok": false, "step": steps.last(), "error": format!("{error:#}") }),
    );
    report["peer"] = concat!("Longwire ", env!("CARGO_PKG_VERSION")).into();
    println!("{report}");
    if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
