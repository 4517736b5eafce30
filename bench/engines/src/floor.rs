//! The floor: a write of a few bytes at the end of a file, and fdatasync.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::measure::Times;

/// Writes and waits for the disk, again and again. The file has its length before, as the log's journal has.
pub(crate) fn run(folder: &Path, bytes: usize, time: Duration) -> Result<Times> {
    let path = folder.join("floor");
    let mut file = File::create(&path)?;
    file.set_len(64 << 20)?;
    file.sync_all()?;
    let block = vec![1; bytes];
    let mut times = Times::default();
    let start = Instant::now();
    while start.elapsed() < time {
        let began = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.record(began.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(times)
}
