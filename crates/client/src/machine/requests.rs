//! Requests for history that wait for their answers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use longwire_channel::{History, HistoryPage, Refusal};

use super::{RequestId, retry::Retry};
use crate::{Cause, HistoryError};

/// The requests of a client, over all of its connections.
#[derive(Default)]
pub(super) struct Requests {
    all: BTreeMap<RequestId, Request>,
    unsent: BTreeSet<RequestId>,
    in_flight: HashMap<u64, RequestId>,
    retries: BTreeSet<(Instant, RequestId)>,
    next: u64,
    over: Vec<(RequestId, Result<HistoryPage, HistoryError>)>,
}

struct Request {
    history: History,
    retry_at: Option<Instant>,
    tries: u32,
}

impl Requests {
    pub(super) fn add(&mut self, history: History) -> Result<RequestId, HistoryError> {
        if self.all.len() >= REQUESTS_MAX {
            return Err(HistoryError::TooMany);
        }
        let id = RequestId(self.next);
        self.next += 1;
        self.all.insert(id, Request { history, retry_at: None, tries: 0 });
        self.unsent.insert(id);
        Ok(id)
    }

    /// Nobody waits for it any longer.
    pub(super) fn remove(&mut self, id: RequestId) {
        self.unsent.remove(&id);
        self.in_flight.retain(|_, other| *other != id);
        if let Some(at) = self.all.remove(&id).and_then(|request| request.retry_at) {
            self.retries.remove(&(at, id));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The next one to be sent, with this id of its command.
    pub(super) fn take_next(&mut self, command: u64) -> Option<History> {
        let id = self.unsent.pop_first()?;
        self.in_flight.insert(command, id);
        Some(self.all.get(&id).expect("what is unsent is there").history.clone())
    }

    pub(super) fn handle_answer(&mut self, command: u64, page: HistoryPage) {
        if let Some(id) = self.in_flight.remove(&command) {
            self.end(id, Ok(page));
        }
    }

    /// The server refused it. Says whether the command was one of these.
    pub(super) fn handle_refused(
        &mut self,
        command: u64,
        refusal: &Refusal,
        mut retry: Retry<'_>,
    ) -> bool {
        let Some(id) = self.in_flight.remove(&command) else { return false };
        if !retry.is_temporary(refusal) {
            self.end(id, Err(HistoryError::Refused(refusal.clone())));
            return true;
        }
        let request = self.all.get_mut(&id).expect("what is in flight is there");
        let at = retry.now + retry.delay(refusal, request.tries);
        request.tries = request.tries.saturating_add(1);
        request.retry_at = Some(at);
        self.retries.insert((at, id));
        true
    }

    /// The connection is gone: what was in flight is sent again.
    pub(super) fn handle_lost(&mut self) {
        self.unsent.extend(self.in_flight.drain().map(|(_, id)| id));
    }

    /// The client is closed.
    pub(super) fn handle_closed(&mut self, cause: &Cause) {
        let ids: Vec<RequestId> = self.all.keys().copied().collect();
        for id in ids {
            self.end(id, Err(HistoryError::Closed(cause.clone())));
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.retries.first()
            && at <= now
        {
            self.retries.pop_first();
            self.all.get_mut(&id).expect("who waits is there").retry_at = None;
            self.unsent.insert(id);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retries.first().map(|(at, _)| *at)
    }

    /// Those that are over, in the order in which they ended.
    pub(super) fn take_over(&mut self) -> Vec<(RequestId, Result<HistoryPage, HistoryError>)> {
        std::mem::take(&mut self.over)
    }

    fn end(&mut self, id: RequestId, result: Result<HistoryPage, HistoryError>) {
        self.remove(id);
        self.over.push((id, result));
    }
}

/// Requests that wait, in flight or not.
const REQUESTS_MAX: usize = 100;
