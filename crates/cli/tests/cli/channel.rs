//! `longwire publish` and `longwire tail`: what goes in comes out once, in order, whatever dies meanwhile.

use std::{fs, net::TcpListener};

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    process::{Ended, Process, longwire, run, start},
    serve::{Served, serve, shell},
};

fn publish(served: &Served, arguments: &[&str], stdin: &str) -> Ended {
    run(&[&["publish", "--url", &served.url], arguments].concat(), stdin)
}

/// The positions that were printed.
fn positions(ended: &Ended) -> Vec<(String, u64)> {
    let lines = ended.text().lines().map(|line| {
        let (epoch, seq) = line.split_once(':').expect("EPOCH:SEQ");
        (epoch.to_owned(), seq.parse().expect("a number"))
    });
    lines.collect()
}

fn tail(served: &Served, arguments: &[&str]) -> Process {
    start(&[&["tail", "--url", &served.url], arguments].concat())
}

#[test]
fn a_text_is_published_and_its_position_printed() {
    let served = serve(&[]);
    let ended = publish(&served, &["demo", "hello"], "");
    ended.assert_quiet_success();
    let (epoch, seq) = positions(&ended).remove(0);
    assert_eq!((epoch.len(), seq), (16, 1));
    assert_eq!(tail(&served, &["--from", "beginning", "demo"]).line(), "hello");
}

#[test]
fn lines_keep_their_order_and_each_has_its_position() {
    let served = serve(&[]);
    let lines: Vec<_> = (1..=500).map(|number| format!("line {number}")).collect();
    let ended = publish(&served, &["demo"], &lines.join("\n"));
    ended.assert_quiet_success();
    let seqs: Vec<u64> = positions(&ended).into_iter().map(|(_, seq)| seq).collect();
    assert_eq!(seqs, (1..=500).collect::<Vec<_>>());
    let mut tail = tail(&served, &["--from", "beginning", "demo"]);
    for line in lines {
        assert_eq!(tail.line(), line);
    }
}

#[test]
fn lines_beyond_the_rate_wait_and_keep_their_order() {
    let served = serve(&["--set", "limits.publish_rate=5000"]);
    let lines: Vec<_> = (1..=20_000).map(|number| format!("line {number}")).collect();
    let ended = publish(&served, &["demo"], &lines.join("\n"));
    ended.assert_quiet_success();
    let seqs: Vec<u64> = positions(&ended).into_iter().map(|(_, seq)| seq).collect();
    assert_eq!(seqs, (1..=20_000).collect::<Vec<_>>());
    let mut tail = tail(&served, &["--from", "beginning", "demo"]);
    for line in lines {
        assert_eq!(tail.line(), line);
    }
}

#[test]
fn more_lines_in_flight_than_the_server_holds_keep_their_order() {
    let served = serve(&["--set", "limits.publish_rate=100"]);
    let lines: Vec<_> = (1..=600).map(|number| format!("line {number}")).collect();
    publish(&served, &["demo", "--in-flight", "512"], &lines.join("\n")).assert_quiet_success();
    let mut tail = tail(&served, &["--from", "beginning", "demo"]);
    for line in lines {
        assert_eq!(tail.line(), line);
    }
}

#[test]
fn reading_begins_where_it_is_told_to() {
    let served = serve(&[]);
    let ended = publish(&served, &["demo"], "one\ntwo\nthree\n");
    let (epoch, _) = positions(&ended).remove(0);
    let behind_first = format!("{epoch}:1");
    for (place, expected) in
        [("beginning", "one"), ("last:1", "three"), (&behind_first, "two"), ("10m", "one")]
    {
        assert_eq!(tail(&served, &["--from", place, "demo"]).line(), expected, "{place}");
    }
}

#[test]
fn json_goes_in_and_comes_out_as_json() {
    let served = serve(&[]);
    let number = "12345678901234567890.5";
    let json = format!("{{\"id\":{number}}}");
    publish(&served, &["orders", "--json", &json, "--event", "new"], "").assert_quiet_success();
    publish(&served, &["orders", "plain \"text\""], "").assert_quiet_success();
    let mut tail = tail(&served, &["--from", "beginning", "--json", "orders"]);
    let line = tail.line();
    assert!(line.contains(number), "every digit is kept: {line}");
    let message: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&message["type"], &message["seq"]), (&"message".into(), &1.into()));
    assert_eq!(message["event"], "new");
    assert!(message["time"].as_u64().is_some_and(|time| time > 1_700_000_000_000), "{line}");
    let message: Value = serde_json::from_str(&tail.line()).expect("JSON");
    assert_eq!(message["data"], "plain \"text\"");
}

#[test]
fn the_same_key_is_stored_once() {
    let served = serve(&[]);
    let first = publish(&served, &["demo", "--key", "k", "hello"], "");
    let second = publish(&served, &["demo", "--key", "k", "hello"], "");
    assert_eq!(positions(&first), positions(&second));
    assert_eq!(second.stderr, "a duplicate: it was published before with the same key\n");
}

#[test]
fn what_is_ephemeral_has_no_position_and_is_heard_by_those_who_listen() {
    let served = serve(&[]);
    publish(&served, &["demo", "kept"], "").assert_quiet_success();
    let mut tail = tail(&served, &["--from", "beginning", "demo"]);
    assert_eq!(tail.line(), "kept");
    let ended = publish(&served, &["demo", "--ephemeral", "gone"], "");
    ended.assert_quiet_success();
    assert_eq!(ended.text(), "");
    assert_eq!(tail.line(), "gone");
}

#[test]
fn a_tail_goes_on_where_it_was_when_the_server_was_killed() {
    let mut served = serve(&[]);
    let mut tail = tail(&served, &["--from", "beginning", "demo"]);
    for round in 1..=3 {
        publish(&served, &["demo"], &format!("a{round}\nb{round}\n")).assert_quiet_success();
        assert_eq!((tail.line(), tail.line()), (format!("a{round}"), format!("b{round}")));
        kill_process(served.child(), Signal::KILL).expect("it runs");
        served.process.error_line();
        served.process.error_line();
    }
    publish(&served, &["demo", "last"], "").assert_quiet_success();
    assert_eq!(tail.line(), "last");
    tail.signal(Signal::TERM);
    let ended = tail.wait();
    assert_eq!((ended.code, ended.text()), (Some(0), ""), "{ended:?}");
    assert!(ended.stderr.contains("longwire: no connection: "), "{ended:?}");
    assert!(ended.stderr.ends_with(":7\n"), "the last position is told: {ended:?}");
    assert!(!ended.stderr.contains("longwire: lost:"), "{ended:?}");
}

#[test]
fn a_tail_ends_with_its_stream() {
    let served = serve(&[]);
    publish(&served, &["demo", "hello"], "").assert_quiet_success();
    shell(&format!("curl -sS -X POST {}/v1/channels/demo/end", served.url)).wait_text();
    let ended = tail(&served, &["--from", "beginning", "--json", "demo"]).wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(
        ended.text().lines().last().is_some_and(|line| line.contains("\"ended\"")),
        "{ended:?}"
    );
    let ended = publish(&served, &["demo", "more"], "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("stream_ended"), "{ended:?}");
}

#[test]
fn what_stdin_cannot_be_is_named_with_its_line_and_what_is_before_it_is_published() {
    let served = serve(&[]);
    let ended = publish(&served, &["demo", "--json"], "{}\nno json\n{}\n");
    assert_eq!((ended.code, positions(&ended).len()), (Some(1), 1), "{ended:?}");
    assert!(ended.stderr.starts_with("longwire: line 2 of stdin is no JSON: "), "{ended:?}");
    let large = "x".repeat(100_000);
    let ended = publish(&served, &["demo"], &format!("small\n{large}\n"));
    assert_eq!((ended.code, positions(&ended).len()), (Some(1), 1), "{ended:?}");
    assert!(ended.stderr.starts_with("longwire: line 2 of stdin: "), "{ended:?}");
}

#[test]
fn without_a_server_the_cause_is_told() {
    // Bound and dropped: nobody else gets a port of the ephemeral range so soon.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let ended = run(&["publish", "--url", &url, "--timeout", "0.5", "demo", "a"], "");
    assert_eq!((ended.code, ended.text()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.starts_with("longwire: the publication was not sent: "), "{ended:?}");
    assert!(ended.stderr.contains("start the server, or check the port"), "{ended:?}");
    let mut tail = start(&["tail", "--url", &url, "demo"]);
    let line = tail.error_line();
    assert!(line.starts_with("longwire: no connection: "), "{line}");
    tail.signal(Signal::INT);
    assert_eq!(tail.wait().code, Some(0));
}

#[test]
fn a_token_opens_what_it_names_and_nothing_else() {
    let folder = TempDir::new().expect("a temporary folder");
    let in_folder = |arguments: &[&str]| {
        let mut command = longwire(arguments);
        command.current_dir(folder.path());
        command
    };
    Process::spawn(&mut in_folder(&["init", "--prod"])).wait().assert_quiet_success();
    let file = folder.path().join("longwire.toml");
    let text = fs::read_to_string(&file).expect("it was written");
    let mut server = Process::spawn(&mut in_folder(&["serve", "--listen", "127.0.0.1:0"]));
    let line = server.line();
    let url = line.strip_prefix("listening on http://").expect("the first line has the URL");
    // Client commands find the server by the same file.
    fs::write(&file, text.replace("0.0.0.0:8000", url)).expect("it is writable");

    for arguments in [&["publish", "chat:1", "hello"][..], &["tail", "chat:1"]] {
        let refused = Process::spawn(&mut in_folder(arguments)).wait();
        assert_eq!((refused.code, refused.text()), (Some(1), ""), "{refused:?}");
        assert!(refused.stderr.contains("given by --token or LONGWIRE_TOKEN"), "{refused:?}");
    }
    let token = in_folder(&["token", "--user", "alice", "--allow", "chat:*=publish"]).output();
    let token = String::from_utf8(token.expect("it runs").stdout).expect("ASCII");
    let with_token = |arguments: &[&str]| {
        let mut command = in_folder(arguments);
        Process::spawn(command.env("LONGWIRE_TOKEN", token.trim())).wait()
    };
    with_token(&["publish", "chat:1", "hello"]).assert_quiet_success();
    for arguments in [["publish", "other", "hello"], ["tail", "--json", "chat:1"]] {
        let refused = with_token(&arguments);
        assert_eq!((refused.code, refused.text()), (Some(1), ""), "{refused:?}");
        assert!(refused.stderr.contains("forbidden"), "{refused:?}");
    }
    server.signal(Signal::TERM);
    server.wait().assert_quiet_success();
}
