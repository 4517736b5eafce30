//! Finding a stream: its epoch and its state, also where a row of it is damaged.

use std::ops::ControlFlow;

use sha2::{Digest, Sha256};

use crate::{
    LogError, Place, StreamName,
    layout::{self, State},
    storage::{Batch, ReadError, Table, View},
};

/// What there is of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Its epoch; that of its first record to come where it is not there.
    pub(crate) epoch: u64,
    /// Its state, where it is there.
    pub(crate) state: Option<State>,
}

/// The row of a stream by name: its epoch, and whether it has ended.
pub(crate) fn write_stream(key: &[u8], epoch: u64, ended: bool) -> Vec<u8> {
    layout::seal(key, &[&epoch.to_be_bytes(), &[u8::from(ended)]])
}

/// Finds a stream.
pub(crate) fn find(view: &dyn View, name: &StreamName) -> Result<Found, LogError> {
    let key = name.as_str().as_bytes();
    let row = match view.get(Table::Streams, key) {
        Ok(None) => return Ok(Found { epoch: absent_epoch(view, name, None)?, state: None }),
        Ok(Some(row)) => read_stream(key, &row).ok_or_else(changed),
        Err(error) => Err(error),
    };
    match row {
        Ok((epoch, ended)) => match state(view, name, epoch, ended)? {
            Some(state) => Ok(Found { epoch, state: Some(state) }),
            // Where it stood is not known any more, so it begins anew: no place means two records.
            None => Ok(Found { epoch: absent_epoch(view, name, Some(epoch))?, state: None }),
        },
        // Its state has the name as well.
        Err(error @ ReadError::Corrupt { .. }) => match find_by_state(view, name)? {
            Some((epoch, state)) => Ok(Found { epoch, state: Some(state) }),
            None => Err(read_error(error, Table::Streams, Some(name), None)),
        },
        Err(error) => Err(read_error(error, Table::Streams, Some(name), None)),
    }
}

/// The epoch that a stream gets with its first record. It follows from the log's own random bits, the name, and how often
/// streams were deleted, so it is the same until then, without being written down. It is not `lost`, which the stream had.
pub(crate) fn absent_epoch(
    view: &dyn View,
    name: &StreamName,
    lost: Option<u64>,
) -> Result<u64, LogError> {
    let deletions = deletions(view, &layout::deletions_key(bucket(name)))?;
    let salt = view
        .get(Table::Meta, layout::SALT)
        .map_err(|error| read_error(error, Table::Meta, None, None))?
        .unwrap_or_default();
    let mut attempt = 0u64;
    loop {
        let digest = Sha256::new()
            .chain_update(&salt)
            .chain_update(deletions.to_be_bytes())
            .chain_update(attempt.to_be_bytes())
            .chain_update(name.as_str())
            .finalize();
        let epoch = first_number(&digest);
        let key = layout::epoch_key(epoch);
        let taken = [Table::States, Table::Garbage]
            .into_iter()
            .any(|table| !matches!(view.get(table, &key), Ok(None)));
        if epoch != 0 && lost != Some(epoch) && !taken {
            return Ok(epoch);
        }
        attempt += 1;
        if attempt == ATTEMPTS {
            let reason = "no epoch is free, which means that the states of streams cannot be read";
            return Err(LogError::Io { reason: reason.into() });
        }
    }
}

/// How many streams of a bucket were deleted. Where that is damaged it is a number that no log comes to by counting, so that
/// no epoch comes again.
pub(crate) fn deletions(view: &dyn View, key: &[u8]) -> Result<u64, LogError> {
    match view.get(Table::Meta, key) {
        Ok(None) => Ok(0),
        Ok(Some(row)) => Ok(layout::read_number(key, &row).unwrap_or(1 << 63)),
        Err(ReadError::Corrupt { .. }) => Ok(1 << 63),
        Err(error) => Err(read_error(error, Table::Meta, None, None)),
    }
}

/// In which of the counters of deletions a stream is counted.
pub(crate) fn bucket(name: &StreamName) -> u16 {
    let digest = Sha256::digest(name.as_str());
    u16::try_from(first_number(&digest) >> 48).expect("16 bits are left")
}

/// A stream's state, made from its records where its row is damaged; none if it has none of them, and has not ended.
fn state(
    view: &dyn View,
    name: &StreamName,
    epoch: u64,
    ended: bool,
) -> Result<Option<State>, LogError> {
    let key = layout::epoch_key(epoch);
    let row = match view.get(Table::States, &key) {
        Ok(Some(row)) => State::read(&key, &row).ok_or_else(changed),
        Ok(None) => Err(ReadError::Corrupt { file: None, detail: "it is missing".into() }),
        Err(error) => Err(error),
    };
    match row {
        Ok(state) => Ok(Some(state)),
        Err(error @ ReadError::Corrupt { .. }) => {
            report(&read_error(error, Table::States, Some(name), None));
            let rebuilt = rebuild(view, name, epoch, ended)?;
            Ok(rebuilt.or_else(|| ended.then(|| State { ended, ..State::new(name.as_str()) })))
        }
        Err(error) => Err(read_error(error, Table::States, Some(name), None)),
    }
}

/// Puts rows by name that are missing into a batch: of streams that have a state.
pub(crate) fn mend(view: &dyn View, batch: &mut Batch) {
    let scanned = view.scan(Table::States, &[0; 8], &[0xff; 8], false, &mut |key, row| {
        if let (Some(state), Ok(epoch)) = (State::read(key, row), key.try_into()) {
            let name = state.name.into_bytes();
            if let Ok(None) = view.get(Table::Streams, &name) {
                let row = write_stream(&name, u64::from_be_bytes(epoch), state.ended);
                batch.put(Table::Streams, name, row);
            }
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = scanned {
        report(&read_error(error, Table::States, None, None));
    }
}

/// An error of the storage, with its place.
pub(crate) fn read_error(
    error: ReadError,
    table: Table,
    stream: Option<&StreamName>,
    records: Option<(u64, u64)>,
) -> LogError {
    match error {
        ReadError::Corrupt { file, detail } => LogError::Corrupt(Box::new(Place {
            table: table.name(),
            stream: stream.map(|name| name.as_str().to_owned()),
            records,
            file,
            detail,
        })),
        ReadError::Io(reason) => LogError::Io { reason },
    }
}

/// A value whose checksum is wrong.
pub(crate) fn changed() -> ReadError {
    ReadError::Corrupt { file: None, detail: "a checksum is wrong".into() }
}

/// Tells the operator of damage that is got round.
pub(crate) fn report(error: &LogError) {
    tracing::error!("{error}");
}

fn read_stream(key: &[u8], row: &[u8]) -> Option<(u64, bool)> {
    let (epoch, rest) = layout::open(key, row)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*epoch), rest == [1]))
}

fn find_by_state(view: &dyn View, name: &StreamName) -> Result<Option<(u64, State)>, LogError> {
    let mut found = None;
    let scanned = view.scan(Table::States, &[0; 8], &[0xff; 8], false, &mut |key, row| match (
        State::read(key, row),
        key.try_into(),
    ) {
        (Some(state), Ok(epoch)) if state.name == name.as_str() => {
            found = Some((u64::from_be_bytes(epoch), state));
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    match (found, scanned) {
        (Some(found), _) => Ok(Some(found)),
        (None, Ok(())) => Ok(None),
        (None, Err(error)) => Err(read_error(error, Table::States, Some(name), None)),
    }
}

/// A stream's state from its records; none where it has none.
fn rebuild(
    view: &dyn View,
    name: &StreamName,
    epoch: u64,
    ended: bool,
) -> Result<Option<State>, LogError> {
    let fault = |error| read_error(error, Table::Records, Some(name), None);
    let edges = [false, true].map(|backwards| edge(view, epoch, backwards));
    let [first, last] = match edges {
        [Ok(Some(first)), Ok(Some(last))] => [first, last],
        [Ok(None), Ok(None)] => return Ok(None),
        // One of them is damaged; what is read from the other end tells how far there is something.
        [first, last] => {
            let first = first.or_else(|_| farthest(view, epoch, true).map_err(fault))?;
            let last = last.or_else(|_| farthest(view, epoch, false).map_err(fault))?;
            match [first, last] {
                [Some(first), Some(last)] => [first, last],
                _ => return Ok(None),
            }
        }
    };
    let counted = count(view, epoch, first.0, last.0).map_err(fault)?;
    Ok(Some(State {
        ended,
        first: first.0,
        first_time_ms: first.1,
        last: last.0,
        last_time_ms: last.1,
        bytes: counted.bytes,
        keys_until_ms: 0,
        ..State::new(name.as_str())
    }))
}

/// Number and time of the first record that can be read, from one end.
fn edge(view: &dyn View, epoch: u64, backwards: bool) -> Result<Option<(u64, u64)>, ReadError> {
    let mut found = None;
    let (from, to) = (layout::record_key(epoch, 0), layout::record_key(epoch, u64::MAX));
    let scanned = view.scan(Table::Records, &from, &to, backwards, &mut |key, row| {
        found = place_and_time(key, row);
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if found.is_none() { scanned.map(|()| None) } else { Ok(found) }
}

/// Number and time of the last record that can be read before damage, from one end; that damage, if there is none.
fn farthest(view: &dyn View, epoch: u64, backwards: bool) -> Result<Option<(u64, u64)>, ReadError> {
    let mut found = None;
    let (from, to) = (layout::record_key(epoch, 0), layout::record_key(epoch, u64::MAX));
    let scanned = view.scan(Table::Records, &from, &to, backwards, &mut |key, row| {
        found = place_and_time(key, row).or(found);
        ControlFlow::Continue(())
    });
    match scanned {
        // What the system cannot read for a time is not damaged, and there may be more behind it.
        Err(error) if found.is_none() || matches!(error, ReadError::Io(_)) => Err(error),
        _ => Ok(found),
    }
}

fn place_and_time(key: &[u8], row: &[u8]) -> Option<(u64, u64)> {
    Some((layout::seq_of(key)?, layout::read_record(key, row)?.0))
}

/// What the records of a stream come to.
#[derive(Debug, Default)]
pub(crate) struct Count {
    /// Bytes of the bodies that can be read.
    pub(crate) bytes: u64,
    /// Those that cannot be read: ranges, both ends within, ascending.
    pub(crate) damaged: Vec<(u64, u64)>,
}

/// Counts the records from `first` to `last`. It reads all of them.
pub(crate) fn count(
    view: &dyn View,
    epoch: u64,
    first: u64,
    last: u64,
) -> Result<Count, ReadError> {
    let mut count = Count::default();
    let mut next = first;
    let to = layout::record_key(epoch, last);
    while next <= last {
        let from = layout::record_key(epoch, next);
        let scanned = view.scan(Table::Records, &from, &to, false, &mut |key, row| {
            let Some(seq) = layout::seq_of(key) else { return ControlFlow::Continue(()) };
            count.miss(next, seq);
            match layout::read_record(key, row) {
                Some((_, body)) => count.bytes += body.len() as u64,
                None => count.miss(seq, seq + 1),
            }
            next = seq + 1;
            ControlFlow::Continue(())
        });
        if let Err(error @ ReadError::Io(_)) = scanned {
            return Err(error);
        }
        // What a scan does not come to is damaged, or in the batch in the making alone.
        while next <= last {
            let key = layout::record_key(epoch, next);
            let row = match view.get(Table::Records, &key) {
                Err(error @ ReadError::Io(_)) => return Err(error),
                row => row.ok().flatten(),
            };
            let body = row.as_deref().and_then(|row| layout::read_record(&key, row));
            next += 1;
            match body {
                Some((_, body)) => {
                    count.bytes += body.len() as u64;
                    if scanned.is_err() {
                        break;
                    }
                }
                None => count.miss(next - 1, next),
            }
        }
    }
    Ok(count)
}

impl Count {
    /// The records from `from` up to `to`, without that, cannot be read.
    fn miss(&mut self, from: u64, to: u64) {
        let full = self.damaged.len() == MAX_RANGES;
        match self.damaged.last_mut() {
            _ if from >= to => {}
            // Too many to tell apart: what lies between two of them counts as one of them.
            Some((_, end)) if *end + 1 == from || full => *end = to - 1,
            _ => self.damaged.push((from, to - 1)),
        }
    }
}

fn first_number(digest: &[u8]) -> u64 {
    u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}

/// So many ranges of damaged records are told apart.
const MAX_RANGES: usize = 1_024;

/// Two streams with one epoch do not happen by chance, let alone so many.
const ATTEMPTS: u64 = 8;
