//! One connection of the loop: a read, a pass over the frames, a write.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result, ensure};
use bench_common::accept_key;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::frames::{Take, answer_in_place};
use crate::socket::Socket;

pub(crate) struct Connection {
    socket: Socket,
    slot: usize,
    upgraded: bool,
    closing: bool,
    /// The start of an unfinished head or frame.
    input: Vec<u8>,
    /// Replies that the socket has not taken yet, and how many of these bytes are done.
    output: Vec<u8>,
    written: usize,
}

/// What all connections use.
pub(crate) struct Shared {
    pub(crate) epoll: OwnedFd,
    /// Empty buffers. A connection owns one only while it holds unfinished input or unsent output.
    pub(crate) buffers: Vec<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Keep,
    Drop,
}

impl Connection {
    /// A connection that is told of its readiness by its slot.
    pub(crate) fn new(socket: Socket, slot: usize, shared: &Shared) -> Result<Self> {
        epoll::add(&shared.epoll, &socket, EventData::new_u64(slot as u64), EventFlags::IN)?;
        Ok(Self {
            socket,
            slot,
            upgraded: false,
            closing: false,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
        })
    }

    /// Sends back what has arrived.
    pub(crate) fn echo(&mut self, shared: &mut Shared) -> Result<Fate> {
        let Some(mut buffer) = self.receive(shared)? else { return Ok(Fate::Drop) };
        if !self.upgraded {
            self.keep(buffer, 0);
            return Ok(Fate::Keep);
        }
        let pass = answer_in_place(&mut buffer, Take::All)?;
        self.closing = pass.closed;
        let rest = buffer.len() - pass.consumed;
        if pass.end == 0 && rest > 0 {
            // Nothing to reply yet: the buffer itself waits for the rest of its frame.
            buffer.drain(..pass.consumed);
            self.keep(buffer, pass.unfinished);
            return Ok(Fate::Keep);
        }
        if rest > 0 {
            self.input = shared.buffers.pop().unwrap_or_default();
            self.input.reserve(pass.unfinished.max(READ_SIZE));
            self.input.extend_from_slice(&buffer[pass.consumed..]);
        }
        buffer.truncate(pass.end);
        self.output = buffer;
        self.written = pass.start;
        let fate = self.write(shared)?;
        if self.is_blocked() {
            self.watch(EventFlags::OUT, shared)?;
        }
        Ok(fate)
    }

    /// Reads once, and gives what is there: frames, once the handshake is done. `None` is the end.
    pub(crate) fn receive(&mut self, shared: &mut Shared) -> Result<Option<Vec<u8>>> {
        let mut buffer = std::mem::take(&mut self.input);
        if buffer.capacity() == 0 {
            buffer = shared.buffers.pop().unwrap_or_default();
            buffer.reserve(READ_SIZE);
        }
        if !self.socket.read(&mut buffer)? {
            return Ok(None);
        }
        if !self.upgraded
            && let Some(response) = self.upgrade(&mut buffer)?
        {
            // The response to a handshake always fits an empty socket buffer.
            self.socket.write(response.as_bytes())?;
        }
        Ok(Some(buffer))
    }

    /// Keeps the start of a head, or of a frame that has `unfinished` bytes as far as it is known.
    pub(crate) fn keep(&mut self, mut buffer: Vec<u8>, unfinished: usize) {
        let missing = unfinished.saturating_sub(buffer.len());
        buffer.reserve(if missing > 0 { missing } else { READ_SIZE });
        self.input = buffer;
    }

    /// Writes `frames` once, and keeps what the socket does not take.
    pub(crate) fn send(&mut self, frames: &[u8], shared: &mut Shared) -> Result<Fate> {
        if self.is_blocked() {
            self.output.extend_from_slice(frames);
            return Ok(Fate::Keep);
        }
        let Some(written) = self.socket.write(frames)? else { return Ok(Fate::Drop) };
        if written < frames.len() {
            self.output = shared.buffers.pop().unwrap_or_default();
            self.output.extend_from_slice(&frames[written..]);
            self.written = 0;
        }
        if self.is_blocked() {
            self.watch(EventFlags::OUT, shared)?;
            return Ok(Fate::Keep);
        }
        Ok(if self.closing { Fate::Drop } else { Fate::Keep })
    }

    /// Goes on with the replies that the socket did not take.
    pub(crate) fn resume(&mut self, shared: &mut Shared) -> Result<Fate> {
        let fate = self.write(shared)?;
        if !self.is_blocked() {
            self.watch(EventFlags::IN, shared)?;
        }
        Ok(fate)
    }

    /// Whether replies wait for the socket. Nothing is read meanwhile.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.output.is_empty() || self.socket.is_full()
    }

    /// Whether it has frames, and the peer has not closed.
    pub(crate) fn is_open(&self) -> bool {
        self.upgraded && !self.closing
    }

    /// The peer has closed: what is sent next is the last.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    /// Writes once; `output` is empty afterwards if the socket took it all.
    fn write(&mut self, shared: &mut Shared) -> Result<Fate> {
        if self.written < self.output.len() || self.socket.is_full() {
            match self.socket.write(&self.output[self.written..])? {
                Some(written) => self.written += written,
                None => return Ok(Fate::Drop),
            }
        }
        if self.written < self.output.len() {
            return Ok(Fate::Keep);
        }
        self.output.clear();
        self.written = 0;
        shared.buffers.push(std::mem::take(&mut self.output));
        Ok(if self.closing && !self.is_blocked() { Fate::Drop } else { Fate::Keep })
    }

    fn watch(&self, events: EventFlags, shared: &Shared) -> Result<()> {
        let slot = EventData::new_u64(self.slot as u64);
        Ok(epoll::modify(&shared.epoll, &self.socket, slot, events)?)
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

const READ_SIZE: usize = 64 * 1024;
const MAX_HEAD: usize = 16 * 1024;
