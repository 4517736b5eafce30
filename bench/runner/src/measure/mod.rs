//! One measurement: what is measured on one core, what drives it on another.

pub(crate) mod client;
pub(crate) mod load;
pub(crate) mod server;

use std::process::{Child, Command, Output};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getrlimit, pidfd_open, pidfd_send_signal, setrlimit,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::plan::seconds_of;
use crate::plan::workloads::Workload;

/// The cores of what is measured and of what drives it.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    pub(crate) server: Vec<usize>,
    pub(crate) load: Vec<usize>,
}

/// Starts a child that inherits these cores: the thread is on them while it starts it.
pub(crate) fn spawn_on(cores: &[usize], command: &mut Command) -> Result<Child> {
    let before = sched_getaffinity(None)?;
    let mut wanted = CpuSet::new();
    for core in cores {
        wanted.set(*core);
    }
    sched_setaffinity(None, &wanted)
        .with_context(|| format!("cores {cores:?} cannot be used; see --server-cpu, --load-cpu"))?;
    let child = command.spawn();
    sched_setaffinity(None, &before)?;
    child.with_context(|| format!("{} cannot be started", command.get_program().display()))
}

/// What a child has printed once it has ended; one that has not ended in time is killed.
pub(crate) fn finish(child: Child, limit: Duration) -> Result<Output> {
    let pid = Pid::from_child(&child);
    // Unlike its number, this never means another process.
    let handle = pidfd_open(pid, PidfdFlags::empty()).context("a child cannot be watched")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens after the deadline.
        let _ = sender.send(child.wait_with_output());
    });
    match receiver.recv_timeout(limit) {
        Ok(output) => Ok(output?),
        Err(RecvTimeoutError::Timeout) => {
            // It fails only if the child has ended by itself just now.
            let _ = pidfd_send_signal(&handle, Signal::KILL);
            // The next measurement has the cores for itself.
            let _ = receiver.recv_timeout(GRACE);
            bail!(
                "it did not end within {:.0} s and was killed; start it by hand to see why",
                limit.as_secs_f64()
            )
        }
        Err(RecvTimeoutError::Disconnected) => bail!("its output could not be awaited"),
    }
}

/// How long a measurement may take.
pub(crate) fn limit(workload: Workload, seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds_of(workload, seconds)) + GRACE
}

/// Beyond what a measurement is expected to take.
const GRACE: Duration = Duration::from_mins(1);

/// Raises the soft limit of open files to the hard one, and fails if that is below `needed`. Children
/// inherit it.
pub(crate) fn raise_open_files(needed: u64) -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    ensure!(
        maximum.is_none_or(|maximum| maximum >= needed),
        "{needed} open files are needed and the hard limit is {}; raise it with `ulimit -Hn`",
        maximum.unwrap_or(0)
    );
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("the limit of open files could not be raised")
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn spawn(program: &str, arguments: &[&str]) -> Child {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::piped()).spawn().expect("it is there")
    }

    #[test]
    fn a_child_that_ends_in_time_has_its_output() {
        let output = finish(spawn("echo", &["done"]), GRACE).expect("it ends");
        assert_eq!(output.stdout, b"done\n");
    }

    #[test]
    fn a_child_that_does_not_end_is_killed_and_said_so() {
        let child = spawn("tail", &["-f", "/dev/null"]);
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("it runs");
        let error = finish(child, Duration::from_millis(1)).expect_err("late").to_string();
        assert!(error.contains("did not end within 0 s and was killed"), "{error}");
        assert!(pidfd_send_signal(&handle, Signal::TERM).is_err(), "it still runs");
    }
}
