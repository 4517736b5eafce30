//! Settings of the hub, each with its unit, its default, and what happens beyond it.

use std::time::Duration;

use crate::Namespaces;

/// Settings of the hub. All limits are always on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubConfig {
    /// The namespaces. Default: one for all channels, in memory.
    pub namespaces: Namespaces,
    /// Sessions at a time. Default: 100,000. Beyond it a new one ends with 4005.
    pub max_sessions: usize,
    /// Subscriptions of one session. Default: 128. Beyond it: `too_many_subscriptions`.
    pub max_subscriptions: u32,
    /// Bytes of the largest message from a client: the driver keeps to it; the hub tells it in `connected`.
    /// Default: 128 KiB.
    pub max_message_bytes: u64,
    /// Publications a second of one session; twice as many may come at once. Default: 1,000. Beyond it they are held,
    /// and submitted in their order as the rate allows.
    pub publish_rate: u32,
    /// Publications of one session that are held because they came faster than their rate; one may always be.
    /// Default: 256. Beyond it: `rate_limited`, and so for all behind it until half of them are submitted.
    pub max_held_publications: usize,
    /// Bytes of these publications, of which a single one may have more. Default: 1 MiB. Beyond it the same.
    pub max_held_bytes: usize,
    /// Commands of one session that wait for their answers, publications that are held among them. Default: 1,024. Beyond
    /// it: `rate_limited`, a publication with those behind it for as long as it is told to wait. As many may
    /// come while the pipe is congested; beyond that the session ends with 4001.
    pub max_pending_commands: u32,
    /// Bytes of these commands. Default: 4 MiB. Beyond it: `rate_limited`.
    pub max_pending_bytes: usize,
    /// Requests to the broker that wait for their answers, for all sessions and the HTTP API together. Default: 200,000.
    /// Beyond it: `unavailable`.
    pub max_pending_requests: usize,
    /// Requests of the HTTP API that wait for their answers. Default: 10,000. Beyond it: `unavailable`.
    pub max_requests: usize,
    /// Publications of one batch, or channels of one broadcast. Default: 1,000. Beyond it: `too_large`.
    pub max_batch: usize,
    /// Records of one page of a recovery. Default: 256.
    pub page_records: u32,
    /// Bytes of one page, of which a single record may have more. Default: 256 KiB.
    pub page_bytes: usize,
    /// Pages that are read at a time, for all sessions together; one for each session. Default: 64. Beyond it they
    /// wait for their turns.
    pub max_page_reads: usize,
    /// Sessions that share one page, for they want the same one: each is given a list of its records at once. Default:
    /// 1,000. Beyond it the page is read again.
    pub max_page_readers: usize,
    /// How long a session may wait with `connect`. Default: 10 s. Then it ends with 4007.
    pub connect_timeout: Duration,
    /// Time without a message from a client after which it is pinged. The first ping comes after a random part of it.
    /// Default: 25 s.
    pub ping_interval: Duration,
    /// How long anything may take to come behind a ping. Default: 10 s. Then the session ends with 4002.
    pub pong_timeout: Duration,
    /// How long a congested pipe may take to drain. Default: 60 s. Then the session ends with 4002.
    pub stall_timeout: Duration,
    /// How long a session goes on behind its token's expiry. Default: 25 s. Then it ends with 4004.
    pub expiry_grace: Duration,
    /// Over which time clients that lost their connection without a word spread their first attempts. Default: 500 ms.
    pub reconnect_window: Duration,
    /// The shortest interval of a rollup, and of `latest` with an interval. Default: 10 ms. A shorter one counts as
    /// this one.
    pub min_interval: Duration,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            namespaces: Namespaces::default(),
            max_sessions: 100_000,
            max_subscriptions: 128,
            max_message_bytes: 128 << 10,
            publish_rate: 1_000,
            max_held_publications: 256,
            max_held_bytes: 1 << 20,
            max_pending_commands: 1_024,
            max_pending_bytes: 4 << 20,
            max_pending_requests: 200_000,
            max_requests: 10_000,
            max_batch: 1_000,
            page_records: 256,
            page_bytes: 256 << 10,
            max_page_reads: 64,
            max_page_readers: 1_000,
            connect_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_mins(1),
            expiry_grace: Duration::from_secs(25),
            reconnect_window: Duration::from_millis(500),
            min_interval: Duration::from_millis(10),
        }
    }
}
