//! A bare epoll WebSocket echo loop on one thread: the least that any server can cost.
//!
//! One `read`, one pass over the frames, one `write`. No runtime, no allocation a message, no memory an
//! idle connection but its slot. It knows just enough of RFC 6455 to be a fair floor, not a library.

mod frames;

use std::net::TcpListener;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, ensure};
use bench_common::{Listen, accept_key};
use clap::Parser;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt};

const READ_SIZE: usize = 64 * 1024;
const MAX_HEAD: usize = 16 * 1024;
const LISTENER: u64 = u64::MAX;

/// Echo every WebSocket message with a bare epoll loop on one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
}

struct Connection {
    socket: OwnedFd,
    upgraded: bool,
    closing: bool,
    /// The start of an unfinished head or frame.
    input: Vec<u8>,
    /// Replies that the socket has not taken yet, and how many of these bytes are done.
    output: Vec<u8>,
    written: usize,
}

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Empty buffers. A connection owns one only while it holds unfinished input or unsent output.
    buffers: Vec<Vec<u8>>,
}

#[derive(PartialEq)]
enum Fate {
    Keep,
    Drop,
}

fn main() -> Result<()> {
    let listener = Args::parse().listen.bind()?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut server =
        Server { epoll, listener, connections: Vec::new(), free: Vec::new(), buffers: Vec::new() };
    let mut events = Vec::with_capacity(1024);
    loop {
        match epoll::wait(&server.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait failed"),
        }
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => server.accept()?,
                token => server.serve(usize::try_from(token)?),
            }
        }
    }
}

impl Server {
    fn accept(&mut self) -> Result<()> {
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket = match accept_with(&self.listener, flags) {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::CONNABORTED | Errno::INTR) => continue,
                Err(error) => return Err(error).context("accept failed; raise `ulimit -n`?"),
            };
            sockopt::set_tcp_nodelay(&socket, true)?;
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            epoll::add(&self.epoll, &socket, EventData::new_u64(slot as u64), EventFlags::IN)?;
            self.connections[slot] = Some(Connection {
                socket,
                upgraded: false,
                closing: false,
                input: Vec::new(),
                output: Vec::new(),
                written: 0,
            });
        }
    }

    fn serve(&mut self, slot: usize) {
        let Some(connection) = &mut self.connections[slot] else { return };
        let fate = if connection.output.is_empty() {
            connection.read(slot, &self.epoll, &mut self.buffers)
        } else {
            connection.resume_write(slot, &self.epoll, &mut self.buffers)
        };
        match fate {
            Ok(Fate::Keep) => return,
            Ok(Fate::Drop) => {}
            Err(error) => eprintln!("floor: connection dropped: {error:#}"),
        }
        self.connections[slot] = None;
        self.free.push(slot);
    }
}

impl Connection {
    fn read(&mut self, slot: usize, epoll: &OwnedFd, buffers: &mut Vec<Vec<u8>>) -> Result<Fate> {
        let mut buffer = std::mem::take(&mut self.input);
        if buffer.capacity() == 0 {
            buffer = buffers.pop().unwrap_or_default();
            buffer.reserve(READ_SIZE);
        }
        match rustix::io::read(&self.socket, spare_capacity(&mut buffer)) {
            Ok(0) | Err(Errno::CONNRESET | Errno::PIPE) => return Ok(Fate::Drop),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error).context("read failed"),
        }
        if !self.upgraded {
            let Some(response) = self.upgrade(&mut buffer)? else {
                buffer.reserve(READ_SIZE);
                self.input = buffer;
                return Ok(Fate::Keep);
            };
            // The response to a handshake always fits an empty socket buffer.
            rustix::io::write(&self.socket, response.as_bytes())?;
        }

        let pass = frames::echo_in_place(&mut buffer)?;
        self.closing = pass.closed;
        let rest = buffer.len() - pass.consumed;
        if pass.end == 0 && rest > 0 {
            // Nothing to reply yet: the buffer itself waits for the rest of its frame.
            buffer.drain(..pass.consumed);
            buffer.reserve(pass.unfinished.saturating_sub(rest).max(1));
            self.input = buffer;
            return Ok(Fate::Keep);
        }
        if rest > 0 {
            self.input = buffers.pop().unwrap_or_default();
            self.input.reserve(pass.unfinished.max(READ_SIZE));
            self.input.extend_from_slice(&buffer[pass.consumed..]);
        }
        buffer.truncate(pass.end);
        self.output = buffer;
        self.written = pass.start;
        let fate = self.write(buffers)?;
        if !self.output.is_empty() {
            epoll::modify(epoll, &self.socket, EventData::new_u64(slot as u64), EventFlags::OUT)?;
        }
        Ok(fate)
    }

    fn resume_write(
        &mut self,
        slot: usize,
        epoll: &OwnedFd,
        buffers: &mut Vec<Vec<u8>>,
    ) -> Result<Fate> {
        let fate = self.write(buffers)?;
        if self.output.is_empty() {
            epoll::modify(epoll, &self.socket, EventData::new_u64(slot as u64), EventFlags::IN)?;
        }
        Ok(fate)
    }

    /// Writes once; `output` is empty afterwards if the socket took it all.
    fn write(&mut self, buffers: &mut Vec<Vec<u8>>) -> Result<Fate> {
        if self.written < self.output.len() {
            match rustix::io::write(&self.socket, &self.output[self.written..]) {
                Ok(written) => self.written += written,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::CONNRESET | Errno::PIPE) => return Ok(Fate::Drop),
                Err(error) => return Err(error).context("write failed"),
            }
        }
        if self.written < self.output.len() {
            return Ok(Fate::Keep);
        }
        self.output.clear();
        buffers.push(std::mem::take(&mut self.output));
        Ok(if self.closing { Fate::Drop } else { Fate::Keep })
    }

    /// Takes the request head off `buffer` and gives the response, once the head is whole.
    fn upgrade(&mut self, buffer: &mut Vec<u8>) -> Result<Option<String>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(size) = request.parse(buffer)? else {
            ensure!(buffer.len() <= MAX_HEAD, "the request head is over {MAX_HEAD} bytes");
            return Ok(None);
        };
        let key = request
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"))
            .context("the request has no Sec-WebSocket-Key")?;
        let accept = accept_key(key.value.trim_ascii());
        buffer.drain(..size);
        self.upgraded = true;
        Ok(Some(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )))
    }
}
