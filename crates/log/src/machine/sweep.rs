//! The sweeper: what is too old, and what is left of deleted streams.

use std::ops::ControlFlow;

use crate::{
    StreamName,
    layout::{self, State},
    lookup,
    storage::Table,
};

use super::{dedup, retention, streams::Streams, work::Work};

/// Walks over all streams, slice by slice.
#[derive(Default)]
pub(super) struct Sweep {
    /// The state at which the next slice begins.
    cursor: u64,
    /// The deleted stream at which it is, and from which key on it has rows left.
    garbage: Option<(u64, Vec<u8>)>,
    /// Where the next deleted stream is looked for: behind the one before, as rows that are gone are passed over one by one.
    garbage_from: u64,
}

impl Sweep {
    /// One slice. It tells whether the round goes on, and how many records went.
    pub(super) fn slice(
        &mut self,
        streams: &mut Streams,
        work: &mut Work<'_>,
        now_ms: u64,
    ) -> (bool, usize) {
        let mut collected = false;
        while work.batch.len() < ROWS && self.collect(work) {
            collected = true;
        }
        if collected {
            return (true, 0);
        }
        let mut removed = 0;
        let (due, mut next) = self.look(work, now_ms);
        for name in due {
            let Ok(stream) = streams.load(&name, work) else { continue };
            if !stream.exists() {
                continue;
            }
            let some = retention::apply(stream, work, now_ms, PER_STREAM);
            dedup::prune(stream, work, now_ms);
            stream.touch(&name, work);
            removed += some;
            if some == PER_STREAM {
                // More of it may be due: the next slice begins where this one did.
                next = Some(self.cursor);
            }
        }
        self.cursor = next.unwrap_or(0);
        (next.is_some(), removed)
    }

    /// Removes rows of a deleted stream. False: there is none.
    fn collect(&mut self, work: &mut Work<'_>) -> bool {
        let begin = |epoch| (epoch, layout::record_key(epoch, 0));
        let next =
            self.garbage.take().or_else(|| first_garbage(work, self.garbage_from).map(begin));
        let Some((epoch, from)) = next else {
            // Those that came meanwhile lie before that, perhaps: they are of the next slice.
            let all = self.garbage_from == 0;
            self.garbage_from = 0;
            return !all && work.batch.is_empty() && self.collect(work);
        };
        self.garbage_from = epoch.saturating_add(1);
        let last = layout::record_key(epoch, u64::MAX);
        if let Some(next) = remove(work, Table::Records, &from, &last) {
            self.garbage = Some((epoch, next));
            return true;
        }
        // Its keys come next.
        let from = layout::epoch_key(epoch);
        let to = [from.as_slice(), &[0xff]].concat();
        if remove(work, Table::Keys, &from, &to).is_some() {
            self.garbage = Some((epoch, last));
        } else {
            work.batch.remove(Table::Garbage, from);
        }
        true
    }

    /// Streams of which something is due, and where the next slice begins; none where this is the last.
    fn look(&self, work: &Work<'_>, now_ms: u64) -> (Vec<StreamName>, Option<u64>) {
        let mut due = Vec::new();
        let mut next = None;
        let mut seen = 0;
        let from = layout::epoch_key(self.cursor);
        let scanned = work.view.scan(Table::States, &from, &[0xff; 8], false, &mut |key, row| {
            let epoch = key.try_into().map_or(u64::MAX, u64::from_be_bytes);
            if seen == STATES || due.len() == STREAMS {
                next = Some(epoch);
                return ControlFlow::Break(());
            }
            seen += 1;
            if let Some(state) = State::read(key, row)
                && (retention::is_due(&state, now_ms) || dedup::is_due(&state, now_ms))
            {
                due.extend(StreamName::new(state.name).ok());
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = scanned {
            lookup::report(&lookup::read_error(error, Table::States, None, None));
            next = self.cursor.checked_add(LEAP);
        }
        (due, next)
    }
}

fn first_garbage(work: &Work<'_>, from: u64) -> Option<u64> {
    let mut found = None;
    let from = layout::epoch_key(from);
    let scanned = work.view.scan(Table::Garbage, &from, &[0xff; 8], false, &mut |key, _| {
        found = key.try_into().ok().map(u64::from_be_bytes);
        ControlFlow::Break(())
    });
    scanned.ok().and(found)
}

/// Removes the rows between two keys, a bounded number; the last of them, where there may be more.
fn remove(work: &mut Work<'_>, table: Table, from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    let mut keys = Vec::new();
    let scanned = work.view.scan(table, from, to, false, &mut |key, _| {
        keys.push(key.to_vec());
        if keys.len() == ROWS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Err(error) = &scanned {
        // What is behind the damage cannot be found; it stays, unseen.
        lookup::report(&lookup::read_error(error.clone(), table, None, None));
    }
    let next = keys.last().cloned().filter(|_| scanned.is_ok() && keys.len() == ROWS);
    for key in keys {
        work.batch.remove(table, key);
    }
    next
}

/// A slice looks at so many states, takes up so many streams, and removes so many records of each: some milliseconds.
const STATES: usize = 512;
const STREAMS: usize = 8;
const PER_STREAM: usize = 256;

/// A slice removes so many rows of a deleted stream.
const ROWS: usize = 1_024;

/// Over damaged states the walk leaps so far: past the block, but with few streams, of thousands, left out of the round.
const LEAP: u64 = 1 << 52;
