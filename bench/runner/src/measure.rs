//! One measurement: a fresh server on one core, the load on the other.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench_load::report::{BroadcastReport, EchoReport, IdleReport};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

use crate::contestants::Contestant;
use crate::workloads::Workload;

const START: Duration = Duration::from_secs(10);

/// Cores and length of every measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) server_cpu: usize,
    pub(crate) load_cpu: usize,
    pub(crate) seconds: f64,
}

/// What `bench-load` reported.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Report {
    Echo(EchoReport),
    Idle(IdleReport),
    Broadcast(BroadcastReport),
}

/// A running contestant; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    target: String,
}

impl Server {
    /// Starts a contestant on its core and waits for its `listening on ws://ADDR`.
    pub(crate) fn start(contestant: &Contestant, cpu: usize) -> Result<Self> {
        let mut command = contestant.command("127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = spawn_on(cpu, &mut command)?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut server = Self { child, target: String::new() };
        let line = first_line(stdout).context("it printed no `listening on ws://ADDR`")?;
        let target = line.trim().strip_prefix("listening on ws://").with_context(|| {
            format!("its first line was {line:?}, not `listening on ws://ADDR`")
        })?;
        server.target.push_str(target);
        Ok(server)
    }

    /// Puts one workload on this server, with what `bench-load` has to know of it besides.
    pub(crate) fn measure(
        &self,
        load: &Path,
        workload: Workload,
        besides: &[&str],
        setting: Setting,
    ) -> Result<Report> {
        let output = Command::new(load)
            .args(["--json", "--target", &self.target])
            .args(["--cpu", &setting.load_cpu.to_string()])
            .args(["--pid", &self.child.id().to_string()])
            .args(workload.load_arguments(setting.seconds))
            .args(besides)
            .output()
            .context("bench-load cannot be started")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "bench-load: {}", complaint.trim());
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if the server has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child inherits the core that this thread is on when it starts.
fn spawn_on(cpu: usize, command: &mut Command) -> Result<Child> {
    let before = sched_getaffinity(None)?;
    let mut core = CpuSet::new();
    core.set(cpu);
    sched_setaffinity(None, &core).with_context(|| format!("core {cpu} cannot be used"))?;
    let child = command.spawn();
    sched_setaffinity(None, &before)?;
    child.with_context(|| format!("{} cannot be started", command.get_program().display()))
}

/// Reads the first line, and keeps reading so that the server never blocks on a full pipe.
fn first_line(stdout: ChildStdout) -> Result<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // After the first line nobody listens.
            let _ = sender.send(line);
        }
    });
    Ok(receiver.recv_timeout(START)?)
}
