//! The log's threads: one that writes, some that read, and what they share with the handle.

use std::{
    collections::VecDeque,
    mem,
    panic::{self, AssertUnwindSafe},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    Completion, Config, Dedup, LogError, Machine, Request, Stats, Wake, machine, pace::Pace,
    storage::Storage,
};

/// What the handle and the threads share.
pub(crate) struct Shared {
    writes: Mutex<Writes>,
    /// The writer waits here.
    written: Condvar,
    reads: Mutex<Reads>,
    /// The readers wait here.
    asked: Condvar,
    done: Mutex<VecDeque<Completion>>,
    stats: Mutex<(Stats, Stats)>,
    wake: Wake,
    max_waiting_bytes: usize,
}

#[derive(Default)]
struct Writes {
    requests: Vec<(u64, Request)>,
    bytes: usize,
    /// The writer is woken when there are so many.
    wanted: usize,
    closed: bool,
}

#[derive(Default)]
struct Reads {
    requests: VecDeque<(u64, Request)>,
    closed: bool,
}

impl Shared {
    pub(crate) fn new(config: &Config, wake: Wake) -> Self {
        Self {
            writes: Mutex::default(),
            written: Condvar::new(),
            reads: Mutex::default(),
            asked: Condvar::new(),
            done: Mutex::default(),
            stats: Mutex::default(),
            wake,
            max_waiting_bytes: config.max_waiting_bytes,
        }
    }

    pub(crate) fn submit(&self, token: u64, request: Request) {
        let refused = if request.writes() {
            self.submit_write(token, request)
        } else {
            self.submit_read(token, request)
        };
        if let Err(error) = refused {
            self.complete([Completion { token, result: Err(error) }]);
        }
    }

    pub(crate) fn take_done(&self, into: &mut VecDeque<Completion>) {
        mem::swap(&mut *lock(&self.done), into);
    }

    pub(crate) fn stats(&self) -> Stats {
        let stats = lock(&self.stats);
        let (written, read) = &*stats;
        Stats { pages: read.pages, corrupt: read.corrupt, ..written.clone() }
    }

    /// Nothing more is taken; what was submitted is written.
    pub(crate) fn close(&self) {
        lock(&self.writes).closed = true;
        self.written.notify_all();
        lock(&self.reads).closed = true;
        self.asked.notify_all();
    }

    fn submit_write(&self, token: u64, request: Request) -> Result<(), LogError> {
        let mut writes = lock(&self.writes);
        if writes.closed {
            return Err(LogError::Closed);
        }
        let bytes = cost(&request);
        if writes.bytes > 0 && writes.bytes + bytes > self.max_waiting_bytes {
            return Err(LogError::Overloaded);
        }
        writes.bytes += bytes;
        writes.requests.push((token, request));
        if writes.requests.len() == writes.wanted {
            self.written.notify_one();
        }
        Ok(())
    }

    fn submit_read(&self, token: u64, request: Request) -> Result<(), LogError> {
        let mut reads = lock(&self.reads);
        if reads.closed {
            return Err(LogError::Closed);
        }
        if reads.requests.len() >= MAX_WAITING_READS {
            return Err(LogError::Overloaded);
        }
        reads.requests.push_back((token, request));
        self.asked.notify_one();
        Ok(())
    }

    fn complete(&self, completions: impl IntoIterator<Item = Completion>) {
        lock(&self.done).extend(completions);
        (self.wake)();
    }

    /// Waits for requests that write, until `until` at most; then for those that are expected to come at once. None: the log
    /// is closed, and nothing is left.
    fn gather(&self, pace: &Pace, until: Instant) -> Option<Vec<(u64, Request)>> {
        let mut writes = lock(&self.writes);
        writes.wanted = 1;
        while writes.requests.is_empty() {
            if writes.closed {
                return None;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some(Vec::new());
            }
            writes = self.wait(writes, left);
        }
        let (expected, window) = pace.expect(Instant::now());
        let until = Instant::now() + window;
        writes.wanted = expected;
        while writes.requests.len() < expected && !writes.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            writes = self.wait(writes, left);
        }
        writes.wanted = 0;
        writes.bytes = 0;
        Some(mem::take(&mut writes.requests))
    }

    fn wait<'a>(&self, writes: MutexGuard<'a, Writes>, time: Duration) -> MutexGuard<'a, Writes> {
        self.written.wait_timeout(writes, time).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The writer: gathers, commits, sweeps.
pub(crate) fn write(shared: &Shared, mut machine: Machine, config: &Config) {
    let _guard = Stopped(shared);
    let mut pace = Pace::new(config.longest_window);
    let mut commit_us = crate::Histogram::default();
    let mut sweep_at = Instant::now() + config.sweep_interval;
    let mut taken = VecDeque::new();
    let show = |machine: &Machine, commit_us: &crate::Histogram| {
        let stats = Stats { commit_us: commit_us.clone(), ..machine.stats().clone() };
        lock(&shared.stats).0 = stats;
    };
    while let Some(requests) = shared.gather(&pace, sweep_at) {
        for (token, request) in requests {
            taken.push_back(token);
            machine.submit(token, request);
        }
        while !taken.is_empty() {
            let began = Instant::now();
            let requests = guard(|| machine.commit()).unwrap_or_else(|| {
                machine.fail(PANICKED, &taken);
                taken.len()
            });
            let ended = Instant::now();
            commit_us.record_time(ended - began);
            pace.committed(requests, ended - began, ended);
            let mut completions = VecDeque::with_capacity(requests);
            while let Some(completion) = machine.poll() {
                taken.pop_front();
                completions.push_back(completion);
            }
            // First, so that whoever has an answer finds it counted.
            show(&machine, &commit_us);
            shared.complete(completions);
        }
        let now = Instant::now();
        if now >= sweep_at {
            let more = guard(|| machine.sweep(unix_ms())).unwrap_or_else(|| {
                machine.fail(PANICKED, &taken);
                false
            });
            let pause = if more { SLICE_EVERY } else { config.sweep_interval };
            sweep_at = Instant::now() + pause;
            show(&machine, &commit_us);
        }
    }
}

/// A reader.
pub(crate) fn read(shared: &Shared, storage: &dyn Storage) {
    let mut reads = lock(&shared.reads);
    loop {
        if let Some((token, request)) = reads.requests.pop_front() {
            let result = if reads.closed { Some(Err(LogError::Closed)) } else { None };
            drop(reads);
            let result = result.or_else(|| {
                guard(|| machine::read(storage, &request)).unwrap_or_else(|| Some(Err(panicked())))
            });
            if let Some(result) = result {
                lock(&shared.stats).1.count_read(&result);
                shared.complete([Completion { token, result }]);
            }
            reads = lock(&shared.reads);
        } else if reads.closed {
            return;
        } else {
            reads = shared.asked.wait(reads).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The storage engine asserts some of what it expects: a thread lives on if it panics. None: it did.
fn guard<T>(work: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

fn panicked() -> LogError {
    LogError::Io { reason: PANICKED.into() }
}

/// However the writer ends, nobody waits for it in vain.
struct Stopped<'a>(&'a Shared);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let mut writes = lock(&self.0.writes);
        writes.closed = true;
        let left = mem::take(&mut writes.requests);
        drop(writes);
        if !left.is_empty() {
            let closed = |(token, _)| Completion { token, result: Err(LogError::Closed) };
            self.0.complete(left.into_iter().map(closed));
        }
    }
}

/// Bytes that a waiting request stands for.
fn cost(request: &Request) -> usize {
    let named = request.stream().map_or(0, |stream| stream.as_str().len());
    let held = match request {
        Request::Append(append) => {
            let id = append.dedup.as_ref().map_or(0, |dedup| match dedup {
                Dedup::Key { key, .. } => key.len(),
                Dedup::Producer { id, .. } => id.len(),
            });
            append.body.len() + id
        }
        _ => 0,
    };
    named + held + size_of::<(u64, Request)>()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

const PANICKED: &str = "the storage engine panicked, as the program's output tells";

/// So many reads wait at most: some MiB.
const MAX_WAITING_READS: usize = 65_536;

/// Between two slices of the sweeper: writes come between them.
const SLICE_EVERY: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        thread,
    };

    use super::*;
    use crate::{
        StreamName,
        storage::{Batch, CommitError, ReadError, View, simulated::SimulatedStorage},
    };

    /// A storage that panics on command.
    #[derive(Default)]
    struct Frail {
        storage: SimulatedStorage,
        panics: AtomicBool,
    }

    impl Storage for Frail {
        fn view(&self) -> Result<Box<dyn View + '_>, ReadError> {
            assert!(!self.panics.load(Ordering::Relaxed), "as the test wishes");
            self.storage.view()
        }

        fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
            self.storage.commit(batch)
        }
    }

    #[test]
    fn requests_are_answered_when_the_storage_panics() {
        let storage = Arc::new(Frail::default());
        let machine = Machine::new(Arc::clone(&storage) as _, || 1).expect("it works so far").0;
        let config = Config::new("nowhere");
        let shared = Shared::new(&config, Arc::new(|| ()));
        storage.panics.store(true, Ordering::Relaxed);
        let stream = StreamName::new("a").expect("it is good");
        for token in 0..3 {
            shared.submit(token, Request::End { stream: stream.clone() });
            shared.submit(10 + token, Request::Info { stream: stream.clone() });
        }
        thread::scope(|scope| {
            let reader = scope.spawn(|| read(&shared, &*storage));
            while lock(&shared.done).len() < 3 {
                thread::yield_now();
            }
            assert!(!reader.is_finished(), "it lives on");
            shared.close();
            write(&shared, machine, &config);
        });
        let mut done = VecDeque::new();
        shared.take_done(&mut done);
        assert_eq!(done.len(), 6);
        for Completion { token, result } in done {
            match result {
                Err(LogError::Failed { .. }) => assert!(token < 3),
                Err(LogError::Io { .. }) => assert!(token >= 10),
                other => panic!("{token}: {other:?}"),
            }
        }
    }
}
