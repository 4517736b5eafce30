//! redb: a copy-on-write B-tree.

use std::path::Path;

use anyhow::Result;
use redb::{Database, ReadableDatabase as _, TableDefinition};

use super::{CACHE_BYTES, Engine, Row};

pub(super) struct Redb(Database);

impl Redb {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
        let write = database.begin_write()?;
        for table in [RECORDS, STATES] {
            write.open_table(table)?;
        }
        write.commit()?;
        Ok(Self(database))
    }
}

impl Engine for Redb {
    fn commit(&mut self, records: &[Row], states: &[Row]) -> Result<()> {
        let write = self.0.begin_write()?;
        for (table, rows) in [(RECORDS, records), (STATES, states)] {
            let mut table = write.open_table(table)?;
            for (key, value) in rows {
                table.insert(key.as_slice(), value.as_slice())?;
            }
        }
        Ok(write.commit()?)
    }

    fn page(&mut self, from: &[u8], limit: usize, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
        let table = self.0.begin_read()?.open_table(RECORDS)?;
        for row in table.range(from..)?.take(limit) {
            visit(row?.1.value());
        }
        Ok(())
    }

    fn state(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let table = self.0.begin_read()?.open_table(STATES)?;
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }
}

const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
const STATES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("states");
