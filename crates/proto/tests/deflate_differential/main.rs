//! Compression against stock zlib in C: what we send it inflates, what it deflates we receive, and
//! what it refuses we refuse (RFC 7692 §7.2).
//!
//! A failing seed is printed. `LONGWIRE_SEED=<seed> cargo test -p longwire-proto --test
//! deflate_differential` runs it alone; `LONGWIRE_SEEDS=<count>` sets how many are run.

mod line;
mod peer;
mod sample;
#[path = "../support/mod.rs"]
mod support;

use std::{ops::Range, panic::resume_unwind, thread};

use line::{Line, RSV1, Seen, cut, random_level};
use longwire_proto::{Deflate, Delivery, Event, Fragment, Prepared, ProtocolError, Side};
use peer::{Forms, Writer};
use support::{BINARY, End, Rng, Wire, config};

const SEEDS: u64 = 200;

fn seeds() -> Range<u64> {
    let variable = |name| std::env::var(name).ok().map(|it| it.parse().expect("a number"));
    match variable("LONGWIRE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("LONGWIRE_SEEDS").unwrap_or(SEEDS),
    }
}

/// Runs `work` on a thread of its own, whose compressors nobody used before.
fn elsewhere<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

#[test]
fn zlib_reads_what_we_send_and_we_read_what_it_sends() {
    let mut tally = Seen::default();
    for seed in seeds() {
        let _alone = PrintedOnPanic(seed);
        tally.add(&elsewhere(|| exchange(seed)));
    }
    let runs = seeds().count();
    if runs >= 100 {
        tally.check(runs);
    }
}

#[test]
fn we_refuse_what_zlib_refuses() {
    let (mut sound, mut broken) = (0, 0);
    for seed in seeds() {
        let _alone = PrintedOnPanic(seed);
        let mut rng = Rng::new(seed);
        for _ in 0..20 {
            let payload = nearly_deflate(&mut rng);
            let verdict = peer::verdict(&payload);
            sound += usize::from(verdict.is_some());
            broken += usize::from(verdict.is_none());
            for delivery in [Delivery::Messages, Delivery::Fragments] {
                let ours = inflated(&payload, delivery, &mut rng);
                assert!(ours == verdict, "{delivery:?} of {payload:02x?}: {ours:02x?}");
            }
        }
    }
    let runs = seeds().count();
    assert!(runs < 100 || sound > runs && broken > 5 * runs, "{sound} sound, {broken} broken");
}

/// The payload of a compressed message, with a few bytes changed, put in or taken out.
fn nearly_deflate(rng: &mut Rng) -> Vec<u8> {
    let message = sample::message(rng, &[], false);
    let message = &message.as_bytes()[..message.len().min(rng.below(1..2000))];
    let mut forms = Forms::default();
    let mut payload = Writer::new(15, false).write(message, rng, &mut forms);
    for _ in 0..rng.below(0..3) {
        let at = rng.below(0..payload.len() + 1);
        let byte = rng.bytes(1)[0];
        match rng.below(0..5) {
            0 => payload.truncate(at),
            1 => payload.insert(at, byte),
            // Into the stream's head, where blocks say what they are.
            2 if payload.len() > 8 => payload[at % 8] ^= 1 << (byte % 8),
            3 => payload.extend_from_within(at..),
            _ if at < payload.len() => payload[at] = byte,
            _ => payload.push(byte),
        }
    }
    payload
}

/// What we make of a compressed message that may be anything; `None` if we refuse it.
fn inflated(payload: &[u8], delivery: Delivery, rng: &mut Rng) -> Option<Vec<u8>> {
    let config = config(|config| {
        config.deflate = Some(Deflate::no_context_takeover());
        config.delivery = delivery;
    });
    let mut end = End::new(Side::Client, config);
    let wire = cut(Wire::to(Side::Client), BINARY | RSV1, payload, rng);
    let grain = rng.below(1..wire.len() + 1);
    let mut whole = Vec::new();
    for piece in wire.chunks(grain) {
        end.receive(piece);
        for event in end.events.drain(..) {
            match event {
                Event::Message(message) => return Some(message.as_bytes().to_vec()),
                Event::Fragment(Fragment { part, fin }) => {
                    whole.extend_from_slice(part.as_bytes());
                    if fin {
                        return Some(whole);
                    }
                }
                Event::Violation(error) => {
                    assert_eq!(error, ProtocolError::DeflateInvalid);
                    return None;
                }
                _ => {}
            }
        }
    }
    panic!("neither a message nor a violation")
}

/// Some connections and their peers, in two threads.
fn exchange(seed: u64) -> Seen {
    let mut rng = Rng::new(seed);
    // A thread keeps 32 compressors.
    let crowd = rng.one_in(10);
    let count = if crowd { 40 } else { rng.below(1..5) };
    let steps = if crowd { 50 } else { 12 };
    let mut lines: Vec<_> = (0..count).map(|_| Line::random(&mut rng, crowd)).collect();
    let prepared: Vec<_> = (0..3)
        .map(|_| {
            Prepared::with_level(sample::message(&mut rng, &[], !crowd), random_level(&mut rng))
        })
        .collect();
    let mut tally = Seen::default();
    let mut turn = || {
        for _ in 0..steps {
            let line = rng.below(0..lines.len());
            lines[line].step(&mut rng, &prepared, &mut tally);
        }
    };
    turn();
    elsewhere(&mut turn);
    turn();
    tally
}

/// Names a seed that fails.
struct PrintedOnPanic(u64);

impl Drop for PrintedOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("failing seed: LONGWIRE_SEED={}", self.0);
        }
    }
}
