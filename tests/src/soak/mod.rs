//! A server under light traffic for a long time: many connections of one subscription each, some of which come and go,
//! some that read slowly, and its memory meanwhile.

mod growth;
mod publisher;
mod subscriber;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use longwire::{Connect, WebSocket};
use longwire_client::channel::{ChannelName, ClientMessage, Codec, ServerMessage};
use longwire_load::process::Process;
use socket2::SockRef;
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep_until, timeout};

use self::growth::growth;
use crate::survival::{Server, exchange};

/// How much, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Connections with a subscription each.
    pub connections: usize,
    /// Time under traffic.
    pub time: Duration,
    /// Time between two samples.
    pub every: Duration,
}

/// What was seen of the server at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the traffic began.
    pub at: Duration,
    /// Resident memory.
    pub resident: u64,
    /// Bytes that wait for clients.
    pub queued: u64,
    /// Sessions that the server has.
    pub sessions: u64,
    /// Those of them whose clients take too little.
    pub congested: u64,
    /// Records that were delivered and checked, over all connections.
    pub delivered: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Each a [`Plan::every`] behind the other.
    pub samples: Vec<Sample>,
    /// Records that were delivered, each once and in order.
    pub delivered: u64,
    /// Connections that were opened again from their position.
    pub reconnects: u64,
    /// Records that the server read again for them, and for those that had fallen behind.
    pub recovered: u64,
}

/// Runs it. Fails if a record is lost, doubled, changed or out of order, if a connection is lost, if memory grows, if more
/// waits for a slow reader than may, and if none was slow.
pub fn run(binary: &Path, plan: Plan, mut tell: impl FnMut(&Sample)) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let server = Server::start_with(binary, folder.path(), SETTINGS)?;
    let process = Process::new(server.pid())?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let soaked = runtime.block_on(Soak::new(server.address(), plan).run(process, &mut tell));
    let report = soaked.with_context(|| server.description())?;
    check_memory(&report.samples)?;
    let congested = report.samples.iter().map(|sample| sample.congested).max();
    ensure!(congested > Some(0), "nobody fell behind: the slow readers were not slow");
    ensure!(report.reconnects > 0, "nobody came back");
    Ok(report)
}

fn check_memory(samples: &[Sample]) -> Result<()> {
    let resident: Vec<u64> = samples.iter().map(|sample| sample.resident).collect();
    if let Some((before, after)) = growth(&resident, PEAKS) {
        bail!("resident memory grows: {before} bytes in the second quarter, {after} in the last");
    }
    for sample in samples {
        let bound = (sample.congested + 1) * PER_CONGESTED;
        ensure!(
            sample.queued <= bound,
            "{} bytes wait for {} congested sessions",
            sample.queued,
            sample.congested
        );
    }
    Ok(())
}

/// Bytes that the allocator may keep of the moments at which several slow readers catch up at once.
const PEAKS: u64 = 4 << 20;

/// Bytes that may wait for one congested session: `limits.queue_bytes` and a page.
const PER_CONGESTED: u64 = 1 << 20;

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Traffic,
    /// Nothing more is published, and the last answers are awaited.
    LastAnswers,
    /// What was acknowledged is all there will be.
    CatchingUp,
}

/// The traffic, and what all of its parts share.
struct Soak {
    plan: Plan,
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
}

struct Shared {
    address: SocketAddr,
    channels: Vec<Channel>,
    /// How many of the channels, the last ones, are for slow readers.
    busy: usize,
    slow: usize,
    /// The mean time between two reconnects of one connection.
    life: Duration,
    phase: watch::Receiver<Phase>,
    opening: Semaphore,
    delivered: AtomicU64,
    reconnects: AtomicU64,
}

struct Channel {
    name: ChannelName,
    /// Bytes of its publications.
    size: usize,
    /// How many of them the server keeps in memory.
    kept: usize,
    /// The `seq` of the last one that was acknowledged.
    tail: AtomicU64,
}

impl Soak {
    fn new(address: SocketAddr, plan: Plan) -> Self {
        let many = (plan.connections / 100).max(2);
        let named = |name: &str, count: usize, size: usize, kept: usize| {
            let channel = |number| Channel {
                name: ChannelName::new(&format!("{name}:{number}")).expect("a sound name"),
                size,
                kept,
                tail: AtomicU64::new(0),
            };
            (0..count).map(channel).collect::<Vec<_>>()
        };
        let mut channels = named("memory", many / 2, 200, KEPT_IN_MEMORY);
        channels.extend(named("disk", many / 2, 200, 0));
        channels.extend(named("busy", 1, 32 << 10, KEPT_BUSY));
        let (phase, told) = watch::channel(Phase::Traffic);
        let shared = Shared {
            address,
            channels,
            busy: 1,
            slow: (plan.connections / 750).max(4),
            life: Duration::from_secs(plan.connections as u64 / RECONNECTS),
            phase: told,
            opening: Semaphore::new(OPENING),
            delivered: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
        };
        Self { plan, shared: Arc::new(shared), phase }
    }

    async fn run(self, process: Process, tell: &mut impl FnMut(&Sample)) -> Result<Report> {
        publisher::fill(&self.shared).await?;
        let mut parts = tokio::task::JoinSet::new();
        let (open, mut opened) = mpsc::unbounded_channel();
        for number in 0..self.plan.connections {
            let (shared, open) = (Arc::clone(&self.shared), open.clone());
            parts.spawn(async move {
                let followed = subscriber::follow(&shared, number, open).await;
                followed.with_context(|| format!("connection {number}"))
            });
        }
        for _ in 0..self.plan.connections {
            tokio::select! {
                _ = opened.recv() => {}
                Some(failed) = parts.join_next() => failed??,
            }
        }
        let mut publishers = tokio::task::JoinSet::new();
        for group in publisher::groups(&self.shared) {
            let shared = Arc::clone(&self.shared);
            publishers.spawn(async move { publisher::publish(&shared, group).await });
        }
        let mut samples = Vec::new();
        let began = Instant::now();
        while began.elapsed() < self.plan.time {
            let next = began + self.plan.every * u32::try_from(samples.len() + 1)?;
            tokio::select! {
                () = sleep_until(next.into()) => {}
                Some(failed) = parts.join_next() => failed??,
                Some(failed) = publishers.join_next() => failed??,
            }
            let sample = self.sample(process, began.elapsed()).await?;
            tell(&sample);
            samples.push(sample);
        }
        self.phase.send_replace(Phase::LastAnswers);
        while let Some(ended) = publishers.join_next().await {
            ended??;
        }
        self.phase.send_replace(Phase::CatchingUp);
        let all = async {
            while let Some(ended) = parts.join_next().await {
                ended??;
            }
            anyhow::Ok(())
        };
        if let Ok(all) = timeout(CATCH_UP, all).await {
            all?;
        } else {
            bail!("{} connections did not get everything in {CATCH_UP:?}", parts.len());
        }
        let metrics = self.metrics().await?;
        Ok(Report {
            samples,
            delivered: self.shared.delivered.load(Ordering::Relaxed),
            reconnects: self.shared.reconnects.load(Ordering::Relaxed),
            recovered: metric(&metrics, "longwire_recovered_total")?,
        })
    }

    async fn sample(&self, process: Process, at: Duration) -> Result<Sample> {
        let metrics = self.metrics().await?;
        Ok(Sample {
            at,
            resident: process.resident()?,
            queued: metric(&metrics, "longwire_queue_bytes")?,
            sessions: metric(&metrics, "longwire_sessions")?,
            congested: metric(&metrics, "longwire_congested_sessions")?,
            delivered: self.shared.delivered.load(Ordering::Relaxed),
        })
    }

    async fn metrics(&self) -> Result<String> {
        let address = self.shared.address;
        let get = move || exchange(address, "GET /metrics", &[], "");
        let (status, text) = tokio::task::spawn_blocking(get).await??;
        ensure!(status == 200, "/metrics was answered with {status}");
        Ok(text)
    }
}

impl Shared {
    /// A connection from the source address of this number: one has some 28,000 ports.
    async fn connect(&self, number: usize) -> Result<WebSocket> {
        let _permit = self.opening.acquire().await?;
        let socket = TcpSocket::new_v4()?;
        let host = number / PER_SOURCE + 1;
        socket.bind(format!("127.0.0.{host}:0").parse()?)?;
        if self.is_slow(number) {
            // So that it is the server that has to wait, and not the system.
            socket.set_recv_buffer_size(32 << 10)?;
            SockRef::from(&socket).set_tcp_mss(1400)?;
        }
        let stream = timeout(PATIENCE, socket.connect(self.address)).await??;
        stream.set_nodelay(true)?;
        Ok(Connect::new(&format!("ws://{}/v1/connect", self.address)).over(stream).await?)
    }

    fn is_slow(&self, number: usize) -> bool {
        number < self.slow
    }

    fn channel_of(&self, number: usize) -> &Channel {
        let ordinary = self.channels.len() - self.busy;
        let index = if self.is_slow(number) { ordinary } else { number % ordinary };
        &self.channels[index]
    }
}

/// What a record has to say.
fn content(channel: &Channel, seq: u64) -> String {
    let mut text = format!("{} {seq} ", channel.name.as_str());
    text.extend(std::iter::repeat_n('x', channel.size.saturating_sub(text.len())));
    text
}

/// Says something to the server.
async fn say(socket: &WebSocket, message: &ClientMessage) -> Result<()> {
    let bytes = Codec::Json.encode_client(message);
    socket.send(std::str::from_utf8(&bytes)?).await?;
    Ok(())
}

/// What the server says next.
async fn hear(socket: &mut WebSocket) -> Result<Vec<ServerMessage>> {
    let message = socket.recv().await?.context("the server closed the connection")?;
    Ok(Codec::Json.decode_server(message.as_bytes())?)
}

/// The value of a metric without labels.
fn metric(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = line.with_context(|| format!("/metrics has no {name}"))?;
    Ok(value.trim().parse()?)
}

const SETTINGS: &[&str] = &[
    "limits.publish_rate=100000",
    // Longer than a slow reader's pause, and shorter than two of them: whoever goes on reading is not cut.
    "limits.stall_timeout=6s",
    "namespaces.memory.durability=memory",
    "namespaces.memory.retention.count=20",
    "namespaces.disk.durability=disk",
    "namespaces.busy.durability=memory",
    "namespaces.busy.retention.count=512",
    "namespaces.busy.retention.bytes=64MiB",
];

/// Records that a channel keeps in memory, by the settings.
const KEPT_IN_MEMORY: usize = 20;
const KEPT_BUSY: usize = 512;

/// Connections that come back each second, over all.
const RECONNECTS: u64 = 15;

/// Connections that open at a time.
const OPENING: usize = 64;

/// Connections a source address.
const PER_SOURCE: usize = 5000;

/// For how long the server may be silent where it must answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// For how long the last records may be on their way once no more are published.
const CATCH_UP: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# TYPE longwire_sessions gauge\nlongwire_sessions_x 1\nlongwire_sessions 17\n";
        assert_eq!(metric(text, "longwire_sessions").expect("it is there"), 17);
        assert!(metric(text, "longwire_session").is_err());
    }
}
