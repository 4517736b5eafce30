//! Journals that are not whole: what is cut off, and what is behind it and saved.
//!
//! A crash leaves an unfinished batch at the end of the last journal: it is cut off. Anything else is damage. Then all that
//! is behind it is set aside, the journals are cut before it, and once the engine is open what was set aside is written
//! again, batch by batch. What was set aside stays in the folder `damaged`; a file there says what is still to be written, so
//! that a crash meanwhile loses nothing.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    engine::{Engine, Fault},
    folder::sync_folder,
    journal::{self, Seal, Step, Walk},
};
use crate::Place;

/// What a look through the journals found, and what is to be done once the engine is open.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Unfinished batches that were cut off.
    pub(super) torn: Vec<Place>,
    /// Where journals are damaged.
    pub(super) corrupt: Vec<Place>,
    saved: Option<Saved>,
}

impl Repair {
    /// Looks through the journals, before the engine does.
    pub(super) fn prepare(data: &Path, damaged: &Path, seal: &Seal) -> io::Result<Self> {
        if let Some(saved) = Saved::find(data, damaged)? {
            saved.cut()?;
            return Ok(Self { saved: Some(saved), ..Self::default() });
        }
        let journals = journals(data)?;
        let mut number = 0;
        for (index, (_, path)) in journals.iter().enumerate() {
            let Some(end) = End::of(path, &mut number, seal)? else { continue };
            let later = &journals[index + 1..];
            let mut repair = Self::default();
            match end {
                End::Unfinished { at, used } if later.is_empty() => {
                    cut(path, at)?;
                    let detail = format!("bytes {at} to {used} were unfinished");
                    repair.torn.push(journal_place(path, detail));
                    return Ok(repair);
                }
                End::OutOfOrder { at } => {
                    let detail = format!("the batch at byte {at} has another's number");
                    repair.corrupt.push(journal_place(path, detail));
                }
                End::Unfinished { .. } | End::Damaged { .. } => {}
            }
            let (End::Unfinished { at, .. } | End::Damaged { at } | End::OutOfOrder { at }) = end;
            let saved = Saved::set_aside(damaged, path, at, later)?;
            saved.cut()?;
            repair.saved = Some(saved);
            return Ok(repair);
        }
        Ok(Self::default())
    }

    /// Writes what was set aside.
    pub(super) fn finish(&mut self, engine: &Engine, seal: &Seal) -> Result<(), Fault> {
        let Some(saved) = self.saved.take() else { return Ok(()) };
        saved.write(engine, seal, &mut self.corrupt)?;
        Ok(saved.done()?)
    }
}

/// Where a journal stops being whole, and why.
#[derive(Clone, Copy, Debug)]
enum End {
    /// There is something up to `used`, and no whole batch in it.
    Unfinished { at: u64, used: u64 },
    /// There are whole batches behind it.
    Damaged { at: u64 },
    /// The batch is whole, but the next has a smaller number. The checksum leaves the number out, and what counts among
    /// writes of a key is the larger number.
    OutOfOrder { at: u64 },
}

impl End {
    /// None: it is whole, up to zeros. Numbers go on from the journal before.
    fn of(path: &Path, number: &mut u64, seal: &Seal) -> io::Result<Option<Self>> {
        let mut walk = Walk::new(BufReader::with_capacity(64 << 10, File::open(path)?), 0);
        let mut begins = 0;
        loop {
            let at = walk.at;
            match walk.step(false)? {
                Step::Batch(batch) if batch.number < *number => {
                    return Ok(Some(Self::OutOfOrder { at: begins }));
                }
                Step::Batch(batch) => (*number, begins) = (batch.number, at),
                Step::End => return Ok(None),
                Step::Bad => break,
            }
        }
        let at = walk.at;
        let rest = read_from(path, at)?;
        if rest.is_empty() {
            return Ok(None);
        }
        let used = rest.len() as u64;
        let next = journal::next_batch(&rest, seal);
        Ok(Some(match next {
            Some(_) => Self::Damaged { at },
            None => Self::Unfinished { at, used: at + used },
        }))
    }
}

/// Journals that were set aside.
#[derive(Debug)]
struct Saved {
    folder: PathBuf,
    data: PathBuf,
    /// Where the first of them was cut.
    at: u64,
    /// Their names, the one that was cut first.
    names: Vec<String>,
}

impl Saved {
    /// Copies a journal that is to be cut, and those behind it.
    fn set_aside(
        damaged: &Path,
        path: &Path,
        at: u64,
        later: &[(u64, PathBuf)],
    ) -> io::Result<Self> {
        fs::create_dir_all(damaged)?;
        let folder = damaged.join((fs::read_dir(damaged)?.count() + 1).to_string());
        fs::create_dir_all(&folder)?;
        let mut names = Vec::new();
        for path in std::iter::once(path).chain(later.iter().map(|(_, path)| path.as_path())) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let copy = folder.join(&name);
            fs::copy(path, &copy)?;
            File::open(&copy)?.sync_all()?;
            names.push(name);
        }
        let data = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let saved = Self { folder, data, at, names };
        let list = format!("{}\n{}\n", saved.at, saved.names.join("\n"));
        let draft = saved.folder.join("list.new");
        fs::write(&draft, list)?;
        File::open(&draft)?.sync_all()?;
        fs::rename(&draft, saved.folder.join(LIST))?;
        sync_folder(&saved.folder)?;
        sync_folder(damaged)?;
        sync_folder(damaged.parent().unwrap_or(damaged))?;
        Ok(saved)
    }

    /// What a crash kept from being written.
    fn find(data: &Path, damaged: &Path) -> io::Result<Option<Self>> {
        let folders = match fs::read_dir(damaged) {
            Ok(folders) => folders,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        for folder in folders {
            let folder = folder?.path();
            let Ok(list) = fs::read_to_string(folder.join(LIST)) else { continue };
            let mut lines = list.lines().map(str::to_owned);
            let at = lines.next().and_then(|line| line.parse().ok());
            let at = at.ok_or_else(|| io::Error::other("a list of damaged journals is damaged"))?;
            return Ok(Some(Self { folder, data: data.into(), at, names: lines.collect() }));
        }
        Ok(None)
    }

    /// Cuts the journals to what is whole.
    fn cut(&self) -> io::Result<()> {
        let [first, later @ ..] = self.names.as_slice() else { return Ok(()) };
        for name in later.iter().rev() {
            match fs::remove_file(self.data.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        cut(&self.data.join(first), self.at)?;
        sync_folder(&self.data)
    }

    /// Writes all whole batches behind the cut, in order, and tells where there are none.
    fn write(&self, engine: &Engine, seal: &Seal, corrupt: &mut Vec<Place>) -> Result<(), Fault> {
        let mut from = self.at;
        for name in &self.names {
            let path = self.folder.join(name);
            let bytes = read_from(&path, from)?;
            let mut at = 0;
            loop {
                let mut walk = Walk::new(&bytes[at..], at as u64);
                while let Ok(Step::Batch(batch)) = walk.step(true) {
                    engine.write_again(batch.items)?;
                }
                let bad = usize::try_from(walk.at).unwrap_or(bytes.len());
                let rest = &bytes[bad..];
                if rest.is_empty() {
                    break;
                }
                let next = journal::next_batch(rest, seal);
                let until = from + next.map_or(bytes.len(), |next| bad + next) as u64;
                let detail = format!("bytes {} to {until} are damaged", from + bad as u64);
                corrupt.push(journal_place(&path, detail));
                match next {
                    Some(next) => at = bad + next,
                    None => break,
                }
            }
            from = 0;
        }
        engine.sync_much()
    }

    /// Nothing is left to be written.
    fn done(&self) -> io::Result<()> {
        fs::remove_file(self.folder.join(LIST))?;
        sync_folder(&self.folder)
    }
}

/// The journals with their numbers, the oldest first.
pub(super) fn journals(data: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut journals = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_suffix(".jnl").and_then(|number| number.parse::<u64>().ok());
        journals.extend(number.map(|number| (number, path)));
    }
    journals.sort_unstable();
    Ok(journals)
}

/// What is in a file from a place on, up to the last byte that is not zero.
fn read_from(path: &Path, at: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    let used = journal::used(&mut file)?;
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(used).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cut(path: &Path, at: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(at)?;
    file.sync_all()
}

fn journal_place(path: &Path, detail: String) -> Place {
    Place { table: "journal", file: Some(path.into()), detail, ..Place::default() }
}

/// What is still to be written.
const LIST: &str = "list";
