//! `longwire echo`: who may connect, by what, and where it listens.

#[cfg(target_os = "linux")]
use std::process::Command;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::process::{DEADLINE, echo, run, start};
#[cfg(target_os = "linux")]
use crate::process::{Process, longwire};

/// The status line and header fields of the answer to an opening handshake with these fields.
fn answer(address: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
    .expect("the server reads");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the answer comes whole");
        answer.push(byte[0]);
    }
    String::from_utf8(answer).expect("a head is ASCII")
}

#[test]
fn pages_of_other_sites_are_refused_unless_they_are_allowed() {
    let foreign = "Origin: https://other.example\r\n";
    let cases: [(&[&str], &str); 3] = [
        (&[], "HTTP/1.1 403"),
        (&["--allow-origin", "https://third.example"], "HTTP/1.1 403"),
        (
            &["--allow-origin", "https://third.example", "--allow-origin", "https://other.example"],
            "HTTP/1.1 101",
        ),
    ];
    for (arguments, expected) in cases {
        let echo = echo(arguments);
        let answer = answer(echo.address(), foreign);
        assert!(answer.starts_with(expected), "{arguments:?}: {answer}");
    }
    let echo = echo(&["--allow-origin", "*"]);
    for origin in [foreign, "Origin: null\r\n", ""] {
        let answer = answer(echo.address(), origin);
        assert!(answer.starts_with("HTTP/1.1 101"), "{origin:?}: {answer}");
    }
}

#[test]
fn the_first_known_subprotocol_in_the_clients_order_is_chosen() {
    let echo = echo(&["--subprotocol", "a", "--subprotocol", "b"]);
    let offers = [("x, b, a", Some("b")), ("a, b", Some("a")), ("x", None)];
    for (offer, expected) in offers {
        let answer = answer(echo.address(), &format!("Sec-WebSocket-Protocol: {offer}\r\n"));
        let chosen = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        assert_eq!(chosen, expected, "{offer}: {answer}");
    }
}

#[test]
fn a_port_in_use_is_named_with_the_cure() {
    let echo = echo(&[]);
    let ended = run(&["echo", "--listen", echo.address()], "");
    ended.assert_failed(
        1,
        &format!(
            "cannot listen on {}: Address already in use (os error 98); another program listens \
             there; stop it, or choose another port by --listen (port 0 takes a free one)",
            echo.address()
        ),
    );
}

#[test]
fn an_address_that_is_none_is_named_with_the_form() {
    let ended = run(&["echo", "--listen", "9001"], "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("longwire: cannot listen on 9001: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("HOST:PORT, as in 127.0.0.1:9001"), "{}", ended.stderr);
}

#[test]
fn it_serves_on_after_a_client_was_killed() {
    let echo = echo(&["--threads", "1"]);
    let mut client = start(&["connect", &echo.url]);
    client.write_line("first");
    assert_eq!(client.line(), "first");
    drop(client);
    let ended = run(&["connect", &echo.url], "second\n");
    ended.assert_quiet_success();
    assert_eq!(ended.text(), "second\n");
}

#[test]
fn it_listens_on_ipv6_too() {
    let mut server = start(&["echo", "--listen", "[::1]:0"]);
    let line = server.line();
    let url = line.strip_prefix("listening on ").expect("the first line names the URL");
    assert!(url.starts_with("ws://[::1]:"), "{url}");
    assert_eq!(run(&["connect", url], "six\n").text(), "six\n");
}

#[test]
#[cfg(target_os = "linux")]
fn one_thread_is_one_thread() {
    let echo = echo(&["--threads", "1"]);
    assert_eq!(run(&["connect", &echo.url], "a\n").text(), "a\n");
    let status = std::fs::read_to_string(format!("/proc/{}/status", echo.process.id()))
        .expect("the process lives");
    assert!(status.contains("\nThreads:\t1\n"), "{status}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    let server = longwire(&["echo", "--listen", "127.0.0.1:0"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -S -n 64 && exec \"$0\" \"$@\""]);
    shell.arg(server.get_program()).args(server.get_args());
    let mut server = Process::spawn(&mut shell);
    server.line();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id()))
        .expect("the process lives");
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files: Vec<&str> = files.expect("there is such a limit").split_whitespace().collect();
    assert_eq!(files[0], files[1], "the soft limit is the hard one");
    assert_ne!(files[0], "64");
}
