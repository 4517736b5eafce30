//! A hall with one client whose subscription is what a test is about.

use std::ops::{Deref, DerefMut};

use longwire_channel::{Policy, Start};
use longwire_hub::{Namespace, SessionId};

use crate::support::*;

/// A hall and a client that has subscription 1, of channel "a".
pub(crate) struct Reader {
    hall: Hall,
    pub(crate) session: SessionId,
    policy: Policy,
}

impl Deref for Reader {
    type Target = Hall;

    fn deref(&self) -> &Self::Target {
        &self.hall
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.hall
    }
}

impl Reader {
    /// It has what is published from now on.
    pub(crate) fn new(policy: Policy) -> Self {
        Self::of(Hall::new(), policy)
    }

    /// The same, in a hall that is there already.
    pub(crate) fn of(mut hall: Hall, policy: Policy) -> Self {
        let session = hall.newcomer(policy);
        Self { hall, session, policy }
    }

    /// The same, behind a pipe that each message congests until it is taken.
    pub(crate) fn slow(policy: Policy) -> Self {
        Self::new(policy).narrowed()
    }

    pub(crate) fn narrowed(mut self) -> Self {
        self.hall.narrow(self.session);
        self
    }

    /// It has what is kept of `count` records: its first page is read, and held with whatever the broker says from now on.
    pub(crate) fn recovering(count: u64) -> Self {
        let mut hall = Hall::new();
        hall.publish_many("a", count);
        let session = hall.connect();
        hall.hold_events = true;
        hall.begin_subscribe(session, "a", Start::Beginning);
        // Attached, and the place found.
        hall.release(0);
        hall.release(0);
        hall.take_subscribed(session);
        Self { hall, session, policy: Policy::All }
    }

    /// Publishes so many more records to its channel.
    pub(crate) fn more(&mut self, count: u64) {
        self.hall.publish_many("a", count);
    }

    /// Takes all that came: this and nothing else.
    #[track_caller]
    pub(crate) fn gets(&mut self, expected: impl AsRef<[Short]>) {
        let pushed = self.hall.pushes(self.session, 1);
        assert_eq!(pushed, expected.as_ref(), "with {:?}", self.policy);
    }

    /// Messages that wait in its pipe.
    pub(crate) fn waiting(&self) -> usize {
        self.hall.pipe(self.session).map_or(0, |pipe| pipe.queue.len())
    }
}

/// A hall that keeps so many records of each channel.
pub(crate) fn keeping(count: u64) -> Hall {
    let mut namespace = Namespace::default();
    namespace.retention.count = count;
    Hall::in_namespace(namespace)
}
