//! What is started to be measured, and the CPU time that it takes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bench_harness::Server;
use longwire_load::process::{Cpu, Process};

/// The programs, the core of whichever is measured, and how long it is.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) longwire: PathBuf,
    pub(crate) broadcast: PathBuf,
    pub(crate) server_cpu: usize,
    /// On the disk that is measured.
    pub(crate) folder: PathBuf,
    pub(crate) time: Duration,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
}

impl Stage {
    /// The server of channels, on one thread, in development mode.
    pub(crate) fn channels(&self, data: &Path, durability: &str) -> Result<Server> {
        let mut command = Command::new(&self.longwire);
        command
            .args(["serve", "--no-supervisor", "--listen", "127.0.0.1:0", "--threads", "1"])
            .arg("--data")
            .arg(data)
            .args(["--set", &format!("namespaces.default.durability={durability}")])
            .args(["--set", "limits.publish_rate=1000000"]);
        self.start(&mut command)
    }

    /// Sends back what it gets.
    pub(crate) fn echo(&self) -> Result<Server> {
        let mut command = Command::new(&self.longwire);
        command.args(["echo", "--listen", "127.0.0.1:0", "--threads", "1"]);
        self.start(&mut command)
    }

    /// Sends what it gets to everybody.
    pub(crate) fn broadcast(&self) -> Result<Server> {
        let mut command = Command::new(&self.broadcast);
        self.start(command.args(["--listen", "127.0.0.1:0", "--way", "prepared"]))
    }

    /// A folder that is gone when what this gives is.
    pub(crate) fn data(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::tempdir_in(&self.folder)?)
    }

    fn start(&self, command: &mut Command) -> Result<Server> {
        Server::start(&[self.server_cpu], command)
    }
}

/// The CPU time of a server and of the load from some instant on.
#[derive(Debug)]
pub(crate) struct Watch {
    server: Process,
    began: Instant,
    server_before: Cpu,
    load_before: Cpu,
}

/// What a [`Watch`] has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) seconds: f64,
    pub(crate) server_us: f64,
    /// Shares of a core, and of the time in which something else had it.
    pub(crate) busy: f64,
    pub(crate) waited: f64,
    pub(crate) load_busy: f64,
    pub(crate) load_waited: f64,
}

impl Watch {
    pub(crate) fn begin(server: Process) -> Result<Self> {
        Ok(Self {
            server,
            began: Instant::now(),
            server_before: server.cpu()?,
            load_before: Process::this().cpu()?,
        })
    }

    pub(crate) fn end(self) -> Result<Seen> {
        let (server, load) = (self.server.cpu()?, Process::this().cpu()?);
        let wall = self.began.elapsed();
        let (running, _) = server.running_since(&self.server_before);
        let (busy, waited) = server.shares_since(&self.server_before, wall);
        let (load_busy, load_waited) = load.shares_since(&self.load_before, wall);
        ensure!(running > Duration::ZERO, "the window was too short to tell the server's CPU time");
        Ok(Seen {
            seconds: wall.as_secs_f64(),
            server_us: running.as_secs_f64() * 1e6,
            busy,
            waited,
            load_busy,
            load_waited,
        })
    }
}

/// The figures of one measurement by their names.
pub(crate) type Figures = Vec<(&'static str, f64)>;

impl Seen {
    /// What every line tells.
    pub(crate) fn figures(&self) -> Figures {
        vec![
            ("busy", self.busy),
            ("waited", self.waited),
            ("load busy", self.load_busy),
            ("load waited", self.load_waited),
        ]
    }
}
