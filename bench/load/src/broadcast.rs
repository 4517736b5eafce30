//! The broadcast load: N receivers of the same messages, of which one asks for the next.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bench_common::broadcast::{self, NEXT, READY};
use longwire_load::random::Random;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::agreement::{Agreement, Offer};
use crate::assembly::Assembly;
use crate::closing;
use crate::codec::Inflater;
use crate::frames::{self, CLOSE, CONTINUATION, Decoder, PING, PONG, TEXT};
use crate::opening::{self, Opened};
use crate::process::{Process, as_f64};
use crate::report::{BroadcastReport, Compression};
use crate::round::Round;
use crate::window::{Reading, Until};

const READ_SIZE: usize = 64 * 1024;
/// A server that delivers nothing for this long has failed.
const STALL: Duration = Duration::from_secs(10);
/// Waiting is busy: to wake a sleeper is work of the server's core, and there would be the more of it the
/// faster the receivers are.
const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// What is broadcast, to how many, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BroadcastLoad {
    /// Address of the server.
    pub target: SocketAddr,
    /// Process id of the server.
    pub pid: u32,
    /// Receivers.
    pub receivers: usize,
    /// Bytes a message.
    pub size: usize,
    /// How the messages come.
    pub form: Form,
    /// Load before the measured window.
    pub warm_up: Duration,
    /// When the measured window ends.
    pub until: Until,
}

/// How the messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Whole,
    /// Only their first part, of any length.
    Prefix,
    /// Compressed.
    Deflated(Offer),
}

impl BroadcastLoad {
    /// Opens the connections, has messages broadcast and measures the server's process.
    pub fn run(&self) -> Result<BroadcastReport> {
        ensure!(self.receivers > 0, "at least one receiver is needed");
        opening::raise_open_files(self.receivers as u64 + 64)?;
        let server = Process::new(self.pid);
        let mut audience = Audience::open(self)?;

        let start = Instant::now();
        while start.elapsed() < self.warm_up {
            audience.round()?;
        }
        let before = Reading::take(server, audience.counts.delivered)?;
        let counts_before = audience.counts;
        while !before.is_over(self.until, audience.counts.delivered) {
            audience.round()?;
        }
        let after = Reading::take(server, audience.counts.delivered)?;
        let counts = audience.counts;
        let agreed = audience.agreement.take().map(|agreement| agreement.text);
        closing::close_all(audience.receivers.into_iter().map(|receiver| receiver.socket));

        let window = before.window(&after)?;
        let each = |count: u64, before: u64| as_f64(count - before) / as_f64(window.messages);
        let compressed = each(counts.compressed, counts_before.compressed);
        ensure!(agreed.is_none() || compressed > 0.0, "the server never compressed a message");
        Ok(BroadcastReport {
            receivers: self.receivers,
            broadcast_size: self.size,
            bytes_from_server_per_message: each(counts.bytes, counts_before.bytes),
            compression: agreed.map(|agreed| Compression { agreed, compressed }),
            inflated: counts.inflated - counts_before.inflated,
            window,
        })
    }
}

/// All receivers and what they share.
struct Audience {
    epoll: OwnedFd,
    receivers: Vec<Receiver>,
    agreement: Option<Agreement>,
    random: Random,
    messages: Vec<String>,
    rounds: usize,
    round: Round,
    counts: Counts,
    read_buffer: Vec<u8>,
    events: Vec<epoll::Event>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    delivered: u64,
    compressed: u64,
    inflated: u64,
    bytes: u64,
}

struct Receiver {
    socket: TcpStream,
    decoder: Decoder,
    assembly: Assembly,
    ping: Vec<u8>,
    /// Only where messages may refer to those before them.
    inflater: Option<Inflater>,
    /// It still lacks the message of this round.
    waits: bool,
}

impl Audience {
    fn open(load: &BroadcastLoad) -> Result<Self> {
        let offer = match load.form {
            Form::Deflated(offer) => Some(offer),
            Form::Whole | Form::Prefix => None,
        };
        let mut audience = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            receivers: Vec::with_capacity(load.receivers),
            agreement: None,
            random: Random::new(0xa0_d1),
            messages: broadcast::messages(load.size),
            rounds: 0,
            round: Round::new(load.form == Form::Prefix),
            counts: Counts::default(),
            read_buffer: vec![0; READ_SIZE],
            events: Vec::with_capacity(1024),
        };
        // The first message is no broadcast: it says that the receiver is one.
        audience.round.begin(READY.as_bytes(), load.receivers);
        for index in 0..load.receivers {
            let Opened { socket, leftover, deflate } =
                opening::open(load.target, index, offer, &mut audience.random)?;
            socket.set_nonblocking(true)?;
            epoll::add(&audience.epoll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
            ensure!(index == 0 || audience.agreement == deflate, "the server's agreements differ");
            let refers = deflate.as_ref().is_some_and(|it| !it.server_no_context_takeover);
            audience.receivers.push(Receiver {
                socket,
                decoder: Decoder::new(deflate.is_some()),
                assembly: Assembly::default(),
                ping: Vec::new(),
                inflater: refers.then(Inflater::new),
                waits: true,
            });
            audience.agreement = deflate;
            audience.receive(index, &leftover)?;
        }
        audience.deliver()?;
        Ok(audience)
    }

    /// Asks for the next message and waits until every receiver has it.
    fn round(&mut self) -> Result<()> {
        let mut request = Vec::new();
        frames::encode(&mut request, TEXT, NEXT.as_bytes(), self.random.key());
        let message = &self.messages[self.rounds % self.messages.len()];
        self.round.begin(message.as_bytes(), self.receivers.len());
        self.rounds += 1;
        for receiver in &mut self.receivers {
            receiver.waits = true;
        }
        self.receivers[0].socket.write_all(&request).context("asking for a message failed")?;
        self.deliver()
    }

    fn deliver(&mut self) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let mut events = std::mem::take(&mut self.events);
        let mut last = Instant::now();
        while self.round.missing() > 0 {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&NO_WAIT)) {
                Ok(0) => {
                    ensure!(last.elapsed() < STALL, "the server has delivered nothing for 10 s");
                }
                Ok(_) => last = Instant::now(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("epoll_wait failed"),
            }
            for event in events.drain(..) {
                let index = usize::try_from(event.data.u64())?;
                match rustix::io::read(&self.receivers[index].socket, buffer.as_mut_slice()) {
                    Ok(0) => bail!("the server hung up on receiver {index}"),
                    Ok(size) => self.receive(index, &buffer[..size])?,
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(error) => return Err(error).context("reading a message failed"),
                }
            }
        }
        (self.read_buffer, self.events) = (buffer, events);
        Ok(())
    }

    /// Takes what came for a receiver and verifies it.
    fn receive(&mut self, index: usize, mut input: &[u8]) -> Result<()> {
        self.counts.bytes += input.len() as u64;
        let receiver = &mut self.receivers[index];
        while let Some(piece) = receiver.decoder.next(&mut input)? {
            match piece.opcode {
                TEXT | CONTINUATION => {
                    let compressed = receiver.assembly.note(&piece, TEXT)?;
                    let Some(payload) = receiver.assembly.gather(&piece) else { continue };
                    ensure!(receiver.waits, "receiver {index} got more than was broadcast");
                    receiver.waits = false;
                    let own = receiver.inflater.as_mut();
                    let inflated = self.round.delivered(payload, compressed, own)?;
                    self.counts.delivered += 1;
                    self.counts.compressed += u64::from(compressed);
                    self.counts.inflated += u64::from(inflated);
                }
                PING => {
                    receiver.ping.extend_from_slice(piece.payload);
                    if piece.ends_frame {
                        let mut pong = Vec::new();
                        frames::encode(&mut pong, PONG, &receiver.ping, self.random.key());
                        receiver.socket.write_all(&pong).context("answering a Ping failed")?;
                        receiver.ping.clear();
                    }
                }
                PONG => {}
                CLOSE => bail!("the server closed the connection"),
                opcode => bail!("the server sent a frame with opcode {opcode:#x}"),
            }
        }
        Ok(())
    }
}
