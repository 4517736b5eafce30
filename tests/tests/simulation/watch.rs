//! One subscription of an application, over all connections and processes: what it is told must fit together.

use std::collections::BTreeSet;

use longwire_channel::{Policy, Position, Start};
use longwire_client::{Event, Lost, Message, SubscribeError, SubscriptionState};

use crate::{invariant::Invariant, truth::Truth};

/// What an application wants to read, and what it was told.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) channel: usize,
    /// What it asked for.
    pub(crate) start: Start,
    pub(crate) asked: Option<Policy>,
    /// The policy that it has.
    policy: Policy,
    /// The last record that it was told of.
    pub(crate) position: Option<Position>,
    pub(crate) state: SubscriptionState,
    /// The stream has ended.
    pub(crate) is_over: bool,
    ephemeral: BTreeSet<u32>,
    /// Nothing was told since a reset.
    is_anew: bool,
    /// Records that were passed over for the latest one, which the next record is to tell: so many at least.
    owed: u64,
    /// A reset came in between, so it may be more.
    owes_more: bool,
    /// What had been acknowledged when it was made.
    floor: Option<(u64, u64)>,
}

impl Watch {
    pub(crate) fn new(channel: usize, start: Start, asked: Option<Policy>, truth: &Truth) -> Self {
        let plan = &truth.channels[channel].plan;
        Self {
            channel,
            start: if start == Start::Now { plan.start } else { start },
            asked,
            policy: asked.unwrap_or(plan.policy),
            position: match start {
                Start::After(position) => Some(position),
                _ => None,
            },
            state: SubscriptionState::Subscribing,
            is_over: false,
            ephemeral: BTreeSet::new(),
            is_anew: false,
            owed: 0,
            owes_more: false,
            floor: truth.last_acked(channel),
        }
    }

    /// Where it begins in another process: behind what the application has dealt with.
    pub(crate) fn begin_again(&mut self, dealt: Option<Position>, truth: &Truth) -> Start {
        self.position = dealt;
        self.state = SubscriptionState::Subscribing;
        self.floor = truth.last_acked(self.channel);
        // What was passed over is not told across processes.
        (self.owed, self.owes_more) = (0, false);
        dealt.map_or(self.start, Start::After)
    }

    fn wants_latest(&self) -> bool {
        matches!(self.policy, Policy::Latest { .. })
    }

    /// Something is told; `position` is where the client's machine stands by then.
    pub(crate) fn told(&mut self, event: &Event, position: Option<Position>, truth: &mut Truth) {
        Invariant::EndIsTrue.check(!self.is_over, || format!("{event:?} is told behind the end"));
        if self.position.is_none() {
            match event {
                Event::Lost(Lost { epoch, from, .. }) => {
                    self.position = Some(Position { epoch: *epoch, seq: *from });
                }
                _ => self.begin(position, truth),
            }
        }
        match event {
            Event::Message(message) if message.record.seq == 0 => {
                self.take_ephemeral(message, truth);
            }
            Event::Message(message) => self.take(message, truth),
            Event::Lost(lost) => self.lose(*lost, truth),
            Event::Reset(position) => self.reset(*position, truth),
            Event::State(state) => self.state = *state,
            Event::Ended { seq } => self.end(*seq, truth),
            Event::Failed(error) => {
                Invariant::EndIsTrue.check(matches!(error, SubscribeError::Closed(_)), || {
                    format!("{self:?} fails: {error:?}")
                });
            }
            _ => {}
        }
        self.is_anew = matches!(event, Event::Reset(_));
    }

    /// It has a position for the first time.
    fn begin(&mut self, position: Option<Position>, truth: &Truth) {
        let Some(Position { epoch, seq }) = position else { return };
        self.position = position;
        let epoch = epoch.get();
        let last = truth.last(epoch);
        let is_in_order = self.floor.is_none_or(|(of, floor)| of != epoch || floor <= last);
        let all_gone = |from: u64| (from..=seq).all(|seq| truth.is_gone(epoch, seq));
        let is_right = match self.start {
            Start::Beginning => self.wants_latest() || all_gone(1),
            Start::Last(count) => {
                self.wants_latest() || all_gone(last.saturating_sub(count.into()) + 1)
            }
            Start::Time(time) => {
                let is_before = |seq| {
                    let entry = truth.lives.get(&epoch).and_then(|life| life.get(seq));
                    entry.is_some_and(|entry| entry.time_ms < time)
                };
                self.wants_latest()
                    || (1..=seq).all(|seq| is_before(seq) || truth.is_gone(epoch, seq))
            }
            _ => self.floor.is_none_or(|(of, floor)| of != epoch || floor <= seq),
        };
        Invariant::BeginsRight.check(seq <= last && is_in_order && is_right, || {
            format!("{self:?} begins in a stream that ends with {last}")
        });
    }

    fn at(&self, event: &dyn std::fmt::Debug) -> (u64, u64) {
        match self.position {
            Some(Position { epoch, seq }) => (epoch.get(), seq),
            None => {
                Invariant::BeginsRight.broken(format!("{event:?} is told before its beginning"))
            }
        }
    }

    fn take(&mut self, message: &Message, truth: &mut Truth) {
        let Message { record, epoch, skipped } = message;
        let (of, last) = self.at(message);
        let seq = record.seq;
        truth.seen(self.channel, epoch.get(), record);
        Invariant::NoGap
            .check(epoch.get() == of, || format!("{message:?} is of another epoch than {self:?}"));
        Invariant::NoDouble.check(seq > last, || format!("{message:?} comes to {self:?}"));
        let between = seq - last - 1 + self.owed;
        let may_be = match self.policy {
            Policy::Latest { .. } if self.owes_more => between <= *skipped,
            Policy::Latest { .. } | Policy::Drop => between == *skipped,
            _ => between == 0 && *skipped == 0,
        };
        Invariant::NoGap.check(may_be, || {
            format!("{seq} comes behind {last}, and {skipped} are told as skipped: {self:?}")
        });
        (self.owed, self.owes_more) = (0, false);
        self.position = Some(Position { epoch: *epoch, seq });
    }

    fn take_ephemeral(&mut self, message: &Message, truth: &mut Truth) {
        let tag = truth.seen(self.channel, message.epoch.get(), &message.record);
        Invariant::NoDouble.check(self.ephemeral.insert(tag), || format!("#{tag} comes twice"));
    }

    fn lose(&mut self, lost: Lost, truth: &Truth) {
        let (epoch_of, at) = self.at(&lost);
        let Lost { epoch, from, to } = lost;
        let follows = from == at || from > at && self.wants_latest();
        Invariant::NoGap.check(epoch_of == epoch.get() && follows && from < to, || {
            format!("{lost:?} is told at {self:?}")
        });
        self.owed += from - at;
        // Who wants the latest alone is told that all is lost that lies between.
        let to_check = match (self.wants_latest(), self.is_anew) {
            (true, true) => from,
            (true, false) => from + 1,
            (false, _) => to,
        };
        for seq in from + 1..=to_check {
            Invariant::LostIsGone.check(truth.is_gone(epoch.get(), seq), || {
                let life = truth.lives.get(&epoch.get());
                format!("{seq} of {lost:?} is there: {self:?}, {life:?}")
            });
        }
        Invariant::LostIsGone
            .check(to <= truth.last(epoch.get()), || format!("{lost:?} never was: {self:?}"));
        self.position = Some(Position { epoch, seq: to });
    }

    fn reset(&mut self, position: Position, truth: &Truth) {
        let (of, _) = self.at(&position);
        let epoch = position.epoch.get();
        let is_true = epoch != of && truth.may_have_begun_anew(self.channel, of);
        Invariant::ResetIsTrue.check(is_true && position.seq <= truth.last(epoch), || {
            let life = truth.lives.get(&of);
            let channel = &truth.channels[self.channel];
            format!("{position:?} is told to {self:?}, whose stream is {life:?} of {channel:?}")
        });
        self.owes_more = self.wants_latest();
        // What is lost before it is told next.
        self.position = Some(Position { epoch: position.epoch, seq: 0 });
    }

    fn end(&mut self, seq: u64, truth: &Truth) {
        let (of, last) = self.at(&seq);
        let life = truth.lives.get(&of);
        let has_ended = life.is_some_and(|life| life.ended && life.last() == seq);
        Invariant::EndIsTrue.check(has_ended && last == seq, || {
            format!("the end behind {seq} is told to {self:?}, whose stream is {life:?}")
        });
        self.is_over = true;
    }

    /// Whether it has come to the end of its stream.
    pub(crate) fn is_at_rest(&self, truth: &Truth) -> bool {
        if self.is_over {
            return true;
        }
        let current = truth.channels[self.channel].current;
        let is_last = |seq, last| seq == last || self.policy == Policy::Drop && seq < last;
        let is_at_end = |position: Position| match current {
            Some(epoch) => {
                position.epoch.get() == epoch && is_last(position.seq, truth.last(epoch))
            }
            None => position.seq == 0,
        };
        self.state == SubscriptionState::Live && self.position.is_some_and(is_at_end)
    }
}
