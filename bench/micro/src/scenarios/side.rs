//! One side of a connection, driven by hand at one instant.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BufMut};
use longwire_proto::{
    Config, Connection, Deflate, DeflateParams, Event, Input, Message, Sendable, Transmit,
};

use crate::data::Numbers;

/// A connection and the instant at which everything happens to it.
#[derive(Debug)]
pub(crate) struct Side {
    connection: Connection,
    now: Instant,
}

impl Side {
    pub(crate) fn server(deflate: Option<DeflateParams>) -> Self {
        let now = Instant::now();
        Self { connection: agreed(Connection::server(config(deflate), now), deflate), now }
    }

    pub(crate) fn client(deflate: Option<DeflateParams>) -> Self {
        let now = Instant::now();
        let mut numbers = Numbers::new(5);
        let keys = Box::new(move || numbers.key());
        Self { connection: agreed(Connection::client(config(deflate), keys, now), deflate), now }
    }

    pub(crate) fn send(&mut self, message: impl Into<Sendable>) {
        self.connection.send(message, self.now).expect("it is open, and has room");
    }

    pub(crate) fn send_fragment(&mut self, part: Message, fin: bool) {
        let fragment = longwire_proto::Fragment { part, fin };
        self.connection.send_fragment(fragment, self.now).expect("it is open, and has room");
    }

    pub(crate) fn ping(&mut self) {
        self.connection.ping(self.now).expect("it is open");
    }

    /// Feeds what arrived, as far as `take` has it, and says how many events came.
    pub(crate) fn receive(
        &mut self,
        arrived: &mut [u8],
        mut take: impl FnMut(&mut Self, Message),
    ) -> usize {
        // As a driver does: a large payload is read into its place.
        let direct = match self.connection.payload_space() {
            Some(mut space) => {
                let count = arrived.len().min(space.remaining_mut());
                space.put_slice(&arrived[..count]);
                count
            }
            None => 0,
        };
        let mut input = Input::new(&mut arrived[direct..]);
        let mut events = 0;
        while let Some(event) = self.connection.poll_event(&mut input, self.now) {
            events += 1;
            match event {
                Event::Message(message) => take(self, message),
                Event::Ping(_) | Event::Pong { .. } => {}
                other => panic!("{other:?} in a scenario without an end"),
            }
        }
        events
    }

    /// Everything that is to be sent goes out; says how many bytes.
    pub(crate) fn write(&mut self) -> usize {
        let mut written = 0;
        while self.connection.poll_transmit() == Some(Transmit::Bytes) {
            let count = self.connection.outgoing().remaining();
            self.connection.handle_written(count, self.now);
            written += count;
        }
        written
    }

    /// Everything that is to be sent, as bytes.
    pub(crate) fn wire(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.connection.poll_transmit() == Some(Transmit::Bytes) {
            let chunk = self.connection.outgoing().chunk();
            wire.extend_from_slice(chunk);
            let count = chunk.len();
            self.connection.handle_written(count, self.now);
        }
        wire
    }
}

fn config(deflate: Option<DeflateParams>) -> Arc<Config> {
    let mut config = Config::default();
    config.deflate = deflate.map(|params| {
        let mut deflate = Deflate::context_takeover();
        deflate.params = params;
        deflate
    });
    // A whole script is sent before any of it is written.
    config.limits.max_buffered_amount = 16 << 20;
    Arc::new(config)
}

fn agreed(connection: Connection, deflate: Option<DeflateParams>) -> Connection {
    match deflate {
        Some(params) => connection.with_deflate(params),
        None => connection,
    }
}
