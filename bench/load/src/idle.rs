//! The idle load: many open connections that say nothing, and what they cost in memory.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::closing;
use crate::content::{Content, Random};
use crate::frames::{self, BINARY, Decoder, PING, PONG};
use crate::opening::{self, Opened};
use crate::process::{Process, as_f64};
use crate::report::IdleReport;

const MESSAGE_SIZE: usize = 32;

/// How many idle connections to open, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct IdleLoad {
    /// Address of the server.
    pub target: SocketAddr,
    /// Process id of the server.
    pub pid: u32,
    /// Connections to open.
    pub connections: usize,
}

struct Client {
    socket: TcpStream,
    decoder: Decoder,
    received: Vec<u8>,
}

impl IdleLoad {
    /// Opens the connections and reads the server's resident memory: open, and after one echo each.
    pub fn run(&self) -> Result<IdleReport> {
        ensure!(self.connections > 0, "at least one connection is needed");
        opening::raise_open_files(self.connections as u64 + 64)?;
        let server = Process::new(self.pid);
        let mut random = Random::new(0x1d_1e);
        let content = Content::new(MESSAGE_SIZE, &mut random);

        // One used connection first: it pages in the code, which is no cost of a connection.
        let mut first = Client::open(self, 0, &mut random)?;
        first.echo(&content, &mut random)?;
        server.settle()?;
        let rss_before = server.resident()?;
        let cpu_before = server.cpu()?.running;

        let mut clients = Vec::with_capacity(self.connections);
        for index in 0..self.connections {
            clients.push(Client::open(self, index, &mut random)?);
        }
        server.settle()?;
        let cpu = server.cpu()?.running.saturating_sub(cpu_before);
        let rss_open = server.resident()?;

        for client in &mut clients {
            client.echo(&content, &mut random)?;
        }
        server.settle()?;
        let rss_used = server.resident()?;
        closing::close_all(clients.into_iter().map(|client| client.socket));

        let connections = as_f64(self.connections as u64);
        let each = |rss| as_f64(rss) - as_f64(rss_before);
        Ok(IdleReport {
            connections: self.connections,
            rss_before,
            rss_open,
            rss_used,
            rss_per_open_connection: each(rss_open) / connections,
            rss_per_used_connection: each(rss_used) / connections,
            server_cpu_us_per_handshake: cpu.as_secs_f64() * 1e6 / connections,
        })
    }
}

impl Client {
    fn open(load: &IdleLoad, index: usize, random: &mut Random) -> Result<Self> {
        let Opened { socket, leftover } = opening::open(load.target, index, random)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { socket, decoder: Decoder::default(), received: leftover })
    }

    /// Sends one message and waits for its echo; a Ping on the way is answered.
    fn echo(&mut self, content: &Content, random: &mut Random) -> Result<()> {
        let message = content.message(content.pick(random));
        let mut frame = Vec::new();
        frames::encode(&mut frame, BINARY, message, random.key());
        self.socket.write_all(&frame)?;

        let mut payload = Vec::new();
        loop {
            let mut input = self.received.as_slice();
            while let Some(piece) = self.decoder.next(&mut input)? {
                payload.extend_from_slice(piece.payload);
                match (piece.opcode, piece.ends_frame) {
                    (_, false) => {}
                    (BINARY, true) => {
                        ensure!(payload == message, "the echo differs from the message");
                        let rest = input.len();
                        self.received.drain(..self.received.len() - rest);
                        return Ok(());
                    }
                    (PING, true) => {
                        let mut pong = Vec::new();
                        frames::encode(&mut pong, PONG, &payload, random.key());
                        self.socket.write_all(&pong)?;
                        payload.clear();
                    }
                    (opcode, true) => bail!("the server sent a frame with opcode {opcode:#x}"),
                }
            }
            let mut chunk = [0; 1024];
            let size = self.socket.read(&mut chunk)?;
            ensure!(size > 0, "the server hung up");
            self.received.clear();
            self.received.extend_from_slice(&chunk[..size]);
        }
    }
}
