//! The fuzz targets on their corpora and on mutations of them, under `cargo test`.
//!
//! The corpora are in `fuzz/corpus/<target>/`. A failing input is printed; put it there.

use std::{fs, path::Path};

use longwire_channel::fuzzing;
use proptest::{prelude::*, sample::Index};

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|it| panic!("{}: {it}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).expect("readable")).collect()
}

#[derive(Clone, Debug)]
enum Change {
    Put(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Double(Index, usize),
    /// The rest of another input.
    Join(Index, Index, Index),
}

impl Change {
    fn apply(&self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let place = |index: &Index, length: usize| index.index(length + 1);
        match self {
            Self::Insert(at, byte) => input.insert(place(at, input.len()), *byte),
            Self::Join(at, other, from) => {
                input.truncate(place(at, input.len()));
                let other = &corpus[other.index(corpus.len())];
                input.extend_from_slice(&other[place(from, other.len())..]);
            }
            _ if input.is_empty() => {}
            Self::Put(at, byte) => {
                let at = at.index(input.len());
                input[at] = *byte;
            }
            Self::Remove(at) => drop(input.remove(at.index(input.len()))),
            Self::Double(at, length) => {
                let at = at.index(input.len());
                input.extend_from_within(at..(at + length).min(input.len()));
            }
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Change::Double(at, length)),
        any::<(Index, Index, Index)>().prop_map(|(at, other, from)| Change::Join(at, other, from)),
    ];
    prop::collection::vec(change, 0..5)
}

fn check(name: &str, target: fn(&[u8])) {
    let corpus = corpus(name);
    assert!(corpus.len() > 20, "{name} has no corpus");
    for input in &corpus {
        target(input);
    }
    proptest!(ProptestConfig::with_cases(2_000), |(start: Index, changes in changes())| {
        let mut input = corpus[start.index(corpus.len())].clone();
        for change in changes {
            change.apply(&mut input, &corpus);
        }
        target(&input);
    });
}

#[test]
fn frames_in_json_break_no_promise() {
    check("channel_json", fuzzing::json);
}

#[test]
fn frames_in_cbor_break_no_promise() {
    check("channel_cbor", fuzzing::cbor);
}
