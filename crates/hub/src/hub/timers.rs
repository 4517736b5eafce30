//! Deadlines of sessions and subscriptions, in order.

use std::collections::BTreeSet;

use crate::SessionId;

/// A point in time: milliseconds since the hub began.
pub(super) type Tick = u64;

/// No time at all: later than any.
pub(super) const NEVER: Tick = Tick::MAX;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Session(SessionId),
    /// Its key.
    Subscription(u32),
}

/// At most one deadline for each owner, who keeps it in a field of its own, [`NEVER`] if there is none.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Tick, Timer)>);

impl Timers {
    /// Puts the owner's deadline to `at`; [`NEVER`] takes it away.
    pub(super) fn set(&mut self, timer: Timer, due: &mut Tick, at: Tick) {
        if *due == at {
            return;
        }
        if *due != NEVER {
            self.0.remove(&(*due, timer));
        }
        if at != NEVER {
            self.0.insert((at, timer));
        }
        *due = at;
    }

    pub(super) fn first(&self) -> Option<Tick> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes out what is due. Its owner's field is to be put to [`NEVER`].
    pub(super) fn pop(&mut self, now: Tick) -> Option<Timer> {
        if self.first()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }

    /// Deadlines that there are.
    #[cfg(feature = "simulation")]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
