//! Signals to either side: a graceful close with 1001, and an end at once at the second.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use rustix::process::Signal;

use crate::{
    process::{DEADLINE, echo, run, start},
    scripted,
};

#[test]
fn a_signal_to_the_server_closes_its_clients_with_1001() {
    for signal in [Signal::TERM, Signal::INT] {
        let echo = echo(&[]);
        let mut client = start(&["connect", &echo.url]);
        client.write_line("a");
        assert_eq!(client.line(), "a");
        echo.process.signal(signal);
        let ended = client.wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let notice =
            "the server closed the connection: 1001 (going away) \"server is shutting down\"\n";
        assert_eq!(ended.stderr, notice);
        echo.process.wait().assert_quiet_success();
    }
}

#[test]
fn a_signal_to_the_client_closes_with_1001() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = scripted::websocket(|stream| {
            stream.write_all(b"\x81\x01a").expect("the client reads");
            let close = scripted::read_frame(stream);
            stream.write_all(b"\x88\x02\x03\xe9").expect("the client reads");
            close
        });
        let mut client = start(&["connect", &server.url()]);
        assert_eq!(client.line(), "a");
        client.signal(signal);
        client.wait().assert_quiet_success();
        assert_eq!(server.join(), (0x88, vec![0x03, 0xe9]));
    }
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let echo = echo(&["--threads", "1"]);
    let mut peer = TcpStream::connect(echo.address()).expect("the server listens");
    peer.set_read_timeout(Some(DEADLINE)).expect("not zero");
    let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    peer.write_all(request.as_bytes()).expect("the server reads");
    scripted::read_head(&mut peer);
    echo.process.signal(Signal::TERM);
    let mut close = [0; 4];
    peer.read_exact(&mut close).expect("the server closes");
    assert_eq!((close[0], &close[2..]), (0x88, &[0x03, 0xe9][..]));
    // The peer does not answer, so the server would wait.
    echo.process.signal(Signal::TERM);
    echo.process.wait().assert_failed(1, "stopped before every connection had closed");
}

#[test]
fn a_second_signal_ends_the_client_at_once() {
    let server = scripted::websocket(|stream| {
        stream.write_all(b"\x81\x01a").expect("the client reads");
        let close = scripted::read_frame(stream);
        (close, stream.try_clone().expect("a second handle"))
    });
    let mut client = start(&["connect", &server.url()]);
    assert_eq!(client.line(), "a");
    client.signal(Signal::INT);
    let (close, _open) = server.join();
    assert_eq!(close, (0x88, vec![0x03, 0xe9]));
    client.signal(Signal::INT);
    client.wait().assert_failed(1, "stopped before the connection had closed");
}

#[test]
fn a_signal_while_connecting_is_obeyed() {
    let (asked, request) = std::sync::mpsc::channel();
    let server = scripted::serve(move |mut stream| {
        asked.send(scripted::read_head(&mut stream)).expect("the test waits");
        scripted::read_to_end(&mut stream);
    });
    let client = start(&["connect", "--timeout", "600", &server.url()]);
    request.recv_timeout(DEADLINE).expect("the client asks");
    client.signal(Signal::INT);
    client.wait().assert_failed(1, "interrupted before the connection was open");
    server.join();
}

#[test]
fn an_idle_server_ends_at_a_signal() {
    let echo = echo(&[]);
    assert_eq!(run(&["connect", &echo.url], "a\n").text(), "a\n");
    echo.process.signal(Signal::TERM);
    echo.process.wait().assert_quiet_success();
}
