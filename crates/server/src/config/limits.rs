//! What one client, and all of them, may cost; and how a server stops.

use serde::Deserialize;

use super::{ConfigError, Size, Span};

/// The section `[limits]`. Every limit is on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LimitsConfig {
    /// Connections at a time, of every kind. Beyond it clients wait in the system's queue. Default: 50,000.
    pub connections: usize,
    /// Connections at a time from one address, or one /64 network of IPv6. Beyond it a connection is closed unread. Default: no such limit,
    /// since all clients behind a proxy have one address.
    pub connections_per_ip: Option<usize>,
    /// Bytes of one message of a client, and of the body of one publication over HTTP. Beyond it: close code 1009, or
    /// 413. Default: 256 KiB.
    pub message_bytes: Size,
    /// Bytes of any other request's body, a batch for one. Beyond it: 413. Default: 4 MiB.
    pub body_bytes: Size,
    /// Bytes of a request's head. Beyond it: 431. Default: 16 KiB.
    pub head_bytes: Size,
    /// Subscriptions of one session at a time. Default: 128.
    pub subscriptions: u32,
    /// Publications a second of one session, and over HTTP of one user, or of one address without a user; twice as many
    /// at once. API keys are not limited. Beyond it a session's publications wait in their order, 256 of them and 1 MiB;
    /// beyond that, and over HTTP at once: `rate_limited`. Default: 1,000.
    pub publish_rate: u32,
    /// Bytes that may wait for one client; beyond it each of its subscriptions does what its policy says. Default:
    /// 256 KiB.
    pub queue_bytes: Size,
    /// Streams in memory at a time. Beyond it those are forgotten that have rested longest; where all are in use, what needs
    /// another is `unavailable`. Default: 100,000.
    pub memory_streams: usize,
    /// Bytes that the streams in memory hold together. Beyond it as with their number. Default: 256 MiB.
    pub memory_bytes: Size,
    /// Time for the first bytes of a connection, for a WebSocket's opening handshake, for a client's `connect`, and for
    /// finding out who it is where somebody else has to be asked. Default: 10 s.
    pub connect_timeout: Span,
    /// Time for the head of an HTTP request, the wait for it on a kept connection included. Default: 75 s.
    pub idle_timeout: Span,
    /// Time for a request's body, and for the answer of the hub. Default: 30 s.
    pub request_timeout: Span,
    /// Silence of a client after which it is pinged. Default: 25 s.
    pub ping_interval: Span,
    /// Time for anything behind a ping. Default: 10 s.
    pub pong_timeout: Span,
    /// Time that a client may take nothing while bytes wait for it. Default: 60 s.
    pub stall_timeout: Span,
    /// A comment goes out on a stream of events after so much silence, so that no proxy takes it for dead. Default:
    /// 15 s.
    pub events_interval: Span,
    /// What a client that lost its connection waits at most before its first attempt. Default: 500 ms.
    pub reconnect_window: Span,
}

/// The section `[shutdown]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ShutdownConfig {
    /// Clients are told to come back after a random part of this. Default: 10 s.
    pub drain_window: Span,
    /// Time for everything: what is open then is cut. Default: 20 s.
    pub timeout: Span,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections: 50_000,
            connections_per_ip: None,
            message_bytes: Size(256 << 10),
            body_bytes: Size(4 << 20),
            head_bytes: Size(16 << 10),
            subscriptions: 128,
            publish_rate: 1000,
            queue_bytes: Size(256 << 10),
            memory_streams: 100_000,
            memory_bytes: Size(256 << 20),
            connect_timeout: Span::seconds(10),
            idle_timeout: Span::seconds(75),
            request_timeout: Span::seconds(30),
            ping_interval: Span::seconds(25),
            pong_timeout: Span::seconds(10),
            stall_timeout: Span::seconds(60),
            events_interval: Span::seconds(15),
            reconnect_window: Span(std::time::Duration::from_millis(500)),
        }
    }
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { drain_window: Span::seconds(10), timeout: Span::seconds(20) }
    }
}

impl LimitsConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let counts = [
            ("connections", self.connections as u64),
            ("connections_per_ip", self.connections_per_ip.unwrap_or(1) as u64),
            ("message_bytes", self.message_bytes.0),
            ("body_bytes", self.body_bytes.0),
            ("subscriptions", u64::from(self.subscriptions)),
            ("publish_rate", u64::from(self.publish_rate)),
            ("queue_bytes", self.queue_bytes.0),
            ("memory_streams", self.memory_streams as u64),
            ("memory_bytes", self.memory_bytes.0),
        ];
        let times = [
            ("connect_timeout", self.connect_timeout),
            ("idle_timeout", self.idle_timeout),
            ("request_timeout", self.request_timeout),
            ("ping_interval", self.ping_interval),
            ("pong_timeout", self.pong_timeout),
            ("stall_timeout", self.stall_timeout),
            ("events_interval", self.events_interval),
        ];
        let zero_times = times.iter().filter(|(_, span)| span.0.is_zero()).map(|(key, _)| key);
        let zeros = counts.iter().filter(|(_, count)| *count == 0).map(|(key, _)| key);
        if let Some(key) = zeros.chain(zero_times).next() {
            return Err(ConfigError::invalid(
                format!("limits.{key}"),
                "0 would let nobody in: write 1 or more, or leave it out for the default",
            ));
        }
        if self.head_bytes.0 < HEAD_MIN {
            return Err(ConfigError::invalid(
                "limits.head_bytes",
                "browsers' requests are larger: write \"8 KiB\" or more",
            ));
        }
        Ok(())
    }
}

/// What hyper needs for its buffer.
const HEAD_MIN: u64 = 8 << 10;
