//! What is true: every stream with its records, every publication with what became of it, and what follows from that.

mod history;
mod life;
mod publication;

use std::{collections::BTreeMap, time::Duration};

use longwire_channel::{Position, Record};

pub(crate) use self::{
    history::Asked,
    life::{Entry, Life},
    publication::{Publication, Shape},
};
use crate::{content, disk::Change, invariant::Invariant, swarm::ChannelPlan};

/// All that is known, from the disk and from what the broker says.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) channels: Vec<Channel>,
    pub(crate) lives: BTreeMap<u64, Life>,
    /// By tag.
    pub(crate) publications: Vec<Publication>,
    pub(crate) now: Duration,
    /// The server's clock: milliseconds since 1970. Each server has its own.
    pub(crate) unix_ms: u64,
    /// The latest time that any of them had.
    latest_ms: u64,
    /// Servers that ended.
    pub(crate) restarts: u32,
}

/// A channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) plan: ChannelPlan,
    /// The epoch of its stream, as far as it is known.
    pub(crate) current: Option<u64>,
    /// Deletions that were asked for.
    pub(crate) deletes: u32,
    /// Ends that were asked for.
    pub(crate) ends: u32,
    /// The last position that was acknowledged.
    acked: Option<(u64, u64)>,
}

impl Truth {
    pub(crate) fn new(plans: &[ChannelPlan]) -> Self {
        let channel = |plan: &ChannelPlan| Channel {
            plan: plan.clone(),
            current: None,
            deletes: 0,
            ends: 0,
            acked: None,
        };
        Self {
            channels: plans.iter().map(channel).collect(),
            lives: BTreeMap::new(),
            publications: Vec::new(),
            now: Duration::ZERO,
            unix_ms: 0,
            latest_ms: 0,
            restarts: 0,
        }
    }

    /// The server's clock goes on.
    pub(crate) fn tell_time(&mut self, now: Duration, unix_ms: u64) {
        self.now = now;
        self.unix_ms = unix_ms;
        self.latest_ms = self.latest_ms.max(unix_ms);
    }

    pub(crate) fn channel_of(&self, name: &str) -> usize {
        let found = self.channels.iter().position(|it| it.plan.name.as_str() == name);
        found.expect("nobody has another channel")
    }

    /// Takes what came to be on disk.
    pub(crate) fn written(&mut self, batches: Vec<Vec<Change>>) {
        for batch in batches {
            let mut removed = Vec::new();
            for change in &batch {
                match *change {
                    Change::Written { epoch, seq, tag, time_ms, bytes } => {
                        self.insert(epoch, seq, Entry::new(tag, time_ms, bytes));
                    }
                    Change::Removed { epoch, seq } => {
                        let life = self.lives.entry(epoch).or_default();
                        if seq == life.last() + 1 {
                            life.push(Entry::unseen());
                        }
                        removed.push((epoch, seq));
                    }
                    Change::Stream { .. } | Change::StreamRemoved { .. } => {}
                }
            }
            for change in &batch {
                match change {
                    Change::Stream { name, epoch, ended } => self.named(name, *epoch, *ended),
                    Change::StreamRemoved { name } => self.over(self.channel_of(name)),
                    _ => {}
                }
            }
            for (epoch, seq) in removed {
                self.removed(epoch, seq);
            }
        }
    }

    /// A stream has this epoch from now on, and has ended or not.
    fn named(&mut self, name: &str, epoch: u64, ended: bool) {
        let channel = self.channel_of(name);
        self.lives.entry(epoch).or_default().channel = Some(channel);
        self.begin(channel, epoch);
        self.lives.entry(epoch).or_default().ended |= ended;
    }

    /// A channel's stream has this epoch from now on.
    fn begin(&mut self, channel: usize, epoch: u64) {
        self.channels[channel].current = Some(epoch);
        for (of, life) in &mut self.lives {
            life.over |= life.channel == Some(channel) && *of != epoch;
        }
    }

    /// The stream that a channel had is no more.
    pub(crate) fn over(&mut self, channel: usize) {
        self.channels[channel].current = None;
        for life in self.lives.values_mut().filter(|life| life.channel == Some(channel)) {
            life.over = true;
        }
    }

    /// A server's process has ended, and with it what was in memory.
    pub(crate) fn restarted(&mut self) {
        self.restarts += 1;
        for channel in 0..self.channels.len() {
            if !self.channels[channel].plan.durable {
                self.over(channel);
            }
        }
    }

    fn insert(&mut self, epoch: u64, seq: u64, entry: Entry) {
        let tag = entry.tag.expect("who inserts knows what");
        let publication = &self.publications[tag as usize];
        let channel = publication.channel;
        let life = self.lives.entry(epoch).or_default();
        let owner = *life.channel.get_or_insert(channel);
        Invariant::OneContent.check(owner == channel && !publication.ephemeral, || {
            format!("#{tag} of channel {channel} is stored in channel {owner}")
        });
        Invariant::OneContent.check(seq == life.last() + 1, || {
            format!("#{tag} is stored as {seq} of {epoch:016x}, behind {}", life.last())
        });
        Invariant::OverIsOver.check(!life.ended && !life.over, || {
            format!("#{tag} is stored as {seq} of {epoch:016x}, which is over: {life:?}")
        });
        Invariant::TimeForwards.check(entry.time_ms >= life.last_time_ms(), || {
            format!("#{tag}: time goes back at {seq} of {epoch:016x}")
        });
        life.push(entry);
        self.stored(tag, epoch, seq);
    }

    /// A publication lies there. It may lie elsewhere if it was sent again when its key was forgotten.
    fn stored(&mut self, tag: u32, epoch: u64, seq: u64) {
        let Publication { channel, is_produced, ref mut stored, .. } =
            self.publications[tag as usize];
        let places = stored.entry(epoch).or_default();
        if places.contains(&seq) {
            return;
        }
        places.push(seq);
        let Some(former) = places.iter().rev().nth(1) else { return };
        let life = self.lives.get(&epoch);
        let time_of = |seq| life.and_then(|life| life.get(seq)).map(|entry| entry.time_ms);
        let (before, after) = (time_of(*former).unwrap_or(0), time_of(seq).unwrap_or(0));
        let window_ms = self.channels[channel].plan.window_ms;
        // Of what went at once the time is not known.
        let is_unknown = (before == 0 || after == 0) && self.channels[channel].plan.forgets_keys();
        // A server before this one, whose clock was ahead, may have forgotten the key.
        let is_forgotten = is_unknown || before + window_ms <= after.max(self.latest_ms);
        Invariant::StoredOnce.check(is_forgotten && !is_produced, || {
            let is_damaged = |seq| life.and_then(|it| it.get(seq)).map(|it| it.damaged);
            format!(
                "#{tag} lies at {places:?} of {epoch:016x} (damaged: {:?}), since {before} and {after}: {:?}",
                is_damaged(*former),
                self.channels[channel],
            )
        });
    }

    fn removed(&mut self, epoch: u64, seq: u64) {
        let unix_ms = self.latest_ms;
        let life = self.lives.get_mut(&epoch).expect("it was entered before");
        let plan = life.channel.map(|channel| &self.channels[channel].plan);
        // Of a damaged record nobody knows how old it is.
        let is_damaged = life.get(seq).is_some_and(|entry| entry.damaged);
        let is_due = life.over
            || is_damaged
            || plan.is_none_or(|plan| life.is_due(seq, &plan.retention, unix_ms));
        Invariant::Kept.check(is_due, || {
            format!("{seq} of {epoch:016x} was removed, and need not be: {plan:?} at {unix_ms}")
        });
        life.remove(seq);
    }

    /// A record was damaged.
    pub(crate) fn damaged(&mut self, epoch: u64, seq: u64) {
        if let Some(entry) = self.lives.get_mut(&epoch).and_then(|life| life.get_mut(seq)) {
            entry.damaged = true;
        }
    }

    /// The broker says where a publication lies.
    pub(crate) fn appended(&mut self, channel: usize, tag: u32, position: Position, is_new: bool) {
        let (epoch, seq) = (position.epoch.get(), position.seq);
        if self.channels[channel].plan.durable {
            return self.must_be_on_disk(epoch, seq, tag);
        }
        if is_new {
            if self.channels[channel].current != Some(epoch) {
                self.begin(channel, epoch);
            }
            let bytes = self.publications[tag as usize].bytes();
            let entry = Entry::new(tag, self.unix_ms, bytes);
            self.insert(epoch, seq, entry);
        }
    }

    /// The broker says that a stream has ended.
    pub(crate) fn ended(&mut self, channel: usize, position: Position) {
        if !self.channels[channel].plan.durable {
            let epoch = position.epoch.get();
            self.begin(channel, epoch);
            let life = self.lives.entry(epoch).or_default();
            life.channel = Some(channel);
            life.ended = true;
        }
    }

    /// The broker says that a stream is deleted.
    pub(crate) fn deleted(&mut self, channel: usize) {
        if !self.channels[channel].plan.durable {
            self.over(channel);
        }
    }

    /// Whoever asked for a deletion is told that it is done.
    pub(crate) fn deletion_acked(&mut self, channel: usize) {
        let now = self.now;
        let lives = self.lives.values_mut().filter(|life| life.channel == Some(channel));
        for life in lives.filter(|life| life.over) {
            life.deleted.get_or_insert(now);
        }
    }

    /// Something of a durable channel is about to be told.
    fn must_be_on_disk(&mut self, epoch: u64, seq: u64, tag: u32) {
        let entry = self.lives.get(&epoch).and_then(|life| life.get(seq));
        Invariant::OnDisk.check(entry.is_some(), || {
            format!("#{tag} is told to be {seq} of {epoch:016x}, and is not on disk")
        });
        self.learn(epoch, seq, tag);
    }

    /// A record that went at once is known by its position alone.
    fn learn(&mut self, epoch: u64, seq: u64, tag: u32) {
        let entry = self.lives.get_mut(&epoch).and_then(|life| life.get_mut(seq));
        let Some(entry) = entry else { return };
        let known = *entry.tag.get_or_insert(tag);
        Invariant::OneContent.check(known == tag, || {
            format!("{seq} of {epoch:016x} is #{known}, and is told to be #{tag}")
        });
        self.stored(tag, epoch, seq);
    }

    /// Somebody was given a record of a channel.
    pub(crate) fn seen(&mut self, channel: usize, epoch: u64, record: &Record) -> u32 {
        let seq = record.seq;
        let tag = content::tag_of(record.payload.bytes());
        let known = tag.and_then(|tag| self.publications.get(tag as usize));
        let (Some(tag), Some(publication)) = (tag, known) else {
            Invariant::OneContent.broken(format!("{record:?} was never published"));
        };
        Invariant::OneContent.check(
            publication.channel == channel
                && publication.payload() == record.payload
                && publication.event() == record.event
                && publication.publisher == record.publisher
                && publication.ephemeral == (seq == 0),
            || format!("channel {channel} gave {record:?}, and #{tag} is {publication:?}"),
        );
        if seq > 0 {
            self.learn(epoch, seq, tag);
            let entry = self.lives.get(&epoch).and_then(|life| life.get(seq));
            let Some(entry) = entry else {
                Invariant::OneContent
                    .broken(format!("#{tag} is given as {seq} of {epoch:016x}, and is not there"));
            };
            Invariant::OneContent.check(entry.time_ms == record.time || entry.is_unseen(), || {
                format!("#{tag} was stored at {} and given as {record:?}", entry.time_ms)
            });
        }
        tag
    }

    /// Whether a record cannot be had any more.
    pub(crate) fn is_gone(&self, epoch: u64, seq: u64) -> bool {
        let Some(life) = self.lives.get(&epoch) else { return true };
        let Some(entry) = life.get(seq) else { return life.over };
        let Some(channel) = life.channel else { return true };
        let plan = &self.channels[channel].plan;
        let is_dropped = !plan.durable && life.is_due(seq, &plan.retention, self.latest_ms);
        life.over || entry.damaged || !entry.kept || is_dropped
    }

    /// The last record of a life.
    pub(crate) fn last(&self, epoch: u64) -> u64 {
        self.lives.get(&epoch).map_or(0, Life::last)
    }

    /// The epoch that a stream may have left, so that a reset is right.
    pub(crate) fn may_have_begun_anew(&self, channel: usize, former: u64) -> bool {
        let life = self.lives.get(&former);
        let plan = &self.channels[channel].plan;
        let is_forgotten = !plan.durable
            && life
                .is_some_and(|life| life.last_time_ms() + plan.memory_keeps_ms() <= self.latest_ms);
        let is_over = life.is_none_or(|life| life.over);
        is_forgotten || is_over && self.may_begin_anew(channel)
    }

    /// Whether anything has happened that lets a channel's stream begin anew.
    pub(crate) fn may_begin_anew(&self, channel: usize) -> bool {
        let Channel { plan, deletes, .. } = &self.channels[channel];
        let may_be_forgotten = plan.memory_keeps_ms() < LONG_MS || self.restarts > 0;
        *deletes > 0 || !plan.durable && may_be_forgotten
    }
}

/// Longer than any run: milliseconds.
const LONG_MS: u64 = 600_000;
