//! fjall, with its tables, its settings and its errors.

use std::{
    error::Error as _,
    fmt,
    io::{self, ErrorKind},
    ops::RangeInclusive,
    path::Path,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode,
    Readable as _, Snapshot,
};

use super::{
    super::{Batch, ReadError, Table, Visitor},
    journal::{Item, NUMBER, Seal},
    tail::Tail,
};

/// An open database.
pub(super) struct Engine {
    database: Database,
    tables: Vec<Keyspace>,
    tail: Tail,
    /// What each batch begins with.
    seal: Seal,
    /// What views see: all that has its fsync.
    published: RwLock<Snapshot>,
    /// The number of the last batch that has its fsync.
    number: AtomicU64,
}

impl Engine {
    pub(super) fn open(path: &Path, settings: Settings) -> Result<Self, Fault> {
        let opened = thread::scope(|scope| {
            let opener = scope.spawn(|| {
                // fjall's threads inherit it: they write tables while batches wait for the core.
                #[cfg(target_os = "linux")]
                if let Err(error) = rustix::process::nice(LESS_URGENT) {
                    tracing::debug!(%error, "the engine's threads could not be made less urgent");
                }
                Self::open_database(path, settings)
            });
            opener.join()
        });
        // fjall asserts some of what it expects of its files.
        opened
            .unwrap_or_else(|_| Err(Fault::Corrupt("fjall cannot make sense of its files".into())))
    }

    fn open_database(path: &Path, settings: Settings) -> Result<Self, Fault> {
        let database = Database::builder(path)
            .cache_size(settings.cache_bytes)
            .worker_threads(1)
            .journal_compression(CompressionType::None)
            .max_cached_files(Some(MAX_FILES))
            .max_journaling_size(MAX_JOURNAL_BYTES)
            .open()
            .map_err(|error| Fault::of_opening(&error))?;
        let tables = Table::ALL
            .iter()
            .map(|table| database.keyspace(table.name(), || options(*table, settings)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Fault::of_opening(&error))?;
        let tail = Tail::open(path)?;
        let snapshot = database.snapshot();
        let number = snapshot
            .get(&tables[index(Table::Meta)], NUMBER)
            .map_err(|error| Fault::of_opening(&error))?
            .and_then(|row| Some(u64::from_be_bytes(*row.first_chunk()?)))
            .unwrap_or(0);
        Ok(Self {
            database,
            tables,
            tail,
            seal: settings.seal,
            published: RwLock::new(snapshot),
            number: AtomicU64::new(number),
        })
    }

    /// Writes a batch to the system; views do not see it yet.
    pub(super) fn write(&self, batch: &Batch) -> Result<(), Fault> {
        self.wait_for_threads()?;
        let mut writes = self.begin(batch.len() + 1);
        // It comes first: that is where a repair looks for it.
        let number = (self.number() + 1).to_be_bytes();
        let number = [number.as_slice(), &self.seal].concat();
        writes.insert(&self.tables[index(Table::Meta)], NUMBER, number);
        for (table, key, value) in batch.iter() {
            let table = &self.tables[index(table)];
            match value {
                Some(value) => writes.insert(table, key, value),
                None => writes.remove(table, key),
            }
        }
        writes.commit().map_err(|error| Fault::of_writing(&error))
    }

    /// Writes what a journal had, to the system.
    pub(super) fn write_again(&self, items: Vec<Item>) -> Result<(), Fault> {
        self.wait_for_threads()?;
        let mut writes = self.begin(items.len());
        for Item { table, key, value } in items {
            let Some(table) = self.tables.iter().find(|each| each.id() == table) else { continue };
            match value {
                Some(value) => writes.insert(table, key, value),
                None => writes.remove(table, key),
            }
        }
        writes.commit().map_err(|error| Fault::of_writing(&error))
    }

    /// A batch for so many items, that goes to the system.
    fn begin(&self, items: usize) -> OwnedWriteBatch {
        OwnedWriteBatch::with_capacity(self.database.clone(), items)
            .durability(Some(PersistMode::Buffer))
    }

    /// Waits until what was written is on disk, and shows it to views.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        self.tail
            .sync()
            .map_err(|error| Fault::Unknown(format!("fsync of the journal failed: {error}")))?;
        self.publish();
        Ok(())
    }

    /// The same, however much was written since the last time.
    pub(super) fn sync_much(&self) -> Result<(), Fault> {
        self.database
            .persist(PersistMode::SyncData)
            .map_err(|error| Fault::Unknown(format!("fsync of the journal failed: {error}")))?;
        self.tail.renew()?;
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        let snapshot = self.database.snapshot();
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        self.number.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits while the engine's threads are behind. It would do so itself, a little later, but without asking whether they
    /// are still at work, and so without end where they are not.
    fn wait_for_threads(&self) -> Result<(), Fault> {
        let behind = |table: &Keyspace| {
            table.sealed_memtable_count() > MAX_SEALED || table.l0_table_count() > MAX_UNSORTED
        };
        while self.tables.iter().any(behind) {
            let alive = self.database.persist(PersistMode::Buffer);
            alive.map_err(|error| Fault::of_writing(&error))?;
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn get(
        &self,
        snapshot: &Snapshot,
        table: Table,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let table = &self.tables[index(table)];
        let value = snapshot.get(table, key).map_err(|error| read_error(&error, table))?;
        Ok(value.map(|value| value.to_vec()))
    }

    pub(super) fn scan(
        &self,
        snapshot: &Snapshot,
        table: Table,
        from: &[u8],
        to: &[u8],
        backwards: bool,
        visit: &mut Visitor<'_>,
    ) -> Result<(), ReadError> {
        if from > to {
            return Ok(());
        }
        let range: RangeInclusive<&[u8]> = from..=to;
        let table = &self.tables[index(table)];
        let mut rows = snapshot.range::<&[u8], _>(table, range);
        while let Some(row) = if backwards { rows.next_back() } else { rows.next() } {
            let (key, value) = row.into_inner().map_err(|error| read_error(&error, table))?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// fjall does not tell which of a table's files it was.
fn read_error(error: &fjall::Error, table: &Keyspace) -> ReadError {
    match io_error(error) {
        Some(error) if !is_short(error) => ReadError::Io(error.to_string()),
        _ => ReadError::Corrupt { file: Some(table.path().into()), detail: error.to_string() },
    }
}

/// What of the log's settings is the engine's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) cache_bytes: u64,
    pub(super) buffer_bytes: u64,
    pub(super) seal: Seal,
}

/// What the engine meets.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is no room.
    Full,
    /// It takes no writes since something happened to its threads; this batch was not begun.
    Stopped,
    /// Files are damaged.
    Corrupt(String),
    /// Another process has it open.
    Locked,
    /// What is on disk is unknown.
    Unknown(String),
}

impl Fault {
    fn of_writing(error: &fjall::Error) -> Self {
        if io_error(error).is_some_and(is_full) {
            Self::Full
        } else if matches!(error, fjall::Error::Poisoned) {
            Self::Stopped
        } else {
            Self::Unknown(format!("a write to the journal failed: {error}"))
        }
    }

    fn of_opening(error: &fjall::Error) -> Self {
        match io_error(error) {
            Some(error) if is_full(error) => Self::Full,
            Some(error) if !is_short(error) => Self::Unknown(error.to_string()),
            None if matches!(error, fjall::Error::Locked) => Self::Locked,
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::Unknown(error.to_string()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the disk is full"),
            Self::Stopped => f.write_str("the storage engine has stopped"),
            Self::Locked => f.write_str("another process has it open"),
            Self::Corrupt(detail) | Self::Unknown(detail) => f.write_str(detail),
        }
    }
}

fn io_error(error: &fjall::Error) -> Option<&io::Error> {
    error.source().and_then(|error| {
        error.downcast_ref().or_else(|| error.source().and_then(|error| error.downcast_ref()))
    })
}

/// No room on the device, in the quota, or in what a file may have.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// The system read what there is, and it makes no sense.
fn is_short(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData)
}

fn index(table: Table) -> usize {
    Table::ALL.iter().position(|&each| each == table).expect("`ALL` has each")
}

fn options(table: Table, settings: Settings) -> KeyspaceCreateOptions {
    let share = match table {
        Table::Records => 1,
        Table::States | Table::Keys => 3,
        Table::Meta | Table::Streams | Table::Garbage => 9,
    };
    KeyspaceCreateOptions::default().max_memtable_size(settings.buffer_bytes / share)
}

/// Of a table so many buffers may wait to be written, and so many files to be sorted in: below 4 and 20, where fjall slows
/// down writes itself.
const MAX_SEALED: usize = 2;
const MAX_UNSORTED: usize = 16;

/// By how much the engine's threads are nicer than the rest: they still get a tenth of a core that is fully used. How far they
/// may fall behind is bounded by what may wait.
#[cfg(target_os = "linux")]
const LESS_URGENT: i32 = 10;

/// Until the engine's threads are looked at again.
const PAUSE: Duration = Duration::from_millis(1);

/// So many files are open at most.
const MAX_FILES: usize = 256;

/// What is in journals is read when the log is opened, so this bounds how long that takes: some 2 s at the most. A journal
/// has 64 MiB.
const MAX_JOURNAL_BYTES: u64 = 192 << 20;
