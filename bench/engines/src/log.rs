//! The durable log.

use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use longwire_log::{
    Append, Completion, Config, Handle as _, Log, Request, Response, Retention, StreamName,
};

use crate::{
    floor,
    measure::{Chance, Times, mean, memory, rate},
};

/// Appenders that each send the next record once the last is on disk: floor, log, floor.
pub(crate) fn append(
    folder: &Path,
    appenders: u64,
    streams: u64,
    size: usize,
    time: Duration,
) -> Result<()> {
    let mut before = floor::run(folder, size, time / 2)?;
    let names: Vec<StreamName> = (0..streams)
        .map(|number| StreamName::new(format!("bench:{number}")))
        .collect::<Result<_, _>>()?;
    let body = Bytes::from(vec![b'x'; size]);
    let mut log = Opened::new(folder)?;
    let start = Instant::now();
    let slots = usize::try_from(appenders)?;
    let mut sent = vec![start; slots];
    let mut next = 0;
    let mut times = Times::default();
    for appender in 0..appenders {
        log.append(appender, &names[next % names.len()], &body);
        next += 1;
    }
    let mut under_way = slots;
    while under_way > 0 {
        let Completion { token, result } = log.wait();
        result?;
        let now = Instant::now();
        let slot = usize::try_from(token)?;
        times.record(now - sent[slot]);
        if now - start < time {
            sent[slot] = now;
            log.append(token, &names[next % names.len()], &body);
            next += 1;
        } else {
            under_way -= 1;
        }
    }
    let took = start.elapsed();
    let stats = log.log.stats();
    let (rss, _) = memory()?;
    drop(log);
    let mut after = floor::run(folder, size, time / 2)?;
    let syncs = rate(before.count() + after.count(), time);
    let appends = rate(times.count(), took);
    let [p50, p99, worst] = times.percentiles();
    let ([floor50, floor99, _], [floor50_after, floor99_after, _]) =
        (before.percentiles(), after.percentiles());
    println!(
        "log, {appenders} appenders, {streams} streams, {size} B: {appends:.0} appends/s, {:.1} times the bare fsync; \
         p50 {p50} us, p99 {p99} us, worst {worst} us; {:.1} a commit, which takes {:.0} us, its fsync {:.0} us; {rss} MiB",
        appends / syncs,
        mean(&stats.commit_requests),
        mean(&stats.commit_us),
        mean(&stats.sync_us),
    );
    println!(
        "    bare fsync: {syncs:.0}/s; before p50 {floor50} us, p99 {floor99} us; after p50 {floor50_after} us, p99 \
         {floor99_after} us"
    );
    Ok(())
}

/// Many streams are written; the log is closed, and opened again.
pub(crate) fn open(folder: &Path) -> Result<()> {
    let mut log = Opened::new(folder)?;
    let body = Bytes::from(vec![b'x'; 100]);
    let began = Instant::now();
    let mut under_way = 0;
    for number in 0..STREAMS * RECORDS {
        let name = StreamName::new(format!("bench:{}", number % STREAMS))?;
        log.append(0, &name, &body);
        under_way += 1;
        while under_way >= 4_096 {
            log.wait().result?;
            under_way -= 1;
        }
    }
    for _ in 0..under_way {
        log.wait().result?;
    }
    let wrote = began.elapsed();
    let began = Instant::now();
    drop(log);
    let closed = began.elapsed();
    let (rss, _) = memory()?;
    let began = Instant::now();
    let mut log = Opened::new(folder)?;
    let opened = began.elapsed();
    let began = Instant::now();
    let mut chance = Chance(1);
    for _ in 0..1_000 {
        let name = StreamName::new(format!("bench:{}", chance.next() % STREAMS))?;
        log.log.submit(0, Request::Info { stream: name });
        match log.wait().result? {
            Response::Info(info) if info.last == RECORDS => {}
            other => bail!("a stream of {RECORDS} records: {other:?}"),
        }
    }
    println!(
        "log: {STREAMS} streams of {RECORDS} records written in {wrote:.1?}, closed in {closed:.1?}, opened in {opened:.1?}, a stream \
         found in {:.0?}; {rss} MiB before, {} MiB after",
        began.elapsed() / 1_000,
        memory()?.0
    );
    Ok(())
}

struct Opened {
    log: Log,
    bell: Arc<(Mutex<bool>, Condvar)>,
}

impl Opened {
    fn new(folder: &Path) -> Result<Self> {
        let bell = Arc::new((Mutex::new(false), Condvar::new()));
        let wake = Arc::clone(&bell);
        let mut chance = Chance(std::process::id().into());
        let ring = move || {
            *wake.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            wake.1.notify_one();
        };
        let config = Config::new(folder.join("log"));
        let (log, report) = Log::open(config, move || chance.next(), Arc::new(ring))
            .map_err(|error| anyhow!("{error}"))?;
        if !report.corrupt.is_empty() {
            bail!("{report:?}");
        }
        Ok(Self { log, bell })
    }

    fn append(&mut self, token: u64, stream: &StreamName, body: &Bytes) {
        let append = Append {
            stream: stream.clone(),
            time_ms: 0,
            body: body.clone(),
            dedup: None,
            retention: Retention { count: 100_000, bytes: 64 << 20, age_ms: u64::MAX },
        };
        self.log.submit(token, Request::Append(append));
    }

    fn wait(&mut self) -> Completion {
        loop {
            if let Some(completion) = self.log.poll() {
                return completion;
            }
            let mut rung = self.bell.0.lock().unwrap_or_else(PoisonError::into_inner);
            while !*rung {
                rung = self.bell.1.wait(rung).unwrap_or_else(PoisonError::into_inner);
            }
            *rung = false;
        }
    }
}

const STREAMS: u64 = 100_000;
const RECORDS: u64 = 3;
