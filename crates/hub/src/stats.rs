//! What the hub has counted.

use std::collections::BTreeMap;

/// Counts since the hub began, and numbers of what is there now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions now.
    pub sessions: u64,
    /// Sessions whose pipes are congested now.
    pub congested: u64,
    /// Channels that have subscriptions now.
    pub channels: u64,
    /// Subscriptions now.
    pub subscriptions: Subscriptions,
    /// Sessions that were opened.
    pub opened: u64,
    /// Records that were given to subscriptions, live or in pages.
    pub deliveries: u64,
    /// Of these, those in pages.
    pub recovered: u64,
    /// Subscriptions by how they began.
    pub recoveries: Recoveries,
    /// Records that subscriptions lost because the stream no longer kept them.
    pub lost: u64,
    /// Records that policies left out.
    pub skipped: u64,
    /// Publications that were accepted.
    pub publications: u64,
    /// Publications of sessions that were held because they came faster than their rate.
    pub held: u64,
    /// Publications that were there before.
    pub duplicates: u64,
    /// Streams that began anew below subscriptions.
    pub resets: u64,
    /// Live records that the broker did not tell in order, and that were read instead.
    pub repaired: u64,
    /// Commands and requests that were refused, by the name of the code.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Sessions that the hub ended, by close code.
    pub disconnects: BTreeMap<u16, u64>,
}

/// Subscriptions now, by state and by policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscriptions {
    /// Those that have not begun.
    pub opening: u64,
    /// Those that read from the stream.
    pub reading: u64,
    /// Those that get records as they come.
    pub live: u64,
    /// Those that wait for their interval, or for their client to be ready.
    pub waiting: u64,
    /// With the policy `all`.
    pub all: u64,
    /// With the policy `latest`.
    pub latest: u64,
    /// With the policy `rollup`.
    pub rollup: u64,
    /// With the policy `drop`.
    pub drop: u64,
    /// With the policy `disconnect`.
    pub disconnect: u64,
}

/// How subscriptions began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recoveries {
    /// With what is published from then on.
    pub live: u64,
    /// With every record behind a place.
    pub deltas: u64,
    /// With the last records.
    pub snapshot: u64,
    /// With less than was asked for.
    pub truncated: u64,
}
