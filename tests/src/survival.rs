//! A server that is killed again and again, publishers that do not stop, and what everybody saw of it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::binaries;
use crate::processes::Process;

/// How long the server may take until it listens: it may have much to read.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long an HTTP request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// What a publication of the tests carries: who published it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Item {
    /// Which publisher.
    pub publisher: u32,
    /// Its count, from 0.
    pub number: u64,
}

impl Item {
    /// As JSON.
    pub fn json(self) -> String {
        format!(r#"{{"publisher":{},"number":{}}}"#, self.publisher, self.number)
    }
}

/// The records of a stream, as somebody saw them.
pub type Seen = Vec<(u64, Item)>;

/// A server process on one port and one data folder, which can be killed and started again.
#[derive(Debug)]
pub struct Server {
    binary: std::path::PathBuf,
    folder: std::path::PathBuf,
    address: SocketAddr,
    process: Process,
}

impl Server {
    /// Starts it on a free port.
    pub fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let (process, address) = serve(binary, folder, "127.0.0.1:0")?;
        Ok(Self { binary: binary.into(), folder: folder.into(), address, process })
    }

    /// Where it listens, whenever it does.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it by SIGKILL and starts it again, on the same port and data.
    pub fn kill_and_start(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait(START_LIMIT)?;
        let (process, address) = serve(&self.binary, &self.folder, &self.address.to_string())?;
        ensure!(address == self.address, "it came back on {address}");
        self.process = process;
        Ok(())
    }

    /// Kills it while it is starting, and starts it again.
    pub fn kill_while_it_starts(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait(START_LIMIT)?;
        let early = Process::start(command(&self.binary, &self.folder, &self.address.to_string()))?;
        early.kill()?;
        early.wait(START_LIMIT)?;
        self.kill_and_start()
    }

    /// Its output, for a failure's words.
    pub fn description(&self) -> String {
        self.process.description()
    }
}

fn command(binary: &Path, folder: &Path, listen: &str) -> Command {
    let mut command = binaries::without_settings(Command::new(binary));
    command.current_dir(folder).args(["serve", "--no-supervisor", "--listen", listen]);
    // The publishers are to run as fast as they can, and the checks want all of it.
    command.args(["--set", "limits.publish_rate=1000000"]);
    command.args(["--set", "namespaces.default.publish_rate=1000000"]);
    command.args(["--set", "namespaces.default.retention.count=100000000"]);
    command.args(["--set", "namespaces.default.retention.bytes=4GiB"]);
    command
}

fn serve(binary: &Path, folder: &Path, listen: &str) -> Result<(Process, SocketAddr)> {
    let process = Process::start(command(binary, folder, listen))?;
    let address = process.wait_for_line(START_LIMIT, |line| {
        line.strip_prefix("listening on http://")?.trim().parse().ok()
    })?;
    Ok((process, address))
}

/// A request of the HTTP API: its status and its body. An error is a connection that broke.
pub fn request(
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(REQUEST_LIMIT))?;
    let mut head = vec![format!("{line} HTTP/1.1"), format!("Host: {address}")];
    head.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    head.push("Connection: close".to_owned());
    head.push(format!("Content-Length: {}", body.len()));
    stream.write_all(format!("{}\r\n\r\n{body}", head.join("\r\n")).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is cut")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunk(body)?
    } else {
        body.to_owned()
    };
    Ok((status, serde_json::from_str(&body)?))
}

fn unchunk(mut body: &str) -> Result<String> {
    let mut whole = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n").context("a chunk is cut")?;
        let length = usize::from_str_radix(length.trim(), 16)?;
        if length == 0 {
            return Ok(whole);
        }
        whole.push_str(rest.get(..length).context("a chunk is cut")?);
        body = rest.get(length + 2..).context("a chunk is cut")?;
    }
}

/// All of a stream, read page by page: its epoch and its records.
pub fn history(address: SocketAddr, channel: &str) -> Result<(String, Seen)> {
    let mut seen = Seen::new();
    let mut from = String::new();
    loop {
        let line = format!("GET /v1/channels/{channel}/messages?limit=1000{from}");
        let (status, page) = request(address, &line, &[], "")?;
        ensure!(status == 200, "history was answered with {status}: {page}");
        let epoch = page["epoch"].as_str().context("no epoch")?.to_owned();
        for message in page["messages"].as_array().context("no messages")? {
            let seq = message["seq"].as_u64().context("no seq")?;
            seen.push((seq, Item::deserialize(&message["data"])?));
        }
        if page["more"] != true {
            return Ok((epoch, seen));
        }
        let last = seen.last().context("a page without records has more behind it")?.0;
        from = format!("&from={epoch}:{last}");
    }
}

/// What the lines of `tests/survival/subscriber.mjs` say, by channel. Anything but a record is an error.
pub fn printed(lines: &[String]) -> Result<BTreeMap<String, Seen>> {
    let mut seen = BTreeMap::<String, Seen>::new();
    for line in lines {
        let line: Value = serde_json::from_str(line)?;
        let channel = line["channel"].as_str().context("no channel")?.to_owned();
        let Some(seq) = line["seq"].as_u64() else {
            bail!("the subscriber was told: {line}");
        };
        seen.entry(channel).or_default().push((seq, Item::deserialize(&line["data"])?));
    }
    Ok(seen)
}

/// Checks that `seen` has every record once, in order, and that each publisher's items are in its order.
pub fn assert_whole(whose: &str, seen: &Seen) {
    let mut next = BTreeMap::new();
    for (index, (seq, item)) in seen.iter().enumerate() {
        assert_eq!(*seq, index as u64 + 1, "{whose}: a hole, a double or disorder at {item:?}");
        let next = next.entry(item.publisher).or_insert(0);
        assert!(item.number >= *next, "{whose}: {item:?} came after {}", *next);
        *next = item.number + 1;
    }
}
