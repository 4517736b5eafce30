//! A client of bare bytes, and what else the tests of the server's side share.
#![allow(dead_code, reason = "each test program uses a part")]

use std::{fmt::Write as _, future::Future, net::SocketAddr, time::Duration};

use longwire::WebSocket;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

/// What a test waits for at most; a hanging test fails with it.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_mins(1), future).await.expect("it takes too long")
}

/// Sends back what comes, until the connection ends.
pub(crate) async fn echo(mut socket: WebSocket) {
    while let Ok(Some(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// Sends a text and sees it come back.
pub(crate) async fn assert_echo(socket: &mut WebSocket) {
    soon(async {
        socket.send("hello").await.expect("an open connection");
        let message = socket.recv().await.expect("an open connection").expect("an open connection");
        assert_eq!(message.as_text(), Some("hello"));
    })
    .await;
}

/// The headers of an opening handshake, with the key of RFC 6455 section 1.3.
pub(crate) const HANDSHAKE: [(&str, &str); 5] = [
    ("Host", "server.example"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

/// What answers that key.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The bytes of a request.
pub(crate) fn request<'h>(
    line: &str,
    headers: impl IntoIterator<Item = (&'h str, &'h str)>,
) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\n");
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").expect("a String takes everything");
    }
    (text + "\r\n").into_bytes()
}

/// The bytes of an opening handshake, with further headers.
pub(crate) fn opening(path: &str, further: &[(&str, &str)]) -> Vec<u8> {
    request(&format!("GET {path}"), HANDSHAKE.into_iter().chain(further.iter().copied()))
}

/// The bytes of an opening handshake in which the header `name` has another value, or none.
pub(crate) fn opening_but(name: &str, value: Option<&str>) -> Vec<u8> {
    let others = HANDSHAKE.into_iter().filter(|(other, _)| *other != name);
    request("GET /", others.chain(value.map(|value| (name, value))))
}

/// The bytes of a short frame, masked by zeros.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    assert!(length < 126, "a short payload");
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// A final frame of text, a Close frame.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const CLOSE: u8 = 0x88;

/// A client of bare bytes.
pub(crate) struct Raw<T = TcpStream> {
    pub(crate) io: T,
}

/// The head of a response, and the body that `Content-Length` announces.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// A header's only value, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next();
        assert!(values.next().is_none(), "{name} comes twice: {self:?}");
        value.map(|(_, value)| value.as_str())
    }
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { io: soon(TcpStream::connect(address)).await.expect("the server listens") }
    }

    /// Connects, sends `request` and reads the answer.
    pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> (Self, Answer) {
        let mut raw = Self::connect(address).await;
        raw.send(request).await;
        let answer = raw.answer().await;
        (raw, answer)
    }

    /// Connects and opens a WebSocket.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let (raw, answer) = Self::ask(address, &opening("/", &[])).await;
        assert_eq!(answer.status, 101, "{answer:?}");
        raw
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Raw<T> {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        soon(self.io.write_all(bytes)).await.expect("the server reads");
    }

    /// Reads a response.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte().await.unwrap_or_else(|| {
                panic!("the connection ended in {:?}", String::from_utf8_lossy(&head))
            }));
        }
        let head = String::from_utf8(head).expect("a head of ASCII");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|rest| rest.split(' ').next()?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let mut answer = Answer {
            status: status.unwrap_or_else(|| panic!("no status line: {head}")),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: String::new(),
        };
        let length = answer.header("content-length").map_or(0, |it| it.parse().expect("a number"));
        let mut body = vec![0; length];
        soon(self.io.read_exact(&mut body)).await.expect("the body is whole");
        answer.body = String::from_utf8(body).expect("a body of text");
        answer
    }

    /// Reads a short frame: its first byte and its payload.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        soon(self.io.read_exact(&mut head)).await.expect("a frame");
        assert!(head[1] < 126, "a short frame without a mask");
        let mut payload = vec![0; usize::from(head[1])];
        soon(self.io.read_exact(&mut payload)).await.expect("a whole frame");
        (head[0], payload)
    }

    /// Reads a Close frame: its code.
    pub(crate) async fn close_code(&mut self) -> u16 {
        let (first, payload) = self.frame().await;
        assert_eq!(first, CLOSE, "a close frame");
        u16::from_be_bytes([payload[0], payload[1]])
    }

    /// Reads a Close frame, answers it and leaves: its code.
    pub(crate) async fn leave(mut self) -> u16 {
        let code = self.close_code().await;
        self.send(&frame(CLOSE, &code.to_be_bytes())).await;
        code
    }

    /// Waits until the server closes, and says whether any byte came before.
    pub(crate) async fn ended(&mut self) -> bool {
        let mut any = false;
        while self.byte().await.is_some() {
            any = true;
        }
        any
    }

    /// The next byte; `None` at the end, whichever way it comes.
    async fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match soon(self.io.read(&mut byte)).await {
            Ok(1..) => Some(byte[0]),
            _ => None,
        }
    }
}
