//! Headless Chromium on a page of `tests/peers/browser`, which runs one scenario and posts what it
//! saw.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use longwire_toolbox::chromium;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::certificates::Certificates;
use crate::processes::Process;

/// How long a scenario may take from the start of the browser: seconds, but not on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

const PAGE: &str = include_str!("../peers/browser/page.html");
const SCRIPT: &str = include_str!("../peers/browser/page.js");

/// The HTTP server of the page, on a port of its own: its address decides the page's origin.
#[derive(Debug)]
pub struct PageServer {
    address: SocketAddr,
    events: Receiver<Value>,
    _runtime: Runtime,
}

impl PageServer {
    /// Starts the server.
    pub fn start() -> Result<Self> {
        let (sender, events) = channel();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_io().build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(async move { axum::serve(listener, router(sender)).await });
        Ok(Self { address, events, _runtime: runtime })
    }

    /// The origin of the page when the browser finds it under `host`.
    pub fn origin(&self, host: &str) -> String {
        format!("http://{host}:{}", self.address.port())
    }
}

fn router(events: Sender<Value>) -> Router {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route("/", file("text/html; charset=utf-8", PAGE))
        .route("/page.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route(
            "/events",
            post(move |body: String| {
                let event = serde_json::from_str(&body).unwrap_or(Value::String(body));
                // The test may have seen enough and be gone.
                let _ = events.send(event);
                async {}
            }),
        )
}

/// A browser at work on a scenario. Dropping it ends the browser.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    page: PageServer,
    _profile: TempDir,
}

impl Browser {
    /// Opens the page under `host` (any name under `.test` is this machine) to run `scenario`
    /// against the WebSocket server at `url`.
    pub fn start(
        page: PageServer,
        host: &str,
        scenario: &str,
        url: &str,
        subprotocols: &[&str],
        certificates: &Certificates,
    ) -> Result<Self> {
        let profile = tempfile::tempdir().context("cannot make a temporary folder")?;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("scenario", scenario).append_pair("url", url);
        for subprotocol in subprotocols {
            query.append_pair("subprotocol", subprotocol);
        }
        let mut command = Command::new(chromium::find()?);
        command.args([
            "--headless",
            "--no-sandbox", // its sandbox refuses to run as root, as which many CI machines work
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--host-resolver-rules=MAP *.test 127.0.0.1",
        ]);
        // Its other temporary files would survive its end.
        command.env("TMPDIR", profile.path());
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command
            .arg(format!("--ignore-certificate-errors-spki-list={}", certificates.public_key_hash));
        command.arg(format!("{}/?{}", page.origin(host), query.finish()));
        Ok(Self { process: Process::start(command)?, page, _profile: profile })
    }

    /// Waits until the page says that its socket is open (the scenario `watch`).
    pub fn wait_until_open(&self) -> Result<()> {
        match self.next_event()? {
            event if event.get("open").is_some() => Ok(()),
            event => bail!("the page's socket did not open: {event}"),
        }
    }

    /// Waits for the scenario's end and gives its result.
    pub fn result(&self) -> Result<Value> {
        loop {
            let mut event = self.next_event()?;
            if let Some(result) = event.get_mut("result") {
                return Ok(result.take());
            }
            if event.get("open").is_none() {
                bail!("the scenario failed: {event:#}\n{}", self.process.description());
            }
        }
    }

    fn next_event(&self) -> Result<Value> {
        self.page.events.recv_timeout(LIMIT).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                anyhow::anyhow!("the page was silent for {LIMIT:?}: {}", self.process.description())
            }
            RecvTimeoutError::Disconnected => anyhow::anyhow!("the page's server has ended"),
        })
    }
}
