//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bench_load::agreement::Offer;
use bench_load::broadcast::Form;
use bench_load::content::Kind;
use bench_load::window::Until;
use clap::{Parser, Subcommand};

/// Put load on a WebSocket server of this machine; verify every byte, measure its process
#[derive(Parser)]
pub(crate) struct Args {
    /// Address of the server
    #[arg(long, value_name = "ADDR", global = true, default_value = "127.0.0.1:9001")]
    pub(crate) target: SocketAddr,
    /// Process id of the server
    #[arg(long)]
    pub(crate) pid: u32,
    /// Run on this core only
    #[arg(long, value_name = "N", global = true)]
    pub(crate) cpu: Option<usize>,
    /// Print the measurement as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) load: Load,
}

#[derive(Subcommand)]
pub(crate) enum Load {
    /// Keep messages in flight on every connection of an echo server
    Echo {
        /// Connections to open
        #[arg(long, default_value_t = 64)]
        connections: usize,
        /// Payload bytes a message [default: 32 of random bytes, 1024 of JSON]
        #[arg(long, value_name = "BYTES")]
        size: Option<usize>,
        /// Messages a connection keeps on their way
        #[arg(long, default_value_t = 1)]
        in_flight: usize,
        #[command(flatten)]
        content: ContentArgs,
        #[command(flatten)]
        span: Span,
    },
    /// Open connections that say nothing and read an echo server's resident memory
    Idle {
        /// Connections to open
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// Payload bytes a message [default: 32 of random bytes, 1024 of JSON]
        #[arg(long, value_name = "BYTES")]
        size: Option<usize>,
        /// Messages that each connection has echoed before it is idle; 64 of 1 KiB fill every window
        #[arg(long, default_value_t = 1)]
        messages: usize,
        /// Connections to use first, whose memory is not counted
        #[arg(long, default_value_t = 1)]
        warm: usize,
        #[command(flatten)]
        content: ContentArgs,
    },
    /// Have `bench-broadcast` send the same messages to every connection
    Broadcast {
        /// Connections to open
        #[arg(long, default_value_t = 1000)]
        connections: usize,
        /// Bytes a message, as `bench-broadcast` has it
        #[arg(long, value_name = "BYTES", default_value_t = 1024)]
        size: usize,
        #[command(flatten)]
        form: FormArgs,
        #[command(flatten)]
        span: Span,
    },
}

/// What is sent.
#[derive(clap::Args)]
pub(crate) struct ContentArgs {
    /// Send JSON text instead of random bytes
    #[arg(long)]
    text: bool,
    /// Send JSON text, compressed; fail if the server does not agree to it, or never compresses
    #[arg(long)]
    deflate: bool,
    /// Offer compression without context takeover, in both directions
    #[arg(long, requires = "deflate")]
    no_takeover: bool,
}

/// What is broadcast.
#[derive(clap::Args)]
pub(crate) struct FormArgs {
    /// Expect compressed messages; fail if the server does not agree to it, or never compresses
    #[arg(long)]
    deflate: bool,
    /// Offer compression without context takeover, in both directions
    #[arg(long, requires = "deflate")]
    no_takeover: bool,
    /// Expect only the first part of each message, of any length
    #[arg(long, conflicts_with = "deflate")]
    prefix: bool,
}

/// How long.
#[derive(clap::Args)]
pub(crate) struct Span {
    /// Load before the measured window, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
    pub(crate) warm_up: f64,
    /// Length of the measured window, in seconds
    #[arg(long, default_value_t = 2.0, conflicts_with = "messages")]
    seconds: f64,
    /// End the measured window after this many messages came instead
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
}

impl ContentArgs {
    pub(crate) fn kind(&self) -> Kind {
        match (self.deflate, self.text) {
            (true, _) => Kind::Deflated(offer(self.no_takeover)),
            (false, true) => Kind::Text,
            (false, false) => Kind::Binary,
        }
    }

    pub(crate) fn default_size(&self) -> usize {
        if self.kind() == Kind::Binary { 32 } else { 1024 }
    }
}

impl FormArgs {
    pub(crate) fn form(&self) -> Form {
        match (self.deflate, self.prefix) {
            (true, _) => Form::Deflated(offer(self.no_takeover)),
            (false, true) => Form::Prefix,
            (false, false) => Form::Whole,
        }
    }
}

impl Span {
    pub(crate) fn until(&self) -> Result<Until> {
        Ok(match self.messages {
            Some(count) => Until::Messages(count),
            None => Until::Elapsed(Duration::try_from_secs_f64(self.seconds)?),
        })
    }
}

fn offer(no_takeover: bool) -> Offer {
    if no_takeover { Offer::NoTakeover } else { Offer::Browser }
}
