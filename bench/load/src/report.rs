//! What a run measured: the JSON that `bench-load` prints and the runner reads.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What server and load generator did and used while it was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Window {
    /// Length of the measured window, in seconds.
    pub seconds: f64,
    /// Messages that came, and were verified, within the window.
    pub messages: u64,
    /// `messages / seconds`.
    pub messages_per_second: f64,
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
}

/// permessage-deflate in the measured window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Compression {
    /// What the server agreed to.
    pub agreed: String,
    /// Share of the server's messages that were compressed: 1.0 is all of them.
    pub compressed: f64,
}

/// An echo load: `connections` sockets, each with `in_flight` messages of `size` bytes on their way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EchoReport {
    /// Connections that were open.
    pub connections: usize,
    /// Payload bytes a message, before it is compressed.
    pub size: usize,
    /// Messages a connection kept on their way.
    pub in_flight: usize,
    /// Messages echoed, and what they cost.
    #[serde(flatten)]
    pub window: Window,
    /// Payload bytes echoed a second (one direction).
    pub payload_bytes_per_second: f64,
    /// Bytes of WebSocket frames to the server, a message.
    pub bytes_to_server_per_message: f64,
    /// Bytes of WebSocket frames from the server, a message.
    pub bytes_from_server_per_message: f64,
    /// `None` if permessage-deflate was not offered.
    pub compression: Option<Compression>,
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
    /// Payload bytes a message, before it is compressed.
    pub size: usize,
    /// Messages that each connection has echoed in the end.
    pub messages: usize,
    /// What the server agreed to; `None` if permessage-deflate was not offered.
    pub agreed: Option<String>,
    /// The server's resident memory before the first connection, in bytes.
    pub rss_start: u64,
    /// The same with the connections that were used first, to page in what is no cost of a connection.
    pub rss_before: u64,
    /// The same with all connections open, none of which has sent a message.
    pub rss_open: u64,
    /// The same after each connection has echoed its messages.
    pub rss_used: u64,
    /// Growth a connection that has only been opened, in bytes.
    pub rss_per_open_connection: f64,
    /// Growth a connection that has echoed its messages and is idle again, in bytes.
    pub rss_per_used_connection: f64,
    /// CPU time of the server for one opening handshake, in microseconds.
    pub server_cpu_us_per_handshake: f64,
}

/// A broadcast load: each message of the server goes to `receivers` sockets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BroadcastReport {
    /// Connections that got every message.
    pub receivers: usize,
    /// Bytes a message, before it is compressed or cut.
    pub broadcast_size: usize,
    /// Messages delivered, each counted at every receiver, and what they cost.
    #[serde(flatten)]
    pub window: Window,
    /// Bytes of WebSocket frames from the server, a delivered message.
    pub bytes_from_server_per_message: f64,
    /// `None` if permessage-deflate was not offered.
    pub compression: Option<Compression>,
    /// Delivered messages that were inflated to be verified. The others were the same bytes as one that
    /// was.
    pub inflated: u64,
}

impl Window {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "messages    {} ({:.0}/s)", self.messages, self.messages_per_second)?;
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
        )
    }
}

impl Compression {
    fn write(compression: Option<&Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match compression {
            Some(Self { agreed, compressed }) => {
                let percent = compressed * 100.0;
                writeln!(f, "agreed      {agreed}; {percent:.1} % of replies compressed")
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for EchoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} connections x {} B x {} in flight, {:.2} s, every byte verified",
            self.connections, self.size, self.in_flight, self.window.seconds
        )?;
        self.window.write(f)?;
        writeln!(f, "payload     {:.1} MB/s", self.payload_bytes_per_second / 1e6)?;
        writeln!(
            f,
            "on the wire {:.1} B/message to the server, {:.1} B from it",
            self.bytes_to_server_per_message, self.bytes_from_server_per_message
        )?;
        Compression::write(self.compression.as_ref(), f)?;
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
        writeln!(
            f,
            "{} idle connections, used for {} x {} B",
            self.connections, self.messages, self.size
        )?;
        if let Some(agreed) = &self.agreed {
            writeln!(f, "agreed      {agreed}")?;
        }
        writeln!(
            f,
            "server RSS  {} KiB at start, {} KiB before, {} KiB open, {} KiB used",
            self.rss_start / 1024,
            self.rss_before / 1024,
            self.rss_open / 1024,
            self.rss_used / 1024
        )?;
        writeln!(
            f,
            "each        {:.0} B open, {:.0} B used",
            self.rss_per_open_connection, self.rss_per_used_connection
        )?;
        write!(f, "handshake   {:.1} us of server CPU", self.server_cpu_us_per_handshake)
    }
}

impl fmt::Display for BroadcastReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} B to {} receivers, {:.2} s, every byte verified",
            self.broadcast_size, self.receivers, self.window.seconds
        )?;
        self.window.write(f)?;
        Compression::write(self.compression.as_ref(), f)?;
        write!(
            f,
            "on the wire {:.1} B/message from the server; {} inflated, the others were the same bytes",
            self.bytes_from_server_per_message, self.inflated
        )
    }
}
