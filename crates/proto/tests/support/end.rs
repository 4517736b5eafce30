//! A driver of one connection: the loop contract, with a virtual clock and a transport that can
//! stall.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Buf;
use longwire_proto::{Closed, Config, Connection, Event, Input, Side, Transmit};

use super::{Frame, Rng, frames};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The instant at which every virtual clock starts, so that runs can be compared.
pub(crate) fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// A connection on which permessage-deflate is agreed on as the settings wish.
pub(crate) fn connection(side: Side, config: Arc<Config>, now: Instant) -> Connection {
    let deflate = config.deflate.map(|deflate| deflate.params);
    let connection = match side {
        Side::Server => Connection::server(config, now),
        Side::Client => {
            let mut rng = Rng::new(6455);
            let keys = move || {
                let [a, b, c, d, ..] = rng.next().to_le_bytes();
                [a, b, c, d]
            };
            Connection::client(config, Box::new(keys), now)
        }
    };
    match deflate {
        Some(params) => connection.with_deflate(params),
        None => connection,
    }
}

/// All that a connection did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// The events but the last.
    pub(crate) events: Vec<Event>,
    /// The frames that were sent.
    pub(crate) sent: Vec<Frame>,
    /// Whether the caller was told to end its direction of the transport.
    pub(crate) fin: bool,
    /// The last event.
    pub(crate) closed: Option<Closed>,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    pub(crate) sent: Vec<u8>,
    pub(crate) fin: bool,
    pub(crate) closed: Option<Closed>,
    /// Bytes that the transport still takes.
    pub(crate) room: usize,
}

impl End {
    pub(crate) fn new(side: Side, config: Arc<Config>) -> Self {
        Self {
            connection: connection(side, config, start()),
            now: start(),
            events: Vec::new(),
            sent: Vec::new(),
            fin: false,
            closed: None,
            room: usize::MAX,
        }
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.receive_and(bytes, |_, _, _| {});
    }

    /// Lets `react` act on each event before the next is polled.
    pub(crate) fn receive_and(
        &mut self,
        bytes: &[u8],
        mut react: impl FnMut(&mut Connection, &Event, Instant),
    ) {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        loop {
            let mut still = true;
            while let Some(event) = self.connection.poll_event(&mut input, self.now) {
                still = false;
                react(&mut self.connection, &event, self.now);
                self.take(event);
            }
            assert!(input.is_empty(), "no event, and input left");
            if !self.transmit() && still {
                return;
            }
        }
    }

    fn take(&mut self, event: Event) {
        assert_eq!(self.closed, None, "{event:?} after Closed");
        match event {
            Event::Closed(closed) => self.closed = Some(*closed),
            event => self.events.push(event),
        }
    }

    /// Polls until nothing is left to do.
    pub(crate) fn pump(&mut self) {
        self.receive(&[]);
    }

    /// Writes what the transport takes, and says whether it did anything.
    fn transmit(&mut self) -> bool {
        let mut worked = false;
        while let Some(transmit) = self.connection.poll_transmit() {
            match transmit {
                Transmit::Bytes => {
                    let outgoing = self.connection.outgoing();
                    assert!(outgoing.remaining() <= self.connection.buffered_amount());
                    let chunk = outgoing.chunk();
                    let count = chunk.len().min(self.room);
                    if count == 0 {
                        return worked;
                    }
                    self.sent.extend_from_slice(&chunk[..count]);
                    self.room -= count;
                    self.connection.handle_written(count, self.now);
                }
                Transmit::Fin => {
                    assert!(!self.fin, "Fin is said once");
                    assert_eq!(self.connection.buffered_amount(), 0, "Fin comes after all bytes");
                    self.fin = true;
                }
                other => panic!("unknown transmit {other:?}"),
            }
            worked = true;
        }
        worked
    }

    pub(crate) fn eof(&mut self) {
        self.connection.handle_eof(self.now);
        self.pump();
    }

    pub(crate) fn lost(&mut self) {
        self.connection.handle_lost();
        self.pump();
    }

    /// Lets the clock run, with every timeout at its instant.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let target = self.now + duration;
        while let Some(instant) = self.connection.poll_timeout().filter(|it| *it <= target) {
            self.now = instant.max(self.now);
            self.connection.handle_timeout(self.now);
            self.pump();
            let next = self.connection.poll_timeout();
            assert!(next.is_none_or(|next| next > instant), "a timeout that never passes");
        }
        self.now = target;
    }

    /// The frames sent so far.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        frames(self.connection.side(), &self.sent)
    }

    pub(crate) fn into_outcome(self) -> Outcome {
        let sent = self.frames();
        Outcome { events: self.events, sent, fin: self.fin, closed: self.closed }
    }

    /// The end, which must have come.
    pub(crate) fn closed(&self) -> &Closed {
        self.closed.as_ref().expect("the connection is over")
    }
}
