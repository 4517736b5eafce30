//! A running server.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cores::spawn_on;

/// A server; dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts a server on its cores and waits until it listens.
    pub fn start(cores: &[usize], command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = spawn_on(cores, command)?;
        let mut server = Self { child, url: String::new() };
        let lines = read_lines(server.child.stdout.take().expect("stdout is piped"));
        server.url = url(&lines.recv_timeout(START).context(SILENT)?)?;
        Ok(server)
    }

    /// The URL that its first line names.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address in the URL.
    pub fn address(&self) -> &str {
        self.url.split_once("://").map_or("", |(_, address)| address)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
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

const START: Duration = Duration::from_mins(1);
const SILENT: &str = "it printed no `listening on URL`; start it by hand to see why";

/// The URL in a server's first line.
fn url(line: &str) -> Result<String> {
    let url = line.trim().strip_prefix("listening on ");
    url.map(str::to_owned)
        .with_context(|| format!("its first line was {line:?}, and has to be `listening on URL`"))
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
