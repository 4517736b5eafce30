//! The log with its threads.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{Completion, OpenError, Report, Request, Stats};

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
#[derive(Debug)]
pub struct Log {
    stats: Stats,
}

impl Log {
    /// Opens a log, and makes it where it is not there.
    ///
    /// `random` gives random bits, for epochs. `wake` is called when there may be a completion to poll.
    pub fn open(
        config: Config,
        random: impl FnMut() -> u64 + Send + 'static,
        wake: Wake,
    ) -> Result<(Self, Report), OpenError> {
        drop((random, wake));
        Err(OpenError::Io { folder: config.folder, reason: "no storage is built in".into() })
    }

    /// Figures since the log was opened.
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }
}

impl Handle for Log {
    fn submit(&mut self, _: u64, _: Request) {}

    fn poll(&mut self) -> Option<Completion> {
        None
    }
}
