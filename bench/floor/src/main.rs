//! A bare epoll WebSocket loop on one thread: the least that any server can cost.
//!
//! Echo: one `read`, one pass over the frames, one `write`. Broadcast: the same bytes to all, one `write` each.
//! No runtime, no allocation a message, no memory an idle connection but its slot; TLS, if it is asked for, by
//! rustls directly. It knows just enough of RFC 6455 to be a fair floor, not a library.

mod connection;
mod frames;
mod socket;

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Context, Result};
use bench_common::Listen;
use clap::Parser;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt};
use rustls::ServerConfig;

use crate::connection::{Connection, Fate, Shared};
use crate::frames::{Take, answer_in_place};
use crate::socket::Socket;

/// Echo every WebSocket message with a bare epoll loop on one thread
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    listen: Listen,
    /// Send every message to all connections instead
    #[arg(long)]
    broadcast: bool,
}

struct Server {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    broadcast: bool,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    shared: Shared,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let tls = args.listen.tls()?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let listener = args.listen.bind()?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut server = Server {
        listener,
        tls,
        broadcast: args.broadcast,
        connections: Vec::new(),
        free: Vec::new(),
        shared: Shared { epoll, buffers: Vec::new() },
    };
    let mut events = Vec::with_capacity(1024);
    loop {
        match epoll::wait(&server.shared.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait failed"),
        }
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => server.accept()?,
                token => server.serve(usize::try_from(token)?),
            }
        }
    }
}

impl Server {
    fn accept(&mut self) -> Result<()> {
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let fd = match accept_with(&self.listener, flags) {
                Ok(fd) => fd,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::CONNABORTED | Errno::INTR) => continue,
                Err(error) => return Err(error).context("accept failed; raise `ulimit -n`?"),
            };
            sockopt::set_tcp_nodelay(&fd, true)?;
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let socket = Socket::new(fd, self.tls.as_ref())?;
            self.connections[slot] = Some(Connection::new(socket, slot, &self.shared)?);
        }
    }

    fn serve(&mut self, slot: usize) {
        let Some(connection) = &mut self.connections[slot] else { return };
        let fate = if connection.is_blocked() {
            connection.resume(&mut self.shared)
        } else if self.broadcast {
            self.broadcast(slot)
        } else {
            connection.echo(&mut self.shared)
        };
        self.settle(slot, fate);
    }

    /// Drops the connection, if that is its fate.
    fn settle(&mut self, slot: usize, fate: Result<Fate>) {
        match fate {
            Ok(Fate::Keep) => return,
            Ok(Fate::Drop) => {}
            Err(error) => eprintln!("floor: connection dropped: {error:#}"),
        }
        self.connections[slot] = None;
        self.free.push(slot);
    }

    /// Sends what has arrived from one to all.
    fn broadcast(&mut self, slot: usize) -> Result<Fate> {
        let Some(connection) = &mut self.connections[slot] else { return Ok(Fate::Keep) };
        let Some(mut buffer) = connection.receive(&mut self.shared)? else { return Ok(Fate::Drop) };
        let mut done = 0;
        loop {
            // A broadcast drops those that have gone, and perhaps the sender.
            let Some(connection) = &mut self.connections[slot] else { return Ok(Fate::Keep) };
            if !connection.is_open() {
                connection.keep(buffer, 0);
                return Ok(Fate::Keep);
            }
            let pass = answer_in_place(&mut buffer[done..], Take::Alike)?;
            if pass.consumed == 0 {
                buffer.drain(..done);
                match buffer.len() {
                    0 => self.shared.buffers.push(buffer),
                    _ => connection.keep(buffer, pass.unfinished),
                }
                return Ok(Fate::Keep);
            }
            let replies = &buffer[done + pass.start..done + pass.end];
            done += pass.consumed;
            if !pass.control {
                self.send_to_all(replies);
                continue;
            }
            if pass.closed {
                connection.close();
            }
            if connection.send(replies, &mut self.shared)? == Fate::Drop {
                return Ok(Fate::Drop);
            }
        }
    }

    fn send_to_all(&mut self, frames: &[u8]) {
        for slot in 0..self.connections.len() {
            let Some(connection) = &mut self.connections[slot] else { continue };
            if connection.is_open() {
                let fate = connection.send(frames, &mut self.shared);
                self.settle(slot, fate);
            }
        }
    }
}

const LISTENER: u64 = u64::MAX;
