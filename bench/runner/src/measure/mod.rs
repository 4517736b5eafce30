//! One measurement: what is measured on one core, what drives it on another.

pub(crate) mod client;
pub(crate) mod load;
pub(crate) mod server;

use std::process::{Child, Output};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::plan::seconds_of;
use crate::plan::workloads::Workload;

/// The cores of what is measured and of what drives it.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    pub(crate) server: Vec<usize>,
    pub(crate) load: Vec<usize>,
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

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

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
