//! What development mode adds: the means to break things.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use longwire_channel::ChannelName;
use longwire_hub::SessionId;
use tokio::task::{self, AbortHandle};

/// Which task carries which session, and what is being typed.
#[derive(Default)]
pub(crate) struct Development {
    known: Mutex<Known>,
    /// When this process began to serve: milliseconds since 1970.
    pub(crate) started_ms: u64,
}

#[derive(Default)]
struct Known {
    tasks: HashMap<task::Id, AbortHandle>,
    /// How many of the tasks ran when they were last looked through.
    alive: usize,
    sessions: HashMap<SessionId, task::Id>,
    answering: HashSet<ChannelName>,
}

impl Development {
    pub(crate) fn new(started_ms: u64) -> Self {
        Self { known: Mutex::default(), started_ms }
    }

    /// A connection's task began.
    pub(crate) fn note_task(&self, handle: AbortHandle) {
        let mut known = self.known();
        if !handle.is_finished() {
            known.tasks.insert(handle.id(), handle);
        }
        if known.tasks.len() > known.alive + known.alive / 8 + SLACK {
            known.forget_finished();
        }
    }

    /// The current task carries this session.
    pub(crate) fn note_session(&self, session: SessionId) {
        if let Some(id) = task::try_id() {
            self.known().sessions.insert(session, id);
        }
    }

    /// Drops a session's transport without a word, as a broken network does. Says whether there was one.
    pub(crate) fn cut(&self, session: SessionId) -> bool {
        let mut known = self.known();
        let task = known.sessions.remove(&session).and_then(|id| known.tasks.remove(&id));
        task.filter(|task| !task.is_finished()).inspect(AbortHandle::abort).is_some()
    }

    /// Whether nobody answers in this channel yet; from now on somebody does.
    pub(crate) fn begin_answer(&self, channel: &ChannelName) -> bool {
        self.known().answering.insert(channel.clone())
    }

    /// The answer is complete, or has failed.
    pub(crate) fn end_answer(&self, channel: &ChannelName) {
        self.known().answering.remove(channel);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What is behind it is whole whenever the lock is free: nothing under it panics half-way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn forget_finished(&mut self) {
        self.tasks.retain(|_, task| !task.is_finished());
        let tasks = &self.tasks;
        self.sessions.retain(|_, id| tasks.contains_key(id));
        self.alive = self.tasks.len();
    }
}

impl fmt::Debug for Development {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Development").finish_non_exhaustive()
    }
}

/// Finished tasks that may be remembered, beside an eighth of those that run, before they are looked through: they keep
/// their memory until then.
const SLACK: usize = 256;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn tasks_that_have_ended_are_forgotten_with_their_sessions() {
        let development = Arc::new(Development::new(0));
        for number in 0..10 * SLACK as u64 {
            let (carried, session) = (development.clone(), SessionId(number));
            let (end, ended) = oneshot::channel::<()>();
            let task = tokio::spawn(async move {
                carried.note_session(session);
                // An error is the end as well.
                let _ = ended.await;
            });
            development.note_task(task.abort_handle());
            drop(end);
            task.await.expect("it does not panic");
        }
        let known = development.known();
        assert!(known.tasks.len() <= SLACK + 1, "{} tasks", known.tasks.len());
        assert!(known.sessions.len() <= SLACK + 1, "{} sessions", known.sessions.len());
    }
}
