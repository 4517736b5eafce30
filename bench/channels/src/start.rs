//! How long a server takes to start with many streams on disk.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use bench_harness::statistics::real;
use longwire_channel::ServerMessage;
use longwire_load::process::Process;
use tempfile::TempDir;

use crate::fleet::Fleet;
use crate::sessions::greet;
use crate::stage::{Figures, Stage};
use crate::words;

/// A folder with that many streams of one record, whose server was killed.
pub(crate) fn folder(stage: &Stage) -> Result<TempDir> {
    let data = stage.data()?;
    let server = stage.channels(data.path(), "disk")?;
    let mut fleet = Fleet::new(server.url(), "/v1/connect")?;
    fill(&mut fleet, stage.streams)?;
    Ok(data)
}

/// Starts a server on a folder; `stream` is one whose record it must have. Then it is killed.
pub(crate) fn measure(stage: &Stage, data: &Path, stream: Option<usize>) -> Result<Figures> {
    let began = Instant::now();
    let server = stage.channels(data, "disk")?;
    let listening = began.elapsed();
    let process = Process::new(server.pid())?;
    let resident = process.resident()?;
    let mut fleet = Fleet::new(server.url(), "/v1/connect")?;
    greet(&mut fleet, 1)?;
    let channel = words::channel(stream.unwrap_or(0));
    fleet.send(0, words::history(&channel))?;
    let message = words::read(&fleet.expect()?.message)?;
    let answered = began.elapsed();
    let ServerMessage::History { page, .. } = message else {
        bail!("history was answered {message:?}");
    };
    let expected = usize::from(stream.is_some());
    ensure!(page.records.len() == expected, "{channel} has {} records", page.records.len());
    Ok(vec![
        ("listening ms", listening.as_secs_f64() * 1000.0),
        ("answered ms", answered.as_secs_f64() * 1000.0),
        ("resident MiB", real(usize::try_from(resident)?) / f64::from(1 << 20)),
    ])
}

/// Writes so many streams of one record each.
fn fill(fleet: &mut Fleet, streams: usize) -> Result<()> {
    greet(fleet, FILLERS)?;
    let deadline = Instant::now() + PATIENCE;
    let mut next = 0;
    let mut publish = |fleet: &mut Fleet, index| {
        let channel = words::channel(next);
        next += 1;
        fleet.send(
            index,
            words::publish(next as u64, &channel, None, words::content(next as u64, 100))?,
        )
    };
    for index in 0..(FILLERS * FILL_AHEAD).min(streams) {
        publish(fleet, index % FILLERS)?;
    }
    for answered in 0..streams {
        ensure!(Instant::now() < deadline, "{answered} streams of {streams} in {PATIENCE:?}");
        let arrived = fleet.expect()?;
        let message = words::read(&arrived.message)?;
        ensure!(matches!(message, ServerMessage::Published { .. }), "answered {message:?}");
        if answered + FILLERS * FILL_AHEAD < streams {
            publish(fleet, arrived.on)?;
        }
    }
    Ok(())
}

/// Connections that fill, and what each has on its way.
const FILLERS: usize = 32;
const FILL_AHEAD: usize = 64;

/// For how long streams are written.
const PATIENCE: Duration = Duration::from_mins(5);
