//! Each way to fail: exit code 1 and one line that says what happened and what helps.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
};

use rustix::process::Signal;

use crate::{
    process::{echo, run, start},
    scripted,
};

#[test]
fn a_killed_server_is_a_lost_connection() {
    let echo = echo(&[]);
    let mut client = start(&["connect", &echo.url]);
    client.write_line("a");
    assert_eq!(client.line(), "a");
    echo.process.signal(Signal::KILL);
    let message = "the connection was lost: the server ended it without a close";
    client.wait().assert_failed(1, message);
}

#[test]
fn a_server_killed_under_load_is_a_lost_connection() {
    for _ in 0..5 {
        let echo = echo(&[]);
        let mut client = start(&["connect", &echo.url]);
        client.feed(b"flood\n".repeat(1 << 20));
        assert_eq!(client.line(), "flood");
        echo.process.signal(Signal::KILL);
        let ended = client.wait();
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.stderr.starts_with("longwire: the connection was lost: the server "),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn a_refusal_is_told_with_its_status_and_its_body() {
    let cases = [
        (
            "404 Not Found",
            "Content-Length: 13\r\n\r\nno such room\n",
            "with 404 Not Found: no such room; check the URL's path",
        ),
        (
            "401 Unauthorized",
            "Content-Length: 0\r\n\r\n",
            "with 401 Unauthorized; give credentials, in the URL or by --user or --bearer",
        ),
        (
            "302 Found",
            "Location: /there\r\nContent-Length: 0\r\n\r\n",
            "with 302 Found; --redirects lets it be followed",
        ),
        (
            "403 Forbidden",
            "Content-Length: 0\r\n\r\n",
            "with 403 Forbidden; the server may want credentials or another --origin",
        ),
    ];
    for (status, rest, expected) in cases {
        let server = scripted::answer(format!("HTTP/1.1 {status}\r\n{rest}"));
        let ended = run(&["connect", &server.url()], "");
        let message = format!("the server refused the WebSocket opening handshake {expected}");
        ended.assert_failed(1, &message);
        assert_eq!(ended.text(), "");
        server.join();
    }
}

#[test]
fn a_refused_connection_names_the_address() {
    // Bound and dropped: nobody else gets a port of the ephemeral range so soon.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    run(&["connect", &format!("ws://{address}")], "").assert_failed(
        1,
        &format!(
            "could not connect to {address} ({address}: Connection refused (os error 111)); start \
             the server, or check the port"
        ),
    );
}

#[test]
fn a_silent_server_is_given_up_after_the_timeout() {
    let server = scripted::serve(|mut stream| scripted::read_to_end(&mut stream));
    let ended = run(&["connect", "--timeout", "0.2", &server.url()], "");
    assert_eq!(ended.code, Some(1));
    let stderr = &ended.stderr;
    assert!(stderr.contains("the WebSocket opening handshake took longer than 200ms"), "{stderr}");
    assert!(stderr.contains("--timeout sets the limit"), "{stderr}");
    server.join();
}

#[test]
fn an_answer_that_is_no_http_is_told() {
    let server = scripted::serve(|mut stream: TcpStream| {
        stream.write_all(b"220 mail.example ESMTP\r\n\r\n").expect("the client reads");
        scripted::read_to_end(&mut stream);
    });
    let ended = run(&["connect", &server.url()], "");
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    server.join();
}

#[test]
fn a_violation_is_the_servers_fault_and_is_told_to_it() {
    let server = scripted::websocket(|stream| {
        stream.write_all(b"\x83\x00").expect("the client reads");
        scripted::read_frame(stream)
    });
    let ended = run(&["connect", "--no-stdin", &server.url()], "");
    assert_eq!(ended.code, Some(1));
    let stderr = &ended.stderr;
    assert!(stderr.starts_with("longwire: the server broke the protocol: "), "{stderr}");
    assert!(stderr.ends_with("; it was told so with 1002 (protocol error)\n"), "{stderr}");
    let (head, payload) = server.join();
    assert_eq!((head, &payload[..2]), (0x88, &[0x03, 0xea][..]));
}

#[test]
fn a_message_beyond_the_limit_names_the_option_that_raises_it() {
    let server = scripted::websocket(|stream| {
        stream.write_all(b"\x82\x7d").expect("the client reads");
        scripted::read_frame(stream)
    });
    let arguments = ["connect", "--no-stdin", "--max-message-size", "124", &server.url()];
    run(&arguments, "").assert_failed(
        1,
        "the server sent too much: frame of more than 124 bytes; --max-message-size raises the \
         limit; it was told so with 1009 (message too big)",
    );
    server.join();
    let echo = echo(&["--max-message-size", "3"]);
    let ended = run(&["connect", &echo.url], "abc\nabcd\n");
    assert_eq!((ended.code, ended.text()), (Some(0), "abc\n"));
    // Our own close may have gone out before.
    assert!(ended.stderr.starts_with("the server "), "{ended:?}");
    assert!(
        ended.stderr.contains(": 1009 (message too big) \"frame of more than 3 bytes\""),
        "{ended:?}"
    );
}

#[test]
fn a_line_that_is_not_utf8_is_not_sent() {
    let echo = echo(&[]);
    let ended = run(&["connect", &echo.url], b"a\n\xff\n".to_vec());
    ended.assert_failed(
        1,
        "line 2 of stdin is not UTF-8, so it cannot be a text message; send binary data with \
         --binary FILE, or --binary - for stdin",
    );
    assert_eq!(ended.text(), "a\n");
}

#[test]
fn a_file_that_cannot_be_read_is_known_before_anything_is_connected() {
    let ended = run(&["connect", "--binary", "/no/such/file", "ws://127.0.0.1:1/"], "");
    ended.assert_failed(1, "/no/such/file cannot be read: No such file or directory (os error 2)");
}

#[test]
fn a_file_that_fails_midway_fails_the_connection() {
    let echo = echo(&[]);
    let ended = run(&["connect", "--binary", "/", &echo.url], "");
    ended.assert_failed(1, "/ cannot be read: Is a directory (os error 21)");
}
