//! Child processes of tests: started, watched with a deadline, and ended when the guard is dropped.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use longwire_toolbox::command::{shown, tail};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// How long a process has to follow a polite request to end.
const GRACE: Duration = Duration::from_secs(10);
/// Lines of output that a failure message shows.
const TAIL: usize = 60;

/// A running child process. Dropping it ends the process and waits until it is gone.
#[derive(Debug)]
pub struct Process {
    command: String,
    pid: Pid,
    watched: Arc<Watched>,
}

/// What the threads that watch the process have seen of it.
#[derive(Debug, Default)]
struct Watched {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    /// Lines of standard output.
    stdout: Vec<String>,
    /// Lines of standard error.
    stderr: Vec<String>,
    /// Both streams, as they came.
    output: String,
    open_streams: usize,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` with its output captured and nothing on its standard input.
    pub fn start(command: Command) -> Result<Self> {
        Ok(Self::spawn(command, Stdio::null())?.0)
    }

    /// Starts `command` with `input` as its standard input, which then ends.
    pub fn start_with_input(command: Command, input: &[u8]) -> Result<Self> {
        let (process, stdin) = Self::spawn(command, Stdio::piped())?;
        // A child that does not read closes the pipe, and that is no failure of the test.
        let _ = stdin.context("stdin is a pipe")?.write_all(input);
        Ok(process)
    }

    /// Starts `command` with a listening socket as its file descriptor 0: it serves a port that
    /// nobody else can take.
    pub fn start_on(command: Command, listener: TcpListener) -> Result<Self> {
        Ok(Self::spawn(command, OwnedFd::from(listener).into())?.0)
    }

    fn spawn(mut command: Command, stdin: Stdio) -> Result<(Self, Option<ChildStdin>)> {
        let name = shown(&command);
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let pid = Pid::from_child(&child);
        let watched = Arc::new(Watched::default());
        watched.seen().open_streams = 2;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("stdout is a pipe")?;
        let stderr = child.stderr.take().context("stderr is a pipe")?;
        let process = Self { command: name, pid, watched };
        process.watch(stdout, true);
        process.watch(stderr, false);
        process.reap(child);
        Ok((process, stdin))
    }

    /// Waits until a line of standard output is what `wanted` looks for. The error has all output
    /// when the process ends before, or `limit` passes.
    pub fn wait_for_line<T>(
        &self,
        limit: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        self.wait_for(limit, |seen| seen.stdout.iter().find_map(|line| wanted(line)))
    }

    /// As [`wait_for_line`](Self::wait_for_line), for a line of standard error that contains
    /// `text`.
    pub fn wait_for_error_line(&self, limit: Duration, text: &str) -> Result<()> {
        self.wait_for(limit, |seen| {
            seen.stderr.iter().any(|line| line.contains(text)).then_some(())
        })
    }

    /// Waits until there are `count` lines of standard output, and gives all that there are. The error has all output when
    /// the process ends before, or `limit` passes.
    pub fn wait_for_lines(&self, limit: Duration, count: usize) -> Result<Vec<String>> {
        let seen = self.wait_until(limit, |seen| seen.stdout.len() >= count || seen.is_over());
        if seen.stdout.len() < count {
            let have = seen.stdout.len();
            bail!("{have} lines of {count} from {}", self.describe(&seen));
        }
        Ok(seen.stdout.clone())
    }

    fn wait_for<T>(&self, limit: Duration, find: impl Fn(&Seen) -> Option<T>) -> Result<T> {
        let seen = self.wait_until(limit, |seen| find(seen).is_some() || seen.is_over());
        match find(&seen) {
            Some(found) => Ok(found),
            None => bail!("no such line from {}", self.describe(&seen)),
        }
    }

    /// Waits until the process has ended by itself. The error has its output when `limit` passes.
    pub fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        let seen = self.wait_until(limit, Seen::is_over);
        match seen.status {
            Some(status) if seen.is_over() => Ok(status),
            _ => bail!("after {limit:?} still running: {}", self.describe(&seen)),
        }
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Asks the process to end (SIGTERM). Does not wait.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Ends the process without a chance to say goodbye (SIGKILL). Does not wait.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// The lines of standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.watched.seen().stdout.clone()
    }

    /// The command, its state and the end of its output, for failure messages.
    pub fn description(&self) -> String {
        self.describe(&self.watched.seen())
    }

    fn describe(&self, seen: &Seen) -> String {
        let state = seen.status.map_or("running".into(), |status| status.to_string());
        format!(
            "`{}` ({state}), whose output ends with:\n{}",
            self.command,
            tail(&seen.output, TAIL)
        )
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // The lock keeps the process from being reaped, and its id from being given to another.
        let seen = self.watched.seen();
        if seen.status.is_none() {
            kill_process(self.pid, signal)
                .with_context(|| format!("cannot end {}", self.command))?;
        }
        Ok(())
    }

    /// Ends the process, within `grace` by its own doing.
    fn end(&self, grace: Duration) {
        for signal in [Signal::TERM, Signal::KILL] {
            // A process that cannot be signalled is one that has just ended.
            let _ = self.signal(signal);
            if self.wait_until(grace, |seen| seen.status.is_some()).status.is_some() {
                return;
            }
        }
    }

    fn wait_until(
        &self,
        limit: Duration,
        condition: impl Fn(&Seen) -> bool,
    ) -> MutexGuard<'_, Seen> {
        let (seen, _) = self
            .watched
            .changed
            .wait_timeout_while(self.watched.seen(), limit, |seen| !condition(seen))
            .expect("no watcher panics");
        seen
    }

    fn watch(&self, stream: impl Read + Send + 'static, is_stdout: bool) {
        let watched = Arc::clone(&self.watched);
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(stream.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).into_owned();
                watched.update(|seen| {
                    seen.output.push_str(&text);
                    let lines = if is_stdout { &mut seen.stdout } else { &mut seen.stderr };
                    lines.push(text.trim_end_matches(['\r', '\n']).to_owned());
                });
                line.clear();
            }
            watched.update(|seen| seen.open_streams -= 1);
        });
    }

    fn reap(&self, mut child: Child) {
        let watched = Arc::clone(&self.watched);
        let pid = self.pid;
        thread::spawn(move || {
            // First without reaping: until the lock is held, the id must stay this process's own.
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            retry_on_intr(|| waitid(WaitId::Pid(pid), ended)).expect("the child is ours");
            watched.update(|seen| seen.status = Some(child.wait().expect("the child is ours")));
        });
    }
}

impl Watched {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no watcher panics")
    }

    fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen());
        self.changed.notify_all();
    }
}

impl Seen {
    /// Ended, and all it wrote has arrived.
    fn is_over(&self) -> bool {
        self.status.is_some() && self.open_streams == 0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(GRACE);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start(command).expect("starts")
    }

    #[test]
    fn finds_a_line_while_the_process_runs() {
        let process = shell("echo first; echo port 7; exec sleep 60");
        let port =
            process.wait_for_line(LIMIT, |line| Some(line.strip_prefix("port ")?.to_owned()));
        assert_eq!(port.expect("the line is there"), "7");
    }

    #[test]
    fn an_early_end_fails_at_once_and_shows_the_output() {
        let process = shell("echo out; echo why >&2; exit 3");
        let error = process.wait_for_line(LIMIT, |_| None::<()>).expect_err("there is no line");
        let error = error.to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("out") && error.contains("why"), "{error}");
    }

    #[test]
    fn a_deadline_fails_with_the_state() {
        let process = shell("exec sleep 60");
        let error = process.wait(Duration::ZERO).expect_err("it still runs").to_string();
        assert!(error.contains("still running") && error.contains("sleep 60"), "{error}");
    }

    #[test]
    fn input_arrives_and_ends() {
        let process =
            Process::start_with_input(Command::new("cat"), b"to and fro\n").expect("starts");
        assert!(process.wait(LIMIT).expect("ends").success());
        assert_eq!(process.stdout(), ["to and fro"]);
    }

    #[test]
    fn a_dropped_guard_ends_the_process() {
        let process = shell("exec sleep 60");
        let watched = Arc::clone(&process.watched);
        drop(process);
        assert_eq!(watched.seen().status.and_then(|status| status.signal()), Some(15));
    }

    #[test]
    fn a_process_that_ignores_the_polite_request_is_killed() {
        let process = shell("trap '' TERM; echo ready; exec sleep 60");
        process.wait_for_line(LIMIT, |line| (line == "ready").then_some(())).expect("starts");
        process.end(Duration::from_millis(100));
        let status = process.wait(LIMIT).expect("it has ended");
        assert_eq!(status.signal(), Some(9));
    }
}
