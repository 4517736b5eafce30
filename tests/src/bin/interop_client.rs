//! Longwire's client role as a peer: the script of `tests/peers/README.md`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Parser, ValueEnum};
use longwire::tls::ClientTls;
use longwire::{
    Close, CloseReason, Config, Connect, Deflate, Message, MessageType, Receiver, Sender,
    WindowBits,
};
use longwire_tests::content::{MIB, PATTERN, SIMILAR, numbered, random, similar};
use serde_json::{Value, json};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_mins(1);
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);

/// The test client of the interoperation tests, through Longwire.
#[derive(Debug, Parser)]
enum Args {
    /// Run the script against an echo server; print one line of JSON.
    Client(ClientArgs),
}

#[derive(Debug, clap::Args)]
struct ClientArgs {
    /// The server.
    url: String,
    /// Trust the certificates of this PEM file alone.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// A subprotocol to offer; may be given several times.
    #[arg(long = "subprotocol")]
    subprotocols: Vec<String>,
    /// The compression to offer.
    #[arg(long, value_enum, default_value_t)]
    deflate: DeflateMode,
    /// The server's window.
    #[arg(long, value_parser = window_bits)]
    server_bits: Option<WindowBits>,
    /// The client's window.
    #[arg(long, value_parser = window_bits)]
    client_bits: Option<WindowBits>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum DeflateMode {
    #[default]
    Off,
    NoTakeover,
    Takeover,
}

fn window_bits(bits: &str) -> Result<WindowBits> {
    WindowBits::new(bits.parse()?).context("window bits are 8 to 15")
}

impl ClientArgs {
    fn config(&self) -> Config {
        let mut config = Config::default();
        config.deflate = match self.deflate {
            DeflateMode::Off => None,
            DeflateMode::NoTakeover => Some(Deflate::no_context_takeover()),
            DeflateMode::Takeover => Some(Deflate::context_takeover()),
        };
        if let Some(deflate) = &mut config.deflate {
            deflate.threshold = 0;
            deflate.params.server_max_window_bits = self.server_bits.unwrap_or(WindowBits::MAX);
            deflate.params.client_max_window_bits = self.client_bits.unwrap_or(WindowBits::MAX);
        }
        config
    }
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
        self.burst().await?;
        self.step("similar texts");
        for i in 0..SIMILAR {
            self.echo(similar(i)).await?;
        }
        self.step("random binaries");
        for binary in random() {
            self.echo(binary).await?;
        }
        self.step("empty messages");
        self.echo("").await?;
        self.echo(Vec::new()).await?;
        self.echo("").await?;
        self.echo(similar(9)).await
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

async fn run(args: ClientArgs, steps: &mut Vec<&'static str>) -> Result<Value> {
    let subprotocols = &args.subprotocols;
    let mut connect = Connect::new(&args.url).subprotocols(subprotocols).config(args.config());
    if let Some(ca) = &args.ca {
        connect = connect.tls(ClientTls::with_ca_file(ca)?);
    }
    let socket = connect.await?;
    let subprotocol = socket.subprotocol().map(str::to_owned);
    if let Some(first) = subprotocols.first() {
        ensure!(subprotocol.as_ref() == Some(first), "the subprotocol is {subprotocol:?}");
    }
    let extensions = socket.deflate().map(|agreed| agreed.to_string());
    let (sender, receiver) = socket.split();
    let mut script = Script { sender, receiver, steps };
    script.run().await?;
    let close = script.close().await?;
    Ok(json!({
        "ok": true,
        "subprotocol": subprotocol,
        "extensions": extensions.unwrap_or_default(),
        "steps": steps,
        "close": close,
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Args::Client(args) = Args::parse();
    let mut steps = vec!["opening"];
    let outcome = timeout(DEADLINE, run(args, &mut steps))
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
