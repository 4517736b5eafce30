//! The disk of the simulation: the log's simulated storage, and a journal of what is on it for good.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

use longwire_log::{Batch, CommitError, ReadError, SimulatedStorage, Storage, Table, View};

use crate::{chance::Chance, content};

/// A disk that outlives the processes that use it.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    storage: SimulatedStorage,
    journal: Mutex<Journal>,
    /// Reading fails.
    is_unreadable: AtomicBool,
    /// A planted bug: what was synced last is lost with the process.
    lies: AtomicBool,
    /// A planted bug: what is committed is synced with the next commit.
    is_late: AtomicBool,
}

#[derive(Debug, Default)]
struct Journal {
    /// What came to be on disk and was not looked at yet, batch by batch.
    changes: Vec<Vec<Change>>,
    /// The batch whose fsync failed.
    uncertain: Option<Batch>,
    /// What was committed and is not synced, for a planted bug.
    late: Vec<Change>,
    /// What takes the last batch back, for a planted bug.
    inverse: Option<Batch>,
}

/// Something that is on disk for good.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A record is there. `bytes` are those of its body.
    Written { epoch: u64, seq: u64, tag: u32, time_ms: u64, bytes: u64 },
    /// A record is gone.
    Removed { epoch: u64, seq: u64 },
    /// A stream has this epoch now.
    Stream { name: String, epoch: u64, ended: bool },
    /// A stream is gone.
    StreamRemoved { name: String },
}

impl Disk {
    /// What came to be on disk since the last look.
    pub(crate) fn take_changes(&self) -> Vec<Vec<Change>> {
        std::mem::take(&mut self.journal().changes)
    }

    /// From now on what it has synced last is lost with the process.
    pub(crate) fn lies(&self) {
        self.lies.store(true, Ordering::Relaxed);
    }

    /// From now on it syncs what is committed with the next commit.
    pub(crate) fn is_late(&self) {
        self.is_late.store(true, Ordering::Relaxed);
    }

    /// From now on reading fails, or works again.
    pub(crate) fn set_unreadable(&self, unreadable: bool) {
        self.is_unreadable.store(unreadable, Ordering::Relaxed);
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.storage.set_full(full);
    }

    /// The next commit fails in its fsync.
    pub(crate) fn fail_next_sync(&self) {
        self.storage.fail_next_sync();
    }

    /// The process has ended: the batch that it was writing is there, whole, or not at all.
    pub(crate) fn restart(&self, kept: bool) {
        self.storage.restart(kept);
        let mut journal = self.journal();
        if let Some(batch) = journal.uncertain.take().filter(|_| kept) {
            journal.changes.push(changes(&batch));
        }
        if let Some(inverse) = journal.inverse.take() {
            // Where it cannot be taken back it was not there.
            let _ = self.storage.commit(&inverse);
        }
    }

    /// Spoils a record, or a block of some; says which, if there are any.
    pub(crate) fn spoil(&self, chance: &mut Chance) -> Vec<(u64, u64)> {
        let keys = self.storage.keys(Table::Records);
        let place = chance.index(keys.len().max(1));
        let Some(key) = keys.get(place) else { return Vec::new() };
        let spoilt = if chance.percent(50) {
            self.storage.spoil_value(Table::Records, key);
            &keys[place..=place]
        } else {
            let count = chance.index(BLOCK) + 1;
            let block = &keys[place..keys.len().min(place + count)];
            self.storage.spoil_block(Table::Records, block.iter().cloned());
            block
        };
        spoilt.iter().filter_map(|key| record_of(key)).collect()
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().expect("one thread has it")
    }
}

impl Storage for Disk {
    fn view(&self) -> Result<Box<dyn View + '_>, ReadError> {
        if self.is_unreadable.load(Ordering::Relaxed) {
            return Err(ReadError::Io("the disk does not answer".into()));
        }
        self.storage.view()
    }

    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let inverse = self.lies.load(Ordering::Relaxed).then(|| self.inverse_of(batch));
        let result = self.storage.commit(batch);
        let mut journal = self.journal();
        match &result {
            Ok(()) => {
                let mut changes = changes(batch);
                if self.is_late.load(Ordering::Relaxed) {
                    std::mem::swap(&mut changes, &mut journal.late);
                }
                journal.changes.push(changes);
                journal.inverse = inverse;
            }
            Err(CommitError::Full) => {}
            Err(CommitError::Failed(_)) => {
                journal.uncertain.get_or_insert_with(|| batch.clone());
            }
        }
        result
    }
}

impl Disk {
    fn inverse_of(&self, batch: &Batch) -> Batch {
        let view = self.storage.view().expect("it can be read");
        let mut inverse = Batch::default();
        for (table, key, _) in batch.iter() {
            match view.get(table, key) {
                Ok(Some(value)) => inverse.put(table, key.to_vec(), value),
                _ => inverse.remove(table, key.to_vec()),
            }
        }
        inverse
    }
}

/// What a batch makes of the disk, each record in the order of its number.
fn changes(batch: &Batch) -> Vec<Change> {
    let change = |(table, key, value): (Table, &[u8], Option<&[u8]>)| match (table, value) {
        (Table::Records, Some(value)) => {
            let (epoch, seq) = record_of(key)?;
            let (time, body) = value.get(CHECKSUM..)?.split_first_chunk()?;
            let tag = content::tag_of(body).expect("each content has its tag");
            let time_ms = u64::from_be_bytes(*time);
            Some(Change::Written { epoch, seq, tag, time_ms, bytes: body.len() as u64 })
        }
        (Table::Records, None) => {
            let (epoch, seq) = record_of(key)?;
            Some(Change::Removed { epoch, seq })
        }
        (Table::Streams, value) => {
            let name = String::from_utf8(key.to_vec()).ok()?;
            let Some(value) = value else { return Some(Change::StreamRemoved { name }) };
            let (epoch, rest) = value.get(CHECKSUM..)?.split_first_chunk()?;
            let epoch = u64::from_be_bytes(*epoch);
            Some(Change::Stream { name, epoch, ended: rest == [1] })
        }
        _ => None,
    };
    batch.iter().filter_map(change).collect()
}

fn record_of(key: &[u8]) -> Option<(u64, u64)> {
    let (epoch, rest) = key.split_first_chunk()?;
    Some((u64::from_be_bytes(*epoch), u64::from_be_bytes(rest.try_into().ok()?)))
}

/// Each value begins with one of so many bytes.
const CHECKSUM: usize = 4;

/// Records that one damage takes at the most.
const BLOCK: usize = 4;
