//! fjall: an LSM tree with a journal; set as the log sets it.

use std::path::Path;

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{CACHE_BYTES, Engine, Row};

pub(super) struct Fjall {
    database: Database,
    records: Keyspace,
    states: Keyspace,
}

impl Fjall {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES as u64)
            .worker_threads(1)
            .max_journaling_size(192 << 20)
            .open()?;
        let table = |name: &str, memory: u64| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(memory);
            database.keyspace(name, options)
        };
        let (records, states) = (table("records", 16 << 20)?, table("states", 8 << 20)?);
        Ok(Self { database, records, states })
    }
}

impl Engine for Fjall {
    fn commit(&mut self, records: &[Row], states: &[Row]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (table, rows) in [(&self.records, records), (&self.states, states)] {
            for (key, value) in rows {
                batch.insert(table, key.as_slice(), value.as_slice());
            }
        }
        Ok(batch.commit()?)
    }

    fn page(&mut self, from: &[u8], limit: usize, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
        for row in self.records.range(from..).take(limit) {
            let (_, value) = row.into_inner()?;
            visit(&value);
        }
        Ok(())
    }

    fn state(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.states.get(key)?.map(|value| value.to_vec()))
    }
}
