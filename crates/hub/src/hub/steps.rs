//! Subscriptions move from state to state, and with them their places and deadlines.

use std::sync::Arc;

use longwire_channel::{Pushed, Record};

use super::{
    Hub,
    session::Session,
    state::{Act, Event, Facts, Held, Pace, State},
    timers::{NEVER, Timer},
};
use crate::SessionId;

impl Hub {
    /// Something happened to a subscription that publishes nothing by itself.
    pub(super) fn step(&mut self, key: u32, event: Event) {
        self.catch_up_with_channel(key);
        let act = self.transit(key, event);
        if act == Act::PushHeld {
            self.push_held(key);
        }
        self.conclude(key);
    }

    /// The same to all subscriptions of a session.
    pub(super) fn step_all(&mut self, id: SessionId, event: Event) {
        let Some(session) = self.sessions.get(id) else { return };
        let mut keys = std::mem::take(&mut self.scratch);
        keys.extend(session.subs.iter().map(|(_, key)| *key));
        for key in keys.drain(..) {
            self.step(key, event);
        }
        self.scratch = keys;
    }

    pub(super) fn subscription_is_due(&mut self, key: u32) {
        let Some(sub) = self.subscriptions.get_mut(key as usize) else { return };
        sub.due = NEVER;
        self.step(key, Event::Due);
    }

    /// Writes down what a live subscription has seen, for what comes now may take it out of there.
    pub(super) fn catch_up_with_channel(&mut self, key: u32) {
        let sub = &mut self.subscriptions[key as usize];
        if sub.state == State::Live {
            let channel = &self.channels[sub.channel];
            sub.seen = channel.tail;
            sub.turn = channel.turn;
        }
    }

    /// Moves a subscription by the table.
    pub(super) fn transit(&mut self, key: u32, event: Event) -> Act {
        let sub = &self.subscriptions[key as usize];
        let facts = self.facts(key);
        let (next, act) = sub.state.after(event, sub.pace(), facts);
        self.enter(key, next);
        act
    }

    fn facts(&self, key: u32) -> Facts {
        let sub = &self.subscriptions[key as usize];
        let channel = &self.channels[sub.channel];
        let congested = self.sessions.get(sub.session).is_some_and(Session::is_congested);
        let held = match channel.latest() {
            Some(record) if record.seq > sub.seen => Held::Last,
            Some(record) if record.seq == 0 && sub.turn != channel.turn => Held::Ephemeral,
            _ => Held::Nothing,
        };
        Facts { congested, caught_up: sub.seen == channel.tail, held }
    }

    /// Puts a subscription into a state: its place among its channel's members, its deadline, its turn to read.
    fn enter(&mut self, key: u32, next: State) {
        let sub = &mut self.subscriptions[key as usize];
        let (was, session, pace) = (sub.state, sub.session, sub.pace());
        if next == State::Resting {
            let at = self.now.saturating_add(sub.interval_ms());
            self.timers.set(Timer::Subscription(key), &mut sub.due, at);
        } else {
            self.timers.set(Timer::Subscription(key), &mut sub.due, NEVER);
        }
        if next == was {
            return;
        }
        sub.state = next;
        self.stats.subscriptions.remove(was, pace);
        self.stats.subscriptions.add(next, pace);
        let rank = |state| match state {
            State::Live => 0,
            State::Poised => 1,
            _ => 2,
        };
        if rank(was) != rank(next) {
            let (channel, index) = (sub.channel, sub.index);
            let subscriptions = &mut self.subscriptions;
            self.channels[channel].place(index, next, |moved, to| {
                subscriptions[moved as usize].index = to;
            });
        }
        let Some(session) = self.sessions.get_mut(session) else { return };
        match (was, next) {
            (_, State::Waiting) => {
                session.busy().readers.push_back(key);
                let id = session.id;
                self.queue_session(id);
            }
            (State::Waiting, _) => {
                session.busy().readers.retain(|reader| *reader != key);
                session.tidy();
            }
            _ => {}
        }
    }

    /// Pushes the record that the channel holds for those that want the latest alone.
    fn push_held(&mut self, key: u32) {
        let sub = &self.subscriptions[key as usize];
        if let Some(record) = self.channels[sub.channel].latest().cloned() {
            self.push_record(key, record);
        }
    }

    /// Pushes one record, behind whatever was left out.
    fn push_record(&mut self, key: u32, record: Arc<Record>) {
        let (prev, skipped) = self.give(key, record.seq);
        self.stats.deliveries += 1;
        self.push(key, Pushed::Message { prev, skipped, record });
    }

    /// Writes down that a subscription is given the record `seq`; says what it saw before, and how many were left out.
    pub(super) fn give(&mut self, key: u32, seq: u64) -> (u64, u64) {
        let sub = &mut self.subscriptions[key as usize];
        sub.turn = self.channels[sub.channel].turn;
        if seq == 0 {
            return (0, 0);
        }
        let prev = sub.seen;
        sub.seen = seq;
        let skipped = seq.saturating_sub(prev + 1);
        self.stats.skipped += skipped;
        (prev, skipped)
    }

    /// Ends a subscription that has got all that it will get of a stream that has ended.
    pub(super) fn conclude(&mut self, key: u32) {
        let sub = &self.subscriptions[key as usize];
        let channel = &self.channels[sub.channel];
        if !channel.ended {
            return;
        }
        let seq = channel.tail;
        let facts = self.facts(key);
        let is_over = match (sub.state, sub.pace()) {
            (State::Opening | State::Reading, _) => false,
            (State::Live | State::Poised, _) | (State::Blocked, Pace::Drop) => true,
            (State::Waiting | State::Resting | State::Blocked, Pace::Latest | Pace::Sampled) => {
                facts.held == Held::Nothing && (sub.state != State::Waiting || facts.caught_up)
            }
            (State::Waiting | State::Resting | State::Blocked, _) => facts.caught_up,
        };
        if is_over {
            self.tell_reset(key);
            self.push(key, Pushed::Ended { seq });
            self.remove_subscription(key);
        }
    }

    /// Tells a reset that the pipe had no room for.
    pub(super) fn tell_reset(&mut self, key: u32) {
        let sub = &mut self.subscriptions[key as usize];
        if !std::mem::take(&mut sub.owes_reset) {
            return;
        }
        let position = self.channels[sub.channel].epoch().map(|epoch| longwire_channel::Position {
            epoch,
            seq: self.subscriptions[key as usize].seen,
        });
        if let Some(position) = position {
            self.push(key, Pushed::Reset { position });
        }
    }

    /// The same for all subscriptions of a session.
    pub(super) fn tell_resets(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(id) else { return };
        for key in session.subs.iter().map(|(_, key)| *key).collect::<Vec<_>>() {
            self.tell_reset(key);
        }
    }
}
