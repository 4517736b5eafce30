//! The development console of `longwire serve` in headless Chromium, driven by the scenarios of `tests/console`.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use longwire_toolbox::playwright;
use serde_json::Value;
use tempfile::TempDir;

use crate::binaries;
use crate::processes::Process;

/// How long the server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a scenario may take: half a minute, but not on a busy machine.
const SCENARIO_LIMIT: Duration = Duration::from_mins(4);

/// A server in development mode, with data of its own. Dropping it ends the server.
#[derive(Debug)]
pub struct Console {
    url: String,
    // In the order in which they are dropped: the turn ends last.
    server: Process,
    _data: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// One console at a time: several browsers would keep a small machine from measuring anything.
static TURN: Mutex<()> = Mutex::new(());

impl Console {
    /// Starts `longwire serve` on a free port.
    pub fn start() -> Result<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let data = tempfile::tempdir().context("cannot make a temporary folder")?;
        let mut command = binaries::longwire_command()?;
        // In this folder there is no configuration, and the data goes into it.
        command.current_dir(data.path());
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        let server = Process::start(command)?;
        let url = server.wait_for_line(START_LIMIT, |line| {
            Some(line.strip_prefix("listening on ")?.trim().to_owned())
        })?;
        Ok(Self { url, server, _data: data, _turn: turn })
    }

    /// Where the console is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a scenario of `tests/console/scenarios` and gives what it saw.
    ///
    /// It has failed if anything it waited for did not come, or if the browser's console said anything.
    pub fn run(&self, scenario: &str, argument: Option<&Path>) -> Result<Value> {
        let playwright = playwright::find()?;
        let mut command = Command::new(playwright.node);
        command.env("LONGWIRE_PLAYWRIGHT", playwright.folder);
        command.env("LONGWIRE_CHROMIUM", playwright.chromium);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("console/run.mjs"));
        command.args([scenario, &self.url]).args(argument);
        let process = Process::start(command)?;
        let status = process.wait(SCENARIO_LIMIT)?;
        ensure!(status.success(), "{}", process.description());
        let line = process.stdout().pop();
        let seen: Option<Value> = line.and_then(|line| serde_json::from_str(&line).ok());
        let seen = seen.with_context(|| format!("no result: {}", process.description()))?;
        ensure!(
            seen["faults"].as_array().is_some_and(Vec::is_empty),
            "the browser's console said: {:#}\n{}",
            seen["faults"],
            self.server.description()
        );
        Ok(seen)
    }
}
