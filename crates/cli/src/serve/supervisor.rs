//! The supervisor: runs the server as a child process, and starts it again when it died.
//!
//! The child's stdin is a pipe whose other end is held here, and the child drains and ends when it closes. That is how the
//! child is asked to stop, and what happens when this process is killed: there is never an orphan. The child's first line
//! on stdout is the address on which it listens.

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time,
};

use crate::{failure::Failure, output, signals::Signals};

/// Runs the server until it ends by itself or a signal asks for the end. Gives its exit code; unless that is 0, it has said
/// why.
///
/// `command` makes the child's command line, with the address on which a child before it listened. `ready` hears of the
/// first one's.
pub(super) async fn run(
    command: impl Fn(Option<&str>) -> Command,
    ready: impl FnOnce(&str),
    patience: Duration,
) -> Result<u8, Failure> {
    let mut signals = Signals::catch()?;
    let mut restarts = Restarts::default();
    let mut ready = Some(ready);
    let mut address: Option<String> = None;
    let mut died_at = Instant::now();
    loop {
        let mut server = Server::start(command(address.as_deref()))?;
        let mut ready_at = None;
        let status = loop {
            tokio::select! {
                status = server.child.wait() => break status.map_err(|error| lost_sight(&error))?,
                Ok(Some(line)) = server.lines.next_line(), if ready_at.is_none() => {
                    ready_at = Some(Instant::now());
                    match ready.take() {
                        Some(ready) => ready(&line),
                        None => output::complain(format_args!(
                            "the server is back on {line} after {} ms",
                            died_at.elapsed().as_millis()
                        )),
                    }
                    address = Some(line);
                }
                () = signals.next() => return server.stop(&mut signals, patience).await,
            }
        };
        if let Some(code) = deliberate(status) {
            return Ok(code);
        }
        died_at = Instant::now();
        let lived = ready_at.map_or(Duration::ZERO, |ready_at| ready_at.elapsed());
        let Some(delay) = restarts.after(lived) else {
            return Err(Failure::new(format!(
                "the server died ({status}) {LIVES_MAX} times in a row, each time within \
                 {SETTLED:?} of its start; what it said above is the reason, and --no-supervisor \
                 runs it alone"
            )));
        };
        output::complain(format_args!("the server died ({status}); it is started again"));
        tokio::select! {
            () = time::sleep(delay) => {}
            () = signals.next() => return Ok(0),
        }
    }
}

/// A running child. It does not outlive this.
struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start(mut command: Command) -> Result<Self, Failure> {
        // In a group of its own, control-C reaches this process alone, which then asks the child.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                Failure::new(format!(
                    "cannot start the server's process: {error}; --no-supervisor needs none"
                ))
            })?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("it is piped, and taken once");
        Ok(Self { child, stdin, lines: BufReader::new(stdout).lines() })
    }

    /// Asks the child to end, and waits for that; a signal or the end of `patience` kills it.
    async fn stop(mut self, signals: &mut Signals, patience: Duration) -> Result<u8, Failure> {
        drop(self.stdin.take());
        let killed = tokio::select! {
            status = self.child.wait() => {
                let status = status.map_err(|error| lost_sight(&error))?;
                return deliberate(status)
                    .ok_or_else(|| Failure::new(format!("the server died while it ended ({status})")));
            }
            () = signals.next() => "stopped before every connection had closed".to_owned(),
            () = time::sleep(patience) => {
                format!("the server did not end within {patience:?} and was killed")
            }
        };
        self.child.kill().await.map_err(|error| lost_sight(&error))?;
        Err(Failure::new(killed))
    }
}

/// When the server is started again.
#[derive(Debug, Default)]
struct Restarts {
    /// Children in a row that died before they had settled.
    short_lives: u32,
}

impl Restarts {
    /// How long to wait after a child that had served for so long; `None` when another try is in vain.
    fn after(&mut self, lived: Duration) -> Option<Duration> {
        if lived >= SETTLED {
            self.short_lives = 0;
            return Some(Duration::ZERO);
        }
        self.short_lives += 1;
        match self.short_lives {
            1 => Some(Duration::ZERO),
            LIVES_MAX.. => None,
            count => Some((DELAY_MIN * 2_u32.pow(count - 2)).min(DELAY_MAX)),
        }
    }
}

/// The exit code of a child that chose to end: 0 when asked, 1 and 2 with a reason on stderr. A panic and a signal are
/// something else.
fn deliberate(status: ExitStatus) -> Option<u8> {
    status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code <= 2)
}

fn lost_sight(error: &io::Error) -> Failure {
    Failure::new(format!("the server's process cannot be watched: {error}"))
}

/// A server that served for so long came up well, and is restarted at once.
const SETTLED: Duration = Duration::from_secs(1);

const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(5);

/// With the delays between them these are about 20 s: longer than what cures itself.
const LIVES_MAX: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_had_settled_is_started_again_at_once() {
        let mut restarts = Restarts::default();
        for _ in 0..100 {
            assert_eq!(restarts.after(SETTLED), Some(Duration::ZERO));
        }
    }

    #[test]
    fn one_that_dies_again_and_again_waits_longer_each_time_and_is_given_up() {
        let mut restarts = Restarts::default();
        let delays: Vec<_> = std::iter::from_fn(|| restarts.after(Duration::ZERO))
            .map(|delay| delay.as_millis())
            .collect();
        assert_eq!(delays, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_cannot_live_is_given_up_with_what_it_died_of() {
        let command = |_: Option<&str>| {
            let mut command = Command::new("sh");
            command.args(["-c", "kill -9 $$"]);
            command
        };
        let failure = run(command, |_| panic!("it is never ready"), Duration::ZERO).await;
        let words = failure.expect_err("it was given up").message;
        assert!(
            words.starts_with("the server died (signal: 9 (SIGKILL)) 10 times in a row"),
            "{words}"
        );
        assert!(words.contains("--no-supervisor"), "{words}");
    }

    #[test]
    fn settling_forgives_the_deaths_before_it() {
        let mut restarts = Restarts::default();
        for _ in 0..5 {
            restarts.after(Duration::ZERO);
        }
        assert_eq!(restarts.after(SETTLED), Some(Duration::ZERO));
        assert_eq!(restarts.after(Duration::ZERO), Some(Duration::ZERO));
    }
}
