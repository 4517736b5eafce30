//! The engines that could be below the log, with the rows that the log would write.

mod fjall;
mod redb;
mod sqlite;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::measure::{Chance, Times, memory, rate};

/// Which engine.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    Fjall,
    Redb,
    Sqlite,
}

/// Two tables, `records` and `states`, of ordered keys.
trait Engine {
    /// Writes rows of both tables, and waits for the disk.
    fn commit(&mut self, records: &[Row], states: &[Row]) -> Result<()>;

    /// Visits records from a key on.
    fn page(&mut self, from: &[u8], limit: usize, visit: &mut dyn FnMut(&[u8])) -> Result<()>;

    /// Reads a state.
    fn state(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>>;
}

type Row = (Vec<u8>, Vec<u8>);

/// Batches of 64 records of 100 B, each of one of 1,000 streams, with the states of these streams.
pub(crate) fn batches(kind: Kind, folder: &Path, time: Duration) -> Result<()> {
    let mut engine = open(kind, folder)?;
    let mut writer = Writer::new(STREAMS_OF_BATCHES);
    let mut chance = Chance(1);
    let mut times = Times::default();
    let start = Instant::now();
    while start.elapsed() < time {
        let (records, states) = writer.batch((0..64).map(|_| chance.next() % STREAMS_OF_BATCHES));
        let began = Instant::now();
        engine.commit(&records, &states)?;
        times.record(began.elapsed());
    }
    let batches = rate(times.count(), start.elapsed());
    let [p50, p99, worst] = times.percentiles();
    let (rss, peak) = memory()?;
    println!(
        "{kind:?}: {batches:.0} batches of 64 a second ({:.0} records); p50 {p50} us, p99 {p99} us, worst {worst} us; {rss} MiB, \
         {peak} at most",
        batches * 64.0
    );
    Ok(())
}

/// Pages of 256 records at random places, of 1,000 streams with 400 records of 100 B each.
pub(crate) fn pages(kind: Kind, folder: &Path, time: Duration) -> Result<()> {
    let mut engine = open(kind, folder)?;
    let mut writer = Writer::new(STREAMS_OF_BATCHES);
    for _ in 0..400 {
        let (records, states) = writer.batch(0..STREAMS_OF_BATCHES);
        engine.commit(&records, &states)?;
    }
    drop(engine);
    let mut engine = open(kind, folder)?;
    let mut chance = Chance(1);
    let mut times = Times::default();
    let start = Instant::now();
    while start.elapsed() < time {
        let stream = chance.next() % STREAMS_OF_BATCHES;
        let from = key(stream, 1 + chance.next() % 144);
        let mut seen = 0;
        let began = Instant::now();
        engine.page(&from, 256, &mut |value| seen += usize::from(value.len() == 100))?;
        times.record(began.elapsed());
        ensure!(seen == 256, "a page of {seen} records");
    }
    let pages = rate(times.count(), start.elapsed());
    let [p50, p99, worst] = times.percentiles();
    let (rss, _) = memory()?;
    println!(
        "{kind:?}: {pages:.0} pages of 256 a second; p50 {p50} us, p99 {p99} us, worst {worst} us; {rss} MiB"
    );
    Ok(())
}

/// 100,000 streams of 3 records are written, and the engine is opened again.
pub(crate) fn streams(kind: Kind, folder: &Path) -> Result<()> {
    let mut engine = open(kind, folder)?;
    let mut writer = Writer::new(STREAMS);
    let began = Instant::now();
    for _ in 0..3 {
        for from in (0..STREAMS).step_by(4_000) {
            let (records, states) = writer.batch(from..from + 4_000);
            engine.commit(&records, &states)?;
        }
    }
    let wrote = began.elapsed();
    drop(engine);
    let (before, _) = memory()?;
    let began = Instant::now();
    let mut engine = open(kind, folder)?;
    let first = engine.state(&epoch(7).to_be_bytes())?;
    let opened = began.elapsed();
    ensure!(first.is_some(), "a stream is missing");
    let (after, _) = memory()?;
    println!(
        "{kind:?}: {STREAMS} streams of 3 records written in {wrote:.1?}, opened and one found in {opened:.1?}; {before} MiB \
         before, {after} MiB after"
    );
    Ok(())
}

fn open(kind: Kind, folder: &Path) -> Result<Box<dyn Engine>> {
    Ok(match kind {
        Kind::Fjall => Box::new(fjall::Fjall::open(&folder.join("fjall"))?),
        Kind::Redb => Box::new(redb::Redb::open(&folder.join("redb"))?),
        Kind::Sqlite => Box::new(sqlite::Sqlite::open(&folder.join("sqlite"))?),
    })
}

/// Numbers the records of streams.
struct Writer {
    last: Vec<u64>,
}

impl Writer {
    fn new(streams: u64) -> Self {
        Self { last: (0..streams).map(|_| 0).collect() }
    }

    fn batch(&mut self, streams: impl Iterator<Item = u64>) -> (Vec<Row>, Vec<Row>) {
        let mut batch = (Vec::new(), Vec::new());
        for stream in streams {
            let last = &mut self.last[usize::try_from(stream).expect("it is in the list")];
            *last += 1;
            batch.0.push((key(stream, *last), vec![b'x'; 100]));
            batch.1.push((epoch(stream).to_be_bytes().to_vec(), vec![b'y'; 120]));
        }
        batch
    }
}

fn key(stream: u64, seq: u64) -> Vec<u8> {
    [epoch(stream).to_be_bytes(), seq.to_be_bytes()].concat()
}

/// Epochs are random, so streams lie in no order.
fn epoch(stream: u64) -> u64 {
    Chance(stream).next()
}

const STREAMS_OF_BATCHES: u64 = 1_000;
const STREAMS: u64 = 100_000;

/// What each engine may keep in memory of what it read.
const CACHE_BYTES: usize = 16 << 20;
