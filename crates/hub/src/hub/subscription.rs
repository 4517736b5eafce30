//! What the hub keeps of a subscription.

use longwire_channel::{Epoch, Outcome, Policy, Position, Start};

use super::{
    state::{Pace, State},
    timers::{NEVER, Tick},
};
use crate::SessionId;

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) session: SessionId,
    /// The client's number for it.
    pub(super) number: u32,
    /// The channel's key.
    pub(super) channel: u32,
    /// Its place among the channel's members.
    pub(super) index: u32,
    pub(super) state: State,
    /// Whether a reset is to be told once the pipe has drained.
    pub(super) owes_reset: bool,
    pub(super) policy: Policy,
    /// The last `seq` it was given. While it is `Live` the channel's `tail` stands for it.
    pub(super) seen: u64,
    /// The channel's `turn` when it was last given something.
    pub(super) turn: u64,
    /// Its deadline, as the timers have it.
    pub(super) due: Tick,
    /// The token of the request that it waits for.
    pub(super) awaits: u64,
    /// How it began, until it has.
    pub(super) opening: Option<Box<Opening>>,
}

/// A subscription that has not begun.
#[derive(Debug)]
pub(super) struct Opening {
    /// The id of its `subscribe`; none if it came with `connect`.
    pub(super) id: Option<u64>,
    pub(super) start: Start,
    pub(super) found: Found,
}

/// What is known of the place where a subscription is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet.
    Nothing,
    /// Nothing is needed: it begins at the end, or stood there when it was looked at.
    End,
    /// What the broker said.
    Place(Place),
}

/// What the broker said of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) epoch: Epoch,
    /// The first record that is kept.
    pub(super) first: u64,
    /// The `seq` before the first record of the time that was asked for.
    pub(super) before_time: u64,
}

impl Subscription {
    pub(super) fn new(session: SessionId, number: u32, channel: u32, policy: Policy) -> Self {
        Self {
            session,
            number,
            channel,
            index: 0,
            state: State::Opening,
            owes_reset: false,
            policy,
            seen: 0,
            turn: 0,
            due: NEVER,
            awaits: NO_TOKEN,
            opening: None,
        }
    }

    pub(super) fn pace(&self) -> Pace {
        Pace::of(self.policy)
    }

    pub(super) fn interval_ms(&self) -> u64 {
        match self.policy {
            Policy::Latest { interval_ms } | Policy::Rollup { interval_ms } => interval_ms.into(),
            _ => 0,
        }
    }
}

impl Found {
    /// Whether something is known that still holds in this epoch.
    pub(super) fn holds(self, epoch: Epoch) -> bool {
        match self {
            Self::Nothing => false,
            Self::End => true,
            Self::Place(place) => place.epoch == epoch,
        }
    }
}

/// How a subscription begins in a stream that stands at `position`, and behind which `seq`.
pub(super) fn outcome(
    start: Start,
    policy: Policy,
    found: Found,
    position: Position,
) -> (Outcome, u64) {
    let tail = position.seq;
    let Found::Place(place) = found else {
        return match start {
            // It stood at the end when it was looked at; meanwhile there may be more.
            Start::After(it) if it.epoch == position.epoch && it.seq <= tail => {
                deltas(it.seq, policy, tail)
            }
            // The stream began anew since.
            Start::After(_) => {
                let after = newest(0, policy, tail);
                (Outcome::Truncated { after }, after)
            }
            _ => (Outcome::Live, tail),
        };
    };
    let kept = place.first.saturating_sub(1).min(tail);
    match start {
        Start::After(it) if it.epoch == position.epoch && it.seq <= tail && it.seq >= kept => {
            deltas(it.seq, policy, tail)
        }
        Start::After(_) => {
            let after = newest(kept, policy, tail);
            (Outcome::Truncated { after }, after)
        }
        Start::Beginning => deltas(kept, policy, tail),
        Start::Time(_) => deltas(place.before_time.clamp(kept, tail), policy, tail),
        Start::Last(count) => {
            let after = kept.max(tail.saturating_sub(count.into()));
            snapshot(newest(after, policy, tail), tail)
        }
        _ => (Outcome::Live, tail),
    }
}

fn deltas(after: u64, policy: Policy, tail: u64) -> (Outcome, u64) {
    match policy {
        _ if after == tail => (Outcome::Live, tail),
        Policy::Latest { .. } => snapshot(newest(after, policy, tail), tail),
        _ => (Outcome::Deltas { after }, after),
    }
}

fn snapshot(after: u64, tail: u64) -> (Outcome, u64) {
    if after == tail { (Outcome::Live, tail) } else { (Outcome::Snapshot { after }, after) }
}

/// Where the policy `latest` begins in place of `after`: it wants the last record alone.
fn newest(after: u64, policy: Policy, tail: u64) -> u64 {
    match policy {
        Policy::Latest { .. } => after.max(tail.saturating_sub(1)),
        _ => after,
    }
}

/// Not the token of any request.
pub(super) const NO_TOKEN: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    const LATEST: Policy = Policy::Latest { interval_ms: 0 };

    fn epoch(bits: u64) -> Epoch {
        Epoch::from_random(bits)
    }

    fn begin(start: Start, policy: Policy, first: u64, tail: u64) -> (Outcome, u64) {
        let found = Found::Place(Place { epoch: epoch(1), first, before_time: 6 });
        outcome(start, policy, found, Position { epoch: epoch(1), seq: tail })
    }

    fn after(seq: u64) -> Start {
        Start::After(Position { epoch: epoch(1), seq })
    }

    #[test]
    fn what_is_kept_behind_a_position_follows() {
        let deltas = |after| (Outcome::Deltas { after }, after);
        assert_eq!(begin(after(3), Policy::All, 1, 9), deltas(3));
        assert_eq!(begin(after(3), Policy::All, 4, 9), deltas(3));
        assert_eq!(begin(after(0), Policy::All, 1, 9), deltas(0));
        assert_eq!(begin(after(9), Policy::All, 1, 9), (Outcome::Live, 9));
        assert_eq!(begin(Start::Beginning, Policy::All, 4, 9), deltas(3));
        assert_eq!(begin(Start::Beginning, Policy::All, 10, 9), (Outcome::Live, 9));
        assert_eq!(begin(Start::Time(0), Policy::All, 1, 9), deltas(6));
        assert_eq!(begin(Start::Time(0), Policy::All, 9, 9), deltas(8));
    }

    #[test]
    fn a_position_that_is_not_kept_is_truncated() {
        let truncated = |after| (Outcome::Truncated { after }, after);
        assert_eq!(begin(after(2), Policy::All, 4, 9), truncated(3));
        assert_eq!(begin(after(10), Policy::All, 4, 9), truncated(3));
        let other = Start::After(Position { epoch: epoch(2), seq: 5 });
        assert_eq!(begin(other, Policy::All, 4, 9), truncated(3));
        assert_eq!(begin(other, Policy::All, 10, 9), truncated(9));
        assert_eq!(begin(other, LATEST, 4, 9), truncated(8));
    }

    #[test]
    fn the_last_records_are_a_snapshot() {
        let snapshot = |after| (Outcome::Snapshot { after }, after);
        assert_eq!(begin(Start::Last(2), Policy::All, 1, 9), snapshot(7));
        assert_eq!(begin(Start::Last(100), Policy::All, 4, 9), snapshot(3));
        assert_eq!(begin(Start::Last(0), Policy::All, 1, 9), (Outcome::Live, 9));
        assert_eq!(begin(Start::Last(1), Policy::All, 10, 9), (Outcome::Live, 9));
        assert_eq!(begin(Start::Last(1), Policy::All, 1, 0), (Outcome::Live, 0));
    }

    #[test]
    fn latest_begins_with_the_last_record_alone() {
        let snapshot = (Outcome::Snapshot { after: 8 }, 8);
        for start in [after(3), Start::Beginning, Start::Last(5), Start::Time(0)] {
            assert_eq!(begin(start, LATEST, 1, 9), snapshot, "{start:?}");
        }
        assert_eq!(begin(after(9), LATEST, 1, 9), (Outcome::Live, 9));
        assert_eq!(begin(Start::Now, LATEST, 1, 9), (Outcome::Live, 9));
    }

    #[test]
    fn what_came_since_it_was_looked_at_follows() {
        let position = Position { epoch: epoch(1), seq: 9 };
        let begin = |start| outcome(start, Policy::All, Found::End, position);
        assert_eq!(begin(after(7)), (Outcome::Deltas { after: 7 }, 7));
        assert_eq!(begin(after(9)), (Outcome::Live, 9));
        assert_eq!(begin(Start::Now), (Outcome::Live, 9));
        let other = Start::After(Position { epoch: epoch(2), seq: 7 });
        assert_eq!(begin(other), (Outcome::Truncated { after: 0 }, 0));
    }
}
