//! A test's runtime, the opening handshake, frames by hand, and futures dropped after some polls.

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    pin::pin,
    sync::mpsc,
    task::Poll,
    thread,
    time::Duration,
};

use longwire::{
    Acceptor, Config, Connect, WebSocket,
    proto::handshake::{Answer, HandshakeLimits, ServerHandshake},
    server::AcceptError,
};
use tokio::runtime::Builder;

use crate::pipe::{Peer, pipe};

/// Runs a test on one thread, with a clock that stands still while there is something to do.
pub(crate) fn run(test: impl Future<Output = ()> + Send + 'static) {
    guarded(move || {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            // By the paused clock: a test that waits for what never comes gets here at once.
            let limit = Duration::from_hours(24);
            tokio::time::timeout(limit, test).await.expect("something awaited never comes");
        });
    });
}

/// Runs a test on several threads, by the real clock.
pub(crate) fn run_threads(test: impl Future<Output = ()> + Send + 'static) {
    guarded(move || {
        let runtime = Builder::new_multi_thread().worker_threads(4).enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let limit = Duration::from_mins(1);
            tokio::time::timeout(limit, test).await.expect("something awaited never comes");
        });
    });
}

/// Fails where a test never yields, as when the connection's task spins.
pub(crate) fn guarded(test: impl FnOnce() + Send + 'static) {
    let (done, waiting) = mpsc::channel::<()>();
    let test = thread::spawn(move || {
        let _done = done;
        test();
    });
    let waited = waiting.recv_timeout(Duration::from_mins(2));
    let spins = waited == Err(mpsc::RecvTimeoutError::Timeout);
    assert!(!spins, "a task spins, and the clock stands still");
    test.join().unwrap_or_else(|panic| resume_unwind(panic));
}

/// Lets virtual time pass: the clock is paused, so this takes none of the real one.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep_until(tokio::time::Instant::now() + time).await;
}

/// Lets all other tasks do what they can without the clock.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Fails if the connection's task polls its transport again and again while nothing happens.
pub(crate) async fn assert_rests(peer: &Peer) {
    settle().await;
    let before = peer.seen().polls;
    for _ in 0..100 {
        // The runtime looks at its timers.
        pass(Duration::from_millis(1)).await;
        settle_a_little().await;
    }
    let polls = peer.seen().polls - before;
    assert!(polls < 10, "the task polls itself without progress: {polls} times in 100 ms");
}

/// Lets all other tasks have a few turns.
pub(crate) async fn settle_a_little() {
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// A config without Pings of its own.
pub(crate) fn quiet() -> Config {
    config(|config| config.keepalive = None)
}

pub(crate) const OPENING: &str = "GET / HTTP/1.1\r\nHost: server.example\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A server's connection. The peer is a client.
pub(crate) async fn server(config: Config) -> (WebSocket, Peer) {
    server_with(config, &[]).await
}

/// A server's connection whose client sent `leftover` right behind its opening handshake.
pub(crate) async fn server_with(config: Config, leftover: &[u8]) -> (WebSocket, Peer) {
    let (pipe, peer) = pipe();
    peer.write([OPENING.as_bytes(), leftover].concat());
    let socket = Acceptor::new().config(config).accept(pipe).await.expect("a good handshake");
    let response = peer.take(usize::MAX);
    assert!(response.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&response));
    (socket, peer)
}

/// A server's connection and its handler, as a future that was not polled. The peer is a client.
pub(crate) async fn attended<H, F>(
    acceptor: Acceptor,
    handler: H,
) -> (impl Future<Output = Result<(), AcceptError>>, Peer)
where
    H: FnOnce(WebSocket) -> F,
    F: Future<Output = ()>,
{
    let (pipe, peer) = pipe();
    peer.write(OPENING);
    let incoming = acceptor.read(pipe).await.expect("a good request");
    (incoming.serve(handler), peer)
}

/// The same in a task of its own, with the answer to the handshake read.
pub(crate) async fn spawned<H, F>(
    config: Config,
    handler: H,
) -> (tokio::task::JoinHandle<Result<(), AcceptError>>, Peer)
where
    H: FnOnce(WebSocket) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (pipe, peer) = pipe();
    peer.write(OPENING);
    let incoming = Acceptor::new().config(config).read(pipe).await.expect("a good request");
    let serving = tokio::spawn(incoming.serve(handler));
    skip_answer(&peer).await;
    (serving, peer)
}

/// Takes the answer to the opening handshake and no more.
pub(crate) async fn skip_answer(peer: &Peer) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        peer.until(|_, outbound| outbound > 0).await;
        answer.extend(peer.take(1));
    }
}

/// Sends back what comes, until the connection ends.
pub(crate) async fn echo(mut socket: WebSocket) {
    while let Ok(Some(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// Answers the Close frame that comes next, and leaves.
pub(crate) async fn leave(frames: &mut Frames, peer: &Peer) -> u16 {
    let close = frames.read(peer).await;
    assert_eq!(close.opcode, CLOSE, "{close:?}");
    peer.write(masked(true, CLOSE, &close.payload));
    peer.end();
    u16::from_be_bytes([close.payload[0], close.payload[1]])
}

/// A client's connection. The peer is a server.
pub(crate) async fn client(config: Config) -> (WebSocket, Peer) {
    let (pipe, peer) = pipe();
    let answer = async {
        let mut handshake = ServerHandshake::new(HandshakeLimits::default());
        loop {
            peer.until(|_, outbound| outbound > 0).await;
            let input = peer.take(usize::MAX);
            if let Some(opening) = handshake.handle_input(&input).expect("a good request") {
                let (response, _) = opening.accept(Answer::default()).expect("acceptable");
                let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
                for (name, value) in response.headers() {
                    bytes.extend(name.as_str().as_bytes());
                    bytes.extend(b": ");
                    bytes.extend(value.as_bytes());
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"\r\n");
                return peer.write(bytes);
            }
        }
    };
    let connect = Connect::new("ws://server.example/").config(config).over(pipe);
    let (socket, ()) = tokio::join!(async { connect.await.expect("a good handshake") }, answer);
    (socket, peer)
}

/// Two ends of one connection, with `buffer` bytes between them each way: server, client.
pub(crate) async fn pair(config: Config, buffer: usize) -> (WebSocket, WebSocket) {
    let (here, there) = tokio::io::duplex(buffer);
    let acceptor = Acceptor::new().config(config.clone());
    let connect = Connect::new("ws://server.example/").config(config).over(there);
    let (server, client) = tokio::join!(acceptor.accept(here), async { connect.await });
    (server.expect("a good handshake"), client.expect("a good handshake"))
}

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// One frame, as seen by the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// A frame of a client, masked by a key that is not all zeros.
pub(crate) fn masked(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    encode(fin, opcode, payload, Some([1, 2, 3, 4]))
}

/// A frame of a server.
pub(crate) fn plain(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    encode(fin, opcode, payload, None)
}

fn encode(fin: bool, opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = header(fin, opcode, payload.len() as u64, mask);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| match mask {
        Some(key) => byte ^ key[at % 4],
        None => *byte,
    }));
    bytes
}

/// A frame's header, for a payload that comes apart.
pub(crate) fn header(fin: bool, opcode: u8, len: u64, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = vec![opcode | if fin { 0x80 } else { 0 }];
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match len {
        0..126 => bytes.push(masked | u8::try_from(len).expect("short")),
        126..65536 => {
            bytes.push(masked | 0x7e);
            bytes.extend(u16::try_from(len).expect("medium").to_be_bytes());
        }
        _ => {
            bytes.push(masked | 0x7f);
            bytes.extend(len.to_be_bytes());
        }
    }
    bytes.extend(mask.into_iter().flatten());
    bytes
}

/// The payload of a Close frame.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// Takes whole frames out of bytes in any pieces.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn next(&mut self) -> Option<Frame> {
        let bytes = &self.bytes;
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (len, mut at) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            short => (u64::from(short), 2),
        };
        let mut key = [0; 4];
        if second & 0x80 != 0 {
            key = bytes.get(at..at + 4)?.try_into().ok()?;
            at += 4;
        }
        let end = at + usize::try_from(len).expect("a frame that fits");
        let payload = bytes.get(at..end)?;
        let payload = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
        let frame = Frame { fin: first & 0x80 != 0, opcode: first & 0x0f, payload };
        self.bytes.drain(..end);
        Some(frame)
    }

    /// The next frame, as soon as it is there whole.
    pub(crate) async fn read(&mut self, peer: &Peer) -> Frame {
        loop {
            if let Some(frame) = self.next() {
                return frame;
            }
            let mut dropped = false;
            peer.until(|seen, outbound| {
                dropped = seen.dropped;
                outbound > 0 || dropped
            })
            .await;
            let bytes = peer.take(usize::MAX);
            assert!(!bytes.is_empty(), "the connection dropped its transport");
            self.push(&bytes);
        }
    }

    /// What is there by now.
    pub(crate) fn rest(&mut self, peer: &Peer) -> Vec<Frame> {
        self.push(&peer.take(usize::MAX));
        std::iter::from_fn(|| self.next()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Polls `future` up to `polls` times and drops it. Between the polls all other tasks have a turn.
pub(crate) async fn dropped_after<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for poll in 1..=polls {
        let mut result = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                result = Some(output);
            }
            Poll::Ready(())
        })
        .await;
        if result.is_some() {
            return result;
        }
        if poll < polls {
            tokio::task::yield_now().await;
        }
    }
    None
}
