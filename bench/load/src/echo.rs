//! The echo load: N connections, each with K messages in flight, on one epoll thread.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::closing;
use crate::content::Kind;
use crate::dialogue::Dialogue;
use crate::exchange::{Exchange, Wire};
use crate::opening::{self, Opened};
use crate::process::{Process, as_f64};
use crate::report::{Compression, EchoReport};
use crate::window::{Reading, Until};

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
    /// What the messages are.
    pub kind: Kind,
    /// Payload bytes a message.
    pub size: usize,
    /// Messages a connection keeps on their way.
    pub in_flight: usize,
    /// Load before the measured window.
    pub warm_up: Duration,
    /// When the measured window ends.
    pub until: Until,
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
        let wire_before = crowd.exchange.wire;
        crowd.run_until(|echoed| before.is_over(self.until, echoed))?;
        let after = Reading::take(server, crowd.echoed)?;
        let wire = crowd.exchange.wire;
        let rss_after = server.resident()?;
        let agreed = crowd.exchange.agreement().map(|agreement| agreement.text.clone());
        crowd.finish()?;

        let window = before.window(&after)?;
        let each = |count: fn(&Wire) -> u64| {
            as_f64(count(&wire) - count(&wire_before)) / as_f64(window.messages)
        };
        let compressed = each(|wire| wire.compressed_replies);
        ensure!(agreed.is_none() || compressed > 0.0, "the server never compressed a reply");
        Ok(EchoReport {
            connections: self.connections,
            size: self.size,
            in_flight: self.in_flight,
            payload_bytes_per_second: window.messages_per_second * as_f64(self.size as u64),
            bytes_to_server_per_message: each(|wire| wire.sent),
            bytes_from_server_per_message: each(|wire| wire.received),
            compression: agreed.map(|agreed| Compression { agreed, compressed }),
            window,
            rss_before,
            rss_after,
        })
    }
}

/// All clients and what they share.
struct Crowd {
    epoll: OwnedFd,
    clients: Vec<Client>,
    exchange: Exchange,
    read_buffer: Vec<u8>,
    events: Vec<epoll::Event>,
    /// Every echo is answered by a new message, until the load ends.
    sending: bool,
    echoed: u64,
    on_their_way: usize,
}

struct Client {
    socket: TcpStream,
    dialogue: Dialogue,
    output: Vec<u8>,
    written: usize,
    blocked: bool,
}

impl Crowd {
    fn open(load: &EchoLoad) -> Result<Self> {
        let mut crowd = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            clients: Vec::with_capacity(load.connections),
            exchange: Exchange::new(load.kind, load.size, 0x10_0a_d6_e4),
            read_buffer: vec![0; READ_SIZE],
            events: Vec::with_capacity(1024),
            sending: true,
            echoed: 0,
            on_their_way: load.connections * load.in_flight,
        };
        for index in 0..load.connections {
            let offer = crowd.exchange.offer();
            let Opened { socket, leftover, deflate } =
                opening::open(load.target, index, offer, &mut crowd.exchange.random)?;
            socket.set_nonblocking(true)?;
            epoll::add(&crowd.epoll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
            crowd.exchange.agree(deflate)?;
            let mut client = Client::new(socket, Dialogue::new(&crowd.exchange, index));
            client.receive(&leftover, &mut crowd.exchange, false)?;
            crowd.clients.push(client);
        }
        for (index, client) in crowd.clients.iter_mut().enumerate() {
            for _ in 0..load.in_flight {
                client.dialogue.send(&mut crowd.exchange, &mut client.output);
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
        self.sending = false;
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
                        let input = &self.read_buffer[..size];
                        let echoes = client.receive(input, &mut self.exchange, self.sending)?;
                        self.echoed += echoes as u64;
                        if !self.sending {
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
    fn new(socket: TcpStream, dialogue: Dialogue) -> Self {
        Self { socket, dialogue, output: Vec::new(), written: 0, blocked: false }
    }

    /// Verifies what came and, while `sending`, queues a new message for every whole echo; gives the count
    /// of echoes.
    fn receive(&mut self, input: &[u8], exchange: &mut Exchange, sending: bool) -> Result<usize> {
        let echoes = self.dialogue.receive(input, exchange, &mut self.output)?;
        if sending {
            for _ in 0..echoes {
                self.dialogue.send(exchange, &mut self.output);
            }
        }
        Ok(echoes)
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
