//! A running server.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::spawn_on;
use crate::contestants::Contestant;
use crate::contestants::certificate::Certificate;
use crate::plan::workloads::Part;

/// A server; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts a contestant on its cores and waits until it listens.
    pub(crate) fn start(
        contestant: &Contestant,
        part: Part,
        cores: &[usize],
        certificate: &Certificate,
    ) -> Result<Self> {
        let mut command = contestant.server(part, certificate);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = spawn_on(cores, &mut command)?;
        let mut server = Self { child, url: String::new() };
        let lines = read_lines(server.child.stdout.take().expect("stdout is piped"));
        server.url = url(&lines.recv_timeout(START).context(SILENT)?)?;
        let scheme = if part == Part::Tls { "wss://" } else { "ws://" };
        ensure!(
            server.url.starts_with(scheme),
            "it listens on {}, and {scheme} was asked for",
            server.url
        );
        Ok(server)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The address in the URL.
    pub(crate) fn address(&self) -> &str {
        self.url.split_once("://").map_or("", |(_, address)| address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if the server has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const START: Duration = Duration::from_secs(10);
const SILENT: &str = "it printed no `listening on ws://ADDR`; start it by hand to see why";

/// The URL in a server's first line.
fn url(line: &str) -> Result<String> {
    let url = line.trim().strip_prefix("listening on ");
    url.map(str::to_owned).with_context(|| {
        format!("its first line was {line:?}, and has to be `listening on ws://ADDR`")
    })
}

/// Reads the lines, all of them, so that the server never blocks on a full pipe.
fn read_lines(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // After the first line nobody listens.
            let _ = sender.send(line);
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_has_the_url() {
        assert_eq!(url("listening on wss://127.0.0.1:1\n").expect("sound"), "wss://127.0.0.1:1");
        assert!(url("hello").expect_err("no URL").to_string().contains("hello"));
    }
}
