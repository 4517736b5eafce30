//! One stream in memory.

use std::{collections::VecDeque, sync::Arc};

use longwire_channel::{Epoch, Order, Position, Publication, Record};

use super::dedup::{Dedup, Known};
use crate::{
    Retention,
    broker::{Error, From, Info, Page},
};

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) epoch: Epoch,
    pub(super) ended: bool,
    pub(super) attached: bool,
    /// When it was last used.
    pub(super) touched: u64,
    /// When it is looked at again.
    pub(super) due: Option<u64>,
    /// Bytes that its records and keys take.
    pub(super) memory: u64,
    /// Bytes of the contents of its records.
    bytes: u64,
    records: VecDeque<Arc<Record>>,
    last: u64,
    last_time: u64,
    retention: Retention,
    window_ms: u64,
    dedup: Dedup,
}

impl Stream {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            ended: false,
            attached: false,
            touched: 0,
            due: None,
            memory: 0,
            bytes: 0,
            records: VecDeque::new(),
            last: 0,
            last_time: 0,
            retention: Retention::MEMORY,
            window_ms: 0,
            dedup: Dedup::default(),
        }
    }

    /// Appends, unless it was appended before: gives the place, as far as it is known, and the record if it is new.
    pub(super) fn append(
        &mut self,
        publication: Publication,
        retention: Retention,
        window_ms: u64,
        now_ms: u64,
    ) -> Result<(Option<u64>, Option<Arc<Record>>), Error> {
        let time = now_ms.max(self.last_time);
        match self.dedup.check(&publication, time)? {
            Known::Before(seq) => return Ok((seq, None)),
            Known::No => {}
        }
        if self.ended {
            return Err(Error::Ended);
        }
        let seq = self.last + 1;
        self.retention = retention;
        self.window_ms = window_ms;
        let before = self.dedup.memory();
        self.dedup.remember(&publication, seq, time, window_ms);
        self.memory = self.memory - before + self.dedup.memory();
        let Publication { payload, event, publisher, .. } = publication;
        let record = Arc::new(Record { seq, time, payload, event, publisher });
        self.last = seq;
        self.last_time = time;
        self.bytes += content(&record);
        self.memory += content(&record) + RECORD_BYTES;
        self.records.push_back(Arc::clone(&record));
        self.drop_old(now_ms);
        Ok((Some(seq), Some(record)))
    }

    /// Drops what is beyond the retention.
    pub(super) fn drop_old(&mut self, now_ms: u64) {
        let age = u64::try_from(self.retention.age.as_millis()).unwrap_or(u64::MAX);
        while let Some(oldest) = self.records.front() {
            let is_too_old = oldest.time.saturating_add(age) < now_ms;
            let is_too_much = self.records.len() > 1
                && (self.records.len() as u64 > self.retention.count
                    || self.bytes > self.retention.bytes);
            if !is_too_old && !is_too_much {
                break;
            }
            self.bytes -= content(oldest);
            self.memory -= content(oldest) + RECORD_BYTES;
            self.records.pop_front();
        }
        if self.records.capacity() > 4 * self.records.len().max(16) {
            self.records.shrink_to(2 * self.records.len());
        }
        let before = self.dedup.memory();
        self.dedup.forget(now_ms.max(self.last_time));
        self.memory = self.memory - before + self.dedup.memory();
    }

    pub(super) fn read(&self, from: From, order: Order, records: usize, bytes: usize) -> Page {
        let first = self.first();
        // Those between `low` and `high`, by index.
        let (mut low, mut high) = (0, self.records.len());
        match (from, order) {
            (From::Edge, _) => {}
            (From::Behind(position), _) if position.epoch != self.epoch => high = 0,
            (From::Behind(position), Order::Forwards) => {
                low = self.index(position.seq.saturating_add(1).saturating_sub(first));
            }
            (From::Behind(position), Order::Backwards) => {
                high = self.index(position.seq.saturating_sub(first));
            }
            (From::Time(time), _) => low = self.records.partition_point(|it| it.time < time),
        }
        let wanted = self.records.range(low.min(high)..high);
        let (records, more) = match order {
            Order::Forwards => take(wanted, records, bytes),
            Order::Backwards => take(wanted.rev(), records, bytes),
        };
        Page { epoch: self.epoch, first, last: self.last, records, damaged: Vec::new(), more }
    }

    /// The stream's next life.
    pub(super) fn begin_anew(&mut self, epoch: Epoch) {
        *self = Self {
            attached: self.attached,
            touched: self.touched,
            due: self.due,
            retention: self.retention,
            ..Self::new(epoch)
        };
    }

    pub(super) fn position(&self) -> Position {
        Position { epoch: self.epoch, seq: self.last }
    }

    pub(super) fn info(&self) -> Info {
        Info {
            position: self.position(),
            first: self.first(),
            bytes: self.bytes,
            ended: self.ended,
        }
    }

    pub(super) fn keeps_something(&self) -> bool {
        self.last > 0 || self.ended
    }

    /// How long it is kept behind its last use: milliseconds.
    pub(super) fn keep_ms(&self) -> u64 {
        if !self.keeps_something() {
            return EMPTY_MS;
        }
        let age = u64::try_from(self.retention.age.as_millis()).unwrap_or(u64::MAX);
        age.max(self.window_ms)
    }

    fn first(&self) -> u64 {
        self.last + 1 - self.records.len() as u64
    }

    /// An index into the records, at most their number.
    fn index(&self, index: u64) -> usize {
        usize::try_from(index).unwrap_or(usize::MAX).min(self.records.len())
    }
}

/// At most so many, and at most so many bytes, but for the first; and whether there are more.
fn take<'a>(
    wanted: impl Iterator<Item = &'a Arc<Record>>,
    records: usize,
    bytes: usize,
) -> (Vec<Arc<Record>>, bool) {
    let mut taken = Vec::new();
    let mut left = bytes as u64;
    for record in wanted {
        let fits = content(record) <= left;
        if taken.len() >= records.max(1) || !taken.is_empty() && !fits {
            return (taken, true);
        }
        left = left.saturating_sub(content(record));
        taken.push(Arc::clone(record));
    }
    (taken, false)
}

/// What a publication will take.
pub(super) fn cost(publication: &Publication) -> u64 {
    let token = |token: &Option<longwire_channel::Token>| {
        token.as_ref().map_or(0, |token| token.as_str().len() as u64)
    };
    let content = publication.payload.len() as u64
        + token(&publication.event)
        + token(&publication.publisher);
    content + RECORD_BYTES + super::dedup::cost(publication)
}

/// Bytes of a record's content and of what belongs to it.
fn content(record: &Record) -> u64 {
    let event = record.event.as_ref().map_or(0, |it| it.as_str().len());
    let publisher = record.publisher.as_ref().map_or(0, |it| it.as_str().len());
    (record.payload.len() + event + publisher) as u64
}

/// What a record takes beside its content.
const RECORD_BYTES: u64 = 160;

/// How long a stream without records is kept behind its last use, so that whoever comes back finds the same epoch.
const EMPTY_MS: u64 = 10 * 60 * 1_000;
