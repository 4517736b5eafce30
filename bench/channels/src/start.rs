//! How long a server takes to start with many streams on disk.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use longwire_channel::ServerMessage;
use longwire_load::process::Process;
use tempfile::TempDir;

use crate::durable::{fill, greet};
use crate::fleet::Fleet;
use crate::stage::{Figures, Stage};
use crate::words;

/// A folder with that many streams of one record, whose server was killed.
pub(crate) fn folder(stage: &Stage) -> Result<TempDir> {
    let data = stage.data()?;
    let server = stage.channels(data.path(), "disk")?;
    let mut fleet = Fleet::new(server.url(), "/v1/connect")?;
    fill(&mut fleet, stage.streams, PATIENCE)?;
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
        ("resident MiB", resident as f64 / f64::from(1 << 20)),
    ])
}

const PATIENCE: Duration = Duration::from_mins(5);
