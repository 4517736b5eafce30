//! What the broker tells of channels, and who gets it.

use std::sync::Arc;

use longwire_channel::{ChannelName, CloseCode, Epoch, Position, Record};

use super::{
    Hub,
    channel::Stream,
    session::Session,
    state::{Act, Event, State},
    subscription::NO_TOKEN,
};
use crate::{Effect, Target};

impl Hub {
    /// A record was published.
    pub(super) fn appended(&mut self, name: &ChannelName, epoch: Epoch, record: Arc<Record>) {
        let Some(key) = self.channels.find(name) else { return };
        let channel = &mut self.channels[key];
        if channel.epoch() != Some(epoch) {
            return;
        }
        if record.seq == 0 {
            return self.ephemeral(key, epoch, record);
        }
        if record.seq <= channel.tail {
            return;
        }
        if record.seq > channel.tail + 1 {
            self.missed(key, record.seq - 1);
        }
        let channel = &mut self.channels[key];
        let prev = channel.tail;
        channel.tail = record.seq;
        let to = self.targets(key, &record, prev);
        self.deliver(epoch, record, to);
    }

    /// An ephemeral record: to all who can take it now.
    fn ephemeral(&mut self, key: u32, epoch: Epoch, record: Arc<Record>) {
        let to = self.targets(key, &record, 0);
        self.deliver(epoch, record, to);
    }

    fn deliver(&mut self, epoch: Epoch, record: Arc<Record>, to: Vec<Target>) {
        if !to.is_empty() {
            self.stats.deliveries += to.len() as u64;
            self.effects.push_back(Effect::Deliver { epoch, record, to });
        }
    }

    /// Who gets the record that was just counted in; those that are poised move.
    fn targets(&mut self, key: u32, record: &Arc<Record>, prev: u64) -> Vec<Target> {
        let channel = &mut self.channels[key];
        channel.turn += 1;
        channel.keep(record);
        let mut to = Vec::with_capacity(channel.live().len() + channel.poised().len());
        to.extend(channel.live().iter().map(|member| Target {
            session: member.session,
            sub: member.sub,
            prev,
            skipped: 0,
        }));
        let is_ephemeral = record.seq == 0;
        let mut keys = std::mem::take(&mut self.scratch);
        keys.extend(channel.poised().iter().map(|member| member.key));
        if is_ephemeral && channel.has_rollups() {
            let rest = &channel.members()[channel.live().len() + channel.poised().len()..];
            keys.extend(rest.iter().map(|member| member.key));
        }
        let event = if is_ephemeral { Event::Ephemeral } else { Event::Published };
        for key in keys.drain(..) {
            self.one_by_one(key, event, record.seq, &mut to);
        }
        self.scratch = keys;
        to
    }

    /// Gives the record to a subscription that is not among all the others.
    fn one_by_one(&mut self, key: u32, event: Event, seq: u64, to: &mut Vec<Target>) {
        // A session that ended on the way took its other subscriptions with it.
        let Some(sub) = self.subscriptions.get(key as usize) else { return };
        let (session, number) = (sub.session, sub.number);
        match self.transit(key, event) {
            Act::Push => {
                let (prev, skipped) = self.give(key, seq);
                to.push(Target { session, sub: number, prev, skipped });
            }
            Act::Disconnect => {
                let reason = format!(
                    "subscription {number} takes less than is published: read faster, or use another policy"
                );
                self.disconnect(session, CloseCode::SLOW_CONSUMER, reason);
            }
            Act::Nothing | Act::PushHeld => {}
        }
    }

    /// Records up to `seq` were published that the broker did not tell: who was live reads them.
    fn missed(&mut self, key: u32, seq: u64) {
        let channel = &mut self.channels[key];
        let (tail, turn) = (channel.tail, channel.turn);
        self.stats.repaired += seq - tail;
        let live: Vec<u32> = channel.live().iter().map(|member| member.key).collect();
        let poised: Vec<u32> = channel.poised().iter().map(|member| member.key).collect();
        channel.tail = seq;
        for &key in &live {
            let sub = &mut self.subscriptions[key as usize];
            sub.seen = tail;
            sub.turn = turn;
        }
        for key in live.into_iter().chain(poised) {
            self.transit(key, Event::Missed);
        }
    }

    /// A stream began anew.
    pub(super) fn reset(&mut self, name: &ChannelName, position: Position) {
        let Some(key) = self.channels.find(name) else { return };
        let channel = &mut self.channels[key];
        if channel.epoch().is_none() {
            return;
        }
        channel.stream = Stream::Attached(position.epoch);
        channel.tail = position.seq;
        channel.ended = false;
        channel.forget_life();
        let turn = channel.turn;
        self.stats.resets += 1;
        for key in self.member_keys(key) {
            let sub = &mut self.subscriptions[key as usize];
            if sub.state == State::Opening {
                continue;
            }
            sub.seen = position.seq;
            sub.turn = turn;
            sub.awaits = NO_TOKEN;
            sub.owes_reset = true;
            let congested = self.sessions.get(sub.session).is_some_and(Session::is_congested);
            if !congested {
                self.tell_reset(key);
            }
            self.transit(key, Event::Reset);
        }
    }

    /// A stream has ended.
    pub(super) fn ended(&mut self, name: &ChannelName) {
        let Some(key) = self.channels.find(name) else { return };
        let channel = &mut self.channels[key];
        if channel.epoch().is_none() {
            return;
        }
        channel.ended = true;
        for key in self.member_keys(key) {
            self.catch_up_with_channel(key);
            self.conclude(key);
        }
    }
}
