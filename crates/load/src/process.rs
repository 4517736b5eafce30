//! CPU time and memory of a process, and the core it runs on. Linux alone tells them.

use std::time::{Duration, Instant};

use crate::LoadError;

/// A process to observe.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
}

/// CPU time since the start of the process. That of its children is not in it.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// Time on a core, user and system, of threads that have not ended.
    pub running: Duration,
    /// Time ready to run while something else had the core.
    pub waiting: Duration,
    /// Time on a core of all threads, those that have ended too, to some ticks of `TICK`.
    pub total: Duration,
}

impl Process {
    /// The process with this id. Fails if it cannot be observed.
    pub fn new(pid: u32) -> Result<Self, LoadError> {
        let process = Self { pid };
        process.cpu()?;
        process.resident()?;
        Ok(process)
    }

    /// The calling process.
    pub fn this() -> Self {
        Self { pid: std::process::id() }
    }

    /// Waits until the process has used no CPU for as long as `quiet`. `false` if it did not come to rest.
    pub fn settle(
        self,
        quiet: Duration,
        mut wait: impl FnMut(Duration) -> Result<(), LoadError>,
    ) -> Result<bool, LoadError> {
        let start = Instant::now();
        let mut before = self.cpu()?.running;
        let mut since = start;
        loop {
            wait(SETTLE_STEP)?;
            let now = self.cpu()?.running;
            if now.saturating_sub(before) >= SETTLE_USE {
                since = Instant::now();
            }
            if since.elapsed() >= quiet {
                return Ok(true);
            }
            if start.elapsed() > SETTLE_MAX {
                return Ok(false);
            }
            before = now;
        }
    }
}

#[cfg(target_os = "linux")]
impl Process {
    /// CPU time so far, summed over the threads' `schedstat`, in nanoseconds.
    ///
    /// Linux adds to the figure of a running thread at every timer tick (1 to 10 ms).
    pub fn cpu(self) -> Result<Cpu, LoadError> {
        let (mut running, mut waiting) = (0, 0);
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid))
            .map_err(|error| self.unreadable(&error))?;
        for task in tasks.filter_map(Result::ok) {
            // A thread may end meanwhile.
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            let mut fields = text.split_ascii_whitespace().map(str::parse::<u64>);
            let mut next = || fields.next().and_then(Result::ok);
            let (Some(ran), Some(waited)) = (next(), next()) else {
                return Err(LoadError::Machine(
                    "this kernel tells no CPU times (CONFIG_SCHED_INFO); measure without Plan::pid"
                        .to_owned(),
                ));
            };
            running += ran;
            waiting += waited;
        }
        let (running, waiting) = (Duration::from_nanos(running), Duration::from_nanos(waiting));
        Ok(Cpu { running, waiting, total: self.total()? })
    }

    /// User and system time of `stat`.
    fn total(self) -> Result<Duration, LoadError> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .map_err(|error| self.unreadable(&error))?;
        // The name in parentheses may hold anything.
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u32>);
        match (times.next(), times.next()) {
            (Some(Ok(user)), Some(Ok(system))) => Ok(TICK * user + TICK * system),
            _ => Err(LoadError::Machine(format!(
                "/proc/{}/stat has no CPU times; measure without Plan::pid",
                self.pid
            ))),
        }
    }

    /// Resident memory in bytes, counted exactly (`smaps_rollup`).
    ///
    /// Memory that the kernel holds for sockets is not in it.
    pub fn resident(self) -> Result<u64, LoadError> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))
            .map_err(|error| self.unreadable(&error))?;
        let kib = text
            .lines()
            .find_map(|line| line.strip_prefix("Rss:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let kib = kib.ok_or_else(|| {
            LoadError::Machine(format!("process {} has no memory: did it end?", self.pid))
        })?;
        Ok(kib * 1024)
    }

    fn unreadable(self, error: &std::io::Error) -> LoadError {
        let cure = match error.kind() {
            std::io::ErrorKind::NotFound => "no such process; give the server's process id",
            std::io::ErrorKind::PermissionDenied => {
                "it is another user's; run as that user, or as root"
            }
            _ => "did it end?",
        };
        LoadError::Machine(format!("process {} cannot be measured: {cure} ({error})", self.pid))
    }
}

#[cfg(not(target_os = "linux"))]
impl Process {
    pub fn cpu(self) -> Result<Cpu, LoadError> {
        Err(self.elsewhere())
    }

    pub fn resident(self) -> Result<u64, LoadError> {
        Err(self.elsewhere())
    }

    fn elsewhere(self) -> LoadError {
        LoadError::Machine(format!(
            "process {} cannot be measured: only Linux tells what is needed; leave out Plan::pid",
            self.pid
        ))
    }
}

/// Lets this process run on one core only.
#[cfg(target_os = "linux")]
pub fn pin(cpu: usize) -> Result<(), LoadError> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let refused = |why: &dyn std::fmt::Display| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        LoadError::Machine(format!(
            "this process cannot run on core {cpu}: {why}; there are {cores}, counted from 0"
        ))
    };
    if cpu >= CpuSet::MAX_CPU {
        return Err(refused(&"there is no such core"));
    }
    let mut cores = CpuSet::new();
    cores.set(cpu);
    sched_setaffinity(None, &cores).map_err(|error| refused(&error))
}

#[cfg(not(target_os = "linux"))]
pub fn pin(_: usize) -> Result<(), LoadError> {
    Err(LoadError::Machine("a core can be chosen on Linux only; leave out Plan::cpu".to_owned()))
}

/// Fails if fewer than `needed` files may be open.
#[cfg(unix)]
pub(crate) fn check_open_files(needed: usize) -> Result<(), LoadError> {
    let current = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match current {
        Some(current) if current < needed as u64 => Err(LoadError::Machine(format!(
            "{needed} open files are needed and the limit is {current}; raise it by \
             `ulimit -n {needed}`, as root where the hard limit is lower, or use fewer connections"
        ))),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
pub(crate) fn check_open_files(_: usize) -> Result<(), LoadError> {
    Ok(())
}

impl Cpu {
    /// CPU time on a core since `earlier`, and whether threads that have ended since had a part in it.
    pub fn running_since(&self, earlier: &Self) -> (Duration, bool) {
        let running = self.running.saturating_sub(earlier.running);
        let total = self.total.saturating_sub(earlier.total);
        // Each of user and system time is whole ticks.
        if total > running + 2 * TICK { (total, true) } else { (running, false) }
    }

    /// CPU time between `earlier` and this reading, a second of `wall` time: running, waiting.
    pub fn shares_since(&self, earlier: &Self, wall: Duration) -> (f64, f64) {
        let share = |now: Duration, then: Duration| {
            now.saturating_sub(then).as_secs_f64() / wall.as_secs_f64()
        };
        (share(self.running, earlier.running), share(self.waiting, earlier.waiting))
    }
}

/// The unit of times in `stat`, which is the same on all machines that run this.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// How often a process is asked whether it has come to rest.
const SETTLE_STEP: Duration = Duration::from_millis(50);

/// CPU time within a step that is no rest any more.
const SETTLE_USE: Duration = Duration::from_micros(250);

/// How long it may take to.
const SETTLE_MAX: Duration = Duration::from_secs(30);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let process = Process::new(std::process::id()).expect("it runs");
        assert!(process.cpu().expect("Linux tells").running > Duration::ZERO);
        assert!(process.resident().expect("Linux tells") > 100_000);
    }

    #[test]
    fn threads_that_have_ended_count() {
        let process = Process::this();
        let before = process.cpu().expect("Linux tells");
        let burn = || {
            let own = || std::fs::read_to_string("/proc/thread-self/schedstat");
            let ran = || own().ok().and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
            while ran().expect("Linux tells") < 200_000_000 {}
        };
        std::thread::spawn(burn).join().expect("it does not panic");
        let (running, ended) = process.cpu().expect("Linux tells").running_since(&before);
        assert!(ended && running > Duration::from_millis(170), "{running:?}");
    }

    #[test]
    fn a_process_that_is_not_there_and_a_core_that_is_not_are_told() {
        let error = Process::new(u32::MAX).expect_err("no such process").to_string();
        assert!(error.contains("no such process"), "{error}");
        let error = pin(1_000_000).expect_err("no such core").to_string();
        assert!(error.contains("counted from 0"), "{error}");
    }
}
