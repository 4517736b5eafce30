//! The echo load: N connections, each with K messages in flight, on one epoll thread.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::closing;
use crate::content::{Content, Random};
use crate::frames::{self, BINARY, CLOSE, CONTINUATION, Decoder, PING, PONG};
use crate::opening::{self, Opened};
use crate::process::{Cpu, Process, as_f64};
use crate::report::EchoReport;

const READ_SIZE: usize = 256 * 1024;
/// A server that echoes nothing for this long has failed.
const STALL: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// What to send, to whom, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct EchoLoad {
    /// Address of the server.
    pub target: SocketAddr,
    /// Process id of the server.
    pub pid: u32,
    /// Connections to open.
    pub connections: usize,
    /// Payload bytes a message.
    pub size: usize,
    /// Messages a connection keeps on their way.
    pub in_flight: usize,
    /// Load before the measured window.
    pub warm_up: Duration,
    /// When the measured window ends.
    pub until: Until,
}

/// The end of the measured window.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After this many echoed messages.
    Messages(u64),
}

impl EchoLoad {
    /// Opens the connections, runs the load and measures the server's process.
    pub fn run(&self) -> Result<EchoReport> {
        ensure!(self.connections > 0, "at least one connection is needed");
        ensure!(self.in_flight > 0, "at least one message in flight is needed");
        opening::raise_open_files(self.connections as u64 + 64)?;
        let server = Process::new(self.pid);
        let rss_before = server.resident()?;
        let mut crowd = Crowd::open(self)?;

        let start = Instant::now();
        crowd.run_until(|_| start.elapsed() >= self.warm_up)?;

        let before = Reading::take(server, crowd.echoed)?;
        crowd.run_until(|echoed| match self.until {
            Until::Elapsed(time) => before.at.elapsed() >= time,
            Until::Messages(count) => echoed - before.echoed >= count,
        })?;
        let after = Reading::take(server, crowd.echoed)?;
        let rss_after = server.resident()?;
        crowd.finish()?;

        let wall = after.at - before.at;
        let messages = after.echoed - before.echoed;
        ensure!(messages > 0, "no message was echoed in the measured window; make it longer");
        let rate = as_f64(messages) / wall.as_secs_f64();
        let cpu = after.server.running.saturating_sub(before.server.running);
        let (server_busy, server_waited) = after.server.shares_since(&before.server, wall);
        let (load_busy, load_waited) = after.load.shares_since(&before.load, wall);
        Ok(EchoReport {
            connections: self.connections,
            size: self.size,
            in_flight: self.in_flight,
            seconds: wall.as_secs_f64(),
            messages,
            messages_per_second: rate,
            payload_bytes_per_second: rate * as_f64(self.size as u64),
            server_cpu_us_per_message: cpu.as_secs_f64() * 1e6 / as_f64(messages),
            server_busy,
            server_waited,
            load_busy,
            load_waited,
            rss_before,
            rss_after,
        })
    }
}

struct Reading {
    at: Instant,
    echoed: u64,
    server: Cpu,
    load: Cpu,
}

impl Reading {
    fn take(server: Process, echoed: u64) -> Result<Self> {
        Ok(Self { at: Instant::now(), echoed, server: server.cpu()?, load: Process::this().cpu()? })
    }
}

/// All clients and what they share.
struct Crowd {
    epoll: OwnedFd,
    clients: Vec<Client>,
    shared: Shared,
    read_buffer: Vec<u8>,
    events: Vec<epoll::Event>,
    echoed: u64,
    on_their_way: usize,
}

struct Shared {
    content: Content,
    random: Random,
    /// Every echo is answered by a new message, until the load ends.
    sending: bool,
}

struct Client {
    socket: TcpStream,
    decoder: Decoder,
    /// Content offsets of the messages on their way, oldest first.
    expected: VecDeque<usize>,
    /// Verified bytes of the oldest, and whether its first frame has begun.
    verified: usize,
    begun: bool,
    ping: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    blocked: bool,
}

impl Crowd {
    fn open(load: &EchoLoad) -> Result<Self> {
        let mut random = Random::new(0x10_0a_d6_e4);
        let content = Content::new(load.size, &mut random);
        let mut crowd = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            clients: Vec::with_capacity(load.connections),
            shared: Shared { content, random, sending: true },
            read_buffer: vec![0; READ_SIZE],
            events: Vec::with_capacity(1024),
            echoed: 0,
            on_their_way: load.connections * load.in_flight,
        };
        for index in 0..load.connections {
            let Opened { socket, leftover } =
                opening::open(load.target, index, &mut crowd.shared.random)?;
            socket.set_nonblocking(true)?;
            epoll::add(&crowd.epoll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
            let mut client = Client::new(socket);
            client.receive(&leftover, &mut crowd.shared)?;
            crowd.clients.push(client);
        }
        for (index, client) in crowd.clients.iter_mut().enumerate() {
            for _ in 0..load.in_flight {
                client.send_message(&mut crowd.shared);
            }
            client.flush(index, &crowd.epoll)?;
        }
        Ok(crowd)
    }

    /// Runs the load until `done`, which is asked with the count of echoed messages after every wait.
    fn run_until(&mut self, mut done: impl FnMut(u64) -> bool) -> Result<()> {
        while !done(self.echoed) {
            self.turn()?;
        }
        Ok(())
    }

    /// Waits for the last echoes, then closes every connection with 1000.
    fn finish(mut self) -> Result<()> {
        self.shared.sending = false;
        while self.on_their_way > 0 {
            self.turn()?;
        }
        closing::close_all(self.clients.into_iter().map(|client| client.socket));
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&STALL)) {
            Ok(0) => bail!("the server has echoed nothing for {} s", STALL.tv_sec),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait failed"),
        }
        for event in self.events.drain(..) {
            let index = usize::try_from(event.data.u64())?;
            let client = &mut self.clients[index];
            let flags = event.flags;
            if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                match rustix::io::read(&client.socket, self.read_buffer.as_mut_slice()) {
                    Ok(0) => bail!("the server hung up on connection {index}"),
                    Ok(size) => {
                        let echoes = client.receive(&self.read_buffer[..size], &mut self.shared)?;
                        self.echoed += echoes as u64;
                        if !self.shared.sending {
                            self.on_their_way -= echoes;
                        }
                    }
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(error) => return Err(error).context("reading an echo failed"),
                }
            }
            if !client.blocked || flags.contains(EventFlags::OUT) {
                client.flush(index, &self.epoll)?;
            }
        }
        Ok(())
    }
}

impl Client {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            decoder: Decoder::default(),
            expected: VecDeque::new(),
            verified: 0,
            begun: false,
            ping: Vec::new(),
            output: Vec::new(),
            written: 0,
            blocked: false,
        }
    }

    /// Verifies what came and queues a new message for every whole echo; gives the count of echoes.
    fn receive(&mut self, mut input: &[u8], shared: &mut Shared) -> Result<usize> {
        let mut echoes = 0;
        while let Some(piece) = self.decoder.next(&mut input)? {
            match piece.opcode {
                BINARY | CONTINUATION => {
                    let first = piece.opcode == BINARY;
                    ensure!(first || self.begun, "a continuation frame without a message");
                    let offset = *self.expected.front().context("an echo that nobody asked for")?;
                    let message = shared.content.message(offset);
                    let end = self.verified + piece.payload.len();
                    ensure!(
                        message.get(self.verified..end) == Some(piece.payload),
                        "the echo differs from the message within its bytes {}..{end}",
                        self.verified
                    );
                    self.verified = end;
                    self.begun = !(piece.ends_frame && piece.fin);
                    if !self.begun {
                        ensure!(end == message.len(), "the echo is short: {end} bytes");
                        self.expected.pop_front();
                        self.verified = 0;
                        echoes += 1;
                        if shared.sending {
                            self.send_message(shared);
                        }
                    }
                }
                PING => {
                    self.ping.extend_from_slice(piece.payload);
                    if piece.ends_frame {
                        let key = shared.random.key();
                        frames::encode(&mut self.output, PONG, &self.ping, key);
                        self.ping.clear();
                    }
                }
                PONG => {}
                CLOSE => bail!("the server closed the connection"),
                opcode => bail!("the server sent a frame with opcode {opcode:#x}"),
            }
        }
        Ok(echoes)
    }

    fn send_message(&mut self, shared: &mut Shared) {
        let offset = shared.content.pick(&mut shared.random);
        let key = shared.random.key();
        frames::encode(&mut self.output, BINARY, shared.content.message(offset), key);
        self.expected.push_back(offset);
    }

    fn flush(&mut self, index: usize, epoll: &OwnedFd) -> Result<()> {
        if self.written < self.output.len() {
            match rustix::io::write(&self.socket, &self.output[self.written..]) {
                Ok(size) => self.written += size,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error).context("writing a message failed"),
            }
        }
        let blocked = self.written < self.output.len();
        if !blocked {
            self.output.clear();
            self.written = 0;
        }
        if blocked != self.blocked {
            self.blocked = blocked;
            let interest = if blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(epoll, &self.socket, EventData::new_u64(index as u64), interest)?;
        }
        Ok(())
    }
}
