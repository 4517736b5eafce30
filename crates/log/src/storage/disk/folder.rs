//! The log's folder: its format, its lock, its room.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::journal::Seal;
use crate::{OpenError, Place, layout::FORMAT};

/// A folder that this process alone has.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// What each batch in a journal begins with.
    seal: Seal,
    /// Locked as long as it is open.
    _lock: File,
}

impl Folder {
    /// Opens a folder, or makes it, which the flag tells. A new one has its seal from random bits.
    pub(super) fn open(
        path: &Path,
        random: &mut dyn FnMut() -> u64,
    ) -> Result<(Self, bool), OpenError> {
        let refused =
            |error: io::Error| OpenError::Io { folder: path.into(), reason: error.to_string() };
        make(path).map_err(refused)?;
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
        let mut folder = Self { path: path.into(), seal: [0; 16], _lock: lock };
        let created = folder.check_format(random)?;
        Ok((folder, created))
    }

    pub(super) fn seal(&self) -> Seal {
        self.seal
    }

    /// Where the engine has its files.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join(DATA)
    }

    /// Makes the folder of the engine's files by a function that is given another place for it: it is there whole or not
    /// at all, after any crash.
    pub(super) fn make_data<E: From<io::Error>>(
        &self,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let draft = self.path.join(DRAFT);
        if draft.exists() {
            fs::remove_dir_all(&draft)?;
        }
        fill(&draft)?;
        sync_folders(&draft)?;
        fs::rename(&draft, self.data())?;
        Ok(sync_folder(&self.path)?)
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

    /// Reads the format and the seal, or writes them into a folder that is new, which the flag tells.
    fn check_format(&mut self, random: &mut dyn FnMut() -> u64) -> Result<bool, OpenError> {
        let path = self.path.join(FORMAT_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let mut words = text.strip_prefix(FORMAT_PREFIX).unwrap_or("").split_whitespace();
                let number = words.next().and_then(|number| number.parse::<u64>().ok());
                let seal = words.next().and_then(|seal| u128::from_str_radix(seal, 16).ok());
                match (number, seal) {
                    (Some(found), _) if found > FORMAT => {
                        Err(OpenError::Newer { folder: self.path.clone(), found, known: FORMAT })
                    }
                    (Some(_), Some(seal)) => {
                        self.seal = seal.to_be_bytes();
                        Ok(false)
                    }
                    _ => Err(self.bad_format(&path, "it tells no format of a log")),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.data().exists() => {
                Err(self.bad_format(&path, "it is missing, and there is data"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let seal = u128::from(random()) << 64 | u128::from(random());
                self.seal = seal.to_be_bytes();
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
        writeln!(file, "{FORMAT_PREFIX}{FORMAT} {:032x}", u128::from_be_bytes(self.seal))?;
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

/// Makes a folder and those that it is in, on disk.
fn make(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    make(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// Waits until the lists of a folder, and of all folders in it, are on disk.
fn sync_folders(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(path)
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
const DRAFT: &str = "data.new";
const DAMAGED: &str = "damaged";
const TRIAL: &str = "trial";
const FORMAT_FILE: &str = "format";
const FORMAT_PREFIX: &str = "longwire-log ";
