//! The log of a server's process: its machine, and threads that are none, so that chance says when each gets on.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, sync::Arc, time::Duration};

use longwire_log::{Completion, Handle, LogError, Machine, Request};

use crate::{chance::Chance, disk::Disk};

/// The log, as its threads see it.
#[derive(Debug)]
pub(crate) struct Log {
    machine: Machine,
    /// Writes that the writer has not taken.
    writes: VecDeque<(u64, Request)>,
    /// When the commit under way is done.
    committing: Option<Duration>,
    /// What was committed and is not told yet.
    committed: VecDeque<Completion>,
    reads: VecDeque<(u64, Request)>,
    /// What readers have read and not told yet.
    read: Vec<Completion>,
    done: VecDeque<Completion>,
    sweep_at: Duration,
    /// The longest fsync: milliseconds.
    sync_ms: u64,
    /// So much waits that nothing more is taken.
    pub(crate) is_overloaded: bool,
}

/// The log, as the broker sees it.
#[derive(Clone, Debug)]
pub(crate) struct LogHandle(pub(crate) Rc<RefCell<Log>>);

impl Handle for LogHandle {
    fn submit(&mut self, token: u64, request: Request) {
        let log = &mut *self.0.borrow_mut();
        if log.is_overloaded {
            return log.done.push_back(Completion { token, result: Err(LogError::Overloaded) });
        }
        match request {
            Request::Append(_) | Request::End { .. } | Request::Delete { .. } => {
                log.writes.push_back((token, request));
            }
            _ => log.reads.push_back((token, request)),
        }
    }

    fn poll(&mut self) -> Option<Completion> {
        self.0.borrow_mut().done.pop_front()
    }
}

impl Log {
    /// Opens it over what the disk has.
    pub(crate) fn open(
        disk: &Arc<Disk>,
        chance: &mut Chance,
        sync_ms: u64,
    ) -> Result<Self, LogError> {
        let (machine, _) = Machine::new(Arc::clone(disk) as _, || chance.next())?;
        Ok(Self {
            machine,
            writes: VecDeque::new(),
            committing: None,
            committed: VecDeque::new(),
            reads: VecDeque::new(),
            read: Vec::new(),
            done: VecDeque::new(),
            sweep_at: Duration::ZERO,
            sync_ms,
            is_overloaded: false,
        })
    }

    /// Whether the broker has something to poll.
    pub(crate) fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// Whether one of its threads has something to do now.
    pub(crate) fn is_ready(&self, now: Duration) -> bool {
        self.writer_is_ready(now)
            || !self.read.is_empty()
            || !self.reads.is_empty()
            || self.sweep_at <= now
    }

    fn writer_is_ready(&self, now: Duration) -> bool {
        match self.committing {
            Some(until) => until <= now,
            None => !self.committed.is_empty() || !self.writes.is_empty(),
        }
    }

    /// When one of its threads has something to do although nothing happens.
    pub(crate) fn next_due(&self) -> Duration {
        self.committing.map_or(self.sweep_at, |until| until.min(self.sweep_at))
    }

    /// Puts the second write before the first, for a planted bug.
    pub(crate) fn swap_writes(&mut self) {
        if self.writes.len() > 1 {
            self.writes.swap(0, 1);
        }
    }

    /// Lets one of its threads get on by a step.
    pub(crate) fn step(&mut self, chance: &mut Chance, now: Duration, unix_ms: u64) {
        if self.sweep_at <= now {
            // Between two commits, as the writer does it.
            if self.committing.is_none() {
                self.machine.sweep(unix_ms);
            }
            self.sweep_at = now + chance.millis(200, 2_000);
            return;
        }
        let reader = !self.read.is_empty() || !self.reads.is_empty();
        if reader && (!self.writer_is_ready(now) || chance.percent(50)) {
            return self.step_reader(chance);
        }
        if self.committing.is_some() {
            self.finish_commit();
        } else if let Some(completion) = self.committed.pop_front() {
            self.done.push_back(completion);
        } else {
            self.begin_commit(chance, now);
        }
    }

    fn step_reader(&mut self, chance: &mut Chance) {
        let tells = !self.read.is_empty()
            && (self.reads.is_empty() || self.read.len() == READERS || chance.percent(50));
        if tells {
            let index = chance.index(self.read.len());
            self.done.push_back(self.read.swap_remove(index));
        } else if let Some((token, request)) = self.reads.pop_front() {
            self.machine.submit(token, request);
            self.read.extend(std::iter::from_fn(|| self.machine.poll()));
        }
    }

    fn begin_commit(&mut self, chance: &mut Chance, now: Duration) {
        let gathered = 1 + chance.index(self.writes.len());
        for (token, request) in self.writes.drain(..gathered) {
            self.machine.submit(token, request);
        }
        self.committing = Some(now + chance.millis(0, self.sync_ms));
    }

    fn finish_commit(&mut self) {
        self.committing = None;
        self.machine.commit();
        self.committed.extend(std::iter::from_fn(|| self.machine.poll()));
    }

    /// The process is told to stop: all that was submitted is written.
    pub(crate) fn close(&mut self) {
        for (token, request) in self.writes.drain(..) {
            self.machine.submit(token, request);
        }
        while self.machine.is_waiting() {
            self.machine.commit();
        }
    }

    /// The process is killed. What it was writing is uncertain from then on.
    pub(crate) fn kill(&mut self, disk: &Disk) {
        if self.committing.take().is_some() {
            disk.fail_next_sync();
            self.machine.commit();
        }
    }
}

/// Threads that read.
const READERS: usize = 2;
