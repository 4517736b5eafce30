//! The storage on disk: fjall, in a folder with a format and a lock of its own.
//!
//! What fjall leaves open is settled here.
//!
//! - A batch goes to the journal first, and views see it when its fsync has succeeded: they share a snapshot that is renewed
//!   then. That fsync is on a file of our own, so that no other takes its error.
//! - fjall makes its files one by one, and does not open what it had not finished. So they are made beside their place.
//! - fjall takes no write any more after any failure. After a failed fsync it stays so. Where there was no room it is opened
//!   anew once there is, and a batch that was refused and got to the journal all the same is taken back.

mod engine;
mod folder;
mod journal;
mod repair;
mod tail;

use std::{
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use fjall::Snapshot;

use self::{
    engine::{Engine, Fault, Settings},
    folder::Folder,
    repair::Repair,
};
use super::{Batch, CommitError, ReadError, Storage, Table, View, Visitor};
use crate::{Config, Histogram, OpenError, Report};

/// A folder on disk.
pub(crate) struct Disk {
    settings: Settings,
    /// None where it could not be opened again after trouble.
    engine: RwLock<Option<Engine>>,
    trouble: Mutex<Trouble>,
    syncs: Mutex<Histogram>,
    /// The last to go: its lock keeps others out until the engine is closed.
    folder: Folder,
}

impl Disk {
    /// Opens a folder, and makes it where it is not there.
    pub(crate) fn open(
        config: &Config,
        random: &mut dyn FnMut() -> u64,
    ) -> Result<(Self, Report), OpenError> {
        let (folder, created) = Folder::open(&config.folder, random)?;
        let settings = Settings {
            cache_bytes: config.cache_bytes,
            buffer_bytes: config.buffer_bytes,
            seal: folder.seal(),
        };
        let (engine, repair) = open(&folder, settings).map_err(|fault| match fault {
            Fault::Corrupt(detail) => folder.corrupt(detail),
            other => folder.refused(&other.to_string()),
        })?;
        let Repair { torn, corrupt, .. } = repair;
        let report = Report { created, corrupt, torn, ..Report::default() };
        let disk = Self {
            settings,
            engine: RwLock::new(Some(engine)),
            trouble: Mutex::new(Trouble::None),
            syncs: Mutex::default(),
            folder,
        };
        Ok((disk, report))
    }

    /// How long each fsync took, in microseconds.
    pub(crate) fn syncs(&self) -> Histogram {
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.folder.bytes()
    }

    /// Writes a batch with the engine as it is.
    fn write(&self, batch: &Batch) -> Result<(), Fault> {
        let engine = self.engine();
        let engine = engine.as_ref().ok_or(Fault::Stopped)?;
        engine.write(batch)?;
        let began = Instant::now();
        engine.sync()?;
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner).record_time(began.elapsed());
        Ok(())
    }

    /// Opens the engine anew, where it is time to look for room, and there is some. None: there is none.
    fn look_for_room(&self, trouble: &mut Trouble) -> Option<()> {
        let Trouble::Full { refused, look_at } = trouble else { return Some(()) };
        if Instant::now() < *look_at {
            return None;
        }
        *look_at = Instant::now() + LOOK_EVERY;
        if !self.folder.has_room(ROOM) {
            return None;
        }
        tracing::warn!("there is room, or the storage engine has stopped: it is opened anew");
        *trouble = match self.reopen(refused.as_ref()) {
            Ok(()) => Trouble::None,
            Err(Fault::Full) => return None,
            Err(fault) => Trouble::Final(fault.to_string()),
        };
        Some(())
    }

    /// Opens the engine anew, and takes back what was refused.
    fn reopen(&self, refused: Option<&Refused>) -> Result<(), Fault> {
        let mut engine = self.engine_mut();
        // Two cannot be open at once.
        *engine = None;
        let (opened, _) = open(&self.folder, self.settings)?;
        if let Some(refused) = refused
            && opened.number() == refused.number
        {
            opened.write(&refused.former)?;
            opened.sync()?;
        }
        *engine = Some(opened);
        Ok(())
    }

    /// What had the keys of a batch that is refused, and its number.
    fn refuse(&self, batch: &Batch) -> Option<Refused> {
        let engine = self.engine();
        let engine = engine.as_ref()?;
        let snapshot = engine.snapshot();
        let mut former = Batch::default();
        for (table, key, _) in batch.iter() {
            match engine.get(&snapshot, table, key) {
                Ok(Some(value)) => former.put(table, key.to_vec(), value),
                Ok(None) => former.remove(table, key.to_vec()),
                Err(_) => {}
            }
        }
        Some(Refused { number: engine.number() + 1, former })
    }

    fn engine(&self) -> RwLockReadGuard<'_, Option<Engine>> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn engine_mut(&self) -> RwLockWriteGuard<'_, Option<Engine>> {
        self.engine.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Disk {
    fn view(&self) -> Result<Box<dyn View + '_>, ReadError> {
        let mut engine = self.engine();
        if engine.is_none() {
            drop(engine);
            self.look_for_room(&mut self.trouble());
            engine = self.engine();
        }
        let snapshot = engine.as_ref().ok_or_else(closed)?.snapshot();
        Ok(Box::new(Held { engine, snapshot }))
    }

    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut trouble = self.trouble();
        for _ in 0..ATTEMPTS {
            self.look_for_room(&mut trouble).ok_or(CommitError::Full)?;
            if let Trouble::Final(reason) = &*trouble {
                return Err(CommitError::Failed(reason.clone()));
            }
            match self.write(batch) {
                Ok(()) => return Ok(()),
                Err(Fault::Full) => {
                    let refused = self.refuse(batch);
                    *trouble = Trouble::Full { refused, look_at: Instant::now() + LOOK_EVERY };
                    return Err(CommitError::Full);
                }
                // The engine's threads met something, most often that there is no room. All that was written before has
                // its fsync.
                Err(Fault::Stopped) => {
                    *trouble = Trouble::Full { refused: None, look_at: Instant::now() };
                }
                Err(fault) => *trouble = Trouble::Final(fault.to_string()),
            }
        }
        let reason = "the storage engine stops each time it is opened: a file of it may be damaged";
        *trouble = Trouble::Final(reason.into());
        Err(CommitError::Failed(reason.into()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let trouble = std::mem::replace(&mut *self.trouble(), Trouble::None);
        if let Trouble::Full { refused: Some(refused), .. } = trouble {
            // As the engine closes it writes what it still has of that batch, if there is room by now.
            if let Err(fault) = self.reopen(Some(&refused)) {
                tracing::warn!("what was refused without room could not be looked for: {fault}");
            }
        }
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Why batches are not just written.
#[derive(Debug)]
enum Trouble {
    None,
    /// There was no room.
    Full {
        refused: Option<Refused>,
        /// When room is looked for again.
        look_at: Instant,
    },
    /// What is on disk is unknown.
    Final(String),
}

/// A batch that was refused.
#[derive(Debug)]
struct Refused {
    number: u64,
    former: Batch,
}

/// A view. The engine cannot be closed meanwhile.
struct Held<'a> {
    engine: RwLockReadGuard<'a, Option<Engine>>,
    snapshot: Snapshot,
}

impl View for Held<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.engine.as_ref().map_or(Err(closed()), |engine| engine.get(&self.snapshot, table, key))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        backwards: bool,
        visit: &mut Visitor<'_>,
    ) -> Result<(), ReadError> {
        let engine = self.engine.as_ref().ok_or_else(closed)?;
        engine.scan(&self.snapshot, table, from, to, backwards, visit)
    }
}

/// Opens the engine, with its journals put in order.
fn open(folder: &Folder, settings: Settings) -> Result<(Engine, Repair), Fault> {
    let (data, seal) = (folder.data(), settings.seal);
    if !data.exists() {
        folder.make_data(|path| Engine::open(path, settings).map(drop))?;
    }
    let mut repair = Repair::prepare(&data, &folder.damaged(), &seal)?;
    let engine = Engine::open(&data, settings)?;
    repair.finish(&engine, &seal)?;
    Ok((engine, repair))
}

fn closed() -> ReadError {
    ReadError::Io("the log could not be opened anew after the disk was full".into())
}

/// Opening anew is tried so often for one batch.
const ATTEMPTS: usize = 5;

/// Without room, it is looked for at most so often, and this much is enough: what the engine wants to write next is less.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const ROOM: usize = 32 << 20;
