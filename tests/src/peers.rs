//! The peers of `tests/peers`, as servers and as clients, and Longwire's own programs beside them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use longwire_toolbox::peer::Peer;
use serde::Deserialize;

use crate::binaries;
use crate::certificates::Certificates;
use crate::processes::Process;

/// How long a server has to listen: a virtual machine on a busy computer needs seconds.
pub const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a client has for its script; it gives up by itself after 60 seconds.
pub const SCRIPT_LIMIT: Duration = Duration::from_secs(75);

/// The subprotocol that the peers' servers know.
pub const SUBPROTOCOL: &str = "chat";

/// The steps of the script, in their order. A report must have them all.
const STEPS: [&str; 17] = [
    "opening",
    "text",
    "empty text",
    "non-ASCII text",
    "binary",
    "empty binary",
    "length boundaries",
    "1 MiB text",
    "1 MiB binary",
    "fragmented text",
    "ping",
    "ping between fragments",
    "burst",
    "similar texts",
    "random binaries",
    "empty messages",
    "close",
];

/// The steps that a client with a browser's interface leaves out.
const BEYOND_BROWSERS: [&str; 3] = ["fragmented text", "ping", "ping between fragments"];

/// With or without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `ws:`
    Plain,
    /// `wss:`
    Tls,
}

impl Scheme {
    /// The URL of a server on this machine. TLS goes by name, so that the name is checked.
    pub fn url(self, port: u16, path: &str) -> String {
        match self {
            Self::Plain => format!("ws://127.0.0.1:{port}{path}"),
            Self::Tls => format!("wss://localhost:{port}{path}"),
        }
    }
}

/// A server that is listening. Dropping it ends the process.
#[derive(Debug)]
pub struct Server {
    /// The process, for its signals and its output.
    pub process: Process,
    /// The port on 127.0.0.1.
    pub port: u16,
    scheme: Scheme,
}

impl Server {
    /// Starts a peer as an echo server that knows [`SUBPROTOCOL`], with further `options`.
    pub fn peer(
        peer: &Peer,
        scheme: Scheme,
        certificates: &Certificates,
        options: &[&str],
    ) -> Result<Self> {
        let mut command = peer.command();
        command.args(["server", "--port", "0", "--subprotocol", SUBPROTOCOL]).args(options);
        add_identity(&mut command, scheme, certificates);
        Self::start(command, scheme, "listening ")
    }

    /// Starts `longwire echo` with further `options`.
    pub fn longwire(scheme: Scheme, certificates: &Certificates, options: &[&str]) -> Result<Self> {
        let mut command = Command::new(binaries::longwire()?);
        command.args(["echo", "--listen", "127.0.0.1:0"]).args(options);
        add_identity(&mut command, scheme, certificates);
        match scheme {
            Scheme::Plain => Self::start(command, scheme, "listening on ws://127.0.0.1:"),
            Scheme::Tls => Self::start(command, scheme, "listening on wss://127.0.0.1:"),
        }
    }

    fn start(command: Command, scheme: Scheme, before_port: &str) -> Result<Self> {
        let process = Process::start(command)?;
        let port = process.wait_for_line(START_LIMIT, |line| {
            line.strip_prefix(before_port)?.trim().parse().ok()
        })?;
        Ok(Self { process, port, scheme })
    }

    /// The URL of `path` on this server.
    pub fn url(&self, path: &str) -> String {
        self.scheme.url(self.port, path)
    }
}

fn add_identity(command: &mut Command, scheme: Scheme, certificates: &Certificates) {
    if scheme == Scheme::Tls {
        command.arg("--cert").arg(certificates.certificate());
        command.arg("--key").arg(certificates.key());
    }
}

/// The line that a client prints.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// Library and version.
    pub peer: String,
    ok: bool,
    /// The subprotocol that was chosen.
    pub subprotocol: Option<String>,
    /// The extensions that were agreed on, as a header has them.
    #[serde(default)]
    extensions: String,
    #[serde(default)]
    steps: Vec<String>,
    /// The Close frame that came back.
    pub close: Option<CloseReport>,
}

impl Report {
    /// Whether what was agreed on is `extension`, the only one, or none where it is empty. The order
    /// of parameters is free.
    pub fn agreed_on(&self, extension: &str) -> bool {
        parts(&self.extensions) == parts(extension)
    }
}

/// The name of an extension and its parameters.
pub fn parts(extension: &str) -> BTreeSet<&str> {
    extension.split(';').map(str::trim).collect()
}

/// A Close frame.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct CloseReport {
    /// The code.
    pub code: u16,
    /// The reason, empty if there was none.
    pub reason: String,
}

/// Runs a client's script against `url` and gives its report if every step held.
///
/// Over TLS it trusts the certificates' authority alone.
pub fn run_client(
    client: Command,
    url: &str,
    certificates: &Certificates,
    options: &[&str],
) -> Result<Report> {
    let authority = url.starts_with("wss:").then(|| certificates.authority());
    let report = run_script(client_command(client, url, authority.as_deref(), options))?;
    ensure!(report.steps == STEPS, "steps are missing: {report:?}");
    Ok(report)
}

/// As [`run_client`], without TLS, for a client that has the interface of browsers.
pub fn run_browser_like_client(client: Command, url: &str, options: &[&str]) -> Result<Report> {
    let report = run_script(client_command(client, url, None, options))?;
    let steps = STEPS.iter().filter(|step| !BEYOND_BROWSERS.contains(step));
    ensure!(report.steps.iter().eq(steps), "steps are missing: {report:?}");
    Ok(report)
}

fn run_script(command: Command) -> Result<Report> {
    let process = Process::start(command)?;
    let status = process.wait(SCRIPT_LIMIT)?;
    let line =
        process.stdout().pop().with_context(|| format!("no report: {}", process.description()))?;
    let report: Report = serde_json::from_str(&line)
        .with_context(|| format!("no report: {}", process.description()))?;
    ensure!(report.ok && status.success(), "{}", process.description());
    Ok(report)
}

fn client_command(
    mut client: Command,
    url: &str,
    authority: Option<&Path>,
    options: &[&str],
) -> Command {
    client.args(["client", url]).args(options);
    if let Some(authority) = authority {
        client.arg("--ca").arg(authority);
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agreement_is_compared_without_the_order_of_its_parameters() {
        let report = |extensions: &str| Report {
            peer: String::new(),
            ok: true,
            subprotocol: None,
            extensions: extensions.to_owned(),
            steps: Vec::new(),
            close: None,
        };
        assert!(report("permessage-deflate;b;a=9").agreed_on("permessage-deflate; a=9; b"));
        assert!(!report("permessage-deflate;b").agreed_on("permessage-deflate"));
        assert!(!report("").agreed_on("permessage-deflate"));
        assert!(report("").agreed_on(""));
    }
}
