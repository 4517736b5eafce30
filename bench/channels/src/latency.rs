//! From publishing to delivery in an open loop: latency counts from when a message was due.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench_harness::{Server, statistics::real, times::Times};
use bytes::Bytes;
use longwire_load::process::Process;

use crate::fleet::{Arrived, Fleet};
use crate::sessions::{greet, subscribe};
use crate::stage::{Figures, Stage, Watch};
use crate::words;

/// The floor: an echo of messages of the same size at the same rate, over so many connections.
pub(crate) fn echo(stage: &Stage, lanes: usize) -> Result<Figures> {
    let server = stage.echo()?;
    let mut fleet = Fleet::new(server.url(), "/")?;
    fleet.open(lanes)?;
    let size = publication(0, 0)?.len();
    let say = |_, number| Ok(words::content(number, size));
    let hear = |arrived: &Arrived| Ok(Some((arrived.on, words::number(&arrived.message)?)));
    measure(stage, &server, fleet, lanes, say, hear)
}

/// So many publishers, each with a channel of its own that one subscriber reads.
pub(crate) fn publish(stage: &Stage, lanes: usize) -> Result<Figures> {
    let data = stage.data()?;
    let server = stage.channels(data.path(), "memory")?;
    let mut fleet = Fleet::new(server.url(), "/v1/connect")?;
    greet(&mut fleet, lanes)?;
    subscribe(&mut fleet, lanes, |index| words::channel(index - lanes))?;
    let hear = |arrived: &Arrived| {
        let Some(record) = words::pushed(&arrived.message)? else { return Ok(None) };
        let lane = arrived.on.checked_sub(lanes).context("a publisher got a push")?;
        Ok(Some((lane, words::number(record.payload.bytes())?)))
    };
    measure(stage, &server, fleet, lanes, publication, hear)
}

fn publication(lane: usize, number: u64) -> Result<Bytes> {
    words::publish(number + 1, &words::channel(lane), None, words::content(number, CONTENT))
}

/// Has message number N said on lane N modulo `lanes` when it is due, and waits for all of them.
fn measure(
    stage: &Stage,
    server: &Server,
    mut fleet: Fleet,
    lanes: usize,
    say: impl Fn(usize, u64) -> Result<Bytes>,
    hear: impl Fn(&Arrived) -> Result<Option<(usize, u64)>>,
) -> Result<Figures> {
    let lanes = lanes as u64;
    let first = u64::try_from((stage.time / 4).as_micros())? * RATE / 1_000_000;
    let total = first + u64::try_from(stage.time.as_micros())? * RATE / 1_000_000;
    let begin = Instant::now();
    let due = |number: u64| begin + Duration::from_nanos(number * 1_000_000_000 / RATE);
    let deadline = due(total) + PATIENCE;
    let mut heard: Vec<u64> = (0..lanes).collect();
    let (mut said, mut count) = (0, 0);
    let (mut times, mut delays) = (Times::default(), Times::default());
    let mut watch = None;
    while count < total {
        let now = Instant::now();
        ensure!(now < deadline, "{count} of {total} messages came");
        if said == first && watch.is_none() {
            watch = Some(Watch::begin(Process::new(server.pid())?)?);
        }
        // Waiting is asking again and again: the system's wait is exact to a millisecond only.
        if said < total && due(said) <= now {
            let lane = usize::try_from(said % lanes)?;
            fleet.send(lane, say(lane, said)?)?;
            fleet.flush()?;
            delays.record(now - due(said));
            said += 1;
        }
        let Some(arrived) = fleet.next(Duration::ZERO)? else { continue };
        let Some((lane, number)) = hear(&arrived)? else { continue };
        ensure!(number == heard[lane], "message {number} came for {}", heard[lane]);
        heard[lane] += lanes;
        count += 1;
        if number >= first {
            times.record(arrived.at - due(number));
        }
    }
    let seen = watch.expect("it begins before the last is said").end()?;
    let [p50, p99, worst] = times.percentiles();
    let [_, late99, _] = delays.percentiles();
    let mut figures = vec![
        ("p50 us", p50.into()),
        ("p99 us", p99.into()),
        ("worst us", worst.into()),
        ("sent late, p99 us", late99.into()),
        ("CPU us each", seen.server_us / real(times.count())),
    ];
    figures.extend(seen.figures());
    Ok(figures)
}

/// Messages a second over all lanes.
const RATE: u64 = 10_000;

/// Bytes of a publication's content.
const CONTENT: usize = 100;

/// Beyond the time of the last.
const PATIENCE: Duration = Duration::from_secs(10);
