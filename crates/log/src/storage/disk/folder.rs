//! The log's folder: its format, its lock, its room.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{OpenError, Place, layout::FORMAT};

/// A folder that this process alone has.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl Folder {
    /// Opens a folder, or makes it, which the flag tells.
    pub(super) fn open(path: &Path) -> Result<(Self, bool), OpenError> {
        let refused =
            |error: io::Error| OpenError::Io { folder: path.into(), reason: error.to_string() };
        fs::create_dir_all(path).map_err(refused)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK))
            .map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { folder: path.into() }),
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        let folder = Self { path: path.into(), _lock: lock };
        let created = folder.check_format()?;
        Ok((folder, created))
    }

    /// Where the engine has its files.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join(DATA)
    }

    /// Where damaged files are kept.
    pub(super) fn damaged(&self) -> PathBuf {
        self.path.join(DAMAGED)
    }

    /// Bytes that all its files take. Journals have their length from the beginning, so it is blocks that count.
    pub(super) fn bytes(&self) -> Option<u64> {
        let mut bytes = 0;
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).ok()?.flatten() {
                // A file may go meanwhile.
                let Ok(data) = entry.metadata() else { continue };
                if data.is_dir() {
                    folders.push(entry.path());
                } else {
                    bytes += allocated(&data);
                }
            }
        }
        Some(bytes)
    }

    /// Whether so many bytes can be written to a file here.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let path = self.path.join(TRIAL);
        let written = File::create(&path).and_then(|mut file| {
            let block = vec![0; 64 << 10];
            for _ in 0..bytes.div_ceil(block.len()) {
                file.write_all(&block)?;
            }
            file.sync_data()
        });
        let removed = fs::remove_file(&path);
        written.is_ok() && removed.is_ok()
    }

    /// The folder cannot be opened, since this is broken.
    pub(super) fn corrupt(&self, detail: String) -> OpenError {
        let place = Place { table: "files", file: Some(self.data()), detail, ..Place::default() };
        OpenError::Corrupt { folder: self.path.clone(), place: Box::new(place) }
    }

    /// The folder cannot be opened, since the system refuses.
    pub(super) fn refused(&self, reason: &str) -> OpenError {
        OpenError::Io { folder: self.path.clone(), reason: reason.into() }
    }

    /// Reads the format, or writes it into a folder that is new, which the flag tells.
    fn check_format(&self) -> Result<bool, OpenError> {
        let path = self.path.join(FORMAT_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let number = text.strip_prefix(FORMAT_PREFIX).map(str::trim_end);
                match number.and_then(|number| number.parse::<u64>().ok()) {
                    Some(found) if found > FORMAT => {
                        Err(OpenError::Newer { folder: self.path.clone(), found, known: FORMAT })
                    }
                    Some(_) => Ok(false),
                    None => Err(self.bad_format(&path, "it tells no format of a log")),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.data().exists() => {
                Err(self.bad_format(&path, "it is missing, and there is data"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.write_format(&path).map_err(|error| self.refused(&error.to_string()))?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(self.bad_format(&path, "it tells no format of a log"))
            }
            Err(error) => Err(self.refused(&error.to_string())),
        }
    }

    /// The file is there whole or not at all.
    fn write_format(&self, path: &Path) -> io::Result<()> {
        let draft = path.with_extension("new");
        let mut file = File::create(&draft)?;
        writeln!(file, "{FORMAT_PREFIX}{FORMAT}")?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        sync_folder(&self.path)
    }

    fn bad_format(&self, path: &Path, detail: &str) -> OpenError {
        let place = Place {
            table: "format",
            file: Some(path.into()),
            detail: detail.into(),
            ..Place::default()
        };
        OpenError::Corrupt { folder: self.path.clone(), place: Box::new(place) }
    }
}

/// Waits until a folder's list of files is on disk, where that is not done by itself.
#[cfg(not(windows))]
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(windows)]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn allocated(data: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(data) * 512
}

#[cfg(not(unix))]
fn allocated(data: &fs::Metadata) -> u64 {
    data.len()
}

const LOCK: &str = "lock";
const DATA: &str = "data";
const DAMAGED: &str = "damaged";
const TRIAL: &str = "trial";
const FORMAT_FILE: &str = "format";
const FORMAT_PREFIX: &str = "longwire-log ";
