//! The idle load: many open connections that say nothing, and what they cost in memory.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::closing;
use crate::content::Kind;
use crate::dialogue::Dialogue;
use crate::exchange::Exchange;
use crate::opening::{self, Opened};
use crate::process::{Process, as_f64};
use crate::report::IdleReport;

/// How many idle connections to open, to whom, and how they are used before.
#[derive(Clone, Copy, Debug)]
pub struct IdleLoad {
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
    /// Messages that each connection echoes. The connections take turns.
    pub messages: usize,
    /// Connections to use first and keep open, whose memory is not counted: they page in the code, and
    /// fill what the server keeps for all connections together.
    pub warm: usize,
}

struct Client {
    socket: TcpStream,
    dialogue: Dialogue,
}

impl IdleLoad {
    /// Opens the connections and reads the server's resident memory: open, and after their messages.
    pub fn run(&self) -> Result<IdleReport> {
        ensure!(self.connections > 0, "at least one connection is needed");
        ensure!(self.messages > 0, "at least one message is needed");
        opening::raise_open_files((self.connections + self.warm) as u64 + 64)?;
        let server = Process::new(self.pid);
        let rss_start = server.resident()?;
        let mut exchange = Exchange::new(self.kind, self.size, 0x1d_1e);

        let mut warm = self.open(self.warm, &mut exchange)?;
        self.use_all(&mut warm, &mut exchange)?;
        server.settle()?;
        let rss_before = server.resident()?;
        let cpu_before = server.cpu()?.running;

        let mut clients = self.open(self.connections, &mut exchange)?;
        server.settle()?;
        let cpu = server.cpu()?.running.saturating_sub(cpu_before);
        let rss_open = server.resident()?;

        let compressed_before = exchange.wire.compressed_replies;
        self.use_all(&mut clients, &mut exchange)?;
        server.settle()?;
        let rss_used = server.resident()?;
        ensure!(
            exchange.agreement().is_none() || exchange.wire.compressed_replies > compressed_before,
            "the server never compressed a reply"
        );
        closing::close_all(clients.into_iter().chain(warm).map(|client| client.socket));

        let connections = as_f64(self.connections as u64);
        let each = |rss| as_f64(rss) - as_f64(rss_before);
        Ok(IdleReport {
            connections: self.connections,
            size: self.size,
            messages: self.messages,
            agreed: exchange.agreement().map(|agreement| agreement.text.clone()),
            rss_start,
            rss_before,
            rss_open,
            rss_used,
            rss_per_open_connection: each(rss_open) / connections,
            rss_per_used_connection: each(rss_used) / connections,
            server_cpu_us_per_handshake: cpu.as_secs_f64() * 1e6 / connections,
        })
    }

    fn open(&self, count: usize, exchange: &mut Exchange) -> Result<Vec<Client>> {
        (0..count).map(|index| Client::open(self.target, index, exchange)).collect()
    }

    fn use_all(&self, clients: &mut [Client], exchange: &mut Exchange) -> Result<()> {
        for _ in 0..self.messages {
            for client in &mut *clients {
                client.echo(exchange)?;
            }
        }
        Ok(())
    }
}

impl Client {
    fn open(target: SocketAddr, index: usize, exchange: &mut Exchange) -> Result<Self> {
        let Opened { socket, leftover, deflate } =
            opening::open(target, index, exchange.offer(), &mut exchange.random)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        exchange.agree(deflate)?;
        let mut client = Self { socket, dialogue: Dialogue::new(exchange, index) };
        client.receive(&leftover, exchange)?;
        Ok(client)
    }

    /// Sends one message and waits for its echo.
    fn echo(&mut self, exchange: &mut Exchange) -> Result<()> {
        let mut frame = Vec::new();
        self.dialogue.send(exchange, &mut frame);
        self.socket.write_all(&frame)?;
        let mut chunk = [0; 4096];
        loop {
            let size = self.socket.read(&mut chunk)?;
            ensure!(size > 0, "the server hung up");
            if self.receive(&chunk[..size], exchange)? > 0 {
                return Ok(());
            }
        }
    }

    fn receive(&mut self, input: &[u8], exchange: &mut Exchange) -> Result<usize> {
        let mut pongs = Vec::new();
        let echoes = self.dialogue.receive(input, exchange, &mut pongs)?;
        if !pongs.is_empty() {
            self.socket.write_all(&pongs)?;
        }
        Ok(echoes)
    }
}
