//! Settings of a connection, each with its unit and its default.

use std::{num::NonZeroUsize, time::Duration};

use crate::Deflate;

/// Settings of a connection. [`Config::default`] suits a server that talks to strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// What one peer may cost. Always on.
    pub limits: Limits,
    /// Pings that keep a quiet connection alive and find a dead one. Default: every 20 s, with
    /// 20 s to answer. `None` sends none.
    pub keepalive: Option<Keepalive>,
    /// Time for the closing handshake, from our Close frame to the transport's end (§7.1.1); counted
    /// anew while the transport still takes what is queued, up to ten times in all. Default: 5 s.
    pub close_timeout: Duration,
    /// Time without a message in either direction after which the connection is closed with 1001.
    /// Pings do not count. Default: `None`, no such limit.
    pub idle_timeout: Option<Duration>,
    /// Whether messages are delivered whole or as they arrive. Default: whole.
    pub delivery: Delivery,
    /// The largest payload of a frame that is sent, in bytes, 4 GiB at the most: a longer message goes out in
    /// fragments, between which control frames may pass. Fragments that the caller cuts stay as they
    /// are. Default: `None`, one frame a message.
    pub fragment_size: Option<NonZeroUsize>,
    /// permessage-deflate (RFC 7692): offered by a client, agreed to by a server. Default: `None`,
    /// no compression, since it costs more time than all the rest of a connection, and is a danger
    /// to secrets: see [`Deflate`].
    pub deflate: Option<Deflate>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            keepalive: Some(Keepalive::default()),
            close_timeout: Duration::from_secs(5),
            idle_timeout: None,
            delivery: Delivery::Messages,
            fragment_size: None,
            deflate: None,
        }
    }
}

/// What one peer may cost (§10.4). Memory is taken as bytes arrive, at most twice what arrived and
/// 64 KiB, however much is declared. A message beyond 64 KiB may borrow one of the few large buffers
/// that its thread keeps, 4 MiB in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one frame's payload, as on the wire. Default: 16 MiB. Beyond it: 1009.
    pub max_frame_size: u64,
    /// Bytes of one message, after decompression. Default: 16 MiB. Beyond it: 1009.
    pub max_message_size: u64,
    /// Frames of one message, empty ones included. Default: 131,072. Beyond it: 1009.
    pub max_fragments: u32,
    /// Bytes of messages queued for sending. Default: 1 MiB. A message that would cross it waits,
    /// or comes back; one that is larger by itself is taken when nothing else is queued.
    pub max_buffered_amount: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_size: 16 << 20,
            max_message_size: 16 << 20,
            max_fragments: 131_072,
            max_buffered_amount: 1 << 20,
        }
    }
}

/// When a Ping is sent unasked, and when its silence is a verdict (§5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "an interval and a timeout")]
pub struct Keepalive {
    /// Time without a byte from the peer after which a Ping is sent. Default: 20 s.
    pub interval: Duration,
    /// Time for any byte to arrive after that Ping went out, or for the transport to take any byte
    /// while it has not. Default: 20 s. Then the connection is given up as timed out.
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: Duration::from_secs(20), timeout: Duration::from_secs(20) }
    }
}

/// Whether messages are delivered whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "whole or not")]
pub enum Delivery {
    /// [`Event::Message`](crate::Event::Message): whole, under the limits of frame, message and
    /// fragments.
    #[default]
    Messages,
    /// [`Event::Fragment`](crate::Event::Fragment): as bytes arrive, so that a message of any size
    /// passes in constant memory. Those three limits do not apply, since nothing is kept.
    Fragments,
}
