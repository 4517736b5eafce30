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
        Ok(None) => return Ok(Found { epoch: absent_epoch(view, name)?, state: None }),
        Ok(Some(row)) => read_stream(key, &row).ok_or_else(changed),
        Err(error) => Err(error),
    };
    match row {
        Ok((epoch, ended)) => {
            let state = state(view, name, epoch, ended)?;
            Ok(Found { epoch, state: Some(state) })
        }
        // Its state has the name as well.
        Err(error @ ReadError::Corrupt { .. }) => match find_by_state(view, name)? {
            Some((epoch, state)) => Ok(Found { epoch, state: Some(state) }),
            None => Err(read_error(error, Table::Streams, Some(name), None)),
        },
        Err(error) => Err(read_error(error, Table::Streams, Some(name), None)),
    }
}

/// The epoch that a stream gets with its first record. It follows from the log's own random bits, the name, and how often
/// streams were deleted, so it is the same until then, without being written down.
pub(crate) fn absent_epoch(view: &dyn View, name: &StreamName) -> Result<u64, LogError> {
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
        if epoch != 0 && !taken {
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

/// A stream's state, made from its records where its row is damaged.
pub(crate) fn state(
    view: &dyn View,
    name: &StreamName,
    epoch: u64,
    ended: bool,
) -> Result<State, LogError> {
    let key = layout::epoch_key(epoch);
    let row = match view.get(Table::States, &key) {
        Ok(Some(row)) => State::read(&key, &row).ok_or_else(changed),
        Ok(None) => Err(ReadError::Corrupt { file: None, detail: "it is missing".into() }),
        Err(error) => Err(error),
    };
    match row {
        Ok(state) => Ok(state),
        Err(error @ ReadError::Corrupt { .. }) => {
            report(&read_error(error, Table::States, Some(name), None));
            rebuild(view, name, epoch, ended)
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

fn rebuild(view: &dyn View, name: &StreamName, epoch: u64, ended: bool) -> Result<State, LogError> {
    let mut state = State { ended, keys_until_ms: 0, ..State::new(name.as_str()) };
    let (from, to) = (layout::record_key(epoch, 0), layout::record_key(epoch, u64::MAX));
    let mut first = None;
    let forwards = view.scan(Table::Records, &from, &to, false, &mut |key, row| {
        if let (Some(seq), Some((time_ms, body))) =
            (layout::seq_of(key), layout::read_record(key, row))
        {
            first.get_or_insert((seq, time_ms));
            state.last = seq;
            state.last_time_ms = time_ms;
            state.bytes += body.len() as u64;
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = forwards {
        report(&read_error(error, Table::Records, Some(name), None));
        let backwards = view.scan(Table::Records, &from, &to, true, &mut |key, row| {
            if let (Some(seq), Some((time_ms, _))) =
                (layout::seq_of(key), layout::read_record(key, row))
            {
                first.get_or_insert((seq, time_ms));
                state.last = seq;
                state.last_time_ms = time_ms;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        backwards.map_err(|error| read_error(error, Table::Records, Some(name), None))?;
    }
    (state.first, state.first_time_ms) = first.unwrap_or((state.last + 1, 0));
    Ok(state)
}

fn first_number(digest: &[u8]) -> u64 {
    u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}

/// Two streams with one epoch do not happen by chance, let alone so many.
const ATTEMPTS: u64 = 8;
