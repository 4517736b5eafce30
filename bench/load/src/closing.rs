//! The closing handshake from the client's side (RFC 6455 section 7.1.2), for many connections at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::frames::{self, CLOSE};

/// How long all connections together may take to close.
const DEADLINE: Duration = Duration::from_secs(5);

/// Sends Close 1000 on every socket and waits until the server has ended the connections.
///
/// What goes wrong here is no part of a measurement, so it is not reported.
pub fn close_all(sockets: impl Iterator<Item = TcpStream>) {
    let mut close = Vec::new();
    frames::encode(&mut close, CLOSE, &1000_u16.to_be_bytes(), [0x5a; 4]);
    let closing: Vec<TcpStream> = sockets
        .filter(|socket| {
            let mut writer = socket;
            socket.set_nonblocking(false).is_ok() && writer.write_all(&close).is_ok()
        })
        .collect();
    let start = Instant::now();
    for mut socket in closing {
        let left = DEADLINE.saturating_sub(start.elapsed()).max(Duration::from_micros(1));
        if socket.set_read_timeout(Some(left)).is_ok() {
            while socket.read(&mut [0; 256]).is_ok_and(|size| size > 0) {}
        }
    }
}
