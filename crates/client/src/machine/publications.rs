//! Publications that wait for their answers: in order, bounded, sent again until they are answered.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use longwire_channel::{ChannelName, Publish, Published, Refusal, Token};

use super::{PublicationId, retry::Retry};
use crate::{Cause, PublishError, Unanswered};

/// The publications of a client, over all of its connections.
pub(super) struct Publications {
    all: BTreeMap<PublicationId, Publication>,
    bytes: usize,
    /// Those that are to be sent, now or when they may.
    unsent: BTreeSet<PublicationId>,
    /// By the id of their command, in this connection.
    in_flight: HashMap<u64, PublicationId>,
    /// When a publication's wait ends, after it was refused for a time.
    retries: BTreeSet<(Instant, PublicationId)>,
    timeouts: BTreeSet<(Instant, PublicationId)>,
    next: u64,
    /// The first half of each operation id.
    producer: String,
    over: Vec<(PublicationId, Result<Published, PublishError>)>,
}

struct Publication {
    publish: Publish,
    size: usize,
    /// Of the command that it is in flight with.
    command: Option<u64>,
    /// Whether a connection was lost before its answer.
    in_doubt: bool,
    retry_at: Option<Instant>,
    tries: u32,
    timeout: Option<(Duration, Instant)>,
}

impl Publications {
    pub(super) fn new(producer: String) -> Self {
        Self {
            all: BTreeMap::new(),
            bytes: 0,
            unsent: BTreeSet::new(),
            in_flight: HashMap::new(),
            retries: BTreeSet::new(),
            timeouts: BTreeSet::new(),
            next: 0,
            producer,
            over: Vec::new(),
        }
    }

    /// Queues a publication and gives it its operation id.
    pub(super) fn add(
        &mut self,
        mut publish: Publish,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Result<PublicationId, PublishError> {
        let size = publish.publication.payload.len();
        let is_full = self.all.len() >= QUEUE_MAX
            || !self.all.is_empty() && self.bytes.saturating_add(size) > QUEUE_BYTES_MAX;
        if is_full {
            return Err(PublishError::QueueFull);
        }
        let id = PublicationId(self.next);
        self.next += 1;
        let publication = &mut publish.publication;
        let has_id = publication.key.is_some() || publication.producer.is_some();
        if !has_id && !publication.ephemeral {
            let key = format!("{}:{}", self.producer, id.0);
            publication.key = Some(Token::new(&key).expect("digits and a colon, fewer than 60"));
        }
        let timeout = timeout.and_then(|timeout| Some((timeout, now.checked_add(timeout)?)));
        if let Some((_, at)) = timeout {
            self.timeouts.insert((at, id));
        }
        self.bytes += size;
        self.unsent.insert(id);
        let publication = Publication {
            publish,
            size,
            command: None,
            in_doubt: false,
            retry_at: None,
            tries: 0,
            timeout,
        };
        self.all.insert(id, publication);
        Ok(id)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The next one to be sent, with this id of its command.
    pub(super) fn take_next(&mut self, command: u64) -> Option<Publish> {
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        let id = self.next_sendable()?;
        self.unsent.remove(&id);
        self.in_flight.insert(command, id);
        let publication = self.all.get_mut(&id).expect("what is unsent is there");
        publication.command = Some(command);
        Some(publication.publish.clone())
    }

    /// The first that neither waits nor stands behind one of its channel that does.
    fn next_sendable(&self) -> Option<PublicationId> {
        if self.retries.is_empty() {
            return self.unsent.first().copied();
        }
        let mut held: HashSet<&ChannelName> = HashSet::new();
        for id in &self.unsent {
            let publication = self.all.get(id).expect("what is unsent is there");
            let channel = &publication.publish.channel;
            if publication.retry_at.is_some() {
                held.insert(channel);
            } else if !held.contains(channel) {
                return Some(*id);
            }
        }
        None
    }

    pub(super) fn handle_published(&mut self, command: u64, published: Published) {
        if let Some(id) = self.in_flight.remove(&command) {
            self.end(id, Ok(published));
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
        let publication = self.all.get_mut(&id).expect("what is in flight is there");
        if !retry.is_temporary(refusal) {
            let key = publication.publish.publication.key.clone();
            self.end(id, Err(PublishError::Refused { refusal: refusal.clone(), key }));
            return true;
        }
        let at = retry.now + retry.delay(refusal, publication.tries);
        publication.tries = publication.tries.saturating_add(1);
        publication.command = None;
        publication.retry_at = Some(at);
        self.retries.insert((at, id));
        self.unsent.insert(id);
        true
    }

    /// The message of this command is larger than the server takes: it was not sent.
    pub(super) fn handle_oversized(&mut self, command: u64, size: u64, limit: u64) {
        let Some(id) = self.in_flight.remove(&command) else { return };
        if self.all.get(&id).is_some_and(|publication| publication.in_doubt) {
            // A server that took more may have it.
            self.give_up(id, Unanswered::Lost);
        } else {
            self.end(id, Err(PublishError::TooLarge { size, limit }));
        }
    }

    /// The connection is gone: what was in flight is sent again.
    pub(super) fn handle_lost(&mut self) {
        let mut lost: Vec<PublicationId> = self.in_flight.drain().map(|(_, id)| id).collect();
        lost.sort_unstable();
        for id in lost {
            let publication = self.all.get_mut(&id).expect("what is in flight is there");
            publication.command = None;
            publication.in_doubt = true;
            if publication.publish.publication.ephemeral {
                self.give_up(id, Unanswered::Lost);
            } else {
                self.unsent.insert(id);
            }
        }
    }

    /// The client is closed.
    pub(super) fn handle_closed(&mut self, cause: &Cause) {
        let ids: Vec<PublicationId> = self.all.keys().copied().collect();
        for id in ids {
            self.give_up(id, Unanswered::Closed(cause.clone()));
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.retries.first()
            && at <= now
        {
            self.retries.pop_first();
            self.all.get_mut(&id).expect("who waits is there").retry_at = None;
        }
        while let Some(&(at, id)) = self.timeouts.first()
            && at <= now
        {
            let publication = self.all.get(&id).expect("who has a timeout is there");
            let timeout = publication.timeout.map_or(Duration::ZERO, |(timeout, _)| timeout);
            self.give_up(id, Unanswered::TimedOut(timeout));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let first = [&self.retries, &self.timeouts].map(|set| set.first().map(|(at, _)| *at));
        first.into_iter().flatten().min()
    }

    /// Those that are over, in the order in which they ended.
    pub(super) fn take_over(&mut self) -> Vec<(PublicationId, Result<Published, PublishError>)> {
        std::mem::take(&mut self.over)
    }

    fn give_up(&mut self, id: PublicationId, why: Unanswered) {
        let Some(publication) = self.all.get(&id) else { return };
        let was_sent = publication.command.is_some() || publication.in_doubt;
        let key = publication.publish.publication.key.clone();
        let error =
            if was_sent { PublishError::Unknown { why, key } } else { PublishError::NotSent(why) };
        self.end(id, Err(error));
    }

    fn end(&mut self, id: PublicationId, result: Result<Published, PublishError>) {
        let Some(publication) = self.all.remove(&id) else { return };
        self.bytes -= publication.size;
        self.unsent.remove(&id);
        if let Some(command) = publication.command {
            self.in_flight.remove(&command);
        }
        if let Some(at) = publication.retry_at {
            self.retries.remove(&(at, id));
        }
        if let Some((_, at)) = publication.timeout {
            self.timeouts.remove(&(at, id));
        }
        self.over.push((id, result));
    }
}

/// Publications that wait, in flight or not.
const QUEUE_MAX: usize = 1_000;
/// Bytes of their content. A larger one is taken alone.
const QUEUE_BYTES_MAX: usize = 1 << 20;
/// Enough to fill a connection around the world with small messages; what is lost with it is sent twice.
const IN_FLIGHT_MAX: usize = 256;
