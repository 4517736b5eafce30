//! What the threads of a run share: the plan, the clock, the end of the window, and a broadcast's state.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
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
    /// The end of the measured window; the last instant there is while it is not known.
    end: AtomicU64,
    /// Nothing has come in the window, whose end waits for the first message.
    waits: AtomicBool,
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
            end: AtomicU64::new(u64::MAX),
            waits: AtomicBool::new(false),
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

    /// The window ends then, unless it does earlier.
    pub(crate) fn end_at(&self, at: u64) {
        self.end.fetch_min(at, Ordering::AcqRel);
    }

    /// A window in which nothing has come until its end shall go on until something does.
    pub(crate) fn wait_for_one(&self) {
        self.waits.store(true, Ordering::Release);
    }

    /// The window ends then, whatever has come.
    pub(crate) fn stop_at(&self, at: u64) {
        self.end_at(at);
        self.waits.store(false, Ordering::Release);
    }

    /// The end of the window by what is known at `now`: while it waits for its first message, the last
    /// instant there is, or that at which the wait is given up.
    pub(crate) fn end_as_of(&self, now: u64) -> u64 {
        let end = self.end();
        if now < end || !self.waits.load(Ordering::Acquire) {
            return end;
        }
        let patience = end.saturating_add(nanos(self.plan.stall_timeout));
        if now < patience {
            return u64::MAX;
        }
        self.waits.store(false, Ordering::Release);
        end
    }

    /// Something came in the window. If it is the first, and came behind the end, the window ends with
    /// it. Whether the end may have changed.
    pub(crate) fn has_come(&self, now: u64) -> bool {
        let is_first =
            self.waits.load(Ordering::Relaxed) && self.waits.swap(false, Ordering::AcqRel);
        if is_first {
            // What came at this instant is in the window.
            self.end.fetch_max(now + 1, Ordering::AcqRel);
        }
        is_first
    }

    pub(crate) fn read(&self) -> Result<Reading, LoadError> {
        let at = Instant::now();
        let server = self.server.map(Process::cpu).transpose()?;
        Ok(Reading { at, server, load: Process::this().cpu().ok() })
    }
}
