//! The examples do what they say. Each is built as a user would build it, and runs as a process.

mod raw;

use std::{
    collections::HashMap,
    env,
    path::PathBuf,
    process::{Command as StdCommand, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock},
};

use longwire::{
    Acceptor, CloseCode, Config, Incoming, Message, Server, WebSocket, server::Transport,
};
use raw::{assert_echo, echo, soon};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
};

/// The program of an example. The first call builds them all.
fn example(name: &str) -> Command {
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let mut cargo = StdCommand::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Build scripts that look at these would take another package's for theirs, and run again.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&*name);
            }
        }
        let output = cargo
            .args(["build", "--quiet", "--package", "longwire", "--all-features", "--examples"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "the examples do not build");
        let messages = String::from_utf8(output.stdout).expect("cargo writes JSON");
        messages
            .lines()
            .filter_map(|line| {
                let message: serde_json::Value = serde_json::from_str(line).ok()?;
                let path = message["executable"].as_str()?.into();
                Some((message["target"]["name"].as_str()?.to_owned(), path))
            })
            .collect()
    });
    let path = built.get(name).unwrap_or_else(|| panic!("no example {name}"));
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs an example to its end: its status, what it printed, and its complaints.
async fn run(name: &str, args: &[&str]) -> (ExitStatus, String, String) {
    let output = soon(example(name).args(args).output()).await.expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status, text(output.stdout), text(output.stderr))
}

/// An example that serves.
struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The URL that it says it listens on.
    url: String,
}

impl Serving {
    async fn start(name: &str) -> Self {
        let mut child = example(name).arg("127.0.0.1:0").spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        soon(stdout.read_line(&mut line)).await.expect("it prints");
        let url = line.trim_end().strip_prefix("listening on ").map(str::to_owned);
        let url = url.unwrap_or_else(|| panic!("{name} printed {line:?}"));
        Self { child, stdout, url }
    }

    /// Presses Ctrl-C and waits for the end: what it printed since it listened.
    async fn interrupt(mut self) -> String {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        kill_process(pid.expect("it runs"), Signal::INT).expect("it runs");
        let mut printed = String::new();
        soon(self.stdout.read_to_string(&mut printed)).await.expect("it prints");
        let status = soon(self.child.wait()).await.expect("it ends");
        assert!(status.success(), "{status}: {printed}");
        printed
    }
}

/// A server that echoes, closes with 1001 at Ctrl-C, and says so.
async fn assert_serves(name: &str) {
    let serving = Serving::start(name).await;
    let mut socket = soon(longwire::connect(&serving.url)).await.expect("it accepts");
    assert_echo(&mut socket).await;
    let client = async move {
        assert_eq!(socket.recv().await.expect("a clean close"), None);
        socket.closed().expect("it has ended").code()
    };
    let (printed, code) = soon(async { tokio::join!(serving.interrupt(), client) }).await;
    assert_eq!(code, CloseCode::GOING_AWAY);
    assert_eq!(printed, "closed 1 connections, dropped 0\n");
}

#[tokio::test]
async fn server_echoes_and_shuts_down_gracefully() {
    assert_serves("server").await;
}

#[tokio::test]
async fn axum_echoes_and_shuts_down_gracefully() {
    assert_serves("axum").await;
}

#[tokio::test]
async fn axum_serves_a_page_beside_the_websocket() {
    let serving = Serving::start("axum").await;
    let address = serving.url.strip_prefix("ws://").and_then(|it| it.strip_suffix("/echo"));
    let address = address.expect("ws:// and /echo").parse().expect("an address");
    let (_raw, page) = raw::Raw::ask(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((page.status, page.body.as_str()), (200, "The WebSocket is at /echo.\n"));
}

#[tokio::test]
async fn client_prints_what_comes_back() {
    let serving = Serving::start("server").await;
    let (status, printed, complaints) = run("client", &[&serving.url, "grüß dich"]).await;
    assert!(status.success(), "{complaints}");
    let closed = "sent 1000 (normal closure); then received 1000 (normal closure)";
    assert_eq!(printed, format!("grüß dich\n{closed}\n"));
    assert_eq!(complaints, "");
}

#[tokio::test]
async fn client_fails_plainly_where_there_is_no_websocket() {
    let (status, _, complaints) = run("client", &[&nobody().await, "hello"]).await;
    assert!(!status.success());
    assert!(!complaints.is_empty());
}

#[tokio::test]
async fn sans_io_echoes_without_async() {
    let (status, printed, complaints) = run("sans_io", &[]).await;
    assert!(status.success(), "{complaints}");
    assert!(printed.contains("Hello, echo"), "{printed}");
    assert_eq!(printed.matches("1000 (normal closure); then").count(), 2, "{printed}");
}

#[tokio::test]
async fn tls_talks_over_a_certificate_of_its_own() {
    let (status, printed, complaints) = run("tls", &[]).await;
    assert!(status.success(), "{complaints}");
    assert!(printed.starts_with("hello over TLS\nsent 1000"), "{printed}");
}

#[tokio::test]
async fn streaming_takes_less_memory_than_its_message() {
    let (status, printed, complaints) = run("streaming", &["32"]).await;
    assert!(status.success(), "{complaints}");
    let (size, memory) = printed.split_once('\n').expect("two lines");
    assert_eq!(size, "the message had 33554432 bytes");
    if cfg!(target_os = "linux") {
        let peak = memory.strip_prefix("both ends took ").and_then(|it| it.split(' ').next());
        let peak: u64 = peak.and_then(|it| it.parse().ok()).expect("a number of kB");
        assert!(peak < 24 << 10, "{memory}");
    }
}

#[tokio::test]
async fn autobahn_client_runs_every_case_and_asks_for_the_report() {
    let mut config = Config::default();
    config.limits.max_frame_size = 64 << 20;
    config.limits.max_message_size = 64 << 20;
    let server = Server::bind("127.0.0.1:0").await.expect("a port");
    let server = server.acceptor(Acceptor::new().config(config));
    let url = format!("ws://{}", server.local_addr().expect("bound"));
    let done = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let done = done.clone();
        move |incoming: Incoming<Transport>| {
            let (target, done) = (incoming.request().uri().to_string(), done.clone());
            async move {
                let mut socket = incoming.accept().await.expect("it waits");
                case(&target, &mut socket).await;
                done.lock().expect("not poisoned").push(target);
            }
        }
    };
    tokio::spawn(server.serve_incoming_until(std::future::pending(), handler));
    let (status, printed, complaints) = run("autobahn_client", &[&url]).await;
    assert!(status.success(), "{complaints}");
    assert_eq!(printed, "ran 3 cases\n");
    let expected = [
        "/getCaseCount",
        "/runCase?case=1&agent=longwire",
        "/runCase?case=2&agent=longwire",
        "/runCase?case=3&agent=longwire",
        "/updateReports?agent=longwire",
    ];
    assert_eq!(*done.lock().expect("not poisoned"), expected);
}

/// What the testsuite does at an address.
async fn case(target: &str, socket: &mut WebSocket) {
    match target {
        "/getCaseCount" => socket.send("3").await.expect("an open connection"),
        "/runCase?case=1&agent=longwire" => assert_echo(socket).await,
        // More than the default limits take.
        "/runCase?case=2&agent=longwire" => {
            let large = Message::binary(vec![7; (16 << 20) + 1]);
            socket.send(large.clone()).await.expect("an open connection");
            let back = soon(socket.recv()).await.expect("an open connection");
            assert!(back == Some(large), "another message");
        }
        // A connection that the server fails is the case's business, not the client's.
        "/runCase?case=3&agent=longwire" => {
            socket.close(CloseCode::PROTOCOL_ERROR).await;
        }
        _ => {}
    }
}

#[tokio::test]
async fn autobahn_client_fails_where_it_cannot_reach_the_server() {
    let (status, _, complaints) = run("autobahn_client", &[&nobody().await]).await;
    assert_eq!(status.code(), Some(1));
    assert_eq!(complaints.lines().count(), 1, "{complaints}");
}

/// The URL of a server that leaves each client at once.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    url
}

#[tokio::test]
async fn a_server_that_cannot_listen_says_where() {
    let taken = Server::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    tokio::spawn(taken.serve(echo));
    for name in ["server", "axum"] {
        let (status, _, complaints) = run(name, &[&address]).await;
        assert!(!status.success());
        assert!(complaints.contains(&address), "{complaints}");
    }
}
