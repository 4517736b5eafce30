//! Files of a real log that were cut or changed: what is intact is served, what is not is told, nothing panics.

mod support;

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use longwire_log::{Config, From, OpenError, Order, Page, Read, Report, Request, Response};
use support::{Chance, append, client::Client, stream};

#[test]
fn a_journal_cut_anywhere_gives_all_before_the_cut() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    let source = folder.path().join("source");
    write(&source, 40);
    let used = used(&journal(&source));
    let mut chance = Chance(1);
    let mut torn = 0;
    for _ in 0..rounds(15) {
        let at = chance.below(used + 10);
        let copy = copy(&source, &folder.path().join("copy"));
        let file = OpenOptions::new().write(true).open(journal(&copy)).expect("it is there");
        file.set_len(at).expect("it can be cut");
        let (report, page) = read(&copy).unwrap_or_else(|error| panic!("cut at {at}: {error}"));
        assert_eq!(report.corrupt, [], "cut at {at}");
        torn += report.torn.len();
        let last = page.records.len() as u64;
        assert!(page.records.iter().map(|entry| entry.seq).eq(1..=last), "cut at {at}");
        assert_eq!(page.last, last);
        if at >= used {
            assert_eq!(last, 40);
        }
    }
    assert!(torn > 8, "most cuts are within a batch, and told: {torn}");
}

#[test]
fn a_journal_changed_anywhere_gives_all_but_what_was_hit_and_tells_the_place() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    let source = folder.path().join("source");
    write(&source, 40);
    let used = used(&journal(&source));
    let mut chance = Chance(2);
    let mut told = 0;
    for _ in 0..rounds(15) {
        let at = chance.below(used);
        let copy = copy(&source, &folder.path().join("copy"));
        flip(&journal(&copy), at, 1 << chance.below(8));
        let (report, page) = read(&copy).unwrap_or_else(|error| panic!("changed {at}: {error}"));
        let seqs: Vec<u64> = page.records.iter().map(|entry| entry.seq).collect();
        match report.corrupt.iter().chain(&report.torn).next() {
            Some(place) => {
                assert!(place.to_string().contains(".jnl"), "{place}");
                // One batch was hit; each has one record.
                assert!(seqs.len() >= 39, "changed {at}: {report:?} {seqs:?}");
                told += 1;
            }
            // A batch's number may change without harm where the order stays.
            None => assert_eq!(seqs.len(), 40, "changed {at}"),
        }
        for entry in &page.records {
            assert_eq!(entry.body, body(entry.seq));
        }
        // The next opening finds everything in order.
        let (report, again) = read(&copy).expect("it opens again");
        assert_eq!((report.corrupt, report.torn), (vec![], vec![]));
        assert_eq!(again.records, page.records);
    }
    assert!(told > 10, "most changes are told: {told}");
}

#[test]
fn a_table_changed_anywhere_gives_what_can_be_read_and_tells_what_cannot() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    let source = folder.path().join("source");
    write_tables(&source);
    let tables = tables(&source);
    assert!(!tables.is_empty(), "the records are in tables");
    let mut chance = Chance(3);
    let (mut refused, mut told) = (0, 0);
    for round in 0..rounds(15) {
        let copy = copy(&source, &folder.path().join("copy"));
        let table = &tables[usize::try_from(chance.below(tables.len() as u64)).expect("small")];
        let table = copy.join(table);
        let length = fs::metadata(&table).expect("it is there").len();
        flip(&table, chance.below(length), 0xff);
        let (mut client, report) = match Client::open(&copy) {
            Ok(opened) => opened,
            Err(OpenError::Corrupt { .. }) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("round {round}: {error}"),
        };
        let (mut seen, mut corrupt, mut errors) = (0, report.corrupt.len(), 0);
        for number in 0..TABLE_STREAMS {
            match pages(&mut client, &format!("stream:{number}")) {
                Ok((entries, bad)) => {
                    seen += entries;
                    corrupt += bad;
                }
                Err(_) => errors += 1,
            }
        }
        if seen < TABLE_STREAMS * TABLE_RECORDS {
            assert!(corrupt + errors > 0, "round {round}: {seen} records, and nothing is told");
            told += 1;
        }
    }
    assert!(told > 8, "most rounds hit a record: {told}, and {refused} refused");
}

#[test]
fn a_log_of_a_newer_version_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    write(folder.path(), 1);
    fs::write(folder.path().join("format"), "longwire-log 7\n").expect("it can be written");
    let error = Client::open(folder.path()).err().expect("it is refused");
    assert!(matches!(error, OpenError::Newer { found: 7, known: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("use a newer version"));
    fs::write(folder.path().join("format"), "anything").expect("it can be written");
    let error = Client::open(folder.path()).err().expect("it is refused");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[test]
fn what_repair_did_not_finish_is_finished_at_the_next_opening() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    write(folder.path(), 40);
    let journal = journal(folder.path());
    let middle = used(&journal) / 2;
    flip(&journal, middle, 1);
    // The crash came when the journal was cut, and nothing was written again.
    let copy = folder.path().join("damaged/1");
    fs::create_dir_all(&copy).expect("it can be made");
    let name = journal.file_name().expect("it has a name");
    fs::copy(&journal, copy.join(name)).expect("it can be copied");
    fs::write(copy.join("list"), format!("0\n{}\n", name.display())).expect("it can be written");
    let (report, page) = read(folder.path()).expect("it opens");
    assert_eq!(report.corrupt.len(), 1, "{report:?}");
    assert_eq!(page.records.len(), 39);
    let (report, _) = read(folder.path()).expect("it opens");
    assert_eq!(report.corrupt, []);
}

#[test]
fn what_a_record_has_inside_is_never_taken_for_a_batch() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    // A batch as another log writes it, in a record of which the last bytes are missing.
    let forged = folder.path().join("forged");
    fs::create_dir(&forged).expect("it can be made");
    fs::write(forged.join("format"), format!("longwire-log 1 {:032x}\n", 7))
        .expect("it can be written");
    write(&forged, 1);
    let batch = fs::read(journal(&forged)).expect("it is there");
    let attacked = folder.path().join("attacked");
    write(&attacked, 3);
    {
        let (mut client, _) = Client::open(&attacked).expect("it opens");
        let used = usize::try_from(used(&journal(&forged))).expect("small");
        let append = append("attacker", 1, batch[..used].to_vec());
        client.ask(Request::Append(append)).expect("it is appended");
    }
    let length = used(&journal(&attacked)) - 5;
    let file = OpenOptions::new().write(true).open(journal(&attacked)).expect("it is there");
    file.set_len(length).expect("it can be cut");
    let (report, page) = read(&attacked).expect("it opens");
    assert_eq!(report.corrupt, []);
    assert_eq!(report.torn.len(), 1, "{report:?}");
    assert_eq!(page.last, 3);
}

#[test]
fn a_log_whose_making_was_interrupted_is_made_anew() {
    let folder = tempfile::tempdir().expect("a folder for a moment");
    write(folder.path(), 1);
    // The engine had begun with its files when the process was killed.
    fs::rename(folder.path().join("data"), folder.path().join("data.new")).expect("it can be");
    fs::remove_file(folder.path().join("data.new/version")).expect("it is there");
    write(folder.path(), 2);
    let (report, page) = read(folder.path()).expect("it opens");
    assert_eq!((report.corrupt, report.torn, page.last), (vec![], vec![], 2));
    assert!(!folder.path().join("data.new").exists());
}

/// How often a test tries; `LOG_ROUNDS=N` is N times as often.
fn rounds(number: u64) -> u64 {
    let times = std::env::var("LOG_ROUNDS").ok().and_then(|times| times.parse().ok());
    number * times.unwrap_or(1)
}

/// Writes so many records, each in a commit of its own. They stay in the journal.
fn write(folder: &Path, records: u64) {
    let (mut client, _) = Client::open(folder).expect("it opens");
    for seq in 1..=records {
        let append = append("journal", seq, body(seq));
        client.ask(Request::Append(append)).expect("it is appended");
    }
}

fn body(seq: u64) -> Vec<u8> {
    format!("record {seq} {}", "x".repeat(usize::try_from(seq * 7 % 90).expect("small"))).into()
}

fn read(folder: &Path) -> Result<(Report, Page), OpenError> {
    let (mut client, report) = Client::open(folder)?;
    let read = Read {
        stream: stream("journal"),
        from: From::Beginning,
        order: Order::Forwards,
        limit_records: 1_000,
        limit_bytes: 1 << 20,
    };
    match client.ask(Request::Read(read)) {
        Ok(Response::Page(page)) => Ok((report, page)),
        other => panic!("{other:?}"),
    }
}

/// Writes so much that the engine has it in tables.
fn write_tables(folder: &Path) {
    let mut config = Config::new(folder);
    config.buffer_bytes = 200_000;
    let (mut client, _) = Client::open_with(config).expect("it opens");
    for _ in 0..TABLE_RECORDS {
        let batch: Vec<_> = (0..TABLE_STREAMS)
            .map(|number| {
                let append = append(&format!("stream:{number}"), 1, vec![b'x'; 1_000]);
                Request::Append(append)
            })
            .collect();
        for answer in client.all(&batch) {
            answer.expect("it is appended");
        }
    }
    while tables(folder).is_empty() {
        client.ask(Request::Info { stream: stream("stream:0") }).expect("it is there");
    }
}

/// Files of large tables, relative to the folder.
fn tables(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.join("data/keyspaces")];
    while let Some(path) = folders.pop() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let (path, length) = (entry.path(), entry.metadata().map_or(0, |data| data.len()));
            if path.is_dir() {
                folders.push(path);
            } else if path.parent().is_some_and(|parent| parent.ends_with("tables"))
                && length > 50_000
            {
                found.push(path.strip_prefix(folder).expect("it is within").to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// All pages of a stream: how many records, and how many that cannot be read.
fn pages(client: &mut Client, name: &str) -> Result<(u64, usize), longwire_log::LogError> {
    let mut from = From::Beginning;
    let (mut entries, mut corrupt) = (0, 0);
    loop {
        let read = Read {
            stream: stream(name),
            from,
            order: Order::Forwards,
            limit_records: 50,
            limit_bytes: 1 << 20,
        };
        let Response::Page(page) = client.ask(Request::Read(read))? else {
            panic!("a read is answered with a page")
        };
        entries += page.records.len() as u64;
        corrupt += page.corrupt.len();
        if !page.more {
            return Ok((entries, corrupt));
        }
        from = From::After(longwire_log::Position { epoch: page.epoch, seq: page.through });
    }
}

fn journal(folder: &Path) -> PathBuf {
    folder.join("data/0.jnl")
}

fn used(path: &Path) -> u64 {
    let mut bytes = Vec::new();
    File::open(path).expect("it is there").read_to_end(&mut bytes).expect("it can be read");
    bytes.iter().rposition(|&byte| byte != 0).expect("there is something") as u64 + 1
}

fn flip(path: &Path, at: u64, bits: u8) {
    let mut file = OpenOptions::new().read(true).write(true).open(path).expect("it is there");
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).expect("it can be sought");
    file.read_exact(&mut byte).expect("it is within");
    file.seek(SeekFrom::Start(at)).expect("it can be sought");
    file.write_all(&[byte[0] ^ bits]).expect("it can be written");
}

/// Copies what is not zero of a log.
fn copy(from: &Path, to: &Path) -> PathBuf {
    if to.exists() {
        fs::remove_dir_all(to).expect("it can be removed");
    }
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        fs::create_dir_all(to.join(&folder)).expect("it can be made");
        for entry in fs::read_dir(from.join(&folder)).expect("it is there") {
            let entry = entry.expect("it is there");
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "jnl") {
                // A journal is zeros for the most part.
                let mut bytes = fs::read(entry.path()).expect("it can be read");
                let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                bytes.truncate(used);
                fs::write(to.join(path), bytes).expect("it can be written");
            } else {
                fs::copy(entry.path(), to.join(path)).expect("it can be copied");
            }
        }
    }
    to.to_path_buf()
}

const TABLE_STREAMS: u64 = 4;
const TABLE_RECORDS: u64 = 250;
