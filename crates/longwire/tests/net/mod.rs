//! Servers, proxies and certificates on the loopback interface, for the tests of dialling.
#![allow(dead_code, reason = "each test program uses a part")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use http::Request;
use longwire::tls::{ClientTls, ServerTls};
use longwire::{Connect, ConnectError, WebSocket};
use longwire_proto::handshake::{Answer, HandshakeLimits, ServerHandshake, encode_acceptance};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a test waits for at most; a hanging test fails with it.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_mins(1), future).await.expect("it takes too long")
}

pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Reads an opening handshake's request.
pub(crate) async fn read_request(io: &mut (impl AsyncRead + Unpin)) -> Option<Request<()>> {
    let mut handshake = ServerHandshake::new(HandshakeLimits::default());
    let mut buffer = [0; 1024];
    loop {
        let read = io.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        if let Some(opening) = handshake.handle_input(&buffer[..read]).expect("a valid request") {
            return Some(opening.request().clone());
        }
    }
}

/// The bytes that accept a request.
pub(crate) fn acceptance(request: &Request<()>) -> Vec<u8> {
    let opening = longwire_proto::handshake::ClientOpening::from_request(request);
    let opening = opening.expect("a valid request");
    encode_acceptance(&opening.accept(Answer::default()).expect("a valid answer").0)
}

/// Echoes each short frame, Close included, unmasked.
async fn echo(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
    loop {
        let mut head = [0; 6];
        io.read_exact(&mut head).await?;
        let length = usize::from(head[1] & 0x7f);
        assert!(length < 126 && head[1] & 0x80 != 0, "a short masked frame");
        let mut payload = vec![0; length];
        io.read_exact(&mut payload).await?;
        for (index, byte) in payload.iter_mut().enumerate() {
            *byte ^= head[2 + index % 4];
        }
        io.write_all(&[&[head[0], head[1] & 0x7f], payload.as_slice()].concat()).await?;
        io.flush().await?;
        if head[0] & 0x0f == 8 {
            return io.shutdown().await;
        }
    }
}

/// Sends a message and sees it come back.
pub(crate) async fn assert_echo(ws: &mut WebSocket) {
    soon(async {
        ws.send("hello").await.expect("an open connection");
        let message = ws.recv().await.expect("an open connection");
        assert_eq!(message, Some(longwire::Message::from("hello")));
    })
    .await;
}

/// A WebSocket echo server that plays scripted refusals first.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request<()>>>>,
    _task: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::scripted(Vec::new(), None).await
    }

    pub(crate) async fn with_tls(tls: ServerTls) -> Self {
        Self::scripted(Vec::new(), Some(tls)).await
    }

    /// The first connections get these answers, all further ones an echo.
    pub(crate) async fn scripted(answers: Vec<String>, tls: Option<ServerTls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        task.spawn(serve(listener, answers, tls, Arc::clone(&requests)));
        Self { address, requests, _task: task }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request<()>> {
        self.requests.lock().expect("not poisoned").clone()
    }

    pub(crate) fn url(&self, scheme: &str, host: &str, path: &str) -> String {
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }
}

/// The answer to a request for `/moved`.
const MOVED: &[u8] = b"HTTP/1.1 308 Moved\r\nLocation: /\r\nContent-Length: 4\r\n\r\nmove";

async fn serve(
    listener: TcpListener,
    answers: Vec<String>,
    tls: Option<ServerTls>,
    requests: Arc<Mutex<Vec<Request<()>>>>,
) {
    let mut answers = answers.into_iter();
    let mut connections = JoinSet::new();
    loop {
        let (io, _) = listener.accept().await.expect("the listener works");
        let answer = answers.next();
        let (tls, requests) = (tls.clone(), Arc::clone(&requests));
        connections.spawn(async move {
            let mut io: Box<dyn Io> = match tls {
                None => Box::new(io),
                Some(tls) => match tls.accept(io).await {
                    Ok(io) => Box::new(io),
                    Err(_) => return,
                },
            };
            let Some(request) = read_request(&mut io).await else { return };
            requests.lock().expect("not poisoned").push(request.clone());
            let bytes = match answer {
                Some(answer) => answer.into_bytes(),
                None if request.uri() == "/moved" => MOVED.into(),
                None => acceptance(&request),
            };
            let is_acceptance = bytes.starts_with(b"HTTP/1.1 101");
            // A client that is gone ends its connection, not the server.
            if io.write_all(&bytes).await.is_ok() && io.flush().await.is_ok() && is_acceptance {
                let _ = echo(&mut io).await;
            }
            let _ = io.shutdown().await;
        });
    }
}

/// What a fake proxy speaks.
#[derive(Clone)]
pub(crate) enum Speaks {
    /// HTTP CONNECT; answers with this instead of a tunnel if it is not empty.
    Http(&'static str),
    /// HTTP CONNECT under TLS.
    Https(ServerTls),
    /// SOCKS5 with this reply code; wants this user name and password if there are any.
    Socks(u8, Option<(&'static str, &'static str)>),
}

/// A proxy that takes every destination for one server.
pub(crate) struct FakeProxy {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl FakeProxy {
    pub(crate) async fn start(speaks: Speaks, to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        let log = Arc::clone(&asked);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (io, _) = listener.accept().await.expect("the listener works");
                let (speaks, log) = (speaks.clone(), Arc::clone(&log));
                connections.spawn(async move {
                    // A broken connection is the client's affair.
                    let _ = match speaks {
                        Speaks::Http(refusal) => http_proxy(io, refusal, to, &log).await,
                        Speaks::Https(tls) => match tls.accept(io).await {
                            Ok(io) => http_proxy(io, "", to, &log).await,
                            Err(_) => Ok(()),
                        },
                        Speaks::Socks(reply, user) => socks_proxy(io, reply, user, to, &log).await,
                    };
                });
            }
        });
        Self { address, asked, _task: task }
    }

    /// What was asked for: a whole request head, or a SOCKS destination.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }
}

async fn http_proxy(
    mut io: impl Io,
    refusal: &str,
    to: SocketAddr,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await?);
    }
    log.lock().expect("not poisoned").push(String::from_utf8(head).expect("ASCII"));
    if !refusal.is_empty() {
        io.write_all(refusal.as_bytes()).await?;
        return io.shutdown().await;
    }
    let mut server = TcpStream::connect(to).await?;
    io.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    io.flush().await?;
    copy_bidirectional(&mut io, &mut server).await.map(drop)
}

async fn socks_proxy(
    mut io: impl Io,
    reply: u8,
    user: Option<(&str, &str)>,
    to: SocketAddr,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    assert_eq!(io.read_u8().await?, 5);
    let count = io.read_u8().await?;
    let mut methods = vec![0; count.into()];
    io.read_exact(&mut methods).await?;
    let method = if user.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        io.write_all(&[5, 0xff]).await?;
        return io.shutdown().await;
    }
    io.write_all(&[5, method]).await?;
    if let Some((user, password)) = user {
        let mut given = [Vec::new(), Vec::new()];
        assert_eq!(io.read_u8().await?, 1);
        for part in &mut given {
            let length = io.read_u8().await?;
            part.resize(length.into(), 0);
            io.read_exact(part).await?;
        }
        let right = given == [user.as_bytes(), password.as_bytes()];
        io.write_all(&[1, u8::from(!right)]).await?;
        if !right {
            return io.shutdown().await;
        }
    }
    let mut head = [0; 4];
    io.read_exact(&mut head).await?;
    let host = match head[3] {
        1 => std::net::Ipv4Addr::from_bits(io.read_u32().await?).to_string(),
        3 => {
            let length = io.read_u8().await?;
            let mut name = vec![0; length.into()];
            io.read_exact(&mut name).await?;
            String::from_utf8(name).expect("ASCII")
        }
        _ => format!("[{}]", std::net::Ipv6Addr::from_bits(io.read_u128().await?)),
    };
    let port = io.read_u16().await?;
    log.lock().expect("not poisoned").push(format!("{host}:{port}"));
    io.write_all(&[5, reply, 0, 3, 1, b'x', 0, 0]).await?;
    if reply != 0 {
        return io.shutdown().await;
    }
    let mut server = TcpStream::connect(to).await?;
    copy_bidirectional(&mut io, &mut server).await.map(drop)
}

/// PEM files in a folder of their own, which is removed at the end.
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // What is left behind lies in the temporary folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Certificates {
    /// An authority (`ca.pem`), and a server's certificate of it (`server.pem`, `server.key`) for these
    /// names.
    pub(crate) fn new(test: &str, names: &[&str]) -> Self {
        Self::altered(test, names, |_| {})
    }

    /// The same, with the server's certificate altered.
    pub(crate) fn altered(
        test: &str,
        names: &[&str],
        alter: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let folder = std::env::temp_dir().join(format!("longwire-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let certificates = Self { folder };
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, format!("CA of {test}"));
        let ca_key = KeyPair::generate().expect("a key");
        let ca = authority.self_signed(&ca_key).expect("a certificate");
        let issuer = Issuer::new(authority, ca_key);
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut server = CertificateParams::new(names).expect("valid names");
        alter(&mut server);
        let key = KeyPair::generate().expect("a key");
        let certificate = server.signed_by(&key, &issuer).expect("a certificate");
        certificates.write("ca.pem", &ca.pem());
        certificates.write("server.pem", &certificate.pem());
        certificates.write("server.key", &key.serialize_pem());
        certificates
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a writable folder");
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn server(&self) -> ServerTls {
        ServerTls::from_pem_files(self.path("server.pem"), self.path("server.key"))
            .expect("valid files")
    }

    pub(crate) fn client(&self) -> ClientTls {
        ClientTls::with_ca_file(self.path("ca.pem")).expect("a valid file")
    }
}

/// Runs an ignored test of this program in a process of its own, whose environment has these variables and
/// none of a proxy.
pub(crate) fn in_environment(test: &str, variables: &[(&str, &str)]) -> Output {
    let program = std::env::current_exe().expect("the test's own path");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env_remove("REQUEST_METHOD").env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    command.envs(variables.iter().copied()).output().expect("the test program runs")
}

pub(crate) fn path_text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Connects and fails; gives the error.
pub(crate) async fn failure(connect: Connect) -> ConnectError {
    match soon(connect.into_future()).await {
        Ok(_) => panic!("it connected"),
        Err(error) => error,
    }
}

/// Polls a future at most `polls` times, then drops it.
pub(crate) async fn polled<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Drops the connection that `connect` makes after each number of polls until it succeeds; gives that number.
///
/// The client has a runtime of its own, on which no task may be left. Its connections go through a relay to
/// `to`, so that each is seen to end.
pub(crate) async fn assert_cancel_safe(
    to: SocketAddr,
    connect: impl Fn(SocketAddr) -> Connect,
) -> usize {
    let relay = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = relay.local_addr().expect("bound");
    for polls in 1.. {
        let connect = connect(address);
        let client = async {
            let client = tokio::task::spawn_blocking(move || connect_for(polls, connect));
            let finished = client.await.expect("no panic");
            // The listener's queue keeps the order, so whatever the client began comes before this.
            let marker = TcpStream::connect(address).await.expect("the relay listens");
            (finished, marker.local_addr().expect("connected"))
        };
        let mut client = pin!(client);
        let mut relayed = JoinSet::new();
        let mut seen = Vec::new();
        let (finished, marker) = loop {
            tokio::select! {
                outcome = &mut client => break outcome,
                connection = relay.accept() => {
                    seen.push(relay_one(&mut relayed, connection.expect("it works"), to));
                }
            }
        };
        while !seen.contains(&marker) {
            let connection = soon(relay.accept()).await.expect("it works");
            seen.push(relay_one(&mut relayed, connection, to));
        }
        // Each relay ends only when the client's side of its connection does.
        soon(async { while relayed.join_next().await.is_some() {} }).await;
        if finished {
            return polls;
        }
    }
    unreachable!("some number of polls suffices")
}

/// Polls a connection that often, and drops it. Says whether it was finished.
fn connect_for(polls: usize, connect: Connect) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let outcome = runtime.block_on(async { soon(polled(polls, connect.into_future())).await });
    if let Some(outcome) = outcome {
        outcome.expect("a WebSocket");
        return true;
    }
    assert_eq!(runtime.metrics().num_alive_tasks(), 0, "no task is left after {polls} polls");
    false
}

fn relay_one(
    tasks: &mut JoinSet<()>,
    (mut io, peer): (TcpStream, SocketAddr),
    to: SocketAddr,
) -> SocketAddr {
    tasks.spawn(async move {
        let mut server = TcpStream::connect(to).await.expect("the server listens");
        // A reset is an end too.
        let (mut read, mut write) = io.split();
        let (mut server_read, mut server_write) = server.split();
        let up = async {
            let _ = tokio::io::copy(&mut read, &mut server_write).await;
        };
        let down = async {
            let _ = tokio::io::copy(&mut server_read, &mut write).await;
            let _ = write.shutdown().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = up => {}
            () = down => {}
        }
    });
    peer
}
