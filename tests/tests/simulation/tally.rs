//! What happened in runs, so that a simulation that reaches too little is found out.

/// Counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) steps: u64,
    /// What all steps come to: two runs of a seed have the same.
    pub(crate) trace: u64,
    pub(crate) acked: usize,
    pub(crate) unknown: usize,
    pub(crate) duplicates: usize,
    pub(crate) refusals: usize,
    pub(crate) oversized: usize,
    pub(crate) histories: usize,
    pub(crate) congested: usize,
    pub(crate) paused: usize,
    pub(crate) disconnects: usize,
    pub(crate) cuts: usize,
    pub(crate) kills: usize,
    pub(crate) drains: usize,
    pub(crate) reconfigured: usize,
    pub(crate) failed_syncs: usize,
    pub(crate) full_disks: usize,
    pub(crate) unreadable: usize,
    pub(crate) overloads: usize,
    pub(crate) spoilt: usize,
    pub(crate) bans: usize,
    pub(crate) ends: usize,
    pub(crate) deletions: usize,
    pub(crate) expired_tokens: usize,
    pub(crate) foreign_tickets: usize,
    pub(crate) client_restarts: usize,
    /// What clients counted.
    pub(crate) received: u64,
    pub(crate) doubled: u64,
    pub(crate) lost: u64,
    pub(crate) skipped: u64,
    pub(crate) resets: u64,
    pub(crate) reconnects: u64,
    /// Bytes of the fullest pipe.
    pub(crate) most_buffered: u64,
    /// Bytes of what was pushed most to a congested pipe.
    pub(crate) most_pushed: u64,
    /// The longest time that a run took to come to rest: milliseconds.
    pub(crate) slowest_ms: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, run: &Self) {
        let Self { most_buffered, most_pushed, slowest_ms, .. } = *self;
        macro_rules! sum {
            ($($field:ident)*) => { $(self.$field += run.$field;)* };
        }
        sum! {
            steps acked unknown duplicates refusals oversized histories congested paused disconnects cuts kills
            drains reconfigured failed_syncs full_disks unreadable overloads spoilt bans ends deletions expired_tokens foreign_tickets
            client_restarts received doubled lost skipped resets reconnects
        }
        self.most_buffered = most_buffered.max(run.most_buffered);
        self.most_pushed = most_pushed.max(run.most_pushed);
        self.slowest_ms = slowest_ms.max(run.slowest_ms);
    }

    /// Takes a step into the trace.
    pub(crate) fn step(&mut self, of: u64) {
        self.steps += 1;
        self.trace = (self.trace.rotate_left(5) ^ of).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// A simulation that hardly reaches a place proves nothing about it.
    pub(crate) fn check(&self, runs: u64) {
        let is_reached = |count: u64, thousandth: u64| count * 1_000 > thousandth * runs;
        macro_rules! reached {
            ($($field:ident $thousandth:literal)*) => {
                $({
                    let count = u64::try_from(self.$field).expect("it is counted by ones");
                    let name = stringify!($field);
                    assert!(is_reached(count, $thousandth), "hardly any {name}: {self:#?}");
                })*
            };
        }
        // So many in a thousand runs, at the least.
        #[allow(
            clippy::useless_conversion,
            clippy::unnecessary_fallible_conversions,
            reason = "some are usizes"
        )]
        {
            reached! {
                acked 30_000 unknown 3_000 duplicates 300 refusals 10_000 oversized 20 histories 3_000
                congested 1_000 paused 1_000 disconnects 1_000 cuts 1_000 kills 700 drains 200 reconfigured 1_000
                failed_syncs 500 full_disks 1_000 unreadable 1_000 overloads 700 spoilt 1_000 bans 200
                ends 1_000 deletions 1_000 expired_tokens 500 foreign_tickets 100 client_restarts 1_000
                received 100_000 lost 2_000 skipped 3_000 resets 1_000 reconnects 700
            }
        }
    }
}
