//! The client's opening handshake (RFC 6455 section 4.1), and enough sockets for many of them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bench_common::accept_key;
use longwire_load::random::Random;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::agreement::{Agreement, Offer};

/// Connections a source address: well below the 28,000 ports that Linux hands out.
const PER_SOURCE: usize = 5000;

/// A socket after its handshake, and the bytes that came right behind the response.
#[derive(Debug)]
pub struct Opened {
    /// The connected, blocking socket.
    pub socket: TcpStream,
    /// What the server sent after the response head.
    pub leftover: Vec<u8>,
    /// What was agreed on; `None` if nothing was offered.
    pub deflate: Option<Agreement>,
}

/// Raises the soft limit of open files to the hard one, and fails if that is below `needed`.
///
/// Child processes inherit it.
pub fn raise_open_files(needed: u64) -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    ensure!(
        maximum.is_none_or(|maximum| maximum >= needed),
        "{needed} open files are needed and the hard limit is {}; raise it with `ulimit -Hn`",
        maximum.unwrap_or(0)
    );
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("the limit of open files could not be raised")
}

/// Connects as client number `index` and completes the handshake. Fails if the server does not agree to
/// permessage-deflate although it is offered.
pub fn open(
    target: SocketAddr,
    index: usize,
    offer: Option<Offer>,
    random: &mut Random,
) -> Result<Opened> {
    let mut socket = dial(target, index).with_context(|| format!("no connection to {target}"))?;
    socket.set_nodelay(true)?;
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&random.number().to_ne_bytes());
    nonce[8..].copy_from_slice(&random.number().to_ne_bytes());
    let key = STANDARD.encode(nonce);
    let extensions = offer
        .map(|offer| format!("Sec-WebSocket-Extensions: {}\r\n", offer.header()))
        .unwrap_or_default();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {target}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
    );
    socket.write_all(request.as_bytes())?;

    let mut received = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        let size = socket.read(&mut chunk)?;
        ensure!(size > 0, "the server hung up during the handshake");
        received.extend_from_slice(&chunk[..size]);
        if let Some((head, deflate)) = check_response(&received, &key, offer)? {
            let leftover = received.split_off(head);
            return Ok(Opened { socket, leftover, deflate });
        }
    }
}

/// The size of the response head once it is whole, and what it agrees to; an error if it does not accept
/// the handshake.
fn check_response(
    received: &[u8],
    key: &str,
    offer: Option<Offer>,
) -> Result<Option<(usize, Option<Agreement>)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(received)? else { return Ok(None) };
    let status = response.code.unwrap_or(0);
    ensure!(status == 101, "the server answered {status} to the handshake");
    let value = |name: &str| {
        let mut headers = response.headers.iter();
        headers.find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    let accept =
        value("sec-websocket-accept").context("the response has no Sec-WebSocket-Accept")?;
    ensure!(accept == accept_key(key.as_bytes()).as_bytes(), "wrong Sec-WebSocket-Accept");
    let extensions = value("sec-websocket-extensions").map(str::from_utf8).transpose()?;
    let Some(offer) = offer else {
        ensure!(extensions.is_none(), "the server agreed to what nobody offered");
        return Ok(Some((head, None)));
    };
    Ok(Some((head, Some(offer.agree(extensions)?))))
}

/// On loopback every 5,000 clients get a source address of their own, so ports never run out.
fn dial(target: SocketAddr, index: usize) -> Result<TcpStream> {
    if !matches!(target, SocketAddr::V4(v4) if v4.ip().is_loopback()) {
        return Ok(TcpStream::connect(target)?);
    }
    let host =
        u8::try_from(index / PER_SOURCE + 2).context("too many connections for 127.0.0.x")?;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), 0))?;
    connect(&socket, &target)?;
    Ok(socket.into())
}
