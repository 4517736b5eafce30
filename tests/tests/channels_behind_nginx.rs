//! The server of channels behind nginx: clients, HTTP and server-sent events pass it, and a killed server is come back to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use longwire_client::{Client, Event, Subscription, channel::Start};
use longwire_tests::binaries;
use longwire_tests::certificates::Certificates;
use longwire_tests::peers::Scheme;
use longwire_tests::proxies::{Kind, ReverseProxy};
use longwire_tests::survival::{self, Server};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn clients_http_and_events_pass_nginx_and_a_kill_behind_it_loses_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(&binaries::longwire()?, folder.path())?;
    let certificates = Certificates::generate()?;
    let backend = server.address().port();
    let proxy = ReverseProxy::start(Kind::Nginx, Scheme::Plain, &certificates, backend)?;
    let url = proxy.url("/v1/connect");
    let address = url.split('/').nth(2).context("a URL has a host")?.parse()?;

    let runtime = Runtime::new()?;
    let _within = runtime.enter();
    let client = Client::connect(&url);
    let mut subscription = runtime.block_on(async {
        timeout(LIMIT, client.connected()).await??;
        anyhow::Ok(client.subscribe("news").start(Start::Beginning).await?)
    })?;
    let mut events = Events::open(address, "/v1/channels/news/events?beginning=1")?;

    for number in 0..40 {
        if number == 20 {
            server.kill_and_start()?;
        }
        publish(address, number)?;
        assert_eq!(runtime.block_on(next(&mut subscription))?, number.to_string());
        if number == 20 {
            // As a browser does: it names the last event that it had.
            events = Events::open_behind(address, &events.last)?;
        }
        assert_eq!(events.next()?, number.to_string());
    }
    let (_, page) = survival::request(address, "GET /v1/channels/news/messages", &[], "")?;
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(40), "{page}");
    ensure!(client.stats().reconnects >= 1, "the kill was not felt: {:?}", client.stats());
    Ok(())
}

/// Publishes a number, again and again while nginx has nobody to pass it on to.
fn publish(address: SocketAddr, number: u32) -> Result<()> {
    let key = format!("number-{number}");
    let begun = Instant::now();
    loop {
        let line = "POST /v1/channels/news/messages";
        let answer =
            survival::request(address, line, &[("Idempotency-Key", &key)], &number.to_string());
        match answer {
            Ok((200, _)) => return Ok(()),
            other => {
                ensure!(begun.elapsed() < LIMIT, "{number} was not taken: {other:?}");
                thread::yield_now();
            }
        }
    }
}

/// The content of the next record; nothing else but changes of state may come.
async fn next(subscription: &mut Subscription) -> Result<String> {
    loop {
        let event = timeout(LIMIT, subscription.recv()).await?.context("it is over")?;
        match event {
            Event::Message(message) => {
                return Ok(String::from_utf8(message.record.payload.bytes().to_vec())?);
            }
            Event::State(_) => {}
            other => anyhow::bail!("the subscriber was told {other:?}"),
        }
    }
}

/// A stream of server-sent events, read line by line.
struct Events {
    lines: BufReader<TcpStream>,
    /// The id of the last event.
    last: String,
}

impl Events {
    fn open(address: SocketAddr, path: &str) -> Result<Self> {
        Self::request(address, path, "")
    }

    fn open_behind(address: SocketAddr, last: &str) -> Result<Self> {
        let header = format!("Last-Event-ID: {last}\r\n");
        Self::request(address, "/v1/channels/news/events", &header)
    }

    fn request(address: SocketAddr, path: &str, header: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{header}\r\n");
        stream.write_all(head.as_bytes())?;
        Ok(Self { lines: BufReader::new(stream), last: String::new() })
    }

    /// The data of the next event.
    fn next(&mut self) -> Result<String> {
        loop {
            let mut line = String::new();
            ensure!(self.lines.read_line(&mut line)? > 0, "the stream of events ended");
            let line = line.trim_end();
            if let Some(id) = line.strip_prefix("id: ") {
                id.clone_into(&mut self.last);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let _: Value = serde_json::from_str(data)?;
                return Ok(data.to_owned());
            }
        }
    }
}
