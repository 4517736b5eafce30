//! What the threads of a run share: the plan, the clock, the end of the window, and a broadcast's state.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use longwire_proto::{Config, Delivery};

use crate::{
    LoadError, Plan,
    process::{Cpu, Process},
    schedule::nanos,
    target::Target,
};

/// The state of a run, seen by all of its threads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) target: Target,
    /// The connections' settings.
    pub(crate) config: Arc<Config>,
    pub(crate) server: Option<Process>,
    /// Where the run's clock starts.
    epoch: Instant,
    /// The measured window, between the instants of two readings. The last instant there is stands for
    /// what is not known yet.
    from: AtomicU64,
    end: AtomicU64,
    planned_end: AtomicU64,
    /// A thread takes the reading at the end.
    ending: AtomicBool,
    /// Messages in the window, where these decide its end.
    pub(crate) counted: AtomicU64,
    /// What the server agreed to, the same for all connections.
    pub(crate) agreed: OnceLock<Option<String>>,
    pub(crate) broadcast: Broadcast,
}

/// The messages that every connection gets.
#[derive(Debug, Default)]
pub(crate) struct Broadcast {
    /// Messages sent.
    pub(crate) sent: AtomicU64,
    /// When the last of them was, or was due.
    pub(crate) sent_at: AtomicU64,
    /// Connections that lack the last of them.
    pub(crate) missing: AtomicU64,
    /// No further one is sent.
    pub(crate) over: AtomicBool,
}

/// CPU times at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) at: Instant,
    /// How far from it a CPU time may have been read.
    pub(crate) apart: Duration,
    /// Of the server, if its process is known.
    pub(crate) server: Option<Cpu>,
    /// Of this process, where the system tells.
    pub(crate) load: Option<Cpu>,
}

impl Shared {
    pub(crate) fn new(plan: Plan, target: Target, server: Option<Process>) -> Self {
        let mut config = Config::default();
        // Stalls are found by the run's own time limits.
        config.keepalive = None;
        config.delivery = Delivery::Fragments;
        config.deflate = plan.deflate;
        config.limits.max_buffered_amount = usize::MAX;
        Self {
            plan,
            target,
            config: Arc::new(config),
            server,
            epoch: Instant::now(),
            from: AtomicU64::new(u64::MAX),
            end: AtomicU64::new(u64::MAX),
            planned_end: AtomicU64::new(u64::MAX),
            ending: AtomicBool::new(false),
            counted: AtomicU64::new(0),
            agreed: OnceLock::new(),
            broadcast: Broadcast::default(),
        }
    }

    /// An instant by the run's clock.
    pub(crate) fn time(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.epoch))
    }

    pub(crate) fn now(&self) -> u64 {
        self.time(Instant::now())
    }

    /// The end of the measured window.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The beginning of the measured window; the last instant there is while it is not known.
    pub(crate) fn from(&self) -> u64 {
        self.from.load(Ordering::Acquire)
    }

    /// When the window is to end.
    pub(crate) fn planned_end(&self) -> u64 {
        self.planned_end.load(Ordering::Acquire)
    }

    /// The window is to end then, unless it does earlier.
    pub(crate) fn end_at(&self, at: u64) {
        self.planned_end.fetch_min(at, Ordering::AcqRel);
    }

    /// Begins the window, at the instant of the reading.
    pub(crate) fn begin(&self) -> Result<Reading, LoadError> {
        self.read_at_edge(|at| self.from.store(at, Ordering::Release))
    }

    /// Ends the window, at the instant of the reading. `None` if another thread does.
    pub(crate) fn finish(&self) -> Result<Option<Reading>, LoadError> {
        if self.ending.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        // An end that is the beginning would be a window without length.
        self.read_at_edge(|at| self.end.store(at.max(self.from() + 1), Ordering::Release)).map(Some)
    }

    pub(crate) fn read(&self) -> Result<Reading, LoadError> {
        self.read_at_edge(|_| {})
    }

    /// Reads the server's CPU time and the clock together. `edge` is told that instant at once.
    fn read_at_edge(&self, edge: impl FnOnce(u64)) -> Result<Reading, LoadError> {
        let start = Instant::now();
        let server = self.server.map(Process::cpu).transpose()?;
        let at = Instant::now();
        edge(self.time(at));
        let load = Process::this().cpu().ok();
        Ok(Reading { at, apart: (at - start).max(at.elapsed()), server, load })
    }
}
