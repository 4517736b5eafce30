//! The log without threads and clocks: it does what it is told, when it is told.

mod dedup;
mod retention;
mod streams;
mod sweep;
mod work;

use std::{collections::VecDeque, fmt, sync::Arc};

use crate::{
    Append, Appended, Completion, Dedup, Handle, LogError, Request, Response, Stats, StreamName,
    layout, lookup, reader,
    storage::{Batch, CommitError, Storage, Table, View as _},
};
use streams::Streams;
use sweep::Sweep;
use work::{Outcome, Work};

/// The log, deterministic: the same requests over the same storage give the same answers.
///
/// - Commands: [`submit`](Self::submit), [`commit`](Self::commit), [`sweep`](Self::sweep).
/// - Polls: [`poll`](Self::poll).
///
/// Rule of use: after a `submit`, call `commit` until nothing waits, and poll until `None`. As a [`Handle`] it commits by
/// itself when it is polled.
pub struct Machine {
    storage: Arc<dyn Storage>,
    waiting: VecDeque<(u64, Request)>,
    done: VecDeque<Completion>,
    streams: Streams,
    /// Why no write is taken any more.
    failed: Option<String>,
    sweep: Sweep,
    stats: Stats,
}

impl Machine {
    /// A log over what the storage has. `random` gives random bits for a log that is made now.
    ///
    /// Gives the damage that was found and got round as well.
    pub fn new(
        storage: Arc<dyn Storage>,
        mut random: impl FnMut() -> u64,
    ) -> Result<(Self, Vec<LogError>), LogError> {
        let mut damage = Vec::new();
        let salt = storage
            .view()
            .and_then(|view| view.get(Table::Meta, layout::SALT))
            .map_err(|error| lookup::read_error(error, Table::Meta, None, None));
        let salted = match salt {
            Ok(salt) => salt.is_some(),
            // It matters to streams alone that are not there yet.
            Err(error @ LogError::Corrupt(_)) => {
                damage.push(error);
                false
            }
            Err(error) => return Err(error),
        };
        let mut machine = Self {
            storage,
            waiting: VecDeque::new(),
            done: VecDeque::new(),
            streams: Streams::default(),
            failed: None,
            sweep: Sweep::default(),
            stats: Stats::default(),
        };
        if !salted {
            let mut batch = Batch::default();
            let salt = [random().to_be_bytes(), random().to_be_bytes()].concat();
            batch.put(Table::Meta, layout::SALT.to_vec(), salt);
            machine.write(&batch)?;
        }
        Ok((machine, damage))
    }

    /// Takes a request. What only reads is carried out at once, on what has been committed.
    pub fn submit(&mut self, token: u64, request: Request) {
        if let Some(result) = read(&*self.storage, &request) {
            self.stats.count_read(&result);
            self.done.push_back(Completion { token, result });
        } else {
            self.waiting.push_back((token, request));
        }
    }

    /// Carries out what waits, as much as one commit takes, and gives how many requests that were.
    pub fn commit(&mut self) -> usize {
        let storage = Arc::clone(&self.storage);
        let view = match storage.view() {
            Ok(view) => view,
            Err(error) => {
                let error = lookup::read_error(error, Table::Meta, None, None);
                return self.refuse_waiting(&error);
            }
        };
        let mut work = Work::new(view);
        let mut requests = 0;
        while requests < MAX_REQUESTS && work.batch.bytes() < MAX_BYTES {
            let Some((token, request)) = self.waiting.pop_front() else { break };
            requests += 1;
            let outcome = match &self.failed {
                Some(reason) => Outcome::settled(Err(LogError::Failed { reason: reason.clone() })),
                None => self.carry_out(&mut work, &request),
            };
            work.outcomes.push((token, outcome));
        }
        if requests > 0 {
            self.stats.commit_requests.record(requests as u64);
            self.finish(work);
        }
        requests
    }

    /// The next completion.
    pub fn poll(&mut self) -> Option<Completion> {
        self.done.pop_front()
    }

    /// Whether requests wait to be committed.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes no writes any more, and answers those of these tokens so.
    pub(crate) fn fail(&mut self, reason: &str, tokens: &VecDeque<u64>) {
        tracing::error!("the log takes no more writes: {reason}");
        self.failed = Some(reason.into());
        self.stats.failed = true;
        self.waiting.clear();
        self.done.clear();
        let failed = |token: &u64| {
            let error = LogError::Failed { reason: reason.into() };
            Completion { token: *token, result: Err(error) }
        };
        self.done.extend(tokens.iter().map(failed));
    }

    /// Figures since the log was opened; times are not among them.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Looks for what is too old or deleted, and removes a part of it: at most some thousand rows. True: there is more to do
    /// at once. False: a round over all streams is over.
    pub fn sweep(&mut self, now_ms: u64) -> bool {
        if self.failed.is_some() {
            return false;
        }
        let storage = Arc::clone(&self.storage);
        let Ok(view) = storage.view() else { return false };
        let mut work = Work::new(view);
        let (more, removed) = self.sweep.slice(&mut self.streams, &mut work, now_ms);
        self.stats.removed += removed as u64;
        if work.batch.is_empty() && work.touched.is_empty() {
            return more;
        }
        let written = self.finish(work);
        if !written {
            self.sweep = Sweep::default();
        }
        written && more
    }

    /// Goes through all streams behind a repair: who has a state and no row by name gets that again.
    pub(crate) fn mend(&mut self) -> Result<(), LogError> {
        let storage = Arc::clone(&self.storage);
        let mut batch = Batch::default();
        {
            let view = storage.view();
            let view = view.map_err(|error| lookup::read_error(error, Table::Meta, None, None))?;
            lookup::mend(&*view, &mut batch);
        }
        if batch.is_empty() { Ok(()) } else { self.write(&batch) }
    }

    fn carry_out(&mut self, work: &mut Work<'_>, request: &Request) -> Outcome {
        let outcome = match request {
            Request::Append(append) => self.append(work, append),
            Request::End { stream } => self.end(work, stream),
            Request::Delete { stream } => self.delete(work, stream),
            _ => Ok(Outcome::settled(Err(LogError::Invalid {
                reason: "this request does not write: submit it again".into(),
            }))),
        };
        outcome.unwrap_or_else(|error| {
            // What the batch does to a stream may be the reason: what it wrote there, or that it deleted it.
            let pending = request.stream().is_some_and(|name| {
                self.streams.get(name).is_some_and(|stream| stream.is_touched())
                    || work.batch.get(Table::Streams, name.as_str().as_bytes()).is_some()
            });
            Outcome { result: Err(error), pending }
        })
    }

    fn append(&mut self, work: &mut Work<'_>, append: &Append) -> Result<Outcome, LogError> {
        check(append)?;
        let stream = self.streams.load(&append.stream, work)?;
        let time_ms = append.time_ms.max(stream.state.last_time_ms);
        let seen = match &append.dedup {
            Some(dedup) => dedup::look(stream, work, dedup, time_ms),
            None => Ok(None),
        };
        match seen {
            Ok(None) if stream.state.ended => {
                return Err(LogError::Ended { epoch: stream.epoch, seq: stream.state.last });
            }
            Ok(None) => {}
            Ok(Some((appended, pending))) => {
                self.stats.duplicates += 1;
                return Ok(Outcome { result: Ok(Response::Appended(appended)), pending });
            }
            Err(error) => {
                self.streams.forget_absent(&append.stream);
                return Err(error);
            }
        }
        let seq = stream.push(work, time_ms, &append.body, append.retention);
        if let Some(dedup) = &append.dedup {
            dedup::remember(stream, work, dedup, seq, time_ms);
        }
        let budget = retention::PER_APPEND;
        self.stats.removed += retention::apply(stream, work, time_ms, budget) as u64;
        dedup::prune(stream, work, time_ms);
        stream.touch(&append.stream, work);
        self.stats.records += 1;
        self.stats.bytes += append.body.len() as u64;
        let appended = Appended { epoch: stream.epoch, seq, time_ms, duplicate: false };
        Ok(Outcome { result: Ok(Response::Appended(appended)), pending: true })
    }

    fn end(&mut self, work: &mut Work<'_>, name: &StreamName) -> Result<Outcome, LogError> {
        let stream = self.streams.load(name, work)?;
        if !stream.state.ended {
            stream.state.ended = true;
            stream.renew();
            stream.touch(name, work);
        }
        let response = Response::Ended { epoch: stream.epoch, seq: stream.state.last };
        Ok(Outcome { result: Ok(response), pending: stream.is_touched() })
    }

    fn delete(&mut self, work: &mut Work<'_>, name: &StreamName) -> Result<Outcome, LogError> {
        let key = name.as_str().as_bytes().to_vec();
        let pending = work.batch.get(Table::Streams, &key).is_some();
        let epoch = match self.streams.load(name, work) {
            Ok(stream) if stream.exists() => {
                self.stats.removed += stream.state.kept();
                Some(stream.epoch)
            }
            // Its state is lost, and its row by name is left.
            Ok(_) if matches!(work.get(Table::Streams, &key), Ok(Some(_))) => None,
            Ok(stream) => {
                let response = Response::Deleted { epoch: stream.epoch };
                self.streams.forget_absent(name);
                return Ok(Outcome { result: Ok(response), pending });
            }
            // What cannot be read can be deleted; what it had stays on the disk, unseen.
            Err(LogError::Corrupt(_)) => None,
            Err(error) => return Err(error),
        };
        work.batch.remove(Table::Streams, key);
        if let Some(epoch) = epoch {
            let key = layout::epoch_key(epoch);
            work.batch.remove(Table::States, key.clone());
            work.batch.put(Table::Garbage, key.clone(), layout::seal(&key, &[]));
        }
        let epoch = count_deletion(work, name)?;
        self.streams.forget(name);
        Ok(Outcome { result: Ok(Response::Deleted { epoch }), pending: true })
    }

    /// Writes a batch, and completes what was carried out. False: it was not written.
    fn finish(&mut self, mut work: Work<'_>) -> bool {
        for name in &work.touched {
            if let Some(stream) = self.streams.get(name) {
                stream.write(name, &mut work.batch);
            }
        }
        let Work { batch, touched, outcomes, view } = work;
        // A storage may have to put itself in order first, and no view may be open then.
        drop(view);
        let written = if batch.is_empty() { Ok(()) } else { self.write(&batch) };
        if written.is_err() {
            for name in &touched {
                self.streams.forget(name);
            }
        }
        for (token, Outcome { result, pending }) in outcomes {
            let result = match &written {
                Err(error) if pending => Err(error.clone()),
                _ => result,
            };
            self.done.push_back(Completion { token, result });
        }
        self.streams.shrink();
        written.is_ok()
    }

    fn write(&mut self, batch: &Batch) -> Result<(), LogError> {
        match self.storage.commit(batch) {
            Ok(()) => Ok(()),
            Err(CommitError::Full) => {
                self.stats.full += 1;
                Err(LogError::Full)
            }
            Err(CommitError::Failed(reason)) => {
                tracing::error!("the log takes no more writes: {reason}");
                self.failed = Some(reason.clone());
                self.stats.failed = true;
                Err(LogError::Failed { reason })
            }
        }
    }

    fn refuse_waiting(&mut self, error: &LogError) -> usize {
        let refused = self.waiting.len();
        for (token, _) in self.waiting.drain(..) {
            self.done.push_back(Completion { token, result: Err(error.clone()) });
        }
        refused
    }
}

impl Handle for Machine {
    fn submit(&mut self, token: u64, request: Request) {
        Self::submit(self, token, request);
    }

    fn poll(&mut self) -> Option<Completion> {
        if self.done.is_empty() && self.is_waiting() {
            self.commit();
        }
        Self::poll(self)
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("waiting", &self.waiting.len())
            .field("streams", &self.streams.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Carries out a request that only reads; none: it writes.
pub(crate) fn read(storage: &dyn Storage, request: &Request) -> Option<Result<Response, LogError>> {
    if request.writes() {
        return None;
    }
    let view = match storage.view() {
        Ok(view) => view,
        Err(error) => return Some(Err(lookup::read_error(error, Table::Meta, None, None))),
    };
    match request {
        Request::Read(read) => Some(reader::page(&*view, read).map(Response::Page)),
        Request::Info { stream } => Some(reader::info(&*view, stream).map(Response::Info)),
        Request::Streams { after, limit } => Some(reader::streams(&*view, after.as_ref(), *limit)),
        Request::Append(_) | Request::End { .. } | Request::Delete { .. } => None,
    }
}

/// Counts a deletion, and gives the epoch that the stream has behind it.
fn count_deletion(work: &mut Work<'_>, name: &StreamName) -> Result<u64, LogError> {
    let key = layout::deletions_key(lookup::bucket(name));
    let deletions = lookup::deletions(work, &key)?;
    let row = layout::seal(&key, &[&(deletions + 1).to_be_bytes()]);
    work.batch.put(Table::Meta, key, row);
    lookup::absent_epoch(work, name, None)
}

fn check(append: &Append) -> Result<(), LogError> {
    let fault = |reason: String| Err(LogError::Invalid { reason });
    if append.body.len() > Append::MAX_BODY {
        let (length, limit) = (append.body.len(), Append::MAX_BODY);
        return fault(format!("the record has {length} bytes: split it, {limit} are the most"));
    }
    if append.retention.count == 0 {
        return fault("the stream is to keep 0 records: set its retention to 1 at least".into());
    }
    let (what, id) = match &append.dedup {
        None => return Ok(()),
        Some(Dedup::Key { key, .. }) => ("key", key),
        Some(Dedup::Producer { seq: 0, .. }) => {
            return fault("the producer's number is 0: count from 1".into());
        }
        Some(Dedup::Producer { id, .. }) => ("producer's name", id),
    };
    if id.is_empty() || id.len() > Dedup::MAX_ID {
        let (length, limit) = (id.len(), Dedup::MAX_ID);
        return fault(format!("the {what} has {length} bytes: give it 1 to {limit}"));
    }
    Ok(())
}

/// So many requests, and so many bytes with one request more, are in one commit: what waits behind them waits for little.
const MAX_REQUESTS: usize = 4_096;
const MAX_BYTES: usize = 8 << 20;
