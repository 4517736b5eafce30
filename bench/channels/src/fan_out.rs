//! Many connections: what each takes while it rests, and what a publication to all of them costs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench_harness::{statistics::real, times::Times};
use bytes::Bytes;
use longwire_load::LoadError;
use longwire_load::process::Process;

use crate::fleet::Fleet;
use crate::sessions::subscribe;
use crate::stage::{Figures, Stage, Watch};
use crate::words;

/// The floor: the library's own connections, and its prepared broadcast of as many bytes.
pub(crate) fn broadcast(stage: &Stage) -> Result<Figures> {
    let server = stage.broadcast()?;
    let process = Process::new(server.pid())?;
    let mut fleet = Fleet::new(server.url(), "/")?;
    let mut figures =
        rest(&mut fleet, process, stage.connections, |fleet, count| fleet.open(count).map(drop))?;
    figures
        .extend(deliveries(stage, &mut fleet, process, |number| Ok(words::content(number, SIZE)))?);
    Ok(figures)
}

/// Subscribers of one channel.
pub(crate) fn one_channel(stage: &Stage) -> Result<Figures> {
    let data = stage.data()?;
    let server = stage.channels(data.path(), "memory")?;
    let process = Process::new(server.pid())?;
    let mut fleet = Fleet::new(server.url(), "/v1/connect")?;
    let channel = words::channel(0);
    let mut figures = rest(&mut fleet, process, stage.connections, |fleet, count| {
        subscribe(fleet, count, |_| channel.clone())
    })?;
    // A push has a head of its own: its content is as much shorter as makes the frame as long as the floor's.
    fleet.send(0, words::publish(1, &channel, None, words::content(0, SIZE))?)?;
    let mut head = 0;
    for _ in 0..=fleet.len() {
        let arrived = fleet.expect()?;
        if words::pushed(&arrived.message)?.is_some() {
            head = arrived.message.len() - SIZE;
        }
    }
    figures.extend(deliveries(stage, &mut fleet, process, |number| {
        words::publish(number + 2, &channel, None, words::content(number, SIZE - head))
    })?);
    Ok(figures)
}

/// Subscribers of a channel each, at rest.
pub(crate) fn channel_each(stage: &Stage) -> Result<Figures> {
    let data = stage.data()?;
    let server = stage.channels(data.path(), "memory")?;
    let process = Process::new(server.pid())?;
    let mut fleet = Fleet::new(server.url(), "/v1/connect")?;
    rest(&mut fleet, process, stage.connections, |fleet, count| {
        subscribe(fleet, count, words::channel)
    })
}

/// Memory of a connection: one is there before, so that code that is paged in for the first is not counted.
fn rest(
    fleet: &mut Fleet,
    server: Process,
    connections: usize,
    open: impl Fn(&mut Fleet, usize) -> Result<()>,
) -> Result<Figures> {
    open(fleet, 1)?;
    let before = settled(fleet, server)?;
    while fleet.len() < connections {
        // Whoever has opened must have said `connect` before long.
        open(fleet, AT_ONCE.min(connections - fleet.len()))?;
    }
    let after = settled(fleet, server)?;
    let grown = real(usize::try_from(after.saturating_sub(before))?);
    Ok(vec![("bytes a connection", grown / real(connections - 1))])
}

/// Resident bytes once the server rests.
fn settled(fleet: &mut Fleet, server: Process) -> Result<u64> {
    let mut lost = None;
    let wait = |time| {
        fleet.rest(time).map_err(|error| {
            lost = Some(error);
            LoadError::Machine("a connection was lost".to_owned())
        })
    };
    let is_at_rest = server.settle(QUIET, wait);
    if let Some(error) = lost {
        return Err(error);
    }
    ensure!(is_at_rest?, "the server did not come to rest");
    Ok(server.resident()?)
}

/// Has messages delivered to all, one after the other.
///
/// The load never sleeps meanwhile: to wake it would be work of the server's core.
fn deliveries(
    stage: &Stage,
    fleet: &mut Fleet,
    server: Process,
    say: impl Fn(u64) -> Result<Bytes>,
) -> Result<Figures> {
    let from = Instant::now() + stage.time / 4;
    let to = from + stage.time;
    let (mut number, mut delivered, mut length) = (0, 0, 0);
    let mut times = Times::default();
    let mut watch = None;
    loop {
        let began = Instant::now();
        if began >= to && watch.is_some() {
            break;
        }
        if began >= from && watch.is_none() {
            watch = Some(Watch::begin(server)?);
        }
        fleet.send(0, say(number)?)?;
        length = deliver(fleet, number)?;
        number += 1;
        if watch.is_some() {
            delivered += fleet.len();
            times.record(began.elapsed());
        }
    }
    let seen = watch.context("the window was too short")?.end()?;
    let [p50, _, _] = times.percentiles();
    let mut figures = vec![
        ("CPU us a delivery", seen.server_us / real(delivered)),
        ("to all, p50 ms", f64::from(p50) / 1000.0),
        ("bytes each", real(length)),
    ];
    figures.extend(seen.figures());
    Ok(figures)
}

/// Takes one message from every connection, the same bytes on each, and gives how many those are.
fn deliver(fleet: &mut Fleet, number: u64) -> Result<usize> {
    let deadline = Instant::now() + PATIENCE;
    let mut missing = fleet.len();
    let mut first: Option<Bytes> = None;
    let mut has = vec![false; fleet.len()];
    while missing > 0 {
        let Some(arrived) = fleet.next(Duration::ZERO)? else {
            ensure!(Instant::now() < deadline, "message {number} did not come on {missing}");
            continue;
        };
        match &first {
            Some(first) if *first == arrived.message => {}
            // The publisher's answer.
            _ if arrived.message.starts_with(br#"{"type":"published""#) => continue,
            Some(_) => anyhow::bail!("connection {} got other bytes", arrived.on),
            None => {
                let text = std::str::from_utf8(&arrived.message)?;
                let is_meant = text.contains(&format!("{number} xx"));
                ensure!(is_meant, "message {number} came as {text}");
                first = Some(arrived.message);
            }
        }
        ensure!(
            !std::mem::replace(&mut has[arrived.on], true),
            "connection {} got it twice",
            arrived.on
        );
        missing -= 1;
    }
    Ok(first.map_or(0, |first| first.len()))
}

/// Bytes of a message on the wire.
const SIZE: usize = 1024;

/// Connections that are opened before they speak.
const AT_ONCE: usize = 250;

/// A server that used no CPU for so long rests.
const QUIET: Duration = Duration::from_millis(300);

/// For how long a message may be missing.
const PATIENCE: Duration = Duration::from_secs(20);
