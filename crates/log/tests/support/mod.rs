//! What the tests of the log share: a source of chance, and a model.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod client;
pub(crate) mod model;
pub(crate) mod simulated;

use longwire_log::{Append, Dedup, Retention, StreamName};

/// Chance that a seed decides (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }
}

pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::new(name).expect("the test's names are good")
}

pub(crate) fn append(name: &str, time_ms: u64, body: impl Into<Vec<u8>>) -> Append {
    Append {
        stream: stream(name),
        time_ms,
        body: body.into().into(),
        dedup: None,
        retention: Retention::UNLIMITED,
    }
}

pub(crate) fn keyed(name: &str, time_ms: u64, body: &str, key: &str) -> Append {
    let dedup = Some(Dedup::Key { key: key.to_owned().into(), window_ms: 60_000 });
    Append { dedup, ..append(name, time_ms, body) }
}

pub(crate) fn produced(name: &str, body: &str, epoch: u64, seq: u64) -> Append {
    let dedup = Some(Dedup::Producer { id: "p".into(), epoch, seq });
    Append { dedup, ..append(name, 1, body) }
}
