//! What the command lines of the servers share, and the first line that they print.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::ValueEnum;
use rustls::ServerConfig;

use crate::tls;

/// The command line that every contestant has, as `longwire echo` has it.
#[derive(Clone, Debug, clap::Args)]
pub struct Listen {
    /// Address to listen on; port 0 lets the system choose one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    #[command(flatten)]
    tls: Option<Pem>,
}

#[derive(Clone, Debug, clap::Args)]
struct Pem {
    /// PEM file with the certificate chain; serves wss instead of ws
    #[arg(long, value_name = "FILE", requires = "key", required = false)]
    cert: PathBuf,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", requires = "cert", required = false)]
    key: PathBuf,
}

/// Which loop a server runs, where its library has two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Loop {
    /// Each message is answered, and the answer flushed, before the next is asked for
    #[default]
    Plain,
    /// As many messages a write as are there
    Best,
}

/// What a server agrees to when it is offered permessage-deflate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Deflate {
    /// No compression
    #[default]
    Off,
    /// Compression, each message by itself
    NoTakeover,
    /// Compression, and messages may refer to those before them
    Takeover,
}

impl Listen {
    /// Binds a non-blocking listener and prints `listening on ws://ADDR`, or `wss://ADDR`, as the first line.
    pub fn bind(&self) -> Result<TcpListener> {
        let listener = TcpListener::bind(self.listen)
            .with_context(|| format!("cannot listen on {}; is it taken?", self.listen))?;
        listener.set_nonblocking(true)?;
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "listening on {scheme}://{}", listener.local_addr()?)?;
        stdout.flush()?;
        Ok(listener)
    }

    /// The configuration of TLS, if it is asked for. Call it before [`bind`](Self::bind), which says that all
    /// is well.
    pub fn tls(&self) -> Result<Option<Arc<ServerConfig>>> {
        self.tls.as_ref().map(|pem| tls::server(&pem.cert, &pem.key)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        listen: Listen,
    }

    fn parse(arguments: &[&str]) -> Result<Listen, clap::Error> {
        let program = Program::try_parse_from(["program"].iter().chain(arguments))?;
        Ok(program.listen)
    }

    #[test]
    fn tls_needs_both_files_and_is_off_without_them() {
        assert!(parse(&[]).expect("nothing is required").tls.is_none());
        assert!(parse(&["--cert", "a", "--key", "b"]).expect("both are there").tls.is_some());
        assert!(parse(&["--cert", "a"]).is_err());
        assert!(parse(&["--key", "b"]).is_err());
    }

    #[test]
    fn a_missing_certificate_is_named() {
        let listen = parse(&["--cert", "no-such.pem", "--key", "b"]).expect("both are there");
        let error = listen.tls().expect_err("the file is not there");
        assert!(format!("{error:#}").contains("no-such.pem"), "{error:#}");
    }
}
