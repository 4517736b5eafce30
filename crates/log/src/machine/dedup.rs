//! Repetitions: what is remembered of keys and producers, and for how long.

use std::ops::ControlFlow;

use crate::{
    Appended, Dedup, LogError,
    layout::{self, Producing, Remembered, State},
    lookup,
    storage::{Table, View},
};

use super::{streams::Stream, work::Work};

/// Whether this was appended before: where, and whether that is in the batch in the making.
pub(super) fn look(
    stream: &Stream,
    work: &Work<'_>,
    dedup: &Dedup,
    now_ms: u64,
) -> Result<Option<(Appended, bool)>, LogError> {
    if !stream.exists() {
        // Nothing of a stream's former life counts.
        return match dedup {
            Dedup::Producer { seq, .. } if *seq != 1 => Err(LogError::ProducerGap { expected: 1 }),
            _ => Ok(None),
        };
    }
    let key = match dedup {
        Dedup::Key { key, .. } => layout::idempotency_key(stream.epoch, key),
        Dedup::Producer { id, epoch, seq } => {
            let key = layout::producer_key(stream.epoch, id);
            let row = get(work, &key);
            let standing = row.and_then(|row| Producing::read(&key, &row));
            let due = match standing {
                Some(standing) if *epoch < standing.life => {
                    return Err(LogError::ProducerFenced { epoch: standing.life });
                }
                Some(standing) if *epoch == standing.life => standing.number + 1,
                _ => 1,
            };
            if *seq > due {
                return Err(LogError::ProducerGap { expected: due });
            }
            if *seq == due {
                return Ok(None);
            }
            layout::producer_record_key(stream.epoch, id, *epoch, *seq)
        }
    };
    let pending = work.batch.get(Table::Keys, &key).is_some();
    let remembered = get(work, &key).and_then(|row| Remembered::read(&key, &row));
    match (remembered, dedup) {
        (Some(remembered), _) if remembered.until_ms > now_ms => {
            let Remembered { seq, time_ms, .. } = remembered;
            let appended = Appended { epoch: stream.epoch, seq, time_ms, duplicate: true };
            Ok(Some((appended, pending)))
        }
        (_, Dedup::Producer { id, .. }) => {
            let key = layout::producer_key(stream.epoch, id);
            let standing = get(work, &key).and_then(|row| Producing::read(&key, &row));
            let last = standing.map_or(0, |standing| standing.number);
            Err(LogError::ProducerForgotten { last })
        }
        (_, Dedup::Key { .. }) => Ok(None),
    }
}

/// Remembers a record that was put into the batch.
pub(super) fn remember(
    stream: &mut Stream,
    work: &mut Work<'_>,
    dedup: &Dedup,
    seq: u64,
    time_ms: u64,
) {
    let epoch = stream.epoch;
    let (key, window_ms) = match dedup {
        Dedup::Key { key, window_ms } => (layout::idempotency_key(epoch, key), *window_ms),
        Dedup::Producer { id, epoch: life, seq: number } => {
            stand(stream, work, id, Producing { life: *life, number: *number, seq });
            (layout::producer_record_key(epoch, id, *life, *number), PRODUCER_WINDOW_MS)
        }
    };
    let until_ms = time_ms.saturating_add(window_ms);
    let order = layout::order_key(epoch, seq);
    work.batch.put(Table::Keys, order.clone(), layout::write_order(&order, until_ms, &key));
    let row = Remembered { seq, time_ms, until_ms }.write(&key);
    work.batch.put(Table::Keys, key, row);
    stream.state.keys += 1;
    stream.state.keys_until_ms = stream.state.keys_until_ms.min(until_ms);
}

/// Whether keys are to be forgotten.
pub(super) fn is_due(state: &State, now_ms: u64) -> bool {
    let forgotten = state.keys_until_ms.saturating_add(SLACK_MS) <= now_ms;
    state.keys > 0 && (forgotten || state.keys > Dedup::MAX_KEYS)
}

/// Forgets keys that are too old or too many, a bounded number of them.
pub(super) fn prune(stream: &mut Stream, work: &mut Work<'_>, now_ms: u64) {
    if !is_due(&stream.state, now_ms) {
        return;
    }
    let epoch = stream.epoch;
    let from = layout::order_key(epoch, stream.state.keys_from);
    let to = layout::order_key(epoch, u64::MAX);
    let mut rows = Vec::new();
    let scanned = work.view.scan(Table::Keys, &from, &to, false, &mut |key, row| {
        rows.push((key.to_vec(), row.to_vec()));
        if rows.len() > PER_PRUNE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Err(error) = scanned {
        lookup::report(&lookup::read_error(error, Table::Keys, None, None));
        // What cannot be read cannot be forgotten; it is passed.
        stream.state.keys_from = stream.state.keys_from.saturating_add(PER_PRUNE as u64);
        return;
    }
    for (key, row) in rows {
        let Some(seq) = layout::seq_of(&key) else { continue };
        let order = layout::read_order(&key, &row);
        if let Some((until_ms, _)) = order
            && until_ms > now_ms
            && stream.state.keys <= Dedup::MAX_KEYS
        {
            stream.state.keys_until_ms = until_ms;
            return;
        }
        if let Some((_, remembered)) = order {
            let found = get(work, remembered);
            let found = found.and_then(|row| Remembered::read(remembered, &row));
            if found.is_some_and(|found| found.seq == seq) {
                work.batch.remove(Table::Keys, remembered.to_vec());
            }
        }
        work.batch.remove(Table::Keys, key);
        stream.state.keys = stream.state.keys.saturating_sub(1);
        stream.state.keys_from = seq + 1;
    }
    // The next one's time is not known: it is looked at when something is due again.
    let state = &mut stream.state;
    state.keys_until_ms = if state.keys == 0 { u64::MAX } else { now_ms - SLACK_MS.min(now_ms) };
}

/// Notes where a producer stands, and lets the one go that appended longest ago where they are too many.
fn stand(stream: &mut Stream, work: &mut Work<'_>, id: &[u8], standing: Producing) {
    let epoch = stream.epoch;
    let key = layout::producer_key(epoch, id);
    match get(work, &key).and_then(|row| Producing::read(&key, &row)) {
        Some(former) => {
            let order = layout::producer_order_key(epoch, former.seq);
            work.batch.remove(Table::Keys, order);
        }
        None => stream.state.producers += 1,
    }
    let row = standing.write(&key);
    work.batch.put(Table::Keys, key, row);
    let order = layout::producer_order_key(epoch, standing.seq);
    let row = layout::seal(&order, &[id]);
    work.batch.put(Table::Keys, order, row);
    if stream.state.producers > Dedup::MAX_PRODUCERS {
        let_go(stream, work);
    }
}

fn let_go(stream: &mut Stream, work: &mut Work<'_>) {
    let epoch = stream.epoch;
    // Rows that are gone are passed over one by one, so looking begins behind those that went before.
    let from = layout::producer_order_key(epoch, stream.producers_from);
    let to = layout::producer_order_key(epoch, u64::MAX);
    let mut oldest = None;
    let batch = &work.batch;
    let scanned = work.view.scan(Table::Keys, &from, &to, false, &mut |key, row| {
        if batch.get(Table::Keys, key).is_some() {
            // It went with this batch already.
            return ControlFlow::Continue(());
        }
        oldest = Some((key.to_vec(), row.to_vec()));
        ControlFlow::Break(())
    });
    if let Err(error) = scanned {
        lookup::report(&lookup::read_error(error, Table::Keys, None, None));
    }
    // All in the storage may have gone with the batch; then the next append finds one.
    let Some((order, row)) = oldest else { return };
    stream.producers_from = layout::seq_of(&order).unwrap_or(0);
    if let Some(id) = layout::open(&order, &row) {
        work.batch.remove(Table::Keys, layout::producer_key(epoch, id));
    }
    work.batch.remove(Table::Keys, order);
    stream.state.producers -= 1;
}

/// A row of what is remembered. One that is damaged counts as forgotten: a repetition is then taken for new, which harms less
/// than to refuse whatever has its place in the damaged block.
fn get(work: &Work<'_>, key: &[u8]) -> Option<Vec<u8>> {
    work.get(Table::Keys, key).unwrap_or_else(|error| {
        lookup::report(&lookup::read_error(error, Table::Keys, None, None));
        None
    })
}

/// How long a producer's repetition is answered with its place; afterwards with [`LogError::ProducerForgotten`].
const PRODUCER_WINDOW_MS: u64 = 24 * 3_600_000;

/// What is forgotten leaves the disk some time later, many at a time.
const SLACK_MS: u64 = 5_000;

/// So many keys are forgotten with a record that comes.
const PER_PRUNE: usize = 64;
