//! `longwire serve`: what it prints works, it comes back when it dies, and it leaves no orphan.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{DEADLINE, Process, longwire};

/// A server in development mode, in a folder of its own.
pub(crate) struct Served {
    pub(crate) process: Process,
    pub(crate) folder: TempDir,
    /// Such as `http://127.0.0.1:40123`.
    pub(crate) url: String,
    /// What it printed, by the first word of each line.
    lines: Vec<(String, String)>,
}

/// Starts a server on a free port and waits until it serves.
pub(crate) fn serve(arguments: &[&str]) -> Served {
    serve_in(TempDir::new().expect("a temporary folder"), arguments)
}

/// As [`serve`], in this folder.
pub(crate) fn serve_in(folder: TempDir, arguments: &[&str]) -> Served {
    let mut command = longwire(&["serve", "--listen", "127.0.0.1:0"]);
    command.args(arguments).current_dir(folder.path());
    let mut process = Process::spawn(&mut command);
    let first = process.line();
    let url = first.strip_prefix("listening on ").expect("the first line has the URL").to_owned();
    let mut lines = Vec::new();
    loop {
        let line = process.line();
        let (name, rest) = line.split_once(' ').expect("a word and more");
        lines.push((name.to_owned(), rest.trim().to_owned()));
        // The last line of either mode.
        if matches!(name, "Development") || (name == "data" && lines.len() == 1) {
            return Served { process, folder, url, lines };
        }
    }
}

impl Served {
    fn printed(&self, name: &str) -> &str {
        let line = self.lines.iter().find(|(found, _)| found == name);
        &line.unwrap_or_else(|| panic!("no line {name}: {:?}", self.lines)).1
    }

    /// The process of the server itself, which the supervisor started.
    pub(crate) fn child(&self) -> Pid {
        let info = shell(&format!("curl -sS {}/dev/info", self.url)).wait_text();
        let info: Value = serde_json::from_str(&info).expect("JSON");
        let id = info["pid"].as_i64().and_then(|id| i32::try_from(id).ok());
        Pid::from_raw(id.expect("a number")).expect("an id is positive")
    }

    fn publish(&self, text: &str) -> String {
        shell(&format!("curl -sS -d '{text}' {}/v1/channels/demo/messages", self.url)).wait_text()
    }

    fn history(&self) -> String {
        shell(&format!("curl -sS {}/v1/channels/demo/messages", self.url)).wait_text()
    }
}

/// A line of a shell, as a person pastes it; killed when dropped.
pub(crate) fn shell(line: &str) -> Process {
    Process::spawn(Command::new("sh").args(["-c", &format!("exec {line}")]))
}

/// The fields of an address like `http://127.0.0.1:1/`.
fn address(url: &str) -> &str {
    url.strip_prefix("http://").expect("a URL of HTTP").trim_end_matches('/')
}

#[test]
fn the_printed_lines_work_as_they_stand() {
    let served = serve(&[]);
    let mut listening = shell(served.printed("listen"));
    let answer = shell(served.printed("publish")).wait_text();
    assert!(answer.starts_with("{\"epoch\":\"") && answer.contains("\"seq\":1"), "{answer}");
    while listening.line() != "data: hello" {}
    let page = shell(&format!("curl -sS {}", served.printed("console"))).wait_text();
    assert!(page.contains("<html") && page.contains("Longwire"), "{page}");
    let data = Path::new(served.printed("data"));
    assert!(data.is_absolute() && data.is_dir(), "{}", data.display());
}

#[test]
fn a_fresh_folder_has_nothing_but_the_data_folder_afterwards() {
    let served = serve(&[]);
    served.publish("one");
    let names: Vec<_> = fs::read_dir(served.folder.path())
        .expect("it is there")
        .map(|entry| entry.expect("it is readable").file_name())
        .collect();
    assert_eq!(names, ["longwire-data"]);
}

#[test]
fn a_killed_server_is_back_on_its_port_with_its_data() {
    let mut served = serve(&[]);
    for round in 1..=3 {
        served.publish(&format!("message {round}"));
        let child = served.child();
        kill_process(child, Signal::KILL).expect("it runs");
        let died = served.process.error_line();
        let expected = "longwire: the server died (signal: 9 (SIGKILL)); it is started again";
        assert_eq!(died, expected);
        let back = served.process.error_line();
        let expected = format!("longwire: the server is back on {} after ", address(&served.url));
        assert!(back.starts_with(&expected), "{back}");
        assert_ne!(served.child(), child);
        let history = served.history();
        for earlier in 1..=round {
            assert!(history.contains(&format!("message {earlier}")), "{history}");
        }
    }
}

#[test]
fn it_can_be_asked_to_die_as_by_a_signal() {
    let mut served = serve(&[]);
    served.publish("one");
    let child = served.child();
    // As README has it; the answer goes out before the end.
    shell(&format!("curl -sS -X POST {}/dev/kill", served.url)).wait().assert_quiet_success();
    let died = served.process.error_line();
    assert_eq!(died, "longwire: the server died (signal: 9 (SIGKILL)); it is started again");
    assert!(served.process.error_line().starts_with("longwire: the server is back on "));
    assert_ne!(served.child(), child);
    assert!(served.publish("two").contains("\"seq\":2"));
}

#[test]
fn variables_of_others_are_told_once_and_passed_over() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = longwire(&["serve", "--listen", "127.0.0.1:0"]);
    let others = [("LONGWIRE_PORT_80_TCP", "tcp://10.0.0.7:80"), ("LONGWIRE_LISTN", "x")];
    let mut process = Process::spawn(command.envs(others).current_dir(folder.path()));
    assert!(process.line().starts_with("listening on "));
    process.signal(Signal::TERM);
    let ended = process.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 2, "{ended:?}");
    assert!(ended.stderr.contains("LONGWIRE_PORT_80_TCP is no setting"), "{ended:?}");
    assert!(ended.stderr.contains("write LONGWIRE_LISTEN if"), "{ended:?}");
}

#[test]
fn a_signal_ends_the_supervisor_and_the_server_in_time() {
    for signal in [Signal::TERM, Signal::INT] {
        let served = serve(&[]);
        let child = served.child();
        let begun = Instant::now();
        served.process.signal(signal);
        served.process.wait().assert_quiet_success();
        assert!(begun.elapsed() < DEADLINE);
        assert!(test_kill_process(child).is_err(), "the server is left");
    }
}

#[test]
fn a_second_signal_ends_both_at_once_whatever_the_server_does() {
    let served = serve(&[]);
    let child = served.child();
    // Stopped, it does nothing that it is asked for.
    kill_process(child, Signal::STOP).expect("it runs");
    served.process.signal(Signal::TERM);
    served.process.signal(Signal::INT);
    served.process.wait().assert_failed(1, "stopped before every connection had closed");
    assert!(test_kill_process(child).is_err(), "the server is left");
}

#[test]
fn the_log_is_json_where_that_is_asked_for() {
    let served = serve(&["--no-supervisor", "--verbose", "--log", "json"]);
    served.process.signal(Signal::TERM);
    let ended = served.process.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for line in ended.stderr.lines() {
        let event: Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(event["level"].is_string() && event["timestamp"].is_string(), "{line}");
    }
    assert!(ended.stderr.contains("longwire_server"), "{ended:?}");
}

#[test]
fn a_signal_to_the_server_alone_ends_the_supervisor_too() {
    let served = serve(&[]);
    kill_process(served.child(), Signal::TERM).expect("it runs");
    served.process.wait().assert_quiet_success();
}

#[test]
fn a_killed_supervisor_leaves_no_orphan() {
    let served = serve(&[]);
    let address = address(&served.url).to_owned();
    served.process.signal(Signal::KILL);
    // The server has the same stderr, so this waits for its end as well.
    let ended = served.process.wait();
    assert_eq!(ended.code, None);
    TcpListener::bind(&address).expect("nobody listens there any more");
}

#[test]
fn without_a_supervisor_there_is_one_process() {
    let served = serve(&["--no-supervisor"]);
    assert_eq!(served.child().as_raw_nonzero().get().cast_unsigned(), served.process.id());
    served.publish("one");
    served.process.signal(Signal::TERM);
    served.process.wait().assert_quiet_success();
}

#[test]
fn a_taken_port_is_told_once_with_its_cure() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = longwire(&["serve", "--listen", &address]);
    let ended = Process::spawn(command.current_dir(folder.path())).wait();
    assert_eq!((ended.code, ended.text()), (Some(1), ""), "{ended:?}");
    assert!(
        ended.stderr.starts_with(&format!("longwire: cannot listen on {address}: ")),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("another program listens there"), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
fn elsewhere_it_wants_credentials_and_prints_the_line_to_add() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = longwire(&["serve", "--listen", "0.0.0.0:0"]);
    let ended = Process::spawn(command.current_dir(folder.path())).wait();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("\nhmac_secret = \""), "{ended:?}");
    assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

#[test]
fn the_command_line_covers_the_environment_which_covers_the_file() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("longwire.toml"), "data = \"of-the-file\"\n")
        .expect("it is writable");
    let start = |variable: Option<&str>, arguments: &[&str]| {
        let mut command = longwire(&["serve", "--listen", "127.0.0.1:0"]);
        command
            .args(arguments)
            .current_dir(folder.path())
            .envs(variable.map(|data| ("LONGWIRE_DATA", data)));
        let mut process = Process::spawn(&mut command);
        loop {
            if let Some(data) = process.line().strip_prefix("data ") {
                return Path::new(data.trim()).file_name().expect("a folder").to_owned();
            }
        }
    };
    assert_eq!(start(None, &[]), "of-the-file");
    assert_eq!(start(Some("of-the-variable"), &[]), "of-the-variable");
    assert_eq!(start(Some("of-the-variable"), &["--data", "of-the-option"]), "of-the-option");
    assert_eq!(start(None, &["--set", "data=set"]), "set");
}

#[test]
fn a_key_that_does_not_exist_is_named_with_those_that_do() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("longwire.toml");
    fs::write(&file, "[limits]\nconections = 5\n").expect("it is writable");
    let mut command = longwire(&["serve"]);
    let ended = Process::spawn(command.current_dir(folder.path())).wait();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for words in ["longwire.toml", "limits.conections", "connections_per_ip"] {
        assert!(ended.stderr.contains(words), "{ended:?}");
    }
}

#[test]
fn a_server_that_cannot_start_is_not_started_again() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("longwire-data"), "no folder").expect("it is writable");
    let mut command = longwire(&["serve", "--listen", "127.0.0.1:0"]);
    let ended = Process::spawn(command.current_dir(folder.path()).stdin(Stdio::null())).wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.stderr.contains("started again"), "{ended:?}");
    assert!(ended.stderr.contains("longwire-data"), "{ended:?}");
}
