//! What a log is: a list of records a stream. And random requests, to compare a log with that.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use longwire_log::{
    Append, Appended, Dedup, Entry, From, Info, LogError, Order, Position, Read, Request, Response,
    Retention, StreamName,
};

use super::{Chance, append, stream};

/// A log that is obviously right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) streams: BTreeMap<StreamName, Stream>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// None until the log has told it.
    pub(crate) epoch: Option<u64>,
    pub(crate) last: u64,
    pub(crate) last_time_ms: u64,
    pub(crate) records: Vec<Entry>,
    pub(crate) ended: bool,
    pub(crate) retention: Option<Retention>,
    keys: HashMap<Bytes, (u64, u64, u64)>,
    producers: HashMap<Bytes, (u64, Vec<(u64, u64)>)>,
}

impl Stream {
    fn first(&self) -> u64 {
        self.records.first().map_or(self.last + 1, |entry| entry.seq)
    }

    fn bytes(&self) -> u64 {
        self.records.iter().map(|entry| entry.body.len() as u64).sum()
    }

    fn is_due(&self, now_ms: u64) -> bool {
        let (Some(limit), Some(oldest)) = (self.retention, self.records.first()) else {
            return false;
        };
        let many = self.records.len() as u64 > limit.count || self.bytes() > limit.bytes;
        oldest.time_ms.saturating_add(limit.age_ms) <= now_ms || (self.records.len() > 1 && many)
    }

    fn info(&self, exists: bool, epoch: u64) -> Info {
        Info {
            exists,
            epoch,
            first: self.first(),
            last: self.last,
            last_time_ms: self.last_time_ms,
            bytes: self.bytes(),
            ended: self.ended,
        }
    }
}

impl Model {
    /// What a request comes to. An epoch that nobody knows yet is taken from the answer.
    pub(crate) fn apply(
        &mut self,
        request: &Request,
        answer: Option<&Result<Response, LogError>>,
    ) -> Result<Response, LogError> {
        match request {
            Request::Append(request) => self.append(request, answer).map(Response::Appended),
            Request::End { stream } => {
                let stream = self.streams.entry(stream.clone()).or_default();
                if let Some(Ok(Response::Ended { epoch, .. })) = answer {
                    stream.epoch.get_or_insert(*epoch);
                }
                stream.ended = true;
                Ok(Response::Ended { epoch: stream.epoch.unwrap_or(0), seq: stream.last })
            }
            Request::Delete { stream } => {
                let former = self.streams.remove(stream);
                match answer {
                    Some(Ok(Response::Deleted { epoch })) => {
                        assert_ne!(Some(*epoch), former.and_then(|former| former.epoch));
                        Ok(Response::Deleted { epoch: *epoch })
                    }
                    _ => Ok(Response::Deleted { epoch: 0 }),
                }
            }
            _ => unreachable!("the model is asked otherwise"),
        }
    }

    fn append(
        &mut self,
        append: &Append,
        answer: Option<&Result<Response, LogError>>,
    ) -> Result<Appended, LogError> {
        let mut stream = self.streams.get(&append.stream).cloned().unwrap_or_default();
        let time_ms = append.time_ms.max(stream.last_time_ms);
        match &append.dedup {
            Some(Dedup::Key { key, .. }) => {
                if let Some(&(seq, time, until)) = stream.keys.get(key)
                    && until > time_ms
                {
                    let epoch = stream.epoch.unwrap_or(0);
                    return Ok(Appended { epoch, seq, time_ms: time, duplicate: true });
                }
            }
            Some(Dedup::Producer { id, epoch, seq }) => {
                let (life, places) = stream.producers.get(id).cloned().unwrap_or((0, Vec::new()));
                if *epoch < life {
                    return Err(LogError::ProducerFenced { epoch: life });
                }
                let places = if *epoch == life { places } else { Vec::new() };
                let due = places.len() as u64 + 1;
                if *seq > due {
                    return Err(LogError::ProducerGap { expected: due });
                }
                if *seq < due {
                    let (seq, time_ms) = places[usize::try_from(*seq).expect("small") - 1];
                    let epoch = stream.epoch.unwrap_or(0);
                    return Ok(Appended { epoch, seq, time_ms, duplicate: true });
                }
            }
            _ => {}
        }
        if stream.ended {
            let epoch = stream.epoch.unwrap_or(0);
            return Err(LogError::Ended { epoch, seq: stream.last });
        }
        if let Some(Ok(Response::Appended(appended))) = answer {
            stream.epoch.get_or_insert(appended.epoch);
        }
        stream.last += 1;
        stream.last_time_ms = time_ms;
        stream.retention = Some(append.retention);
        let entry = Entry { seq: stream.last, time_ms, body: append.body.clone() };
        stream.records.push(entry);
        match &append.dedup {
            Some(Dedup::Key { key, window_ms }) => {
                stream.keys.insert(key.clone(), (stream.last, time_ms, time_ms + window_ms));
            }
            Some(Dedup::Producer { id, epoch, seq }) => {
                let producer = stream.producers.entry(id.clone()).or_default();
                if *seq == 1 {
                    *producer = (*epoch, Vec::new());
                }
                producer.1.push((stream.last, time_ms));
            }
            _ => {}
        }
        for _ in 0..PER_APPEND {
            if stream.is_due(time_ms) {
                stream.records.remove(0);
            }
        }
        let epoch = stream.epoch.unwrap_or(0);
        let appended = Appended { epoch, seq: stream.last, time_ms, duplicate: false };
        self.streams.insert(append.stream.clone(), stream);
        Ok(appended)
    }

    /// All that is too old or too much goes.
    pub(crate) fn sweep(&mut self, now_ms: u64) {
        for stream in self.streams.values_mut() {
            while stream.is_due(now_ms) {
                stream.records.remove(0);
            }
        }
    }

    /// Compares all that a log tells with the model; `ask` carries out a request.
    pub(crate) fn compare(
        &self,
        chance: &mut Chance,
        mut ask: impl FnMut(Request) -> Result<Response, LogError>,
    ) {
        for number in 0..STREAMS {
            let name = name(number);
            let there = self.streams.get(&name);
            let info = match ask(Request::Info { stream: name.clone() }) {
                Ok(Response::Info(info)) => info,
                other => panic!("{name}: {other:?}"),
            };
            let stream = there.cloned().unwrap_or_default();
            assert_eq!(info, stream.info(there.is_some(), info.epoch), "{name}");
            if let Some(epoch) = stream.epoch {
                assert_eq!(info.epoch, epoch, "{name}");
            }
            for order in [Order::Forwards, Order::Backwards] {
                let from = random_from(chance, info.epoch, &stream);
                compare_pages(chance, &mut ask, &name, from, order, info.epoch, &stream);
            }
        }
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let limit = 1 + usize::try_from(chance.below(4)).expect("small");
            match ask(Request::Streams { after: after.clone(), limit }) {
                Ok(Response::Streams { streams, more }) => {
                    after = streams.last().cloned();
                    listed.extend(streams);
                    if !more {
                        break;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(listed.iter().eq(self.streams.keys()), "{listed:?}");
    }
}

/// Pages of a random size, one after the other, are the records that were asked for.
fn compare_pages(
    chance: &mut Chance,
    ask: &mut impl FnMut(Request) -> Result<Response, LogError>,
    name: &StreamName,
    from: From,
    order: Order,
    epoch: u64,
    stream: &Stream,
) {
    let mut expected: Vec<Entry> = stream
        .records
        .iter()
        .filter(|entry| match from {
            From::Beginning => true,
            From::After(place) => place.epoch != epoch || entry.seq > place.seq,
            From::Before(place) => place.epoch == epoch && entry.seq < place.seq,
            From::Time(time_ms) => entry.time_ms >= time_ms,
            From::Last(number) => entry.seq + number > stream.last,
            _ => unreachable!(),
        })
        .cloned()
        .collect();
    if order == Order::Backwards {
        expected.reverse();
    }
    let truncated = match from {
        From::After(place) | From::Before(place) if place.epoch != epoch => true,
        From::After(place) => place.seq > stream.last || place.seq + 1 < stream.first(),
        From::Time(_) => {
            let reaches = order == Order::Forwards && expected.first() == stream.records.first()
                || order == Order::Backwards && expected.last() == stream.records.first();
            reaches && stream.first() > 1
        }
        _ => false,
    };
    let mut next = from;
    let mut found = Vec::new();
    loop {
        let limit_records = 1 + usize::try_from(chance.below(5)).expect("small");
        let limit_bytes = usize::try_from(chance.below(40)).expect("small");
        let read = Read { stream: name.clone(), from: next, order, limit_records, limit_bytes };
        let page = match ask(Request::Read(read)) {
            Ok(Response::Page(page)) => page,
            other => panic!("{name} {from:?} {order:?}: {other:?}"),
        };
        assert_eq!((page.first, page.last), (stream.first(), stream.last), "{name}");
        assert_eq!((page.epoch, page.ended), (epoch, stream.ended), "{name}");
        assert_eq!(page.corrupt, []);
        assert!(page.records.len() <= limit_records);
        let bytes: usize = page.records.iter().map(|entry| entry.body.len()).sum();
        assert!(bytes <= limit_bytes || page.records.len() == 1);
        if found.is_empty() {
            assert_eq!(page.truncated, truncated, "{name} {from:?} {stream:?}");
        }
        found.extend(page.records);
        if !page.more {
            break;
        }
        let place = Position { epoch, seq: page.through };
        // The rest of a set is all behind or before it, which may be more: that is cut here.
        next = if order == Order::Forwards { From::After(place) } else { From::Before(place) };
        if found.len() >= expected.len() {
            break;
        }
    }
    found.truncate(expected.len());
    assert_eq!(found, expected, "{name} {from:?} {order:?}");
}

fn random_from(chance: &mut Chance, epoch: u64, stream: &Stream) -> From {
    let seq = chance.below(stream.last + 3);
    let place = Position { epoch: if chance.one_in(8) { 1 } else { epoch }, seq };
    match chance.below(5) {
        0 => From::Beginning,
        1 => From::After(place),
        2 => From::Before(place),
        3 => From::Time(chance.below(stream.last_time_ms + 3)),
        _ => From::Last(chance.below(stream.last + 3)),
    }
}

pub(crate) fn name(number: u64) -> StreamName {
    stream(&format!("stream:{number}"))
}

/// A request that writes, of any kind, to a few streams.
pub(crate) fn random_write(chance: &mut Chance, now_ms: u64) -> Request {
    let target = name(chance.below(STREAMS));
    match chance.below(40) {
        0 => Request::End { stream: target },
        1 => Request::Delete { stream: target },
        _ => {
            let length = usize::try_from(chance.below(20)).expect("small");
            let body = vec![u8::try_from(chance.below(256)).expect("a byte"); length];
            let time_ms = now_ms - chance.below(now_ms.min(5) + 1);
            let dedup = match chance.below(4) {
                0 => Some(Dedup::Key {
                    key: format!("k{}", chance.below(30)).into(),
                    window_ms: if chance.one_in(2) { 20_000 } else { 10 + chance.below(200) },
                }),
                1 => Some(Dedup::Producer {
                    id: format!("p{}", chance.below(3)).into(),
                    epoch: 1 + chance.below((now_ms / 500 + 1).min(4)),
                    seq: 1 + chance.below(6),
                }),
                _ => None,
            };
            let retention = match chance.below(6) {
                0 => Retention { count: 1 + chance.below(10), ..Retention::UNLIMITED },
                1 => Retention { bytes: chance.below(60), ..Retention::UNLIMITED },
                2 => Retention { age_ms: 1 + chance.below(300), ..Retention::UNLIMITED },
                _ => Retention { count: 50, bytes: 400, age_ms: 2_000 },
            };
            let plain = append(target.as_str(), time_ms, body);
            Request::Append(Append { dedup, retention, ..plain })
        }
    }
}

/// So many streams are written to.
pub(crate) const STREAMS: u64 = 5;

/// So many records go with one that comes, at the most.
const PER_APPEND: usize = 16;
