//! CPU time and memory of a process, from `/proc`.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// A process to observe.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
}

/// CPU time since the start of the process. Threads that have ended are not in it.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// Time on a core, user and system.
    pub running: Duration,
    /// Time ready to run while something else had the core.
    pub waiting: Duration,
}

impl Process {
    /// The process with this id.
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// The calling process.
    pub fn this() -> Self {
        Self { pid: std::process::id() }
    }

    /// CPU time so far, summed over the threads' `schedstat`, in nanoseconds.
    ///
    /// Linux adds to the figure of a running thread at every timer tick (1 to 10 ms).
    pub fn cpu(self) -> Result<Cpu> {
        let mut running = 0;
        let mut waiting = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid)).context("no such process")? {
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            let mut fields = text.split_ascii_whitespace().map(str::parse::<u64>);
            running += fields.next().context("empty schedstat")??;
            waiting += fields.next().context("short schedstat")??;
        }
        Ok(Cpu { running: Duration::from_nanos(running), waiting: Duration::from_nanos(waiting) })
    }

    /// Resident memory in bytes, counted exactly (`smaps_rollup`).
    ///
    /// Memory that the kernel holds for sockets is not in it.
    pub fn resident(self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("Rss:")).context("no Rss line")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// Waits until the process has used no CPU for a fifth of a second.
    pub fn settle(self) -> Result<()> {
        let start = Instant::now();
        let mut before = self.cpu()?.running;
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let now = self.cpu()?.running;
            if now.saturating_sub(before) < Duration::from_millis(1) {
                return Ok(());
            }
            before = now;
            ensure!(start.elapsed() < Duration::from_secs(30), "the server does not come to rest");
        }
    }
}

impl Cpu {
    /// CPU time between `earlier` and this reading, a second of `wall` time: running, waiting.
    pub fn shares_since(&self, earlier: &Self, wall: Duration) -> (f64, f64) {
        let share = |now: Duration, then: Duration| {
            now.saturating_sub(then).as_secs_f64() / wall.as_secs_f64()
        };
        (share(self.running, earlier.running), share(self.waiting, earlier.waiting))
    }
}

/// A count as a floating-point number; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark stay far below 2^53")]
pub fn as_f64(count: u64) -> f64 {
    count as f64
}
