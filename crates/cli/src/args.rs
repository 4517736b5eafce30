//! The command line, and the help that explains it.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use longwire::{Config, Deflate, Limits, Subprotocol, proto::handshake::InvalidSubprotocol};

use crate::{
    bench::BenchArgs,
    channel::{PublishArgs, TailArgs},
    check::CheckArgs,
    init::InitArgs,
    log::LogFormat,
    opening::OpeningArgs,
    serve::ServeArgs,
    token::TokenArgs,
};

/// Server of durable channels; and WebSocket echo server, client and load generator (RFC 6455).
#[derive(Debug, Parser)]
#[command(name = "longwire", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Log to stderr what happens below the messages
    #[arg(long, short, global = true, display_order = 900)]
    pub(crate) verbose: bool,
    /// How the log on stderr looks
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        display_order = 901
    )]
    pub(crate) log: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  longwire serve
  longwire publish demo hello
  longwire tail --from beginning demo
  longwire echo
  longwire connect ws://127.0.0.1:9001
  longwire bench ws://127.0.0.1:9001

Exit codes: 0 ended as it should, 1 failed (stderr says why), 2 wrong usage or configuration.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve channels that outlive disconnects, restarts and crashes
    Serve(Box<ServeArgs>),
    /// Write a configuration that explains itself, with fresh keys
    Init(InitArgs),
    /// Say whether a server would start here and serve well
    Check(CheckArgs),
    /// Make a token that lets a client in
    Token(TokenArgs),
    /// Publish a text, or each line of stdin, and print where it lies
    Publish(Box<PublishArgs>),
    /// Print what a channel holds and gets, through restarts
    Tail(Box<TailArgs>),
    /// Serve connections and send every message back
    Echo(EchoArgs),
    /// Connect, send the lines of stdin, and print what arrives
    Connect(Box<ConnectArgs>),
    /// Put load on a server, verify what comes back, and measure
    Bench(Box<BenchArgs>),
}

#[derive(Debug, clap::Args)]
#[command(after_help = ECHO_HELP)]
pub(crate) struct EchoArgs {
    /// Address to listen on; port 0 takes a free one, which the first line on stdout names
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001")]
    pub(crate) listen: String,
    /// Threads to serve with [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// PEM file with the certificate chain, the server's own first; serves wss instead of ws
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// PEM file with the certificate's private key, not encrypted
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Subprotocol to accept, may be repeated; the first in the client's order is chosen
    #[arg(long = "subprotocol", value_name = "NAME", value_parser = subprotocol)]
    pub(crate) subprotocols: Vec<Subprotocol>,
    #[allow(clippy::doc_markdown, reason = "it is help: angle brackets would be shown")]
    /// Site whose pages may connect, such as `https://app.example`, or `*` for all; may be repeated.
    /// The server's own pages always may
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_parser = origin)]
    pub(crate) allow_origins: Vec<String>,
    /// Compression (permessage-deflate) to agree to; takeover lets messages refer to those before
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub(crate) deflate: DeflateMode,
    /// Largest message to receive, in bytes after decompression; a larger one fails the connection with 1009
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_message_size)]
    pub(crate) max_message_size: u64,
}

const ECHO_HELP: &str = "\
Examples:
  longwire echo --listen 127.0.0.1:0
  longwire echo --listen 0.0.0.0:443 --cert chain.pem --key key.pem
  longwire echo --allow-origin https://app.example

SIGINT and SIGTERM close every connection with 1001 and wait for that, at most 10 s. A second one
ends the program at once.";

#[derive(Debug, clap::Args)]
#[command(after_help = CONNECT_HELP)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct ConnectArgs {
    /// Where to: ws, wss, http or https; a user name and password in it are sent as Basic
    pub(crate) url: String,
    /// Print every event as one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Read stdin as JSON lines: {"text":"…"}, {"base64":"…"}, {"close":{"code":1000,"reason":"…"}}
    #[arg(long)]
    pub(crate) json_input: bool,
    /// Do not read stdin: receive until the server closes
    #[arg(long, conflicts_with = "json_input")]
    pub(crate) no_stdin: bool,
    /// Send a file as one binary message before the lines of stdin, may be repeated; - is all of
    /// stdin
    #[arg(long = "binary", value_name = "FILE")]
    pub(crate) binaries: Vec<PathBuf>,
    /// Send a ping every so many seconds and show its round trip
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ping: Option<Duration>,
    #[command(flatten)]
    pub(crate) opening: OpeningArgs,
    /// Proxy to go through: http, https, socks5 or socks5h [default: from the environment]
    #[arg(long, value_name = "URL", conflicts_with = "no_proxy")]
    pub(crate) proxy: Option<String>,
    /// Use no proxy, whatever the environment says
    #[arg(long)]
    pub(crate) no_proxy: bool,
    /// Redirects to follow at most
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) redirects: u8,
    /// Compression (permessage-deflate) to offer; takeover lets messages refer to those before
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub(crate) deflate: DeflateMode,
    /// Largest message to receive, in bytes after decompression; a larger one fails the connection with 1009
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_message_size)]
    pub(crate) max_message_size: u64,
}

const CONNECT_HELP: &str = "\
Each line of stdin is sent as a text message, without its line end. At the end of stdin the
connection is closed with 1000; what the server sends before its own close is still printed.

On a terminal a message is shown behind \"< \", binary ones as a hex dump; notices go to stderr.
Elsewhere stdout has each text and a line end, and the bytes of binary messages as they are.
stderr then has only what went wrong, a close by the server, and the pings that were asked for.

Examples:
  longwire connect ws://127.0.0.1:9001
  printf 'one\\ntwo\\n' | longwire connect ws://127.0.0.1:9001
  longwire connect --json --no-stdin wss://stream.example/feed | jq .
  longwire connect --binary picture.png --ping 1 wss://app.example/upload
  longwire connect -H 'X-Trace: 7' --bearer \"$TOKEN\" wss://app.example/

The events of --json are open, message, ping, close and error; with it stderr has errors alone.

SIGINT and SIGTERM close the connection with 1001; a second one ends the program at once.
Exit codes: 0 closed cleanly, with whatever code; 1 failed (stderr says why); 2 wrong usage.";

/// permessage-deflate (RFC 7692), and whether messages may refer to those before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeflateMode {
    #[default]
    Off,
    NoTakeover,
    Takeover,
}

impl DeflateMode {
    /// Compression by this mode, with every other default.
    pub(crate) fn settings(self) -> Option<Deflate> {
        match self {
            Self::Off => None,
            Self::NoTakeover => Some(Deflate::no_context_takeover()),
            Self::Takeover => Some(Deflate::context_takeover()),
        }
    }
}

/// The default settings, but for compression and the largest message, which may come in one frame.
pub(crate) fn config(max_message_size: u64, deflate: DeflateMode) -> Config {
    let mut config = Config::default();
    config.deflate = deflate.settings();
    config.limits.max_message_size = max_message_size;
    config.limits.max_frame_size = max_message_size;
    config
}

pub(crate) fn subprotocol(name: &str) -> Result<Subprotocol, String> {
    name.parse().map_err(|error: InvalidSubprotocol| error.to_string())
}

fn origin(origin: &str) -> Result<String, String> {
    if origin == "*" { Ok(origin.to_owned()) } else { origin_sent(origin) }
}

pub(crate) fn origin_sent(origin: &str) -> Result<String, String> {
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    if origin == "null" || !host.is_empty() && !host.contains('/') {
        return Ok(origin.to_owned());
    }
    Err("an origin is a scheme, a host and nothing behind but a port, as in https://app.example"
        .to_owned())
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let range = 0.001..=86_400.0;
    match text.parse::<f64>() {
        Ok(seconds) if range.contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("it is a number of seconds from 0.001 to 86400, such as 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_no_path() {
        for good in ["https://app.example", "http://[::1]:8080", "null"] {
            assert!(origin_sent(good).is_ok(), "{good}");
        }
        for bad in ["app.example", "https://", "https://app.example/", "*", ""] {
            assert!(origin_sent(bad).is_err(), "{bad}");
        }
        assert!(origin("*").is_ok());
    }

    #[test]
    fn seconds_are_positive_and_finite() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "-1", "inf", "NaN", "1e9", "5s", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
