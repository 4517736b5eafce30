//! All subscriptions: their numbers on the wire, who waits to subscribe, and when.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

use longwire_channel::{Pushed, Refusal, Subscribe, Subscribed};

use super::{
    SubscriptionId,
    link::STABLE,
    retry::Retry,
    subscription::{Step, Subscription, Told},
};
use crate::{Event, Stats, SubscribeError, SubscriptionState};

/// The subscriptions of a client, over all of its connections.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    all: BTreeMap<SubscriptionId, Subscription>,
    next: u64,
    /// Whose number is whose, in this connection.
    numbers: HashMap<u32, SubscriptionId>,
    next_number: u32,
    /// Those to be subscribed as soon as there is a connection.
    ready: BTreeSet<SubscriptionId>,
    /// Those to be subscribed later.
    retries: BTreeSet<(Instant, SubscriptionId)>,
    /// Numbers of this connection to be unsubscribed.
    leaving: VecDeque<u32>,
    /// What is to be told.
    told: VecDeque<(SubscriptionId, Event)>,
}

impl Subscriptions {
    pub(super) fn add(&mut self, subscription: Subscription) -> SubscriptionId {
        let id = SubscriptionId(self.next);
        self.next += 1;
        self.all.insert(id, subscription);
        self.ready.insert(id);
        id
    }

    /// Ends a subscription; nothing more is told of it.
    pub(super) fn remove(&mut self, id: SubscriptionId) {
        self.leave(id);
        self.all.remove(&id);
        self.told.retain(|(told, _)| *told != id);
    }

    pub(super) fn get(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.all.get(&id)
    }

    /// The application is behind.
    pub(super) fn pause(&mut self, id: SubscriptionId, stats: &mut Stats) {
        let Some(subscription) = self.all.get(&id) else { return };
        if subscription.state() != SubscriptionState::Paused {
            stats.paused += 1;
            self.leave(id);
            self.enter(id, SubscriptionState::Paused);
        }
    }

    /// The application has caught up.
    pub(super) fn resume(&mut self, id: SubscriptionId) {
        if self.all.get(&id).is_some_and(|it| it.state() == SubscriptionState::Paused) {
            self.enter(id, SubscriptionState::Subscribing);
            self.ready.insert(id);
        }
    }

    /// The connection is gone.
    pub(super) fn handle_lost(&mut self) {
        self.numbers.clear();
        self.leaving.clear();
        self.retries.clear();
        let ids: Vec<SubscriptionId> = self.all.keys().copied().collect();
        for id in ids {
            let Some(subscription) = self.all.get_mut(&id) else { continue };
            subscription.number = None;
            subscription.retry_at = None;
            if subscription.state() != SubscriptionState::Paused {
                self.ready.insert(id);
                self.enter(id, SubscriptionState::Subscribing);
            }
        }
    }

    /// The client is closed: all are over.
    pub(super) fn fail_all(&mut self, error: &SubscribeError) {
        let ids: Vec<SubscriptionId> = self.all.keys().copied().collect();
        for id in ids {
            self.fail(id, error.clone());
        }
    }

    /// The client closes: all are over, and nothing is told of it.
    pub(super) fn remove_all(&mut self) {
        let ids: Vec<SubscriptionId> = self.all.keys().copied().collect();
        for id in ids {
            self.remove(id);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.retries.first()
            && at <= now
        {
            self.retries.pop_first();
            if let Some(subscription) = self.all.get_mut(&id) {
                subscription.retry_at = None;
                self.ready.insert(id);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retries.first().map(|(at, _)| *at)
    }

    /// As many of those that are ready as go with `connect`.
    pub(super) fn take_first(&mut self) -> Vec<Subscribe> {
        let mut room = CONNECT_BYTES_MAX;
        let mut first = Vec::new();
        while let Some(size) = self.first_size()
            && size <= room
            && let Some(subscribe) = self.take_ready()
        {
            room -= size;
            first.push(subscribe);
        }
        first
    }

    fn first_size(&self) -> Option<usize> {
        self.ready.first().and_then(|id| self.all.get(id)).map(Subscription::size)
    }

    /// The next one that is ready, with its new number.
    pub(super) fn take_ready(&mut self) -> Option<Subscribe> {
        let id = self.ready.pop_first()?;
        let number = self.next_number;
        self.next_number = self.next_number.wrapping_add(1);
        self.numbers.insert(number, id);
        let subscription = self.all.get_mut(&id).expect("who is ready is there");
        subscription.number = Some(number);
        Some(subscription.subscribe(number))
    }

    /// The next number to be unsubscribed.
    pub(super) fn take_leaving(&mut self) -> Option<u32> {
        self.leaving.pop_front()
    }

    /// `connected` did not mention these: they are subscribed once more.
    pub(super) fn handle_unmentioned(&mut self, numbers: &[u32]) {
        for number in numbers {
            if let Some(id) = self.numbers.remove(number)
                && let Some(subscription) = self.all.get_mut(&id)
            {
                subscription.number = None;
                self.ready.insert(id);
            }
        }
    }

    /// The server's answer to a subscription.
    pub(super) fn handle_answer(
        &mut self,
        number: u32,
        answer: Result<Subscribed, Refusal>,
        stats: &mut Stats,
        retry: Retry<'_>,
    ) {
        let Some(id) = self.of(number, SubscriptionState::Subscribing) else { return };
        match answer {
            Ok(subscribed) => {
                if let Some(subscription) = self.all.get_mut(&id) {
                    subscription.answered = Some(retry.now);
                }
                self.tell(id, stats, |it, told| it.handle_outcome(&subscribed, told));
            }
            Err(refusal) => self.refused(id, refusal, retry),
        }
    }

    /// What the server says of a subscription.
    pub(super) fn handle_push(
        &mut self,
        number: u32,
        pushed: Pushed,
        stats: &mut Stats,
        retry: Retry<'_>,
    ) {
        let Some(id) = self.numbers.get(&number).copied() else { return };
        if self.all.get(&id).is_some_and(|it| it.state() == SubscriptionState::Subscribing) {
            return;
        }
        let step = self.tell(id, stats, |it, told| it.handle_push(pushed, told));
        match step {
            None | Some(Step::On) => {}
            Some(Step::Gap) => {
                stats.gaps += 1;
                self.leave(id);
                self.again(id, Again::Repair, retry);
            }
            Some(Step::Ended) => {
                self.numbers.remove(&number);
                self.all.remove(&id);
            }
            Some(Step::Refused(refusal)) => self.refused(id, refusal, retry),
        }
    }

    pub(super) fn poll_told(&mut self) -> Option<(SubscriptionId, Event)> {
        self.told.pop_front()
    }

    /// The subscription of this number, if it is in this state.
    fn of(&self, number: u32, state: SubscriptionState) -> Option<SubscriptionId> {
        let id = *self.numbers.get(&number)?;
        (self.all.get(&id)?.state() == state).then_some(id)
    }

    fn tell<R>(
        &mut self,
        id: SubscriptionId,
        stats: &mut Stats,
        handle: impl FnOnce(&mut Subscription, &mut Told<'_>) -> R,
    ) -> Option<R> {
        let mut events = Vec::new();
        let subscription = self.all.get_mut(&id)?;
        let result = handle(subscription, &mut Told { events: &mut events, stats });
        self.told.extend(events.into_iter().map(|event| (id, event)));
        Some(result)
    }

    fn enter(&mut self, id: SubscriptionId, state: SubscriptionState) {
        let mut events = Vec::new();
        if let Some(subscription) = self.all.get_mut(&id) {
            subscription.enter(state, &mut events);
        }
        self.told.extend(events.into_iter().map(|event| (id, event)));
    }

    /// The server has ended it, or would not have it.
    fn refused(&mut self, id: SubscriptionId, refusal: Refusal, retry: Retry<'_>) {
        self.forget_number(id);
        if retry.is_temporary(&refusal) {
            self.again(id, Again::Refused(&refusal), retry);
        } else {
            self.fail(id, SubscribeError::Refused(refusal));
        }
    }

    fn fail(&mut self, id: SubscriptionId, error: SubscribeError) {
        self.forget_number(id);
        self.forget_wait(id);
        if self.all.remove(&id).is_some() {
            self.told.push_back((id, Event::Failed(error)));
        }
    }

    /// Subscribes again.
    fn again(&mut self, id: SubscriptionId, again: Again<'_>, mut retry: Retry<'_>) {
        self.enter(id, SubscriptionState::Subscribing);
        let Some(subscription) = self.all.get_mut(&id) else { return };
        let delay = match again {
            Again::Repair => {
                let before = subscription.repairs;
                subscription.repairs = before.saturating_add(1);
                before.checked_sub(1).map_or(Duration::ZERO, |tries| retry.backoff(tries))
            }
            Again::Refused(refusal) => {
                let held = subscription.answered.take();
                if held.is_some_and(|at| retry.now.saturating_duration_since(at) >= STABLE) {
                    subscription.refusals = 0;
                }
                let before = subscription.refusals;
                subscription.refusals = before.saturating_add(1);
                retry.delay(refusal, before)
            }
        };
        if delay.is_zero() {
            self.ready.insert(id);
        } else {
            let at = retry.now + delay;
            subscription.retry_at = Some(at);
            self.retries.insert((at, id));
        }
    }

    /// Takes a subscription off the wire and out of every queue.
    fn leave(&mut self, id: SubscriptionId) {
        if let Some(number) = self.forget_number(id) {
            self.leaving.push_back(number);
        }
        self.forget_wait(id);
    }

    fn forget_number(&mut self, id: SubscriptionId) -> Option<u32> {
        let number = self.all.get_mut(&id)?.number.take()?;
        self.numbers.remove(&number);
        Some(number)
    }

    fn forget_wait(&mut self, id: SubscriptionId) {
        self.ready.remove(&id);
        let Some(subscription) = self.all.get_mut(&id) else { return };
        if let Some(at) = subscription.retry_at.take() {
            self.retries.remove(&(at, id));
        }
    }
}

/// Why a subscription subscribes again, which says when.
#[derive(Clone, Copy, Debug)]
enum Again<'a> {
    /// It has a gap: at once the first time, else later.
    Repair,
    /// The server refused it for a time.
    Refused(&'a Refusal),
}

/// Bytes of subscriptions in `connect`: it stays far below what any server takes.
const CONNECT_BYTES_MAX: usize = 32 * 1024;
