//! Streams in memory: gone with the process, and bounded in all.

mod dedup;
mod stream;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    sync::Arc,
    time::{Duration, Instant},
};

use longwire_channel::{ChannelName, Epoch, Position, Publication, Published, Record};

use self::stream::Stream;
use super::{Broker, Error, Event, Page, Request, Response};
use crate::{Now, Retention, random::Random};

/// What all streams in memory may take together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryLimits {
    /// Streams. Default: 100,000. Beyond it the one is forgotten that rested longest; if all are in use, a publication
    /// to another is refused as `unavailable`, and a subscription to another as well.
    pub streams: usize,
    /// Bytes of their records and keys, with what it takes to keep them. Default: 256 MiB. Beyond it the same.
    pub bytes: u64,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { streams: 100_000, bytes: 256 << 20 }
    }
}

/// A broker whose streams are in memory. Requests are done as soon as they are submitted.
///
/// A stream that nobody is attached to is forgotten once its last record is older than its retention and the keys are
/// older than their window; one without records after 10 minutes. What is forgotten begins anew, with another epoch.
#[derive(Debug)]
pub struct Memory {
    limits: MemoryLimits,
    random: Random,
    /// Boxed, for these tables have room for more than they hold.
    streams: BTreeMap<ChannelName, Box<Stream>>,
    /// What all streams take together.
    bytes: u64,
    events: VecDeque<Event>,
    /// When streams are looked at again: those that nobody is attached to, to be forgotten, ...
    resting: BTreeSet<(u64, ChannelName)>,
    /// ... and those of the others that have something, to drop what is too old.
    attached: BTreeSet<(u64, ChannelName)>,
    start: Option<Instant>,
}

impl Memory {
    /// A broker without streams. `seed` is where its epochs come from: it must be another one in each process.
    pub fn new(limits: MemoryLimits, seed: u64) -> Self {
        Self {
            limits,
            random: Random::new(seed),
            streams: BTreeMap::new(),
            bytes: 0,
            events: VecDeque::new(),
            resting: BTreeSet::new(),
            attached: BTreeSet::new(),
            start: None,
        }
    }

    /// Streams now.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Bytes that they take now.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn tick(&mut self, now: Now) -> u64 {
        let start = *self.start.get_or_insert(now.instant);
        let elapsed = now.instant.saturating_duration_since(start).as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX)
    }

    fn run(&mut self, request: Request, now: Now) -> Option<Result<Response, Error>> {
        Some(match request {
            Request::Attach { channel } => self.change(&channel, now, |stream| {
                stream.attached = true;
                Response::Attached(stream.info())
            }),
            Request::Detach { channel } => {
                if self.streams.contains_key(&channel) {
                    // That it is there already is why it cannot fail.
                    let _ = self.change(&channel, now, |stream| stream.attached = false);
                }
                return None;
            }
            Request::Append { channel, publication, retention, window_ms } => {
                if publication.ephemeral {
                    self.relay(channel, publication, now)
                } else {
                    self.append(&channel, publication, retention, window_ms, now)
                }
            }
            Request::Read { channel, from, order, records, bytes } => {
                Ok(Response::Page(match self.streams.get_mut(&channel) {
                    Some(stream) => {
                        stream.drop_old(now.unix_ms);
                        stream.read(from, order, records as usize, bytes)
                    }
                    None => self.nothing(),
                }))
            }
            Request::End { channel } => {
                let ended = self.change(&channel, now, |stream| {
                    let news = !std::mem::replace(&mut stream.ended, true) && stream.attached;
                    (news, stream.position())
                });
                ended.map(|(news, position)| {
                    if news {
                        self.events.push_back(Event::Ended { channel });
                    }
                    Response::Ended(position)
                })
            }
            Request::Delete { channel } => {
                self.delete(channel, now);
                Ok(Response::Deleted)
            }
            Request::Info { channel } => {
                Ok(Response::Info(self.streams.get_mut(&channel).map(|stream| {
                    stream.drop_old(now.unix_ms);
                    stream.info()
                })))
            }
            Request::Channels { after, limit } => Ok(self.list(after, limit as usize)),
        })
    }

    /// Changes a stream, which is made where it is not there.
    fn change<T>(
        &mut self,
        channel: &ChannelName,
        now: Now,
        change: impl FnOnce(&mut Stream) -> T,
    ) -> Result<T, Error> {
        let tick = self.tick(now);
        if !self.streams.contains_key(channel) {
            self.make_room(STREAM_BYTES, 1, channel)?;
            let epoch = Epoch::from_random(self.random.bits());
            self.bytes += STREAM_BYTES;
            self.streams.insert(channel.clone(), Box::new(Stream::new(epoch)));
        }
        let stream = self.streams.get_mut(channel).ok_or(Error::NoRoom)?;
        let (was_attached, was_due, took) = (stream.attached, stream.due, stream.memory);
        stream.touched = tick;
        stream.drop_old(now.unix_ms);
        let result = change(stream);
        self.bytes = self.bytes - took + stream.memory;
        // One that is attached and has nothing has nothing to drop.
        let is_watched = !stream.attached || stream.memory > 0;
        if was_attached != stream.attached || was_due.is_none() && is_watched {
            stream.due = is_watched.then(|| tick.saturating_add(stream.keep_ms()));
            let (from, to) = if stream.attached {
                (&mut self.resting, &mut self.attached)
            } else {
                (&mut self.attached, &mut self.resting)
            };
            if let Some(was) = was_due {
                from.remove(&(was, channel.clone()));
            }
            to.extend(stream.due.map(|due| (due, channel.clone())));
        }
        Ok(result)
    }

    fn append(
        &mut self,
        channel: &ChannelName,
        publication: Publication,
        retention: Retention,
        window_ms: u64,
        now: Now,
    ) -> Result<Response, Error> {
        let begins = !self.streams.contains_key(channel);
        let stream_bytes = if begins { STREAM_BYTES } else { 0 };
        let cost = stream::cost(&publication) + stream_bytes;
        self.make_room(cost, usize::from(begins), channel)?;
        let appended = self.change(channel, now, |stream| {
            let appended = stream.append(publication, retention, window_ms, now.unix_ms)?;
            Ok((appended, stream.epoch, stream.attached))
        })?;
        let ((seq, record), epoch, attached) = appended?;
        let published = Published {
            position: seq.map(|seq| Position { epoch, seq }),
            duplicate: record.is_none(),
        };
        if let Some(record) = record.filter(|_| attached) {
            self.events.push_back(Event::Appended { channel: channel.clone(), epoch, record });
        }
        Ok(Response::Published(published))
    }

    /// Tells an ephemeral publication to those who are attached.
    fn relay(
        &mut self,
        channel: ChannelName,
        publication: Publication,
        now: Now,
    ) -> Result<Response, Error> {
        if let Some(stream) = self.streams.get(&channel) {
            if stream.ended {
                return Err(Error::Ended);
            }
            if stream.attached {
                let record = Arc::new(ephemeral(publication, now));
                self.events.push_back(Event::Appended { epoch: stream.epoch, channel, record });
            }
        }
        Ok(Response::Published(Published { position: None, duplicate: false }))
    }

    fn delete(&mut self, channel: ChannelName, now: Now) {
        let Some(stream) = self.streams.get(&channel) else { return };
        if !stream.attached {
            return self.forget(&channel);
        }
        let epoch = Epoch::from_random(self.random.bits());
        let begun = self.change(&channel, now, |stream| stream.begin_anew(epoch));
        if begun.is_ok() {
            self.events.push_back(Event::Reset { channel, position: Position { epoch, seq: 0 } });
        }
    }

    fn forget(&mut self, channel: &ChannelName) {
        let Some(stream) = self.streams.remove(channel) else { return };
        self.bytes -= stream.memory + STREAM_BYTES;
        if let Some(due) = stream.due {
            self.resting.remove(&(due, channel.clone()));
            self.attached.remove(&(due, channel.clone()));
        }
    }

    /// Forgets streams that rest, the one that would be forgotten first at first, until there is room for so much more.
    fn make_room(&mut self, bytes: u64, streams: usize, but: &ChannelName) -> Result<(), Error> {
        let fits = |memory: &Self| {
            memory.bytes + bytes <= memory.limits.bytes
                && memory.streams.len() + streams <= memory.limits.streams
        };
        while !fits(self) {
            let rests = self.resting.iter().map(|(_, channel)| channel).find(|it| *it != but);
            let Some(channel) = rests.cloned() else { return Err(Error::NoRoom) };
            if !self.rests_longer(&channel) {
                self.forget(&channel);
            }
        }
        Ok(())
    }

    /// Puts a stream's deadline to where it is by now; says whether that is later.
    fn rests_longer(&mut self, channel: &ChannelName) -> bool {
        let Some(stream) = self.streams.get_mut(channel) else { return false };
        let Some(was) = stream.due else { return false };
        let due = stream.touched.saturating_add(stream.keep_ms());
        if due <= was {
            return false;
        }
        stream.due = Some(due);
        let set = if stream.attached { &mut self.attached } else { &mut self.resting };
        set.remove(&(was, channel.clone()));
        set.insert((due, channel.clone()));
        true
    }

    /// Looks at streams whose time has come.
    fn sweep(&mut self, now: Now) {
        let tick = self.tick(now);
        while let Some((due, channel)) = self.resting.first().cloned()
            && due <= tick
        {
            if !self.rests_longer(&channel) {
                self.forget(&channel);
            }
        }
        while let Some((due, channel)) = self.attached.first().cloned()
            && due <= tick
        {
            self.attached.remove(&(due, channel.clone()));
            let Some(stream) = self.streams.get_mut(&channel) else { continue };
            let took = stream.memory;
            stream.drop_old(now.unix_ms);
            self.bytes = self.bytes - took + stream.memory;
            let due = tick.saturating_add(stream.keep_ms().max(SWEEP_MS));
            stream.due = (stream.memory > 0).then_some(due);
            self.attached.extend(stream.due.map(|due| (due, channel)));
        }
    }

    fn list(&self, after: Option<ChannelName>, limit: usize) -> Response {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut kept = self
            .streams
            .range((from, Bound::Unbounded))
            .filter(|(_, stream)| stream.keeps_something())
            .map(|(name, stream)| (name.clone(), stream.info()));
        let channels: Vec<_> = kept.by_ref().take(limit).collect();
        let next = kept.next().and(channels.last()).map(|(name, _)| name.clone());
        Response::Channels { channels, next }
    }

    /// What there is to read of a stream that is not there.
    fn nothing(&mut self) -> Page {
        Page {
            epoch: Epoch::from_random(self.random.bits()),
            first: 1,
            last: 0,
            records: Vec::new(),
            damaged: Vec::new(),
            more: false,
        }
    }
}

impl Broker for Memory {
    fn submit(&mut self, token: u64, request: Request, now: Now) {
        let place = self.events.len();
        if let Some(result) = self.run(request, now) {
            // Whoever asked hears of it before those who are told.
            self.events.insert(place, Event::Completed { token, result });
        }
    }

    fn poll(&mut self, now: Now) -> Option<Event> {
        if self.events.is_empty() {
            self.sweep(now);
        }
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let first = |set: &BTreeSet<(u64, ChannelName)>| set.first().map(|(due, _)| *due);
        let due = first(&self.resting).into_iter().chain(first(&self.attached)).min()?;
        self.start?.checked_add(Duration::from_millis(due))
    }
}

/// The record of an ephemeral publication.
pub(super) fn ephemeral(publication: Publication, now: Now) -> Record {
    let Publication { payload, event, publisher, .. } = publication;
    Record { seq: 0, time: now.unix_ms, payload, event, publisher }
}

/// What a stream takes without records: itself, its name, and its places in the tables.
const STREAM_BYTES: u64 = 700;

/// How often an attached stream is looked at, at the most.
const SWEEP_MS: u64 = 1_000;
