//! A server whose every byte the test decides, for what `longwire echo` never does.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use longwire::{
    Subprotocol,
    proto::handshake::{Answer, HandshakeLimits, ServerHandshake, encode_acceptance},
};

use crate::process::DEADLINE;

/// The server: its address, and the thread that acts.
pub(crate) struct Scripted<T> {
    pub(crate) address: String,
    thread: JoinHandle<T>,
}

/// Serves one connection by `script`.
pub(crate) fn serve<T: Send + 'static>(
    script: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> Scripted<T> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client comes");
        stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
        script(stream)
    });
    Scripted { address, thread }
}

/// Answers one request with these bytes, and gives the request.
pub(crate) fn answer(response: impl Into<String>) -> Scripted<String> {
    let response = response.into();
    serve(move |mut stream| {
        let request = read_head(&mut stream);
        stream.write_all(response.as_bytes()).expect("the client reads");
        request
    })
}

/// Opens a WebSocket and goes on by `script`.
pub(crate) fn websocket<T: Send + 'static>(
    script: impl FnOnce(&mut TcpStream) -> T + Send + 'static,
) -> Scripted<T> {
    serve(move |mut stream| {
        let head = read_head(&mut stream);
        let opening = ServerHandshake::new(HandshakeLimits::default())
            .handle_input(head.as_bytes())
            .expect("the client's request is valid")
            .expect("it is whole");
        let subprotocol: Option<Subprotocol> = opening.subprotocols().first().cloned();
        let answer = Answer { subprotocol, ..Answer::default() };
        let (response, _) = opening.accept(answer).expect("the answer fits");
        stream.write_all(&encode_acceptance(&response)).expect("the client reads");
        script(&mut stream)
    })
}

impl<T> Scripted<T> {
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// What the script came to.
    pub(crate) fn join(self) -> T {
        self.thread.join().expect("the script ran to its end")
    }
}

/// A request's head, byte by byte, so that nothing behind it is taken.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the head comes whole");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("a head is ASCII")
}

/// The next frame of a client, of less than 126 bytes: its first byte and its payload, unmasked.
pub(crate) fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 6];
    stream.read_exact(&mut head).expect("a frame comes");
    assert!((0x80..0xFE).contains(&head[1]), "a small masked frame, not {head:?}");
    let mut payload = vec![0; usize::from(head[1] & 0x7F)];
    stream.read_exact(&mut payload).expect("the frame comes whole");
    for (index, byte) in payload.iter_mut().enumerate() {
        *byte ^= head[2 + index % 4];
    }
    (head[0], payload)
}

/// Waits until the client has ended the connection.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut rest);
    rest
}
