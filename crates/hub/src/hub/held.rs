//! Publications that come faster than their rate: held in their order, and submitted as the rate allows.

use std::{collections::VecDeque, sync::Arc};

use longwire_channel::{ChannelName, ErrorCode, Publication, Refusal};

use super::{
    Hub,
    bucket::Bucket,
    commands::RETRY_MS,
    pending::Publisher,
    timers::{NEVER, Tick},
};
use crate::{Namespace, SessionId};

/// The publications of a session that are held.
#[derive(Debug, Default)]
pub(super) struct Held {
    queue: VecDeque<HeldPublication>,
    /// Sizes of all of them.
    bytes: usize,
    /// When the next ones are submitted, if there are any.
    next: Tick,
    /// Until when whatever comes is refused, for something before it was; 0 if nothing was.
    shut_until: Tick,
}

/// A publication that was checked.
#[derive(Debug)]
pub(super) struct HeldPublication {
    /// What it is submitted with.
    pub(super) token: u64,
    /// The id of its command.
    pub(super) command: u64,
    pub(super) channel: ChannelName,
    pub(super) publication: Publication,
    /// The command's size.
    pub(super) bytes: usize,
}

/// How often a session published in each namespace that limits that, for as long as it makes a difference.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    buckets: Vec<(Arc<Namespace>, Bucket)>,
    /// When all of them are full again, as if there had been nothing.
    full_at: Tick,
}

impl Hub {
    /// Submits a publication that was checked, or holds it behind those before it.
    pub(super) fn append_or_hold(
        &mut self,
        id: SessionId,
        publication: HeldPublication,
    ) -> Result<(), Refusal> {
        let (rate, now) = (self.config.publish_rate, self.now);
        let Some(session) = self.sessions.get_mut(id) else { return Ok(()) };
        let busy = session.busy.get_or_insert_default();
        let namespace = self.config.namespaces.of(&publication.channel);
        if busy.held.queue.is_empty() {
            let Err(wait) = busy.rates.take(&mut session.bucket, rate, namespace, now) else {
                let is_rated = !busy.rates.is_empty();
                self.append_held(id, publication);
                if is_rated {
                    self.arm(id);
                }
                return Ok(());
            };
            busy.held.next = now.saturating_add(wait);
        } else if busy.held.queue.len() >= self.config.max_held_publications
            || busy.held.bytes + publication.bytes > self.config.max_held_bytes
        {
            let (count, bytes) = (busy.held.queue.len(), busy.held.bytes);
            let rate = namespace.publish_rate.map_or(rate, |own| own.min(rate));
            return Err(Refusal {
                retry_after_ms: Some(self.time_for_half(id)),
                ..Refusal::new(
                    ErrorCode::RateLimited,
                    format!(
                        "more than {rate} publications a second, and {count} of {bytes} bytes wait: send them more slowly"
                    ),
                )
            });
        }
        busy.held.bytes += publication.bytes;
        busy.held.queue.push_back(publication);
        self.stats.held += 1;
        self.arm(id);
        Ok(())
    }

    /// Submits what is held and whose time has come, as many at once as the rate allows by now; and forgets what no
    /// longer makes a difference.
    pub(super) fn submit_held(&mut self, id: SessionId) {
        let (rate, now) = (self.config.publish_rate, self.now);
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(busy) = &mut session.busy else { return };
        if busy.held.shut_until <= now {
            busy.held.open();
        }
        busy.rates.forget_full(now);
        if busy.held.next > now {
            return session.tidy();
        }
        loop {
            let may_ask = self.check_pending().is_ok();
            let Some(session) = self.sessions.get_mut(id) else { return };
            let Some(busy) = &mut session.busy else { return };
            let Some(first) = busy.held.queue.front() else {
                busy.held.queue = VecDeque::new();
                return session.tidy();
            };
            let namespace = self.config.namespaces.of(&first.channel);
            let taken = if may_ask {
                busy.rates.take(&mut session.bucket, rate, namespace, now)
            } else {
                Err(RETRY_MS)
            };
            if let Err(wait) = taken {
                let all = session.bucket.wait(rate, busy.held.queue.len(), now);
                busy.held.next = now.saturating_add(wait.max(all.min(BATCH_MS)));
                return;
            }
            if let Some(publication) = busy.held.queue.pop_front() {
                busy.held.bytes -= publication.bytes;
                self.append_held(id, publication);
            }
        }
    }

    /// In how many milliseconds half of what may be held will be submitted.
    fn time_for_half(&self, id: SessionId) -> u64 {
        let (rate, now) = (self.config.publish_rate, self.now);
        let Some(session) = self.sessions.get(id) else { return 0 };
        let Some(busy) = &session.busy else { return 0 };
        let (mut bucket, mut rates) = (session.bucket, busy.rates.clone());
        let (mut count, mut bytes, mut at) = (busy.held.queue.len(), busy.held.bytes, now);
        for held in &busy.held.queue {
            let is_half_free = count <= self.config.max_held_publications / 2
                && bytes <= self.config.max_held_bytes / 2;
            if is_half_free {
                break;
            }
            let namespace = self.config.namespaces.of(&held.channel);
            while let Err(wait) = rates.take(&mut bucket, rate, namespace, at) {
                at = at.saturating_add(wait);
                if at - now >= RETRY_MOST_MS {
                    return RETRY_MOST_MS;
                }
            }
            count -= 1;
            bytes -= held.bytes;
        }
        at - now + BATCH_MS
    }

    fn append_held(&mut self, id: SessionId, publication: HeldPublication) {
        let HeldPublication { token, channel, publication, .. } = publication;
        self.append_as(token, channel, publication, Publisher::Session(id));
    }

    /// Refuses what is held, for it will not be submitted any more.
    pub(super) fn refuse_held(&mut self, id: SessionId) {
        let busy = self.sessions.get_mut(id).and_then(|session| session.busy.as_mut());
        let Some(busy) = busy else { return };
        for held in std::mem::take(&mut busy.held.queue) {
            let words = "the server goes away: publish again where you come back to";
            self.refuse(id, held.command, Refusal::new(ErrorCode::Unavailable, words));
        }
    }

    /// Refuses a publication for a time, in which all that come behind it are refused as well: none of them is there
    /// before it is sent again.
    pub(super) fn put_off(&mut self, id: SessionId, command: u64, refusal: Refusal) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let until = self.now.saturating_add(refusal.retry_after_ms.unwrap_or(RETRY_MS));
        session.busy().held.shut(until);
        self.refuse(id, command, refusal);
        self.arm(id);
    }

    /// Whether a publication before was refused for a time that has not passed.
    pub(super) fn check_shut(&self, id: SessionId) -> Result<(), Refusal> {
        let busy = self.sessions.get(id).and_then(|session| session.busy.as_ref());
        let until = busy.map_or(0, |busy| busy.held.shut_until);
        if until <= self.now {
            return Ok(());
        }
        let wait = until - self.now;
        Err(Refusal {
            retry_after_ms: Some(wait),
            ..Refusal::new(
                ErrorCode::RateLimited,
                format!(
                    "one before it was refused, so this one waits behind it: send both again, in their order, after {wait} ms"
                ),
            )
        })
    }
}

impl Held {
    /// When something is to be done.
    pub(super) fn due(&self) -> Tick {
        let next = if self.queue.is_empty() { NEVER } else { self.next };
        let open = if self.is_shut() { self.shut_until } else { NEVER };
        next.min(open)
    }

    /// Refuses whatever comes until then.
    pub(super) fn shut(&mut self, until: Tick) {
        self.shut_until = self.shut_until.max(until);
    }

    /// Refuses nothing; tells until when it would have.
    pub(super) fn open(&mut self) -> Tick {
        std::mem::take(&mut self.shut_until)
    }

    /// Whether what comes is refused.
    pub(super) fn is_shut(&self) -> bool {
        self.shut_until > 0
    }
}

impl Rates {
    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// When they can be forgotten.
    pub(super) fn due(&self) -> Tick {
        if self.is_empty() { NEVER } else { self.full_at }
    }

    /// Takes a token of the session's bucket, and one of the namespace's; otherwise tells after how many milliseconds
    /// there are both.
    fn take(
        &mut self,
        bucket: &mut Bucket,
        rate: u32,
        namespace: &Arc<Namespace>,
        now: Tick,
    ) -> Result<(), u64> {
        let own = namespace.publish_rate.map(|rate| (rate, self.place(namespace)));
        let own_wait = match own {
            Some((rate, Some(at))) => self.buckets[at].1.wait(rate, 1, now),
            // Nothing was taken of it.
            Some((_, None)) | None => 0,
        };
        let wait = bucket.wait(rate, 1, now).max(own_wait);
        if wait > 0 {
            return Err(wait);
        }
        bucket.take(rate, now);
        if let Some((rate, at)) = own {
            let at = at.unwrap_or_else(|| {
                // Among them may be namespaces that others have replaced.
                self.forget_full(now);
                self.buckets.push((Arc::clone(namespace), Bucket::new(now)));
                self.buckets.len() - 1
            });
            let own = &mut self.buckets[at].1;
            own.take(rate, now);
            let full_at = own.full_in(rate, now).map_or(NEVER, |wait| now.saturating_add(wait));
            self.full_at = self.full_at.max(full_at);
        }
        Ok(())
    }

    fn place(&self, namespace: &Arc<Namespace>) -> Option<usize> {
        self.buckets.iter().position(|(it, _)| Arc::ptr_eq(it, namespace))
    }

    /// Forgets those that are as good as new.
    fn forget_full(&mut self, now: Tick) {
        let is_full = |namespace: &Namespace, bucket: &Bucket| {
            namespace.publish_rate.is_none_or(|rate| bucket.is_full(rate, now))
        };
        self.buckets.retain(|(namespace, bucket)| !is_full(namespace, bucket));
    }
}

/// What comes due in so short a time is submitted together.
const BATCH_MS: u64 = 10;

/// The longest time for which a publication is refused.
const RETRY_MOST_MS: u64 = 60_000;
