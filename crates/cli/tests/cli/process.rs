//! The binary as a child process: lines in, lines out, signals, exit code; each wait with a deadline.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// No wait takes longer, whatever the machine is busy with.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// The binary with these arguments, without proxies and settings from the environment.
pub(crate) fn longwire(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longwire"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "NO_COLOR"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("LONGWIRE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// Starts the binary.
pub(crate) fn start(arguments: &[&str]) -> Process {
    Process::spawn(&mut longwire(arguments))
}

/// Runs the binary with this stdin to its end.
pub(crate) fn run(arguments: &[&str], stdin: impl Into<Vec<u8>>) -> Ended {
    let mut process = start(arguments);
    process.feed(stdin.into());
    process.wait()
}

/// A running binary; killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

/// How the binary ended, and what it wrote that was not read before.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let stdin = child.stdin.take();
        let stdout = lines(child.stdout.take().expect("piped"));
        let stderr = lines(child.stderr.take().expect("piped"));
        Self { child, stdin, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its stdin.
    pub(crate) fn write_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        writeln!(stdin, "{line}").expect("the process reads its stdin");
    }

    /// Writes all to its stdin and closes it, in the background. It may stop reading early.
    pub(crate) fn feed(&mut self, input: Vec<u8>) {
        let mut stdin = self.stdin.take().expect("stdin is open");
        thread::spawn(move || stdin.write_all(&input));
    }

    /// Closes its stdin.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Nobody reads its stdout any more.
    pub(crate) fn close_stdout(&mut self) {
        // The reading thread drops the pipe when it cannot pass a line on.
        self.stdout = mpsc::channel().1;
    }

    /// The next line on its stdout, without the line end.
    pub(crate) fn line(&mut self) -> String {
        self.next(|process| &process.stdout)
    }

    /// The next line on its stderr.
    pub(crate) fn error_line(&mut self) -> String {
        self.next(|process| &process.stderr)
    }

    fn next(&mut self, stream: fn(&Self) -> &Receiver<Vec<u8>>) -> String {
        match stream(self).recv_timeout(DEADLINE) {
            Ok(line) => String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned(),
            Err(error) => {
                let _ = self.child.kill();
                let rest: Vec<u8> = self.stderr.try_iter().flatten().collect();
                panic!("no line: {error}; stderr: {}", String::from_utf8_lossy(&rest));
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a child's id is positive");
        kill_process(pid, signal).expect("the process was not waited for yet");
    }

    /// Waits for its end, which must be a good one, and gives its stdout.
    pub(crate) fn wait_text(self) -> String {
        let ended = self.wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.text().to_owned()
    }

    /// Waits for its end. Its stdin stays as it is.
    pub(crate) fn wait(mut self) -> Ended {
        let deadline = Instant::now() + DEADLINE;
        let mut rest = |stream: fn(&Self) -> &Receiver<Vec<u8>>| {
            let mut bytes = Vec::new();
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                match stream(&self).recv_timeout(left) {
                    Ok(line) => bytes.extend(line),
                    Err(RecvTimeoutError::Disconnected) => return bytes,
                    Err(RecvTimeoutError::Timeout) => {
                        let _ = self.child.kill();
                        panic!("it does not end; last: {}", String::from_utf8_lossy(&bytes));
                    }
                }
            }
        };
        // Both are at their end when the process is.
        let stderr = String::from_utf8(rest(|process| &process.stderr)).expect("stderr is text");
        let stdout = rest(|process| &process.stdout);
        let code = self.child.wait().expect("it is our child").code();
        Ended { code, stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Its stdout as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("stdout is text")
    }

    /// Checks the exit code, and that stderr is this one line.
    #[track_caller]
    pub(crate) fn assert_failed(&self, code: i32, message: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stderr, format!("longwire: {message}\n"));
    }

    /// Checks that it ended well and had nothing to complain of.
    #[track_caller]
    pub(crate) fn assert_quiet_success(&self) {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
    }
}

/// Passes a stream on by lines, with their ends.
fn lines(stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            match stream.read_until(b'\n', &mut line) {
                Ok(1..) if sender.send(line).is_ok() => {}
                _ => return,
            }
        }
    });
    receiver
}

/// A running `longwire echo`, and its URL.
pub(crate) struct Echo {
    pub(crate) process: Process,
    pub(crate) url: String,
}

/// Starts an echo server on a free port.
pub(crate) fn echo(arguments: &[&str]) -> Echo {
    let mut all = vec!["echo", "--listen", "127.0.0.1:0"];
    all.extend(arguments);
    let mut process = start(&all);
    let line = process.line();
    let url = line.strip_prefix("listening on ").expect("the first line names the URL").to_owned();
    Echo { process, url }
}

impl Echo {
    /// Its host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.split_once("://").expect("a URL").1
    }
}
