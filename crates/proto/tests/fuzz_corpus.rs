//! The fuzz targets on their corpora and on seeded mutations of them, under `cargo test`.
//!
//! The corpora are in `fuzz/corpus/<target>/`. A failing input is printed; put it there.

#[path = "support/rng.rs"]
#[allow(dead_code, reason = "shared with the scenarios")]
mod rng;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use longwire_proto::fuzzing;
use rng::Rng;

/// Mutations of each target's corpus.
const MUTATIONS: usize = 2000;

/// The longest input that mutation makes, in bytes.
const LONGEST: usize = 600;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 13] = [
    ("connection_client", |data| fuzzing::connection_client(data, Instant::now())),
    ("connection_operations", |data| fuzzing::connection_operations(data, Instant::now())),
    ("connection_server", |data| fuzzing::connection_server(data, Instant::now())),
    ("deflate_roundtrip", |data| fuzzing::deflate_roundtrip(data, Instant::now())),
    ("extensions_header", fuzzing::extensions_header),
    ("frame_header", fuzzing::frame_header),
    ("handshake_request", fuzzing::handshake_request),
    ("handshake_response", fuzzing::handshake_response),
    ("inflate", |data| fuzzing::inflate(data, Instant::now())),
    ("mask_differential", fuzzing::mask_differential),
    ("text", fuzzing::text),
    ("uri", fuzzing::uri),
    ("utf8_differential", fuzzing::utf8_differential),
];

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = fuzz_folder().join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|it| panic!("{}: {it}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).expect("readable")).collect()
}

/// The first input of the corpus and its mutations that makes the target panic.
fn failing_input(
    target: Target,
    corpus: &[Vec<u8>],
    mutations: usize,
    seed: u64,
) -> Option<Vec<u8>> {
    let mut rng = Rng::new(seed);
    let mutated = (0..mutations).map(|_| mutate(&mut rng, corpus));
    corpus
        .iter()
        .cloned()
        .chain(mutated)
        .find(|input| catch_unwind(AssertUnwindSafe(|| target(input))).is_err())
}

/// Some of the inputs joined, with a few bytes changed, put in, taken out or doubled.
fn mutate(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[rng.below(0..corpus.len())].clone();
    if rng.one_in(4) {
        let other = &corpus[rng.below(0..corpus.len())];
        let cut = rng.below(0..input.len() + 1);
        input.truncate(cut);
        input.extend_from_slice(&other[rng.below(0..other.len() + 1)..]);
    }
    for _ in 0..rng.below(0..5) {
        let at = rng.below(0..input.len() + 1);
        let byte = rng.bytes(1)[0];
        match (rng.below(0..6), input.get(at).copied()) {
            (0 | 1, Some(_)) => input[at] = byte,
            (2, Some(old)) => input[at] = old ^ (1 << (byte % 8)),
            (3, Some(_)) => drop(input.remove(at)),
            (4, _) => input.insert(at, byte),
            _ => {
                let end = (at + rng.below(0..20)).min(input.len());
                input.extend_from_within(at..end);
            }
        }
    }
    input.truncate(LONGEST);
    input
}

#[test]
fn corpora_and_their_mutations_break_no_promise() {
    let mut failures = Vec::new();
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        if let Some(input) = failing_input(target, &corpus, MUTATIONS, 1) {
            failures.push(format!("{name} fails on \"{}\"", input.escape_ascii()));
        }
    }
    assert_eq!(failures, [""; 0]);
}

#[test]
fn every_target_is_here_and_in_the_manifest() {
    let folder = fuzz_folder();
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("readable");
    let mut found: Vec<String> = fs::read_dir(folder.join("fuzz_targets"))
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .map(|path| path.file_stem().expect("named").to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("channel_")) // crates/channel/tests/fuzz_corpus.rs
        .collect();
    found.sort();
    assert_eq!(found, TARGETS.map(|(name, _)| name));
    for name in found {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in Cargo.toml");
    }
}

/// Fails on one word, which is not in its corpus.
fn canary(data: &[u8]) {
    assert!(!data.starts_with(b"bird"), "the canary died, as it must");
}

#[test]
fn a_target_that_fails_is_found_by_replay_and_by_mutation() {
    assert_eq!(failing_input(canary, &[b"cage".to_vec()], 0, 1), None);
    let found = failing_input(canary, &[b"cage".to_vec(), b"birds".to_vec()], 0, 1);
    assert_eq!(found.as_deref(), Some(&b"birds"[..]));
    let found = failing_input(canary, &[b"cage".to_vec(), b"bi-d".to_vec()], 100_000, 1);
    assert!(found.is_some_and(|input| input.starts_with(b"bird")), "mutation finds it");
}

#[test]
fn the_corpora_reach_what_they_are_for() {
    use longwire_proto::{Event, FrameHeader, Input, ProtocolError};
    let headers = corpus("frame_header");
    assert!(headers.iter().any(|data| matches!(FrameHeader::parse(data), Ok(Some(_)))));
    assert!(
        headers.iter().any(|data| FrameHeader::parse(data) == Err(ProtocolError::LengthTooLong))
    );
    let mut messages = 0;
    let mut closes = 0;
    let mut violations = 0;
    for data in corpus("connection_server") {
        let now = Instant::now();
        let mut server = longwire_proto::Connection::server(Arc::default(), now);
        let mut wire = data[2..].to_vec();
        let mut input = Input::new(&mut wire);
        while let Some(event) = server.poll_event(&mut input, now) {
            match event {
                Event::Message(_) => messages += 1,
                Event::CloseReceived(_) => closes += 1,
                Event::Violation(_) => violations += 1,
                _ => {}
            }
        }
    }
    assert!(messages > 5 && closes > 2 && violations > 5, "{messages} {closes} {violations}");
}
