//! Many WebSocket connections on one thread: one poll, one buffer, and the core of `longwire-proto`.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes};
use longwire_proto::handshake::{ClientHandshake, ClientProgress, ClientRequest, HandshakeLimits};
use longwire_proto::{Config, Connection, Event, Input, Message, Text, Transmit, WsUri};
use mio::{Events, Interest, Poll, Token};
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Connections to one server. They end when this is dropped.
pub(crate) struct Fleet {
    address: SocketAddr,
    /// Its source addresses are in 127.x.0.0.
    network: u8,
    request: ClientRequest,
    config: Arc<Config>,
    poll: Poll,
    events: Events,
    sockets: Vec<Socket>,
    arrived: VecDeque<Arrived>,
    /// Those with something queued.
    unsent: Vec<usize>,
    buffer: Vec<u8>,
}

/// A message, and the connection that it came on.
pub(crate) struct Arrived {
    pub(crate) on: usize,
    pub(crate) at: Instant,
    pub(crate) message: Bytes,
}

struct Socket {
    stream: mio::net::TcpStream,
    connection: Connection,
}

impl Fleet {
    /// None yet, to the server with this URL, which is `ws:` or the address of an HTTP server.
    pub(crate) fn new(url: &str, path: &str) -> Result<Self> {
        // Ports of fleets that have ended are not free for a minute, and take long to pass over.
        static NETWORK: AtomicU8 = AtomicU8::new(0);
        let authority = url.split_once("://").context("a URL has a scheme")?.1;
        Ok(Self {
            address: authority.parse().with_context(|| format!("{url} has no IP address"))?,
            network: NETWORK.fetch_add(1, Ordering::Relaxed),
            request: ClientRequest::new(WsUri::parse(&format!("ws://{authority}{path}"))?),
            config: Arc::default(),
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            sockets: Vec::new(),
            arrived: VecDeque::new(),
            unsent: Vec::new(),
            buffer: vec![0; BUFFER_LEN],
        })
    }

    /// Opens so many more, one after the other, and gives their numbers.
    pub(crate) fn open(&mut self, count: usize) -> Result<Range<usize>> {
        let first = self.sockets.len();
        for index in first..first + count {
            let socket = self.dial(index).with_context(|| format!("connection {index}"))?;
            self.sockets.push(socket);
        }
        Ok(first..first + count)
    }

    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Queues a text message. It goes out with the next [`flush`](Self::flush), or once what its connection brought is taken:
    /// so what is said to messages that came together goes out together.
    pub(crate) fn send(&mut self, index: usize, text: Bytes) -> Result<()> {
        let message = Message::Text(Text::try_from(text).context("a text is UTF-8")?);
        let connection = &mut self.sockets[index].connection;
        connection.send(message, Instant::now()).map_err(|error| anyhow::anyhow!("{error}"))?;
        if self.unsent.last() != Some(&index) {
            self.unsent.push(index);
        }
        Ok(())
    }

    /// Writes what is queued.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let now = Instant::now();
        for index in self.unsent.drain(..) {
            self.sockets[index].flush(now).with_context(|| format!("connection {index}"))?;
        }
        Ok(())
    }

    /// The next message; none if none comes for so long.
    pub(crate) fn next(&mut self, wait: Duration) -> Result<Option<Arrived>> {
        if self.arrived.front().map(|next| next.on) != self.unsent.last().copied() {
            self.flush()?;
        }
        if self.arrived.is_empty() {
            self.turn(wait)?;
        }
        Ok(self.arrived.pop_front())
    }

    /// The next message. Fails if none comes.
    pub(crate) fn expect(&mut self) -> Result<Arrived> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(arrived) = self.next(TURN)? {
                return Ok(arrived);
            }
            anyhow::ensure!(Instant::now() < deadline, "the server sent nothing for {PATIENCE:?}");
        }
    }

    /// Waits so long while every connection is looked after. What comes is thrown away.
    pub(crate) fn rest(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(left.min(TURN))?;
            self.arrived.clear();
        }
        Ok(())
    }

    fn turn(&mut self, wait: Duration) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            let index = event.token().0;
            let socket = &mut self.sockets[index];
            let read = socket.read(&mut self.buffer, |at, message| {
                self.arrived.push_back(Arrived { on: index, at, message });
            });
            read.and_then(|()| socket.flush(Instant::now()))
                .with_context(|| format!("connection {index}"))?;
        }
        Ok(())
    }

    /// Connects and shakes hands, blocking.
    fn dial(&self, index: usize) -> Result<Socket> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(self.address),
            socket2::Type::STREAM,
            None,
        )?;
        socket.set_tcp_nodelay(true)?;
        // A source address has some 28,000 ports.
        let host = u8::try_from(index / PER_SOURCE + 1).context("too many connections")?;
        if self.address.ip().is_loopback() && host > 1 {
            socket.bind(
                &SocketAddr::new(Ipv4Addr::new(127, self.network, 0, host).into(), 0).into(),
            )?;
        }
        socket.connect(&self.address.into())?;
        let mut stream: std::net::TcpStream = socket.into();
        let mut handshake =
            ClientHandshake::new(self.request.clone(), rand::random(), HandshakeLimits::default())?;
        stream.write_all(handshake.request())?;
        let mut head = [0; 4096];
        loop {
            let progress = match stream.read(&mut head)? {
                0 => handshake.handle_eof()?,
                count => handshake.handle_input(&head[..count])?,
            };
            match progress {
                ClientProgress::NeedMore => {}
                ClientProgress::Accepted { leftover, .. } if leftover.is_empty() => break,
                ClientProgress::Accepted { .. } => bail!("the server spoke first"),
                ClientProgress::Refused(response) => {
                    bail!("the opening handshake was refused with {}", response.status())
                }
            }
        }
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(index), interest)?;
        let mut random = SmallRng::from_rng(&mut rand::rng());
        let keys = Box::new(move || random.next_u32().to_ne_bytes());
        let connection = Connection::client(Arc::clone(&self.config), keys, Instant::now());
        Ok(Socket { stream, connection })
    }
}

impl Socket {
    /// Reads all that is there.
    fn read(&mut self, buffer: &mut [u8], mut take: impl FnMut(Instant, Bytes)) -> Result<()> {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => bail!("the server ended the connection"),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("the connection was lost"),
            };
            let now = Instant::now();
            let mut input = Input::new(&mut buffer[..count]);
            while let Some(event) = self.connection.poll_event(&mut input, now) {
                match event {
                    Event::Message(Message::Text(text)) => take(now, text.into_bytes()),
                    Event::Message(Message::Binary(bytes)) => take(now, bytes),
                    Event::Ping(_) | Event::Pong { .. } => {}
                    Event::CloseReceived(close) => bail!("the server closed: {close}"),
                    other => bail!("the server sent {other:?}"),
                }
            }
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    fn flush(&mut self, now: Instant) -> Result<()> {
        while let Some(Transmit::Bytes) = self.connection.poll_transmit() {
            match self.stream.write(self.connection.outgoing().chunk()) {
                Ok(count) => self.connection.handle_written(count, now),
                // The poll tells when there is room again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("the connection was lost"),
            }
        }
        Ok(())
    }
}

/// Bytes read at a time.
const BUFFER_LEN: usize = 256 << 10;

/// Sockets told of at a time.
const EVENTS: usize = 1024;

/// Connections a source address.
const PER_SOURCE: usize = 5000;

/// The longest wait of one turn.
const TURN: Duration = Duration::from_millis(100);

/// For how long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(20);
