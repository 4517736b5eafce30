//! Durable publications in a closed loop: what is acknowledged is on disk.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bench_harness::{disk::bare_syncs, statistics::real, times::Times};
use longwire_channel::{ChannelName, ServerMessage};
use longwire_load::process::Process;

use crate::fleet::Fleet;
use crate::sessions::greet;
use crate::stage::{Figures, Stage, Watch};
use crate::words;

/// How is published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publishing {
    pub(crate) publishers: usize,
    pub(crate) in_flight: usize,
    /// Whether each publication has an idempotency key, as those of the SDKs have.
    pub(crate) keys: bool,
}

/// The floor: appends of as many bytes, each with an fdatasync.
pub(crate) fn floor(stage: &Stage) -> Result<Figures> {
    let folder = stage.data()?;
    let mut times = bare_syncs(folder.path(), CONTENT, stage.time)?;
    let [p50, p99, _] = times.percentiles();
    Ok(vec![
        ("a second", real(times.count()) / stage.time.as_secs_f64()),
        ("p50 us", p50.into()),
        ("p99 us", p99.into()),
    ])
}

/// Publishers that each have so many on their way, each in a channel of its own.
pub(crate) fn publications(stage: &Stage, publishing: Publishing) -> Result<Figures> {
    let data = stage.data()?;
    let server = stage.channels(data.path(), "disk")?;
    let mut fleet = Fleet::new(server.url(), "/v1/connect")?;
    greet(&mut fleet, publishing.publishers)?;
    let from = Instant::now() + stage.time / 4;
    let to = from + stage.time;
    let mut publishers: Vec<_> = (0..publishing.publishers)
        .map(|number| Publisher {
            channel: words::channel(number),
            sent: 0,
            answered: 0,
            times: VecDeque::new(),
        })
        .collect();
    for (index, publisher) in publishers.iter_mut().enumerate() {
        for _ in 0..publishing.in_flight {
            publisher.publish(&mut fleet, index, publishing.keys)?;
        }
    }
    let mut under_way = publishing.publishers * publishing.in_flight;
    let mut times = Times::default();
    let (mut watch, mut seen) = (None, None);
    while under_way > 0 {
        let arrived = fleet.expect()?;
        let publisher = &mut publishers[arrived.on];
        let took = arrived.at - publisher.answer(&arrived.message)?;
        if arrived.at < from {
            publisher.publish(&mut fleet, arrived.on, publishing.keys)?;
            continue;
        }
        if watch.is_none() && seen.is_none() {
            watch = Some(Watch::begin(Process::new(server.pid())?)?);
        }
        if arrived.at < to {
            times.record(took);
            publisher.publish(&mut fleet, arrived.on, publishing.keys)?;
        } else {
            if let Some(watch) = watch.take() {
                seen = Some(watch.end()?);
            }
            under_way -= 1;
        }
    }
    let seen = seen.context("nothing came within the window")?;
    let [p50, p99, worst] = times.percentiles();
    let mut figures = vec![
        ("a second", real(times.count()) / seen.seconds),
        ("p50 us", p50.into()),
        ("p99 us", p99.into()),
        ("worst us", worst.into()),
        ("CPU us each", seen.server_us / real(times.count())),
    ];
    figures.extend(seen.figures());
    Ok(figures)
}

struct Publisher {
    channel: ChannelName,
    sent: u64,
    answered: u64,
    /// When those on their way were sent.
    times: VecDeque<Instant>,
}

impl Publisher {
    fn publish(&mut self, fleet: &mut Fleet, index: usize, keys: bool) -> Result<()> {
        self.sent += 1;
        let key = keys.then(|| format!("{index}:{}", self.sent));
        let content = words::content(self.sent, CONTENT);
        let text = words::publish(self.sent, &self.channel, key.as_deref(), content)?;
        self.times.push_back(Instant::now());
        fleet.send(index, text)
    }

    /// Takes an answer, and gives when what it answers was sent. Nobody else publishes in the channel.
    fn answer(&mut self, frame: &[u8]) -> Result<Instant> {
        let message = words::read(frame)?;
        let ServerMessage::Published { id, published } = &message else {
            bail!("a publication was answered {message:?}");
        };
        self.answered += 1;
        let is_next = *id == self.answered
            && !published.duplicate
            && published.position.is_some_and(|position| position.seq == self.answered);
        ensure!(is_next, "publication {} was answered {message:?}", self.answered);
        self.times.pop_front().context("an answer without a question")
    }
}

/// Bytes of a publication's content, and of what the floor appends.
const CONTENT: usize = 512;
