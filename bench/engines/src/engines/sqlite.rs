//! `SQLite`: a B-tree with a write-ahead log, in its safest mode.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension as _};

use super::{CACHE_BYTES, Engine, Row};

pub(super) struct Sqlite(Connection);

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "cache_size", -i64::try_from(CACHE_BYTES >> 10)?)?;
        connection.execute_batch(
            "create table if not exists records (key blob primary key, value blob) without rowid;
             create table if not exists states (key blob primary key, value blob) without rowid;",
        )?;
        Ok(Self(connection))
    }
}

impl Engine for Sqlite {
    fn commit(&mut self, records: &[Row], states: &[Row]) -> Result<()> {
        let transaction = self.0.transaction()?;
        for (table, rows) in [("records", records), ("states", states)] {
            let statement = format!("insert or replace into {table} values (?1, ?2)");
            let mut statement = transaction.prepare_cached(&statement)?;
            for (key, value) in rows {
                statement.execute((key, value))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn page(&mut self, from: &[u8], limit: usize, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
        let statement = "select value from records where key >= ?1 order by key limit ?2";
        let mut statement = self.0.prepare_cached(statement)?;
        let mut rows = statement.query((from, i64::try_from(limit)?))?;
        while let Some(row) = rows.next()? {
            visit(row.get_ref(0)?.as_blob()?);
        }
        Ok(())
    }

    fn state(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let statement = "select value from states where key = ?1";
        let mut statement = self.0.prepare_cached(statement)?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }
}
