//! The log with its threads.

use std::{
    collections::VecDeque,
    fmt,
    path::PathBuf,
    sync::{Arc, Weak},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    Completion, LogError, Machine, OpenError, Place, Report, Request, Stats,
    storage::{Storage, disk::Disk},
    threads::{self, Shared},
};

/// Takes requests, and gives their completions later.
///
/// Rule of use: after each call of the wake callback, poll until `None`.
pub trait Handle {
    /// Takes a request and returns at once. Its completion carries the token.
    ///
    /// Requests that write are carried out in the order in which they were submitted. A read sees every write whose
    /// completion was polled before it was submitted; it may see writes whose completion comes later.
    fn submit(&mut self, token: u64, request: Request);

    /// The next completion.
    fn poll(&mut self) -> Option<Completion>;
}

/// Called, from any thread, when there may be a completion to poll. It must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// How a log works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The folder that holds it; made where it is not there.
    pub folder: PathBuf,
    /// Bytes of memory for what was read, by default 16 MiB.
    pub cache_bytes: u64,
    /// Bytes of memory for what was written and is in no table yet, by default 16 MiB for records and as much for all else.
    /// It counts when the log is made.
    pub buffer_bytes: u64,
    /// Threads that read, by default 2.
    pub readers: usize,
    /// The longest time that a commit waits for more to join it, while others are at work; by default 2 ms.
    pub longest_window: Duration,
    /// Bytes that may wait to be written, by default 64 MiB; beyond, appends are [`LogError::Overloaded`](crate::LogError::Overloaded).
    pub max_waiting_bytes: usize,
    /// How long a round over all streams takes that removes what is too old; by default a minute.
    pub sweep_interval: Duration,
}

impl Config {
    /// The defaults, in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            cache_bytes: 16 << 20,
            buffer_bytes: 16 << 20,
            readers: 2,
            longest_window: Duration::from_millis(2),
            max_waiting_bytes: 64 << 20,
            sweep_interval: Duration::from_mins(1),
        }
    }
}

/// An open log.
///
/// Dropping it writes what was submitted, and waits for that.
pub struct Log {
    shared: Arc<Shared>,
    disk: Arc<Disk>,
    threads: Vec<JoinHandle<()>>,
    done: VecDeque<Completion>,
}

impl Log {
    /// Opens a log, and makes it where it is not there.
    ///
    /// `random` gives random bits, for epochs. `wake` is called when there may be a completion to poll.
    pub fn open(
        config: Config,
        mut random: impl FnMut() -> u64,
        wake: Wake,
    ) -> Result<(Self, Report), OpenError> {
        let began = Instant::now();
        let folder = config.folder.clone();
        let refused = |reason: String| OpenError::Io { folder: folder.clone(), reason };
        let (disk, mut report) = Disk::open(&config, &mut random)?;
        let disk = Arc::new(disk);
        let storage: Arc<dyn Storage> = Arc::clone(&disk) as _;
        let (mut machine, damage) = Machine::new(Arc::clone(&storage), random)
            .map_err(|error| refused(error.to_string()))?;
        if !report.corrupt.is_empty() {
            machine.mend().map_err(|error| refused(error.to_string()))?;
        }
        report.corrupt.extend(damage.into_iter().filter_map(place));
        let shared = Arc::new(Shared::new(&config, wake));
        let mut log = Self { shared, disk, threads: Vec::new(), done: VecDeque::new() };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let named = thread::Builder::new().name(name.into());
            named.spawn(run).map_err(|error| refused(error.to_string()))
        };
        for _ in 0..config.readers.max(1) {
            let (shared, storage) = (Arc::clone(&log.shared), Arc::clone(&storage));
            let run = Box::new(move || threads::read(&shared, &*storage));
            log.threads.push(spawn("log-reader", run)?);
        }
        let shared = Arc::clone(&log.shared);
        let run = Box::new(move || threads::write(&shared, machine, &config));
        log.threads.push(spawn("log-writer", run)?);
        report.took = began.elapsed();
        Ok((log, report))
    }

    /// Figures since the log was opened.
    pub fn stats(&self) -> Stats {
        self.figures().stats()
    }

    /// A view of the figures that does not need the log at hand.
    pub fn figures(&self) -> Figures {
        Figures { shared: Arc::clone(&self.shared), disk: Arc::downgrade(&self.disk) }
    }
}

impl Handle for Log {
    fn submit(&mut self, token: u64, request: Request) {
        self.shared.submit(token, request);
    }

    fn poll(&mut self) -> Option<Completion> {
        if self.done.is_empty() {
            self.shared.take_done(&mut self.done);
        }
        self.done.pop_front()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("disk", &self.disk).finish_non_exhaustive()
    }
}

/// The figures of a log, wherever that is. They do not keep it open.
#[derive(Clone)]
pub struct Figures {
    shared: Arc<Shared>,
    disk: Weak<Disk>,
}

impl Figures {
    /// Figures since the log was opened.
    pub fn stats(&self) -> Stats {
        let sync_us = self.disk.upgrade().map(|disk| disk.syncs()).unwrap_or_default();
        Stats { sync_us, ..self.shared.stats() }
    }

    /// Bytes that the log takes on its disk; none when it is closed, or when the system does not tell. It looks at each file.
    pub fn disk_bytes(&self) -> Option<u64> {
        self.disk.upgrade()?.bytes()
    }
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

fn place(error: LogError) -> Option<Place> {
    match error {
        LogError::Corrupt(place) => Some(*place),
        _ => None,
    }
}
