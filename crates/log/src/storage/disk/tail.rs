//! The journal that is written to, with a file of our own for its fsync.
//!
//! The system tells an open file once that a write to disk failed, and then takes what was lost for written. fjall's threads
//! fsync its journal too, and what they are told would be hidden from whoever waits for a batch. So batches have their own.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::repair::journals;

/// The last journal of a folder.
#[derive(Debug)]
pub(super) struct Tail {
    data: PathBuf,
    journal: Mutex<Journal>,
}

#[derive(Debug)]
struct Journal {
    number: u64,
    file: File,
}

impl Tail {
    pub(super) fn open(data: &Path) -> io::Result<Self> {
        Ok(Self { data: data.into(), journal: Mutex::new(newest(data)?) })
    }

    /// Waits until all that was written since the last time is on disk. That is a batch, and less than a journal takes: so at
    /// most one more journal was begun meanwhile.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut journal = self.journal();
        loop {
            journal.file.sync_data()?;
            // A batch that is not in this journal is in the next, whose file was there before it.
            let number = journal.number + 1;
            let next = self.data.join(format!("{number}.jnl"));
            // Only to try to open it would take a file descriptor, and connections may have all of them.
            if !next.try_exists()? {
                return Ok(());
            }
            *journal = Journal { number, file: open(&next)? };
        }
    }

    /// Looks for the last journal again.
    pub(super) fn renew(&self) -> io::Result<()> {
        *self.journal() = newest(&self.data)?;
        Ok(())
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn newest(data: &Path) -> io::Result<Journal> {
    let (number, path) = journals(data)?.pop().ok_or(io::ErrorKind::NotFound)?;
    Ok(Journal { number, file: open(&path)? })
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}
