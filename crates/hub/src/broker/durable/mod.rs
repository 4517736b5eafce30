//! Streams on disk, in the durable log.

mod body;
mod follow;
mod list;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use longwire_channel::{ChannelName, Epoch, Gap, Order, Position, Publication, Published, Record};
use longwire_log::{Dedup, Handle, LogError, Response as LogResponse};

use self::{follow::Followed, list::List};
use super::{Broker, Error, Event, From, Info, Page, Request, Response, memory};
use crate::{Now, Retention};

/// A broker whose streams are in a log on disk. A publication is answered, and told, once the log has it for good.
///
/// What it keeps in memory: an entry for each channel that is attached, and what is on its way in the log, which the
/// hub's limits and the log's own bound.
#[derive(Debug)]
pub struct Durable<L> {
    log: L,
    pending: HashMap<u64, Pending>,
    next_token: u64,
    followed: HashMap<ChannelName, Followed>,
    /// Deletions on their way, by channel.
    deleting: HashMap<ChannelName, u32>,
    lists: HashMap<u64, List>,
    events: VecDeque<Event>,
}

/// For what a request to the log was submitted; `token` is the broker's own caller's.
#[derive(Debug)]
enum Pending {
    Attach {
        token: u64,
        channel: ChannelName,
    },
    Append {
        token: u64,
        channel: ChannelName,
        publication: Box<Publication>,
    },
    /// `again`: it showed another life before.
    Read {
        token: u64,
        channel: ChannelName,
        read: longwire_log::Read,
        again: bool,
    },
    End {
        token: u64,
        channel: ChannelName,
    },
    Delete {
        token: u64,
        channel: ChannelName,
    },
    Info {
        token: u64,
        channel: ChannelName,
    },
    Names {
        token: u64,
    },
    Listed {
        list: u64,
        channel: ChannelName,
    },
}

impl<L: Handle> Durable<L> {
    /// A broker over an open log.
    pub fn new(log: L) -> Self {
        Self {
            log,
            pending: HashMap::new(),
            next_token: 0,
            followed: HashMap::new(),
            deleting: HashMap::new(),
            lists: HashMap::new(),
            events: VecDeque::new(),
        }
    }

    /// The log.
    pub fn log(&self) -> &L {
        &self.log
    }

    /// Takes the log out. What is on its way is not answered here any more.
    pub fn into_log(self) -> L {
        self.log
    }

    fn ask(&mut self, request: longwire_log::Request, pending: Pending) {
        self.next_token += 1;
        self.pending.insert(self.next_token, pending);
        self.log.submit(self.next_token, request);
    }

    fn complete(&mut self, token: u64, result: Result<Response, Error>) {
        self.events.push_back(Event::Completed { token, result });
    }

    fn append(
        &mut self,
        token: u64,
        channel: ChannelName,
        publication: Publication,
        retention: Retention,
        window_ms: u64,
        now: Now,
    ) {
        let key = publication.key.as_ref().map(|key| Dedup::Key {
            key: Bytes::copy_from_slice(key.as_str().as_bytes()),
            window_ms,
        });
        let producer = publication.producer.as_ref().map(|producer| Dedup::Producer {
            id: Bytes::copy_from_slice(producer.id.as_str().as_bytes()),
            epoch: producer.epoch,
            seq: producer.seq,
        });
        let append = longwire_log::Append {
            stream: stream(&channel),
            time_ms: now.unix_ms,
            body: body::encode(&publication),
            dedup: key.or(producer),
            retention: longwire_log::Retention {
                count: retention.count.max(1),
                bytes: retention.bytes,
                age_ms: u64::try_from(retention.age.as_millis()).unwrap_or(u64::MAX),
            },
        };
        let publication = Box::new(publication);
        let pending = Pending::Append { token, channel, publication };
        self.ask(longwire_log::Request::Append(append), pending);
    }

    /// Tells an ephemeral publication to those who are attached: the log has no part in it.
    fn relay(&mut self, token: u64, channel: ChannelName, publication: Publication, now: Now) {
        let followed = self.followed.get(&channel);
        if followed.is_some_and(Followed::has_ended) {
            return self.complete(token, Err(Error::Ended));
        }
        let epoch = followed.and_then(Followed::epoch);
        let published = Published { position: None, duplicate: false };
        self.complete(token, Ok(Response::Published(published)));
        if let Some(epoch) = epoch {
            let record = Arc::new(memory::ephemeral(publication, now));
            self.events.push_back(Event::Appended { channel, epoch, record });
        }
    }

    fn completed(&mut self, token: u64, result: Result<LogResponse, LogError>) {
        let Some(pending) = self.pending.remove(&token) else { return };
        match (pending, result) {
            (Pending::Attach { token, channel }, Ok(LogResponse::Info(info))) => {
                self.attached(token, channel, &info);
            }
            (Pending::Append { token, channel, publication }, result) => {
                self.appended(token, channel, *publication, result);
            }
            (Pending::Read { token, channel, read, again }, Ok(LogResponse::Page(page))) => {
                self.page_read(token, channel, read, again, page);
            }
            (Pending::End { token, channel }, Ok(LogResponse::Ended { epoch, seq })) => {
                self.ended(token, channel, Position { epoch: Epoch::from_random(epoch), seq });
            }
            (Pending::Delete { token, channel }, result) => self.deleted(token, &channel, result),
            (Pending::Info { token, channel }, Ok(LogResponse::Info(info))) => {
                self.looked_at(token, &channel, &info);
            }
            (Pending::Names { token }, Ok(LogResponse::Streams { streams, more })) => {
                self.named(token, &streams, more);
            }
            (Pending::Listed { list, channel }, result) => self.listed(list, channel, result),
            (
                Pending::Attach { token, .. }
                | Pending::Read { token, .. }
                | Pending::End { token, .. }
                | Pending::Info { token, .. }
                | Pending::Names { token },
                result,
            ) => self.complete(token, Err(error_of(result))),
        }
    }

    fn looked_at(&mut self, token: u64, channel: &ChannelName, info: &longwire_log::Info) {
        let followed = self.followed.get(channel);
        let is_there = info.exists || followed.is_some();
        let mut info = info_of(info);
        if let Some(epoch) = followed.and_then(|it| it.epoch_of_nothing(info.position)) {
            info.position.epoch = epoch;
        }
        self.complete(token, Ok(Response::Info(is_there.then_some(info))));
    }

    fn page_read(
        &mut self,
        token: u64,
        channel: ChannelName,
        read: longwire_log::Read,
        again: bool,
        page: longwire_log::Page,
    ) {
        let mut epoch = Epoch::from_random(page.epoch);
        if let Some(followed) = self.followed.get(&channel)
            && followed.epoch().is_some_and(|known| known != epoch)
        {
            let position = Position { epoch, seq: page.last };
            if let Some(known) = followed.epoch_of_nothing(position) {
                epoch = known;
            } else if again && page.last == 0 && !self.deleting.contains_key(&channel) {
                // Nobody deleted it: its disk lost all that there was of it.
                self.begin_anew(&channel, position);
            } else {
                // Another life, whose beginning is told soon, or an earlier one, whose end was: it is read again.
                let request = longwire_log::Request::Read(read.clone());
                return self.ask(request, Pending::Read { token, channel, read, again: true });
            }
        }
        let wanted = match read.from {
            longwire_log::From::After(it) | longwire_log::From::Before(it) => it.epoch,
            _ => page.epoch,
        };
        let is_elsewhere = wanted != page.epoch;
        let page = if is_elsewhere { nothing_of(&page, epoch) } else { page_of(page, epoch) };
        self.complete(token, Ok(Response::Page(page)));
    }
}

impl<L: Handle> Broker for Durable<L> {
    fn submit(&mut self, token: u64, request: Request, now: Now) {
        use longwire_log::Request as Ask;
        match request {
            Request::Attach { channel } => self.attach(token, channel),
            Request::Detach { channel } => drop(self.followed.remove(&channel)),
            Request::Append { channel, publication, .. } if publication.ephemeral => {
                self.relay(token, channel, publication, now);
            }
            Request::Append { channel, publication, retention, window_ms } => {
                self.append(token, channel, publication, retention, window_ms, now);
            }
            Request::Read { channel, from, order, records, bytes } => {
                let read = longwire_log::Read {
                    stream: stream(&channel),
                    from: from_of(from, order),
                    order: match order {
                        Order::Forwards => longwire_log::Order::Forwards,
                        Order::Backwards => longwire_log::Order::Backwards,
                    },
                    limit_records: records.max(1) as usize,
                    limit_bytes: bytes,
                };
                let pending = Pending::Read { token, channel, read: read.clone(), again: false };
                self.ask(Ask::Read(read), pending);
            }
            Request::End { channel } => {
                self.ask(Ask::End { stream: stream(&channel) }, Pending::End { token, channel });
            }
            Request::Delete { channel } => {
                *self.deleting.entry(channel.clone()).or_default() += 1;
                let request = Ask::Delete { stream: stream(&channel) };
                self.ask(request, Pending::Delete { token, channel });
            }
            Request::Info { channel } => {
                self.ask(Ask::Info { stream: stream(&channel) }, Pending::Info { token, channel });
            }
            Request::Channels { after, limit } => {
                let request =
                    Ask::Streams { after: after.as_ref().map(stream), limit: limit as usize };
                self.ask(request, Pending::Names { token });
            }
        }
    }

    fn poll(&mut self, _: Now) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let completion = self.log.poll()?;
            self.completed(completion.token, completion.result);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

fn stream(channel: &ChannelName) -> longwire_log::StreamName {
    longwire_log::StreamName::new(channel.as_str())
        .expect("a channel's name is shorter than a stream's may be")
}

fn from_of(from: From, order: Order) -> longwire_log::From {
    let place = |it: Position| longwire_log::Position { epoch: it.epoch.get(), seq: it.seq };
    match (from, order) {
        (From::Edge, _) => longwire_log::From::Beginning,
        (From::Behind(position), Order::Forwards) => longwire_log::From::After(place(position)),
        (From::Behind(position), Order::Backwards) => longwire_log::From::Before(place(position)),
        (From::Time(time), _) => longwire_log::From::Time(time),
    }
}

fn info_of(info: &longwire_log::Info) -> Info {
    Info {
        position: Position { epoch: Epoch::from_random(info.epoch), seq: info.last },
        first: info.first,
        bytes: info.bytes,
        ended: info.ended,
    }
}

fn page_of(page: longwire_log::Page, epoch: Epoch) -> Page {
    let mut damaged: Vec<Gap> =
        page.corrupt.iter().map(|(from, to)| Gap { from: from - 1, to: *to }).collect();
    let mut records = Vec::with_capacity(page.records.len());
    for entry in page.records {
        match body::decode(&entry.body) {
            Some(record) => {
                let (seq, time) = (entry.seq, entry.time_ms);
                records.push(Arc::new(Record { seq, time, ..record }));
            }
            None => damaged.push(Gap { from: entry.seq - 1, to: entry.seq }),
        }
    }
    damaged.sort_unstable_by_key(|gap| gap.to);
    Page { epoch, first: page.first, last: page.last, records, damaged, more: page.more }
}

/// A page without records: the place that was asked for is of another life.
fn nothing_of(page: &longwire_log::Page, epoch: Epoch) -> Page {
    let (first, last) = (page.first, page.last);
    Page { epoch, first, last, records: Vec::new(), damaged: Vec::new(), more: false }
}

fn error_of(result: Result<LogResponse, LogError>) -> Error {
    match result {
        Ok(_) => Error::Unavailable("the log answered another question".into()),
        Err(error) => match error {
            LogError::Full => Error::Full,
            LogError::Failed { reason } => Error::Failed(reason),
            LogError::Ended { .. } => Error::Ended,
            LogError::ProducerFenced { epoch } => Error::ProducerFenced { epoch },
            LogError::ProducerGap { expected } => Error::ProducerGap { expected },
            LogError::Corrupt(place) => Error::Corrupt(place.to_string()),
            LogError::Invalid { reason } => Error::Invalid(reason),
            error => Error::Unavailable(error.to_string()),
        },
    }
}
