//! The streams that were written to lately, as the writer knows them.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    mem,
};

use crate::{
    LogError, Retention, StreamName,
    layout::{self, State},
    lookup::{self, Found},
    storage::{Batch, Table},
};

use super::work::Work;

/// A bounded number of streams: who is asked for moves to the young, and when those are many, the old go.
#[derive(Default)]
pub(super) struct Streams {
    young: HashMap<StreamName, Stream>,
    old: HashMap<StreamName, Stream>,
}

impl Streams {
    /// A stream, read from the storage where it is not known.
    pub(super) fn load(
        &mut self,
        name: &StreamName,
        work: &Work<'_>,
    ) -> Result<&mut Stream, LogError> {
        Ok(match self.young.entry(name.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(match self.old.remove(name) {
                Some(stream) => stream,
                None => Stream::find(name, work)?,
            }),
        })
    }

    /// A stream, if it is known.
    pub(super) fn get(&mut self, name: &StreamName) -> Option<&mut Stream> {
        self.young.get_mut(name).or_else(|| self.old.get_mut(name))
    }

    /// Forgets what is known of a stream.
    pub(super) fn forget(&mut self, name: &StreamName) {
        self.young.remove(name);
        self.old.remove(name);
    }

    /// Forgets a stream that is not there: its epoch may become another.
    pub(super) fn forget_absent(&mut self, name: &StreamName) {
        if self.young.get(name).is_some_and(|stream| !stream.exists()) {
            self.young.remove(name);
        }
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Lets the old go where the young are many. Not while a batch is in the making.
    pub(super) fn shrink(&mut self) {
        if self.young.len() > MAX_YOUNG {
            self.old = mem::take(&mut self.young);
        }
    }
}

/// A stream, with the changes of the batch in the making.
pub(super) struct Stream {
    pub(super) epoch: u64,
    pub(super) state: State,
    /// The row by name: as it is, or to be written, or not there.
    row: Row,
    /// Whether it is among those that the batch in the making has touched.
    touched: bool,
    /// Time and bytes of the oldest records, from `state.first` on, as many as are known.
    pub(super) oldest: VecDeque<(u64, u32)>,
    /// Records that cannot be read and are not in `state.bytes`: ranges, both ends within, ascending.
    pub(super) uncounted: Vec<(u64, u64)>,
    /// No row that tells which producer appended last is before this `seq`.
    pub(super) producers_from: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Absent,
    Due,
    Written,
}

impl Stream {
    fn find(name: &StreamName, work: &Work<'_>) -> Result<Self, LogError> {
        let Found { epoch, state } = lookup::find(work, name)?;
        let row = if state.is_some() { Row::Written } else { Row::Absent };
        let state = state.unwrap_or_else(|| State::new(name.as_str()));
        Ok(Self {
            epoch,
            state,
            row,
            touched: false,
            oldest: VecDeque::new(),
            uncounted: Vec::new(),
            producers_from: 0,
        })
    }

    pub(super) fn exists(&self) -> bool {
        self.row != Row::Absent
    }

    /// Its state has changed, and is to be written with the batch.
    pub(super) fn touch(&mut self, name: &StreamName, work: &mut Work<'_>) {
        if !self.touched {
            self.touched = true;
            work.touched.push(name.clone());
        }
    }

    /// Whether the batch in the making has changed it.
    pub(super) fn is_touched(&self) -> bool {
        self.touched
    }

    /// The row by name is to be written.
    pub(super) fn renew(&mut self) {
        self.row = Row::Due;
    }

    /// Appends a record and gives its number.
    pub(super) fn push(
        &mut self,
        work: &mut Work<'_>,
        time_ms: u64,
        body: &[u8],
        retention: Retention,
    ) -> u64 {
        let state = &mut self.state;
        let all_known = self.oldest.len() as u64 == state.kept();
        if all_known && self.oldest.len() < MAX_OLDEST {
            self.oldest.push_back((time_ms, length(body)));
        }
        if state.kept() == 0 {
            state.first_time_ms = time_ms;
        }
        state.last += 1;
        state.last_time_ms = time_ms;
        state.bytes += body.len() as u64;
        state.retention = retention;
        let key = layout::record_key(self.epoch, state.last);
        let row = layout::write_record(&key, time_ms, body);
        work.batch.put(Table::Records, key, row);
        if self.row == Row::Absent {
            self.row = Row::Due;
        }
        state.last
    }

    /// Puts what has changed into a batch.
    pub(super) fn write(&mut self, name: &StreamName, batch: &mut Batch) {
        self.touched = false;
        if self.row == Row::Absent {
            return;
        }
        if self.row == Row::Due {
            let key = name.as_str().as_bytes().to_vec();
            let row = lookup::write_stream(&key, self.epoch, self.state.ended);
            batch.put(Table::Streams, key, row);
            self.row = Row::Written;
        }
        let key = layout::epoch_key(self.epoch);
        let row = self.state.write(&key);
        batch.put(Table::States, key, row);
    }
}

/// Bytes of a body; none is longer than that can say.
pub(super) fn length(body: &[u8]) -> u32 {
    u32::try_from(body.len()).unwrap_or(u32::MAX)
}

/// 16,384 streams of some 500 bytes are known at the most, young and old.
const MAX_YOUNG: usize = 8_192;

/// Of so many of a stream's oldest records the length is known: retention reads them that many at a time.
pub(super) const MAX_OLDEST: usize = 32;
