//! A storage in memory that fails on command, for simulations.
//!
//! What a test decides happens, and nothing else does: the storage has no clock and no randomness of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard},
};

use super::{Batch, CommitError, ReadError, Storage, Table, View, Visitor};

/// A disk in memory. It outlives the logs that are opened over it, one after the other.
#[derive(Debug, Default)]
pub struct SimulatedStorage {
    disk: RwLock<Disk>,
    faults: Mutex<Faults>,
}

impl SimulatedStorage {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on there is no room, or there is again.
    pub fn set_full(&self, full: bool) {
        self.faults().full = full;
    }

    /// The next commit fails in its fsync. Whether its batch is there after a restart is told to [`restart`](Self::restart).
    pub fn fail_next_sync(&self) {
        self.faults().fail_sync = true;
    }

    /// The machine goes down, and comes up again: what was committed is there. A batch whose commit had failed is there if
    /// it was `kept`, whole, and not otherwise.
    pub fn restart(&self, kept: bool) {
        let mut faults = self.faults();
        faults.fail_sync = false;
        faults.down = false;
        if let Some(batch) = faults.uncertain.take()
            && kept
        {
            self.disk_mut().apply(&batch);
        }
    }

    /// Spoils one value: other bytes than were written, where the engine does not notice.
    pub fn spoil_value(&self, table: Table, key: &[u8]) {
        if let Some(value) = self.disk_mut().rows.get_mut(&(table, key.to_vec()))
            && let Some(byte) = value.last_mut()
        {
            *byte ^= 0x10;
        }
    }

    /// Spoils a block: the engine cannot read any of these keys.
    pub fn spoil_block(&self, table: Table, keys: impl IntoIterator<Item = Vec<u8>>) {
        self.disk_mut().unreadable.extend(keys.into_iter().map(|key| (table, key)));
    }

    /// The keys of a table that have a value.
    pub fn keys(&self, table: Table) -> Vec<Vec<u8>> {
        let disk = self.disk();
        disk.rows.keys().filter(|(of, _)| *of == table).map(|(_, key)| key.clone()).collect()
    }

    fn disk(&self) -> RwLockReadGuard<'_, Disk> {
        self.disk.read().expect("no holder of this lock panics")
    }

    fn disk_mut(&self) -> std::sync::RwLockWriteGuard<'_, Disk> {
        self.disk.write().expect("no holder of this lock panics")
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().expect("no holder of this lock panics")
    }
}

impl Storage for SimulatedStorage {
    fn view(&self) -> Result<Box<dyn View + '_>, ReadError> {
        Ok(Box::new(Snapshot(self.disk())))
    }

    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut faults = self.faults();
        if faults.down {
            return Err(CommitError::Failed("an earlier fsync failed".into()));
        }
        if faults.full {
            return Err(CommitError::Full);
        }
        if faults.fail_sync {
            faults.down = true;
            faults.uncertain = Some(batch.clone());
            return Err(CommitError::Failed("fsync failed".into()));
        }
        self.disk_mut().apply(batch);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Disk {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    unreadable: BTreeSet<(Table, Vec<u8>)>,
}

impl Disk {
    fn apply(&mut self, batch: &Batch) {
        for (table, key, value) in batch.iter() {
            let place = (table, key.to_vec());
            self.unreadable.remove(&place);
            match value {
                Some(value) => self.rows.insert(place, value.to_vec()),
                None => self.rows.remove(&place),
            };
        }
    }

    fn read(&self, place: &(Table, Vec<u8>)) -> Result<(), ReadError> {
        if self.unreadable.contains(place) {
            let detail = "a block's checksum is wrong".into();
            return Err(ReadError::Corrupt { file: None, detail });
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Faults {
    full: bool,
    fail_sync: bool,
    down: bool,
    uncertain: Option<Batch>,
}

struct Snapshot<'a>(RwLockReadGuard<'a, Disk>);

impl View for Snapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let place = (table, key.to_vec());
        self.0.read(&place)?;
        Ok(self.0.rows.get(&place).cloned())
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        backwards: bool,
        visit: &mut Visitor<'_>,
    ) -> Result<(), ReadError> {
        if from > to {
            return Ok(());
        }
        let bounds =
            (Bound::Included((table, from.to_vec())), Bound::Included((table, to.to_vec())));
        let mut rows = self.0.rows.range(bounds);
        while let Some((place, value)) = if backwards { rows.next_back() } else { rows.next() } {
            self.0.read(place)?;
            if visit(&place.1, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
