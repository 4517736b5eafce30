//! Reading: pages of records, a stream's state, names of streams.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::{
    Entry, From, Info, LogError, Order, Page, Read, Response, StreamName,
    layout::{self, State},
    lookup::{self, Found, read_error},
    storage::{ReadError, Table, View},
};

/// Reads a page.
pub(crate) fn page(view: &dyn View, read: &Read) -> Result<Page, LogError> {
    let Found { epoch, state } = lookup::find(view, &read.stream)?;
    let state = state.unwrap_or_else(|| State::new(read.stream.as_str()));
    let set = Set::of(view, read, epoch, &state)?;
    let mut walk = Walk::new(view, read, epoch, set.from, set.to);
    walk.run()?;
    let (records, corrupt, through) = walk.finish();
    let more = match read.order {
        Order::Forwards => through.is_some_and(|seq| seq < set.to),
        Order::Backwards => through.is_some_and(|seq| seq > set.from),
    };
    Ok(Page {
        epoch,
        first: state.first,
        last: state.last,
        records,
        more,
        through: through.unwrap_or(match read.order {
            Order::Forwards => state.last,
            Order::Backwards => set.from,
        }),
        ended: state.ended,
        truncated: set.truncated,
        corrupt,
    })
}

/// Tells a stream's state.
pub(crate) fn info(view: &dyn View, name: &StreamName) -> Result<Info, LogError> {
    let Found { epoch, state } = lookup::find(view, name)?;
    let exists = state.is_some();
    let state = state.unwrap_or_else(|| State::new(name.as_str()));
    Ok(Info {
        exists,
        epoch,
        first: state.first,
        last: state.last,
        last_time_ms: state.last_time_ms,
        bytes: state.bytes,
        ended: state.ended,
    })
}

/// Lists streams by name.
pub(crate) fn streams(
    view: &dyn View,
    after: Option<&StreamName>,
    limit: usize,
) -> Result<Response, LogError> {
    let limit = limit.clamp(1, MAX_STREAMS);
    // The least name behind another is that with a zero byte appended.
    let from = after.map_or_else(Vec::new, |name| [name.as_str().as_bytes(), &[0]].concat());
    let to = [0xff; StreamName::MAX_LENGTH + 1];
    let mut streams = Vec::new();
    let mut more = false;
    view.scan(Table::Streams, &from, &to, false, &mut |key, _| {
        if streams.len() == limit {
            more = true;
            return ControlFlow::Break(());
        }
        let name = std::str::from_utf8(key).ok().map(StreamName::new);
        streams.extend(name.and_then(Result::ok));
        ControlFlow::Continue(())
    })
    .map_err(|error| read_error(error, Table::Streams, None, None))?;
    Ok(Response::Streams { streams, more })
}

/// The records that are asked for: from `from` to `to`; none where `from` is larger.
struct Set {
    from: u64,
    to: u64,
    truncated: bool,
}

impl Set {
    fn of(view: &dyn View, read: &Read, epoch: u64, state: &State) -> Result<Self, LogError> {
        let (first, last) = (state.first, state.last);
        let whole = Self { from: first, to: last, truncated: false };
        Ok(match read.from {
            From::Beginning => whole,
            From::After(place) if place.epoch != epoch => Self { truncated: true, ..whole },
            From::After(place) if place.seq > last => {
                Self { from: last + 1, to: last, truncated: true }
            }
            From::After(place) => {
                Self { from: first.max(place.seq + 1), truncated: place.seq + 1 < first, ..whole }
            }
            From::Before(place) if place.epoch != epoch => Self { from: 1, to: 0, truncated: true },
            From::Before(place) => Self { to: last.min(place.seq.saturating_sub(1)), ..whole },
            From::Time(time_ms) => {
                let from = first_since(view, read, epoch, state, time_ms)?;
                Self { from, truncated: from == first && first > 1, ..whole }
            }
            From::Last(number) => {
                Self { from: first.max((last + 1).saturating_sub(number)), ..whole }
            }
        })
    }
}

/// The first record whose time is `time_ms` or later. Times never go back, so halving finds it.
fn first_since(
    view: &dyn View,
    read: &Read,
    epoch: u64,
    state: &State,
    time_ms: u64,
) -> Result<u64, LogError> {
    if time_ms <= state.first_time_ms {
        return Ok(state.first);
    }
    let (mut from, mut to) = (state.first, state.last + 1);
    while from < to {
        let middle = from + (to - from) / 2;
        // A damaged record has no time; the next that has one stands for it.
        let mut probe = middle;
        let time = loop {
            if probe == to {
                break None;
            }
            match record(view, &read.stream, epoch, probe) {
                Ok(entry) => break Some(entry.time_ms),
                Err(LogError::Corrupt(_)) => probe += 1,
                Err(error) => return Err(error),
            }
        };
        match time {
            Some(time) if time < time_ms => from = probe + 1,
            _ => to = middle,
        }
    }
    Ok(from)
}

/// One record.
fn record(view: &dyn View, name: &StreamName, epoch: u64, seq: u64) -> Result<Entry, LogError> {
    let key = layout::record_key(epoch, seq);
    let row = match view.get(Table::Records, &key) {
        Ok(Some(row)) => layout::read_record(&key, &row)
            .map(|(time_ms, body)| Entry { seq, time_ms, body: Bytes::copy_from_slice(body) })
            .ok_or_else(lookup::changed),
        Ok(None) => Err(ReadError::Corrupt { file: None, detail: "it is missing".into() }),
        Err(error) => Err(error),
    };
    row.map_err(|error| read_error(error, Table::Records, Some(name), Some((seq, seq))))
}

/// A walk over the records of a set, up to the limits of a page.
struct Walk<'a> {
    view: &'a dyn View,
    read: &'a Read,
    epoch: u64,
    /// What is left to visit, both ends within.
    from: u64,
    to: u64,
    records: Vec<Entry>,
    corrupt: Vec<(u64, u64)>,
    bytes: usize,
    visited: usize,
    through: Option<u64>,
    full: bool,
}

impl<'a> Walk<'a> {
    fn new(view: &'a dyn View, read: &'a Read, epoch: u64, from: u64, to: u64) -> Self {
        Self {
            view,
            read,
            epoch,
            from,
            to,
            records: Vec::new(),
            corrupt: Vec::new(),
            bytes: 0,
            visited: 0,
            through: None,
            full: false,
        }
    }

    fn run(&mut self) -> Result<(), LogError> {
        if self.from > self.to {
            return Ok(());
        }
        let (view, epoch) = (self.view, self.epoch);
        let (from, to) = (layout::record_key(epoch, self.from), layout::record_key(epoch, self.to));
        let backwards = self.read.order == Order::Backwards;
        let scanned = view.scan(Table::Records, &from, &to, backwards, &mut |key, row| {
            let Some(seq) = layout::seq_of(key) else { return ControlFlow::Continue(()) };
            while !self.full && self.next() != Some(seq) {
                self.skip("it is missing");
            }
            match layout::read_record(key, row) {
                _ if self.full => {}
                Some((time_ms, body)) => self.take(seq, time_ms, body),
                None => self.skip("a checksum is wrong"),
            }
            if self.full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match scanned {
            Ok(()) => {
                while !self.full && self.next().is_some() {
                    self.skip("it is missing");
                }
                Ok(())
            }
            Err(ReadError::Corrupt { .. }) => self.run_singly(),
            Err(error) => Err(read_error(error, Table::Records, Some(&self.read.stream), None)),
        }
    }

    /// Goes on record by record, where a block of several is damaged.
    fn run_singly(&mut self) -> Result<(), LogError> {
        while let (false, Some(seq)) = (self.full, self.next()) {
            match record(self.view, &self.read.stream, self.epoch, seq) {
                Ok(entry) => self.take(seq, entry.time_ms, &entry.body),
                Err(LogError::Corrupt(place)) => self.skip(&place.detail),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The record that is due.
    fn next(&self) -> Option<u64> {
        (self.from <= self.to).then_some(match self.read.order {
            Order::Forwards => self.from,
            Order::Backwards => self.to,
        })
    }

    fn take(&mut self, seq: u64, time_ms: u64, body: &[u8]) {
        let limit = self.read.limit_bytes;
        if !self.records.is_empty() && self.bytes.saturating_add(body.len()) > limit {
            self.full = true;
            return;
        }
        self.bytes += body.len();
        self.records.push(Entry { seq, time_ms, body: Bytes::copy_from_slice(body) });
        self.passed(seq);
        self.full |= self.records.len() >= self.read.limit_records.max(1);
    }

    fn skip(&mut self, detail: &str) {
        let Some(seq) = self.next() else { return };
        match self.corrupt.last_mut() {
            Some((_, to)) if *to + 1 == seq => *to = seq,
            Some((from, _)) if *from == seq + 1 => *from = seq,
            _ => {
                let error = ReadError::Corrupt { file: None, detail: detail.into() };
                let place = Some((seq, seq));
                lookup::report(&read_error(error, Table::Records, Some(&self.read.stream), place));
                self.corrupt.push((seq, seq));
            }
        }
        self.passed(seq);
    }

    fn passed(&mut self, seq: u64) {
        self.through = Some(seq);
        match self.read.order {
            Order::Forwards => self.from = seq + 1,
            Order::Backwards => self.to = seq - 1,
        }
        self.visited += 1;
        self.full |= self.visited >= MAX_VISITED.max(self.read.limit_records);
    }

    fn finish(mut self) -> (Vec<Entry>, Vec<(u64, u64)>, Option<u64>) {
        self.corrupt.sort_unstable();
        (self.records, self.corrupt, self.through)
    }
}

/// So many names a list: 2.5 MB at the most.
const MAX_STREAMS: usize = 10_000;

/// So many records a page, readable or not: over a long damage, a page ends and the caller asks for the next.
const MAX_VISITED: usize = 4_096;
