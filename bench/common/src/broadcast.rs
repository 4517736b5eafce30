//! What the broadcasting server and its load agree on.

use longwire_load::json;

/// What a receiver gets first, once every later broadcast will reach it.
pub const READY: &str = "ready";

/// What a receiver sends to have the next message broadcast to all.
pub const NEXT: &str = "next";

/// The messages that are broadcast, over and over in this order.
pub fn messages(size: usize) -> Vec<String> {
    json::messages(SEED, (MEMORY / size.max(1)).clamp(2, COUNT), size)
}

const SEED: u64 = 0xb0_ad_ca_57;

/// Messages at most: 64 of 1 KiB are two windows, so that a compressor does not meet one again.
const COUNT: usize = 64;

/// Bytes of all messages together, at most, while there are two.
const MEMORY: usize = 16 << 20;
