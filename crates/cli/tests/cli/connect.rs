//! `longwire connect`: what goes out, and what is shown through a pipe.

use std::io::Write;
#[cfg(target_os = "linux")]
use std::process::Command;

#[cfg(target_os = "linux")]
use crate::process::{Process, longwire};
use crate::{
    process::{echo, run, start},
    scripted,
};

#[test]
fn every_line_goes_out_and_its_echo_comes_back_before_the_end() {
    let echo = echo(&[]);
    let cases: [(&[u8], &[u8]); 5] = [
        (b"one\ntwo\n", b"one\ntwo\n"),
        (b"no line end", b"no line end\n"),
        (b"a\r\n\nb\r\n", b"a\n\nb\n"),
        ("hé 漢 🦀\n".as_bytes(), "hé 漢 🦀\n".as_bytes()),
        (b"", b""),
    ];
    for (input, expected) in cases {
        let ended = run(&["connect", &echo.url], input);
        ended.assert_quiet_success();
        assert_eq!(ended.stdout, expected, "{input:?}");
    }
}

#[test]
fn many_lines_and_long_ones_come_back_whole() {
    let echo = echo(&["--threads", "1"]);
    let mut input: Vec<u8> = (0..20_000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    input.extend(std::iter::repeat_n(b'x', 2 << 20));
    input.push(b'\n');
    let ended = run(&["connect", &echo.url], input.clone());
    ended.assert_quiet_success();
    assert!(ended.stdout == input, "{} of {} bytes", ended.stdout.len(), input.len());
}

#[test]
fn a_dialogue_is_not_held_back_by_buffers() {
    let echo = echo(&[]);
    let mut client = start(&["connect", &echo.url]);
    for text in ["ping", "pong"] {
        client.write_line(text);
        assert_eq!(client.line(), text);
    }
    client.close_stdin();
    client.wait().assert_quiet_success();
}

#[test]
fn a_file_is_one_binary_message_and_stdin_follows() {
    let echo = echo(&[]);
    let data: Vec<u8> =
        (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&data).expect("it is writable");
    let path = file.path().to_str().expect("UTF-8");
    let ended = run(&["connect", "--binary", path, &echo.url], "then\n");
    ended.assert_quiet_success();
    let (sent, then) = ended.stdout.split_at(data.len());
    assert!(sent == data && then == b"then\n", "{} bytes", ended.stdout.len());
    let ended = run(&["connect", "--binary", "-", &echo.url], data.clone());
    ended.assert_quiet_success();
    assert!(ended.stdout == data, "{} bytes", ended.stdout.len());
}

#[test]
fn an_empty_file_is_an_empty_message() {
    let server = scripted::websocket(|stream| {
        let frame = scripted::read_frame(stream);
        scripted::read_frame(stream);
        stream.write_all(b"\x88\x02\x03\xe8").expect("the client reads");
        frame
    });
    run(&["connect", "--binary", "/dev/null", &server.url()], "");
    assert_eq!(server.join(), (0x82, Vec::new()));
}

#[test]
fn what_comes_between_the_two_closes_is_shown() {
    let server = scripted::websocket(|stream| {
        let close = scripted::read_frame(stream);
        stream.write_all(b"\x81\x04late\x88\x02\x03\xe8").expect("the client reads");
        close
    });
    let ended = run(&["connect", &server.url()], "");
    ended.assert_quiet_success();
    assert_eq!(ended.text(), "late\n");
    assert_eq!(server.join(), (0x88, vec![0x03, 0xe8]));
}

#[test]
fn without_stdin_it_receives_until_the_server_closes() {
    let server = scripted::websocket(|stream| {
        stream.write_all(b"\x81\x02hi\x88\x05\x0f\xa1bye").expect("the client reads");
        scripted::read_frame(stream);
    });
    let ended = run(&["connect", "--no-stdin", &server.url()], "");
    assert_eq!((ended.code, ended.text()), (Some(0), "hi\n"));
    assert_eq!(ended.stderr, "the server closed the connection: 4001 \"bye\"\n");
    server.join();
}

#[test]
fn the_request_has_what_was_asked_for() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let server = scripted::answer(refusal);
    let ended = run(
        &[
            "connect",
            "-H",
            "X-One: 1",
            "--header",
            "X-Two:  a: b ",
            "--origin",
            "https://app.example",
            "--user",
            "alice:pass:word",
            "--subprotocol",
            "v2",
            "--subprotocol",
            "v1",
            &server.url(),
        ],
        "",
    );
    assert_eq!(ended.code, Some(1));
    let request = server.join().to_lowercase();
    for field in [
        "x-one: 1",
        "x-two: a: b",
        "origin: https://app.example",
        "authorization: basic ywxpy2u6cgfzczp3b3jk",
        "sec-websocket-protocol: v2, v1",
    ] {
        assert!(request.contains(&format!("\r\n{field}\r\n")), "{field}: {request}");
    }
    let server = scripted::answer(refusal);
    run(&["connect", "--bearer", "abc", &server.url()], "");
    assert!(server.join().to_lowercase().contains("\r\nauthorization: bearer abc\r\n"));
}

#[test]
fn a_redirect_is_followed_if_that_was_asked_for() {
    let echo = echo(&[]);
    let redirect =
        format!("HTTP/1.1 307 Elsewhere\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", echo.url);
    let server = scripted::answer(redirect);
    let ended = run(&["connect", "--redirects", "1", &server.url()], "there\n");
    ended.assert_quiet_success();
    assert_eq!(ended.text(), "there\n");
    server.join();
}

#[test]
fn a_proxy_is_asked_for_a_tunnel() {
    let proxy = scripted::answer("HTTP/1.1 403 Closed\r\nContent-Length: 0\r\n\r\n");
    let url = format!("http://bob:secret@{}", proxy.address);
    let ended = run(&["connect", "--proxy", &url, "ws://app.example:81/"], "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("it refused the tunnel with 403"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    assert!(proxy.join().starts_with("CONNECT app.example:81 HTTP/1.1\r\n"));
}

#[test]
fn pings_are_shown_with_their_round_trip() {
    let echo = echo(&[]);
    let mut client = start(&["connect", "--ping", "0.01", &echo.url]);
    for _ in 0..3 {
        let line = client.error_line();
        let time = line.strip_prefix("ping: ").and_then(|rest| rest.strip_suffix(" ms"));
        let time: f64 = time.and_then(|time| time.parse().ok()).expect(&line);
        assert!(time > 0.0, "{line}");
    }
    client.close_stdin();
    assert_eq!(client.wait().code, Some(0));
}

#[test]
fn it_ends_quietly_when_nobody_reads_on() {
    let echo = echo(&[]);
    let mut client = start(&["connect", &echo.url]);
    client.write_line("first");
    assert_eq!(client.line(), "first");
    client.close_stdout();
    // The reading thread lets go of the pipe at the second line; the pipe then breaks at a later one.
    client.feed(b"more\n".repeat(200_000));
    client.wait().assert_quiet_success();
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_stdout_is_a_failure() {
    let echo = echo(&[]);
    // `Process` pipes stdout; a shell puts the full device in its place.
    let command = longwire(&["connect", &echo.url]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" > /dev/full"]);
    shell.arg(command.get_program()).args(command.get_args());
    let mut client = Process::spawn(&mut shell);
    client.feed(b"a\n".to_vec());
    client
        .wait()
        .assert_failed(1, "stdout cannot be written: No space left on device (os error 28)");
}
