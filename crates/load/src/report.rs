//! What a run measured. Every figure is measured: what was not is `None`, and null in JSON.

use serde::Serialize;

use crate::{Latency, Point};

/// The figures of a run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// `echo`, `broadcast`, `connect` or `idle`.
    pub workload: &'static str,
    /// The server's URL, without credentials.
    pub url: String,
    /// Connections that were open together.
    pub connections: usize,
    /// Messages that each connection kept on their way; `None` in an open loop.
    pub in_flight: Option<usize>,
    /// Messages a second that were due; `None` in a closed loop.
    pub rate: Option<f64>,
    /// Payload bytes of a message.
    pub size: usize,
    /// `random` or `json`.
    pub content: &'static str,
    /// `None` if no compression was offered.
    pub deflate: Option<Compression>,
    /// Length of the measured window.
    pub seconds: f64,
    /// Messages that came, and were verified, in the window; opening handshakes, where these are the
    /// load.
    pub messages: u64,
    /// The same a second.
    pub messages_per_second: f64,
    /// Payload of these messages.
    pub payload_bytes_per_second: Option<f64>,
    /// Bytes of WebSocket frames to the server, for each of these messages.
    pub bytes_to_server_per_message: Option<f64>,
    /// Bytes of WebSocket frames from the server, for each of these messages.
    pub bytes_from_server_per_message: Option<f64>,
    /// Of messages: from sending, or in an open loop from when they were due, until they are verified.
    pub latency_us: Option<Latency>,
    /// Of messages of an open loop: from when they were due until they were first written to their
    /// sockets; `None` in a closed loop.
    pub send_late_us: Option<Latency>,
    /// Of connections: from the first packet until the opening handshake is over.
    pub opening_us: Option<Latency>,
    /// The load generator's own time; `None` where the system does not tell it.
    pub load: Option<Load>,
    /// The server's process; `None` if it was not measured.
    pub server: Option<Server>,
    /// Memory of idle connections; `None` if it was not measured.
    pub memory: Option<Memory>,
    /// Whether the run was ended early.
    pub stopped: bool,
    /// Slices of the window, for a plot over time.
    #[serde(skip)]
    pub timeline: Vec<Point>,
    /// Latencies by percentile, for a plot: shares of all messages, and microseconds. Of opening
    /// handshakes, where these are the load.
    #[serde(skip)]
    pub curve: Vec<(f64, f64)>,
}

/// permessage-deflate in the measured window.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Compression {
    /// What the server agreed to.
    pub agreed: String,
    /// Share of the server's messages that were compressed; `None` where none was asked for.
    pub compressed: Option<f64>,
}

/// Shares of one core's time, of all threads of the load generator.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Load {
    /// Running.
    pub busy: f64,
    /// Ready to run, while something else had the core.
    pub waited: f64,
}

/// The server's process.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Server {
    /// User and system time of all its threads, those that ended in the window too, but not of its
    /// children, for each message. `None`, as are the shares, if no CPU
    /// time was seen, or not within 1 % of the window from its edges.
    pub cpu_us_per_message: Option<f64>,
    /// The same as a share of one core.
    pub busy: Option<f64>,
    /// Share of the time in which it was ready to run and something else had its core; `None` too
    /// if threads ended in the window.
    pub waited: Option<f64>,
    /// Resident memory before the first connection, in bytes.
    pub rss_before: u64,
    /// The same at the end of the window.
    pub rss_after: u64,
    /// The same with all connections open and idle, once the server has come to rest; `None` if it
    /// did not.
    pub rss_settled: Option<u64>,
}

/// Resident memory of a server with idle connections, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct Memory {
    /// Before the first connection.
    pub rss_start: u64,
    /// With the connections that were used first.
    pub rss_before: u64,
    /// With all others open, none of which has sent a message.
    pub rss_open: u64,
    /// After each has had its messages echoed.
    pub rss_used: u64,
    /// Growth for each that has only been opened.
    pub per_open_connection: f64,
    /// Growth for each that has been used and is idle again.
    pub per_used_connection: f64,
    /// CPU time for each opening handshake, in microseconds.
    pub cpu_us_per_opening: f64,
}
