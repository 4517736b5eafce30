//! Retention: the oldest records go.

use std::ops::ControlFlow;

use crate::{
    layout::{self, State},
    lookup,
    storage::{Table, View},
};

use super::{
    streams::{MAX_OLDEST, Stream, length},
    work::Work,
};

/// Removes records that are too many, too large or too old, at most `budget`, and gives how many.
pub(super) fn apply(stream: &mut Stream, work: &mut Work<'_>, now_ms: u64, budget: usize) -> usize {
    let mut removed = 0;
    while removed < budget && is_due(&stream.state, now_ms) {
        if stream.oldest.is_empty() {
            look(stream, work);
        }
        let Some((_, bytes)) = stream.oldest.pop_front() else { break };
        let state = &mut stream.state;
        work.batch.remove(Table::Records, layout::record_key(stream.epoch, state.first));
        removed += 1;
        state.first += 1;
        state.bytes = state.bytes.saturating_sub(bytes.into());
        if state.kept() == 0 {
            (state.bytes, state.first_time_ms) = (0, 0);
            break;
        }
        if stream.oldest.is_empty() {
            look(stream, work);
        }
        if let Some(&(time_ms, _)) = stream.oldest.front() {
            stream.state.first_time_ms = time_ms;
        }
    }
    removed
}

/// Whether the oldest record goes.
pub(super) fn is_due(state: &State, now_ms: u64) -> bool {
    let kept = state.kept();
    let limit = state.retention;
    let too_old = state.first_time_ms.saturating_add(limit.age_ms) <= now_ms;
    let too_many = kept > limit.count || state.bytes > limit.bytes;
    (kept > 0 && too_old) || (kept > 1 && too_many)
}

/// Learns time and length of the oldest records: from the storage, and then from the batch.
fn look(stream: &mut Stream, work: &Work<'_>) {
    let state = &stream.state;
    let (epoch, mut next) = (stream.epoch, state.first);
    let (oldest, uncounted) = (&mut stream.oldest, &stream.uncounted);
    let mut damaged = false;
    let mut miss = |seq| {
        damaged |= !uncounted.iter().any(|(from, to)| (*from..=*to).contains(&seq));
    };
    let mut time = state.first_time_ms;
    let mut bytes = 0;
    let from = layout::record_key(epoch, next);
    let to = layout::record_key(epoch, state.last);
    let scanned = work.view.scan(Table::Records, &from, &to, false, &mut |key, row| {
        let Some(seq) = layout::seq_of(key) else { return ControlFlow::Continue(()) };
        while next < seq && oldest.len() < MAX_OLDEST {
            miss(next);
            oldest.push_back((time, 0));
            next += 1;
        }
        if oldest.len() == MAX_OLDEST || bytes > MAX_LOOK_BYTES {
            return ControlFlow::Break(());
        }
        let record = layout::read_record(key, row);
        if record.is_none() {
            miss(next);
        }
        let (time_ms, body) = record.unwrap_or((time, &[]));
        time = time_ms;
        bytes += body.len();
        oldest.push_back((time_ms, length(body)));
        next += 1;
        ControlFlow::Continue(())
    });
    if let Err(error) = scanned {
        lookup::report(&lookup::read_error(error, Table::Records, None, Some((next, next))));
    }
    while next <= state.last && oldest.len() < MAX_OLDEST && bytes <= MAX_LOOK_BYTES {
        // What is neither in the batch nor was in the scan is damaged, and has no length.
        let key = layout::record_key(epoch, next);
        let row = work.get(Table::Records, &key).ok().flatten();
        let record = row.as_deref().and_then(|row| layout::read_record(&key, row));
        if record.is_none() {
            miss(next);
        }
        let (time_ms, body) = record.unwrap_or((time, &[]));
        time = time_ms;
        bytes += body.len();
        oldest.push_back((time_ms, length(body)));
        next += 1;
    }
    if damaged {
        count_again(stream, work);
    }
}

/// A record that cannot be read has no length to take off the sum: so the sum is made anew, of those that can be read.
fn count_again(stream: &mut Stream, work: &Work<'_>) {
    match lookup::count(work, stream.epoch, stream.state.first, stream.state.last) {
        Ok(counted) => {
            stream.state.bytes = counted.bytes;
            stream.uncounted = counted.damaged;
        }
        Err(error) => lookup::report(&lookup::read_error(error, Table::Records, None, None)),
    }
}

/// So many records go with one that comes: a stream whose retention shrinks comes to it step by step.
pub(super) const PER_APPEND: usize = 16;

/// Looking at the oldest records stops at so many bytes of bodies.
const MAX_LOOK_BYTES: usize = 256 << 10;
