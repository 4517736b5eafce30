//! On a terminal: marks, notices, colours, and no commands from the peer.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command},
    sync::mpsc::{self, Receiver},
    thread,
    time::Instant,
};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::{
    process::{DEADLINE, echo, longwire, run},
    serve::serve,
};

/// The binary on a terminal of its own.
struct Session {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    shown: String,
    child: Child,
}

impl Session {
    fn start(command: &mut Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let controller = openpt(flags).expect("a pseudo-terminal");
        grantpt(&controller).and_then(|()| unlockpt(&controller)).expect("it is ours");
        let end = || File::from(ioctl_tiocgptpeer(&controller, flags).expect("its other end"));
        let child = command
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the binary was built for this test");
        // The command keeps its ends, and the terminal lives while there is one.
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let keyboard = File::from(controller);
        let mut reader = keyboard.try_clone().expect("a second handle");
        let (sender, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Fails when the other end is closed.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keyboard, screen, shown: String::new(), child }
    }

    fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal is open");
    }

    /// Waits until this is on the screen, behind what was waited for before.
    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self.screen.recv_timeout(left);
            let bytes =
                bytes.unwrap_or_else(|error| panic!("{error}: no {text:?} in {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// The exit code, and all that was shown since.
    fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end: {:?}", self.shown),
            }
        }
        (self.child.wait().expect("it is our child").code(), std::mem::take(&mut self.shown))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn messages_are_marked_and_notices_are_shown() {
    let echo = echo(&["--subprotocol", "chat"]);
    let mut command = longwire(&["connect", "--subprotocol", "chat", &echo.url]);
    let mut session = Session::start(command.env("NO_COLOR", "1"));
    session.wait_for(&format!(
        "connected to {}/ ({}), subprotocol chat\r\n",
        echo.url,
        echo.address()
    ));
    session.keys("hello\n");
    session.wait_for("hello\r\n< hello\r\n");
    // Control-D: the end of what is typed.
    session.keys("\x04");
    let (code, shown) = session.end();
    assert_eq!((code, shown.as_str()), (Some(0), "closed: 1000 (normal closure)\r\n"));
}

#[test]
fn colours_are_for_terminals_whose_user_wants_them() {
    let echo = echo(&[]);
    let mut session = Session::start(&mut longwire(&["connect", &echo.url]));
    session.wait_for("\x1b[2mconnected to ");
    session.keys("hello\n");
    session.wait_for("\x1b[32m<\x1b[0m hello\r\n");
    session.keys("\x04");
    assert_eq!(session.end().0, Some(0));
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let mut shell = Command::new("env");
        let plain = longwire(&["connect", &echo.url]);
        shell.arg(format!("{name}={value}")).arg(plain.get_program()).args(plain.get_args());
        let mut session = Session::start(&mut shell);
        session.wait_for("connected to ");
        session.keys("\x04");
        let (code, shown) = session.end();
        assert_eq!(code, Some(0));
        assert!(!shown.contains('\x1b'), "{name}: {shown:?}");
    }
}

#[test]
fn a_load_shows_how_far_it_is_and_takes_that_away() {
    let echo = echo(&[]);
    let options = ["bench", "--duration", "1.2", "--warm-up", "0", &echo.url];
    let mut session = Session::start(&mut longwire(&options));
    session.wait_for(" of 1.2 s");
    session.wait_for(" messages/s   p50 ");
    session.wait_for("\r\x1b[Kworkload       echo: 64 connections");
    let (code, shown) = session.end();
    assert_eq!(code, Some(0));
    assert!(!shown.contains('\x1b'), "{shown:?}");
}

#[test]
fn a_tail_shows_each_record_behind_its_seq_and_no_commands_of_its_publisher() {
    let served = serve(&[]);
    let text = "cl\u{1b}[2Jear";
    run(&["publish", "--url", &served.url, "demo", text], "").assert_quiet_success();
    let arguments = ["tail", "--url", &served.url, "--from", "beginning", "demo"];
    let mut session = Session::start(longwire(&arguments).env("NO_COLOR", "1"));
    session.wait_for("1 cl\\u{1b}[2Jear\r\n");
}
