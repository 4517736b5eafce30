//! One life of a stream: its records, and which of them are kept.

use std::collections::VecDeque;

use longwire_hub::Retention;

/// A stream from its beginning to its deletion.
#[derive(Default)]
pub(crate) struct Life {
    /// Whose it is, once that is known.
    pub(crate) channel: Option<usize>,
    /// All records that it ever had.
    entries: VecDeque<Entry>,
    /// Bytes of all of them.
    bytes: u64,
    /// It takes nothing more.
    pub(crate) ended: bool,
    /// It is no more.
    pub(crate) over: bool,
    /// Its deletion was acknowledged at that time.
    pub(crate) deleted: Option<std::time::Duration>,
}

/// A record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Which publication it is of, once that is known.
    pub(crate) tag: Option<u32>,
    pub(crate) time_ms: u64,
    bytes: u64,
    /// Bytes of all records up to this one.
    through: u64,
    pub(crate) kept: bool,
    pub(crate) damaged: bool,
}

impl Entry {
    pub(crate) fn new(tag: u32, time_ms: u64, bytes: u64) -> Self {
        Self { tag: Some(tag), time_ms, bytes, through: 0, kept: true, damaged: false }
    }

    /// One that was removed with the same batch, so that nobody has seen it.
    pub(crate) fn unseen() -> Self {
        Self { tag: None, time_ms: 0, bytes: 0, through: 0, kept: true, damaged: false }
    }

    pub(crate) fn is_unseen(&self) -> bool {
        self.time_ms == 0
    }
}

impl Life {
    pub(crate) fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn last_time_ms(&self) -> u64 {
        self.entries.back().map_or(0, |entry| entry.time_ms)
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes;
        self.entries.push_back(Entry { through: self.bytes, ..entry });
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(seq.checked_sub(1)?).ok()?)
    }

    pub(crate) fn get_mut(&mut self, seq: u64) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(seq.checked_sub(1)?).ok()?)
    }

    pub(crate) fn remove(&mut self, seq: u64) {
        if let Some(entry) = self.get_mut(seq) {
            entry.kept = false;
        }
    }

    /// Whether retention may take a record by now.
    pub(crate) fn is_due(&self, seq: u64, retention: &Retention, unix_ms: u64) -> bool {
        let Some(entry) = self.get(seq) else { return false };
        let age = u64::try_from(retention.age.as_millis()).unwrap_or(u64::MAX);
        let behind = self.last() - seq;
        let bytes = self.bytes - entry.through + entry.bytes;
        let is_too_old = entry.time_ms.saturating_add(age) <= unix_ms;
        let is_too_much = behind >= retention.count || behind > 0 && bytes > retention.bytes;
        is_too_old || is_too_much
    }
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Life")
            .field("channel", &self.channel)
            .field("last", &self.last())
            .field("ended", &self.ended)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
