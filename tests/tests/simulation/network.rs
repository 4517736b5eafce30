//! The network: connections of two pipes each, with latency, bounded windows, and ends at any byte.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use longwire_channel::CloseCode;

use crate::chance::Chance;

/// What one side of a connection sends to the other.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    Text(Bytes),
    Binary(Bytes),
    Close { code: CloseCode, reason: String },
}

impl Frame {
    /// Bytes on the wire: the content, and about what a header has.
    fn len(&self) -> u64 {
        let content = match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.len(),
            Self::Close { reason, .. } => 2 + reason.len(),
        };
        HEADER + content as u64
    }
}

/// One direction of a connection: a stream of bytes. Its counters only grow.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Frames that were not read, each with the byte behind it.
    frames: VecDeque<(u64, Frame)>,
    /// Bytes that its writer put in, ...
    written: u64,
    /// ... that the transport took, ...
    sent: u64,
    /// ... that arrived, ...
    arrived: u64,
    /// ... and that its reader took.
    read: u64,
    /// When bytes arrive up to which place.
    flight: VecDeque<(Duration, u64)>,
    /// Nothing behind this byte arrives.
    cut: Option<u64>,
    /// Bytes that may be between writer and reader.
    window: u64,
    /// Nobody reads any more: bytes arrive and are thrown away.
    pub(crate) discards: bool,
    latency_ms: u64,
}

impl Pipe {
    fn new(window: u64, latency_ms: u64) -> Self {
        Self {
            frames: VecDeque::new(),
            written: 0,
            sent: 0,
            arrived: 0,
            read: 0,
            flight: VecDeque::new(),
            cut: None,
            window,
            discards: false,
            latency_ms,
        }
    }

    /// Puts a frame behind what is there.
    pub(crate) fn put(&mut self, frame: Frame, chance: &mut Chance, now: Duration) {
        self.written += frame.len();
        self.frames.push_back((self.written, frame));
        self.pump(chance, now);
    }

    /// Bytes that the transport has not taken.
    pub(crate) fn buffered(&self) -> u64 {
        self.written - self.sent
    }

    /// All bytes that were ever put in.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// All bytes that the transport ever took.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether bytes are there to be read.
    pub(crate) fn has_news(&self) -> bool {
        self.arrived > self.read
    }

    /// Reads at most so many bytes, and no further than a frame's end; gives the frame if it is whole.
    pub(crate) fn read(&mut self, most: u64, chance: &mut Chance, now: Duration) -> Option<Frame> {
        let (end, _) = self.frames.front()?;
        self.read = (*end).min(self.arrived).min(self.read.saturating_add(most));
        let frame = if self.read == *end { self.frames.pop_front() } else { None };
        self.pump(chance, now);
        frame.map(|(_, frame)| frame)
    }

    /// Lets the transport take what it has room for.
    fn pump(&mut self, chance: &mut Chance, now: Duration) {
        if self.discards {
            self.read = self.sent;
            self.frames.retain(|(end, _)| *end > self.read);
        }
        while self.sent < self.written && self.sent - self.read < self.window {
            let most = (self.written - self.sent).min(self.window - (self.sent - self.read));
            let piece = if chance.percent(50) { most } else { chance.between(1, most) };
            self.sent += piece;
            if self.discards {
                self.read = self.sent;
                continue;
            }
            let last = self.flight.back().map_or(now, |(at, _)| *at);
            let at = last.max(now + chance.millis(0, self.latency_ms));
            self.flight.push_back((at, self.sent));
        }
    }

    fn advance(&mut self, now: Duration) {
        while let Some(&(at, to)) = self.flight.front()
            && at <= now
        {
            self.flight.pop_front();
            self.arrived = to.min(self.cut.unwrap_or(u64::MAX)).max(self.arrived);
        }
    }

    /// Ends it at some byte that is under way, or at the last that was sent.
    fn cut(&mut self, chance: &mut Chance) {
        if self.cut.is_none() {
            self.cut = Some(chance.between(self.arrived, self.sent.max(self.arrived)));
        }
    }

    fn next_arrival(&self) -> Option<Duration> {
        self.flight.front().map(|(at, _)| *at)
    }

    /// Whether all has come that ever will.
    fn is_over(&self) -> bool {
        self.flight.is_empty() || self.cut.is_some_and(|cut| self.arrived >= cut)
    }
}

/// One side of a connection.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// It is gone: nobody reads or writes there.
    pub(crate) left: bool,
    /// When it learns that the connection is over, if it does.
    pub(crate) told: Option<Duration>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// From the client to the server.
    pub(crate) up: Pipe,
    /// From the server to the client.
    pub(crate) down: Pipe,
    pub(crate) client: End,
    pub(crate) server: End,
}

impl Connection {
    /// Whether the client is to learn now that it is over: all that came was read.
    pub(crate) fn client_sees_end(&self, now: Duration) -> bool {
        sees_end(&self.client, &self.down, now)
    }

    /// Whether the server is.
    pub(crate) fn server_sees_end(&self, now: Duration) -> bool {
        sees_end(&self.server, &self.up, now)
    }

    /// It breaks: what is under way is cut at any byte. Each side learns of it later, or never.
    pub(crate) fn cut(&mut self, chance: &mut Chance, now: Duration, is_told: bool) {
        self.up.cut(chance);
        self.down.cut(chance);
        if is_told {
            for end in [&mut self.client, &mut self.server] {
                let at = now + chance.millis(0, 3_000);
                end.told = Some(end.told.map_or(at, |told| told.min(at)));
            }
        }
    }

    /// The server's process is gone.
    pub(crate) fn lose_server(&mut self, chance: &mut Chance, now: Duration, is_told: bool) {
        self.server.left = true;
        self.up.discards = true;
        self.down.cut(chance);
        if is_told {
            self.client.told = Some(now + chance.millis(0, 50));
        }
    }

    /// The client lets go, behind a Close frame.
    pub(crate) fn leave(&mut self, code: CloseCode, chance: &mut Chance, now: Duration) {
        let reason = String::new();
        self.up.put(Frame::Close { code, reason }, chance, now);
        self.client.left = true;
        self.down.discards = true;
        self.down.pump(chance, now);
        // The closing handshake has its time, then the transport ends.
        self.server.told.get_or_insert(now + CLOSE_TIME);
    }
}

fn sees_end(end: &End, pipe: &Pipe, now: Duration) -> bool {
    let is_told = end.told.is_some_and(|at| at <= now);
    !end.left && is_told && !pipe.has_news() && pipe.is_over()
}

/// A connection's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(u64);

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Network {
    connections: BTreeMap<ConnectionId, Connection>,
    next: u64,
}

impl Network {
    pub(crate) fn open(&mut self, window: u64, latency_ms: u64) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        let connection = Connection {
            up: Pipe::new(window, latency_ms),
            down: Pipe::new(window, latency_ms),
            client: End::default(),
            server: End::default(),
        };
        self.connections.insert(id, connection);
        id
    }

    pub(crate) fn get(&self, id: ConnectionId) -> &Connection {
        self.connections.get(&id).expect("whoever has a connection's name has its end")
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> &mut Connection {
        self.connections.get_mut(&id).expect("whoever has a connection's name has its end")
    }

    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        self.connections.keys().copied().collect()
    }

    /// From now on every connection takes so much.
    pub(crate) fn widen(&mut self, window: u64, latency_ms: u64) {
        let pipes = self.connections.values_mut().flat_map(|it| [&mut it.up, &mut it.down]);
        for pipe in pipes {
            (pipe.window, pipe.latency_ms) = (window, latency_ms);
        }
    }

    /// Forgets connections that both sides have left.
    pub(crate) fn tidy(&mut self) {
        self.connections.retain(|_, it| !it.client.left || !it.server.left);
    }

    /// What has arrived by now has.
    pub(crate) fn advance(&mut self, now: Duration) {
        for connection in self.connections.values_mut() {
            connection.up.advance(now);
            connection.down.advance(now);
        }
    }

    /// When the next bytes arrive, or a side learns of an end.
    pub(crate) fn next_due(&self, now: Duration) -> Option<Duration> {
        let due = |it: &Connection| {
            let told = [&it.client, &it.server].map(|end| end.told.filter(|_| !end.left));
            let told = told.into_iter().flatten().filter(|at| *at > now);
            let arrivals = [it.up.next_arrival(), it.down.next_arrival()].into_iter().flatten();
            told.chain(arrivals).min()
        };
        self.connections.values().filter_map(due).min()
    }
}

/// Of a frame's header, and of its mask.
const HEADER: u64 = 6;

/// How long a closing handshake may take.
const CLOSE_TIME: Duration = Duration::from_secs(5);
