//! One subscription: its position, and what an outcome or a push means to it.

use std::{mem, sync::Arc, time::Instant};

use longwire_channel::{
    ChannelName, Epoch, Gap, Outcome, Policy, Position, Pushed, Record, Refusal, Start, Subscribe,
    Subscribed,
};

use crate::{Event, Lost, Message, Stats, SubscriptionState};

/// One subscription, without its connection.
///
/// Invariant: `seq` of `position` never falls within an epoch, and is that of the last record that was given out or told
/// as lost.
#[derive(Debug)]
pub(super) struct Subscription {
    channel: ChannelName,
    start: Start,
    policy: Option<Policy>,
    position: Option<Position>,
    /// The `seq` up to which the outcome said that records follow.
    target: u64,
    /// Whether the last page said that more follows.
    more: bool,
    /// Records that an outcome passed over, since the policy wants the latest alone: the next one tells them.
    passed_over: u64,
    state: SubscriptionState,
    /// The number on the wire, from the moment it was sent.
    pub(super) number: Option<u32>,
    /// When it may subscribe again, if that is not at once.
    pub(super) retry_at: Option<Instant>,
    /// Repairs since a record was last given out.
    pub(super) repairs: u32,
    /// Refusals since the server last had it for long enough.
    pub(super) refusals: u32,
    /// When the server subscribed it, unless it has ended it.
    pub(super) answered: Option<Instant>,
}

/// What a push means beyond what was told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// It goes on.
    On,
    /// Something is missing: it subscribes again from its position.
    Gap,
    /// It is over.
    Ended,
    /// The server ended it.
    Refused(Refusal),
}

/// Where a subscription tells: the application and the counters.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) events: &'a mut Vec<Event>,
    pub(super) stats: &'a mut Stats,
}

impl Told<'_> {
    fn lost(&mut self, epoch: Epoch, from: u64, to: u64) {
        if from < to {
            self.stats.lost = self.stats.lost.saturating_add(to - from);
            self.events.push(Event::Lost(Lost { epoch, from, to }));
        }
    }

    fn reset(&mut self, position: Position) {
        self.stats.resets += 1;
        self.events.push(Event::Reset(position));
        self.lost(position.epoch, 0, position.seq);
    }
}

impl Subscription {
    pub(super) fn new(channel: ChannelName, start: Start, policy: Option<Policy>) -> Self {
        let position = match start {
            Start::After(position) => Some(position),
            _ => None,
        };
        Self {
            channel,
            start,
            policy,
            position,
            target: 0,
            more: false,
            passed_over: 0,
            state: SubscriptionState::Subscribing,
            number: None,
            retry_at: None,
            repairs: 0,
            refusals: 0,
            answered: None,
        }
    }

    pub(super) fn state(&self) -> SubscriptionState {
        self.state
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    /// The command that subscribes it, from its position if it has one.
    pub(super) fn subscribe(&self, sub: u32) -> Subscribe {
        Subscribe {
            sub,
            channel: self.channel.clone(),
            start: self.position.map_or(self.start, Start::After),
            policy: self.policy,
        }
    }

    /// Bytes that it takes in `connect`, roughly and rather too many.
    pub(super) fn size(&self) -> usize {
        100 + self.channel.as_str().len()
    }

    pub(super) fn enter(&mut self, state: SubscriptionState, events: &mut Vec<Event>) {
        if self.state != state {
            self.state = state;
            events.push(Event::State(state));
        }
    }

    /// The server's answer.
    pub(super) fn handle_outcome(&mut self, subscribed: &Subscribed, told: &mut Told<'_>) {
        let Position { epoch, seq } = subscribed.position;
        let outcome = subscribed.outcome;
        let base = match outcome {
            Outcome::Deltas { after }
            | Outcome::Snapshot { after }
            | Outcome::Truncated { after } => after,
            // Of a later protocol: its first push says the rest.
            _ => seq,
        };
        let last = match self.position {
            None => {
                if matches!(outcome, Outcome::Truncated { .. }) {
                    told.lost(epoch, 0, base);
                }
                base
            }
            Some(position) if position.epoch == epoch && position.seq <= seq => {
                if matches!(outcome, Outcome::Snapshot { .. }) {
                    self.passed_over += base.saturating_sub(position.seq);
                } else {
                    told.lost(epoch, position.seq, base);
                }
                position.seq.max(base)
            }
            Some(_) => {
                self.passed_over = 0;
                told.reset(Position { epoch, seq: base });
                base
            }
        };
        self.position = Some(Position { epoch, seq: last });
        self.target = seq;
        self.more = false;
        self.retry_at = None;
        let state =
            if last >= seq { SubscriptionState::Live } else { SubscriptionState::Recovering };
        self.enter(state, told.events);
    }

    /// Something that the server says of it.
    pub(super) fn handle_push(&mut self, pushed: Pushed, told: &mut Told<'_>) -> Step {
        let Some(Position { epoch, seq: last }) = self.position else {
            return Step::On;
        };
        match pushed {
            Pushed::Message { prev, skipped, record } => {
                if record.seq > last && prev > last {
                    return Step::Gap;
                }
                // Any record that is not in a page is live, or the server makes no pages.
                self.more &= record.seq == 0;
                self.take(epoch, record, skipped, told);
                self.settle(told);
            }
            Pushed::Page { prev, records, more } => {
                if prev > last {
                    return Step::Gap;
                }
                for record in records {
                    self.take(epoch, record, 0, told);
                }
                self.more = more;
                let state =
                    if more { SubscriptionState::Recovering } else { SubscriptionState::Live };
                self.enter(state, told.events);
            }
            Pushed::Lost(Gap { from, to }) => {
                if to <= last {
                    return Step::On;
                }
                if from > last {
                    return Step::Gap;
                }
                told.lost(epoch, last, to);
                self.position = Some(Position { epoch, seq: to });
                self.settle(told);
            }
            Pushed::Reset { position } => {
                if position.epoch == epoch {
                    return if position.seq > last { Step::Gap } else { Step::On };
                }
                self.passed_over = 0;
                told.reset(position);
                self.position = Some(position);
                self.target = position.seq;
                self.more = false;
                self.enter(SubscriptionState::Live, told.events);
            }
            Pushed::Ended { seq } => {
                if seq > last {
                    return Step::Gap;
                }
                told.events.push(Event::Ended { seq });
                return Step::Ended;
            }
            Pushed::Unsubscribed(unsubscribed) => return Step::Refused(unsubscribed.refusal),
            // Of a later protocol.
            _ => {}
        }
        Step::On
    }

    /// Gives a record out, unless it was seen.
    fn take(&mut self, epoch: Epoch, record: Arc<Record>, skipped: u64, told: &mut Told<'_>) {
        let seq = record.seq;
        if seq > 0 {
            if self.position.is_some_and(|position| seq <= position.seq) {
                told.stats.doubled += 1;
                return;
            }
            self.position = Some(Position { epoch, seq });
            self.repairs = 0;
        }
        let passed_over = if seq > 0 { mem::take(&mut self.passed_over) } else { 0 };
        let skipped = skipped.saturating_add(passed_over);
        told.stats.received += 1;
        told.stats.skipped = told.stats.skipped.saturating_add(skipped);
        told.events.push(Event::Message(Message { record, epoch, skipped }));
    }

    /// Live, once all has come that was announced.
    fn settle(&mut self, told: &mut Told<'_>) {
        if !self.more && self.position.is_some_and(|position| position.seq >= self.target) {
            self.enter(SubscriptionState::Live, told.events);
        }
    }
}
