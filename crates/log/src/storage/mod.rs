//! The seam below the log: tables of ordered keys, written in atomic batches.

pub(crate) mod disk;
pub(crate) mod simulated;

use std::{collections::BTreeMap, ops::ControlFlow, path::PathBuf};

/// Where the log keeps what it has.
///
/// A batch is there whole or not at all, after any crash; it is on disk when `commit` returns, and seen by views from then
/// on, never before.
pub trait Storage: Send + Sync {
    /// What the storage has now, unmoved by later commits. Views are short-lived: one request at most.
    fn view(&self) -> Result<Box<dyn View + '_>, ReadError>;

    /// Writes a batch and waits until it is on disk.
    fn commit(&self, batch: &Batch) -> Result<(), CommitError>;
}

/// What a storage had at one moment.
pub trait View {
    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// Visits the keys from `from` to `to`, both ends within, until the visitor breaks.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        backwards: bool,
        visit: &mut Visitor<'_>,
    ) -> Result<(), ReadError>;
}

/// Takes a key and its value, and says whether it wants more.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A table of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Table {
    /// What concerns the whole log.
    Meta,
    /// The epoch of each stream, by name.
    Streams,
    /// The state of each stream, by epoch.
    States,
    /// Records, by epoch and `seq`.
    Records,
    /// What is remembered against repetitions, by epoch.
    Keys,
    /// What is left to remove of deleted streams, by epoch.
    Garbage,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Meta, Self::Streams, Self::States, Self::Records, Self::Keys, Self::Garbage];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Streams => "streams",
            Self::States => "states",
            Self::Records => "records",
            Self::Keys => "keys",
            Self::Garbage => "garbage",
        }
    }
}

/// Writes that belong together: for each key its new value, or none for its removal. The last write of a key counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    writes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    bytes: usize,
}

impl Batch {
    /// Sets a key's value.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.writes.insert((table, key), Some(value));
    }

    /// Removes a key.
    pub fn remove(&mut self, table: Table, key: Vec<u8>) {
        self.bytes += key.len();
        self.writes.insert((table, key), None);
    }

    /// What the batch makes of a key: its value, its removal, or nothing.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Option<&[u8]>> {
        // The map's key is owned, so asking costs a copy; keys are short.
        self.writes.get(&(table, key.to_vec())).map(Option::as_deref)
    }

    /// Its writes between two keys of a table, both ends within.
    pub fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.writes
            .range((table, from.to_vec())..=(table, to.to_vec()))
            .map(|((_, key), value)| (key.as_slice(), value.as_deref()))
    }

    /// All writes, in the order of tables and keys.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.writes.iter().map(|((table, key), value)| (*table, key.as_slice(), value.as_deref()))
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// How many keys are written.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Bytes of all that was put into it.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Why a batch was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// There is no room. The batch is not there and will not be; others may be written later.
    Full,
    /// What is on disk is unknown: the batch may be there after a restart, or not. No other may be written.
    Failed(String),
}

/// Why a key was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The disk gave other bytes than were written.
    Corrupt {
        /// In which file or folder, where that is known.
        file: Option<PathBuf>,
        /// How it showed.
        detail: String,
    },
    /// The system refused.
    Io(String),
}
