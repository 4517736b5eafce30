//! What a run measured: the JSON that `bench-load` prints and the runner reads.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An echo load: `connections` sockets, each with `in_flight` messages of `size` bytes on their way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EchoReport {
    /// Connections that were open.
    pub connections: usize,
    /// Payload bytes a message.
    pub size: usize,
    /// Messages a connection kept on their way.
    pub in_flight: usize,
    /// Length of the measured window, in seconds.
    pub seconds: f64,
    /// Messages echoed and verified within the window.
    pub messages: u64,
    /// `messages / seconds`.
    pub messages_per_second: f64,
    /// Payload bytes echoed a second (one direction).
    pub payload_bytes_per_second: f64,
    /// User + system CPU time of the server process a message, in microseconds.
    pub server_cpu_us_per_message: f64,
    /// CPU time of the server a second of wall time: 1.0 is one core kept busy.
    pub server_busy: f64,
    /// Time that the server was ready to run and something else had its core, a second of wall time.
    pub server_waited: f64,
    /// CPU time of the load generator a second of wall time.
    pub load_busy: f64,
    /// Time that the load generator was ready to run and had no core, a second of wall time.
    pub load_waited: f64,
    /// The server's resident memory before the first connection, in bytes.
    pub rss_before: u64,
    /// The server's resident memory at the end of the window, in bytes.
    pub rss_after: u64,
}

/// An idle load: `connections` open sockets that say nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdleReport {
    /// Idle connections that were open.
    pub connections: usize,
    /// The server's resident memory with one used connection, in bytes.
    pub rss_before: u64,
    /// The same with all connections open, none of which has sent a message.
    pub rss_open: u64,
    /// The same after each connection has echoed one 32-byte message.
    pub rss_used: u64,
    /// Growth a connection that has only been opened, in bytes.
    pub rss_per_open_connection: f64,
    /// Growth a connection that has echoed one message and is idle again, in bytes.
    pub rss_per_used_connection: f64,
    /// CPU time of the server for one opening handshake, in microseconds.
    pub server_cpu_us_per_handshake: f64,
}

impl fmt::Display for EchoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} connections x {} B x {} in flight, {:.2} s, every byte verified",
            self.connections, self.size, self.in_flight, self.seconds
        )?;
        writeln!(
            f,
            "messages    {} ({:.0}/s, {:.1} MB/s of payload)",
            self.messages,
            self.messages_per_second,
            self.payload_bytes_per_second / 1e6
        )?;
        writeln!(
            f,
            "server CPU  {:.3} us/message, core {:.0} % busy, waited {:.1} %",
            self.server_cpu_us_per_message,
            self.server_busy * 100.0,
            self.server_waited * 100.0
        )?;
        writeln!(
            f,
            "load CPU    core {:.0} % busy, waited {:.1} %",
            self.load_busy * 100.0,
            self.load_waited * 100.0
        )?;
        write!(
            f,
            "server RSS  {} KiB before, {} KiB after",
            self.rss_before / 1024,
            self.rss_after / 1024
        )
    }
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} idle connections", self.connections)?;
        writeln!(
            f,
            "server RSS  {} KiB before, {} KiB open, {} KiB after one echo each",
            self.rss_before / 1024,
            self.rss_open / 1024,
            self.rss_used / 1024
        )?;
        writeln!(
            f,
            "each        {:.0} B open, {:.0} B after one echo",
            self.rss_per_open_connection, self.rss_per_used_connection
        )?;
        write!(f, "handshake   {:.1} us of server CPU", self.server_cpu_us_per_handshake)
    }
}
