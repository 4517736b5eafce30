//! A server in a few lines: streams that forget, end and begin anew, one session, and readers of the streams.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use longwire_client::channel::{
    ClientMessage, Connected, Epoch, ErrorCode, Gap, Outcome, Payload, Position, Published, Push,
    Pushed, Record, Refusal, ServerMessage, Start, Subscribe, Subscribed, Unsubscribed,
};
use rand::{RngExt as _, rngs::StdRng};

use crate::support::{channel, connected, refused_for};

pub(super) const CHANNELS: [&str; 2] = ["a", "b"];

#[derive(Default)]
pub(super) struct Server {
    streams: [Stream; 2],
    session: Option<BTreeMap<u32, Reader>>,
    epochs: u64,
    appended: u64,
    /// Whether pushes are dropped.
    pub(super) is_faulty: bool,
    /// Whether commands are refused for a time.
    pub(super) is_busy: bool,
}

pub(super) struct Stream {
    pub(super) epoch: Epoch,
    pub(super) records: Vec<Arc<Record>>,
    /// The `seq` of the first that is kept.
    pub(super) first: u64,
    pub(super) ended: bool,
    keys: HashMap<String, u64>,
    /// Epochs that are over, with all that they ever had.
    pub(super) past: HashMap<Epoch, Vec<Arc<Record>>>,
}

struct Reader {
    channel: usize,
    seen: u64,
    in_pages: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            epoch: Epoch::from_random(1),
            records: Vec::new(),
            first: 1,
            ended: false,
            keys: HashMap::new(),
            past: HashMap::new(),
        }
    }
}

impl Stream {
    pub(super) fn last(&self) -> u64 {
        self.records.len() as u64
    }

    /// The record at this position, whether it is still kept or not.
    pub(super) fn record(&self, position: Position) -> Option<&Arc<Record>> {
        let records = if position.epoch == self.epoch {
            &self.records
        } else {
            self.past.get(&position.epoch)?
        };
        records.get(usize::try_from(position.seq).ok()?.checked_sub(1)?)
    }

    fn position(&self) -> Position {
        Position { epoch: self.epoch, seq: self.last() }
    }

    fn outcome(&self, start: Start) -> Outcome {
        let first = self.first - 1;
        match start {
            Start::After(position)
                if position.epoch != self.epoch || position.seq > self.last() =>
            {
                Outcome::Truncated { after: first }
            }
            Start::After(position) if position.seq == self.last() => Outcome::Live,
            Start::After(position) if position.seq < first => Outcome::Truncated { after: first },
            Start::After(position) => Outcome::Deltas { after: position.seq },
            Start::Beginning => Outcome::Snapshot { after: first },
            Start::Last(count) => {
                Outcome::Snapshot { after: first.max(self.last().saturating_sub(count.into())) }
            }
            _ => Outcome::Live,
        }
    }
}

/// Whether a fault may drop or double it: a push that the next push would show to be missing.
pub(super) fn may_be_dropped(message: &ServerMessage) -> bool {
    let ServerMessage::Push(push) = message else { return false };
    matches!(push.pushed, Pushed::Message { .. } | Pushed::Page { .. } | Pushed::Lost(_))
}

impl Server {
    pub(super) fn stream(&self, channel: usize) -> &Stream {
        &self.streams[channel]
    }

    pub(super) fn append(&mut self, channel: usize, text: Option<&Payload>) -> Option<u64> {
        self.appended += 1;
        let own = Payload::text(format!("own {}", self.appended));
        let stream = &mut self.streams[channel];
        if stream.ended {
            return None;
        }
        let seq = stream.last() + 1;
        let payload = text.unwrap_or(&own).clone();
        stream.records.push(Arc::new(Record {
            seq,
            time: seq,
            payload,
            event: None,
            publisher: None,
        }));
        Some(seq)
    }

    pub(super) fn handle_gone(&mut self) {
        self.session = None;
    }

    pub(super) fn handle(
        &mut self,
        message: ClientMessage,
        random: &mut StdRng,
    ) -> Vec<ServerMessage> {
        match message {
            ClientMessage::Connect(connect) => {
                self.session = Some(BTreeMap::new());
                let answers =
                    connect.subscriptions.iter().map(|it| (it.sub, Ok(self.subscribe(it))));
                let subscriptions = answers.collect();
                let answer =
                    Connected { ping_interval_ms: 0, subscriptions, ..connected(connect.id) };
                vec![ServerMessage::Connected(Box::new(answer))]
            }
            ClientMessage::Subscribe { id, .. } | ClientMessage::Publish { id, .. }
                if self.is_busy =>
            {
                vec![refused_for(id, ErrorCode::Unavailable, random.random_range(0..200))]
            }
            ClientMessage::Subscribe { id, subscribe } => {
                vec![ServerMessage::Subscribed { id, subscribed: self.subscribe(&subscribe) }]
            }
            ClientMessage::Unsubscribe { id, sub } => {
                self.readers().remove(&sub);
                vec![ServerMessage::Unsubscribed { id, sub }]
            }
            ClientMessage::Publish { id, publish } => {
                let channel = index(publish.channel.as_str());
                let key = publish.key().expect("each has a key").as_str().to_owned();
                let stream = &self.streams[channel];
                let known = stream.keys.get(&key).copied();
                let seq =
                    known.or_else(|| self.append(channel, Some(&publish.publication.payload)));
                let stream = &mut self.streams[channel];
                let Some(seq) = seq else {
                    let refusal = Refusal::new(ErrorCode::StreamEnded, "ended");
                    return vec![ServerMessage::Error { id, refusal }];
                };
                stream.keys.insert(key, seq);
                let position = Some(Position { epoch: stream.epoch, seq });
                let published = Published { position, duplicate: known.is_some() };
                vec![ServerMessage::Published { id, published }]
            }
            other => panic!("{other:?}"),
        }
    }

    fn subscribe(&mut self, subscribe: &Subscribe) -> Subscribed {
        let channel = index(subscribe.channel.as_str());
        let stream = &self.streams[channel];
        let (outcome, position) = (stream.outcome(subscribe.start), stream.position());
        let seen = match outcome {
            Outcome::Deltas { after }
            | Outcome::Snapshot { after }
            | Outcome::Truncated { after } => after,
            _ => position.seq,
        };
        let reader = Reader { channel, seen, in_pages: seen < position.seq };
        assert!(self.readers().insert(subscribe.sub, reader).is_none(), "a number is used once");
        Subscribed { sub: subscribe.sub, position, outcome }
    }

    fn readers(&mut self) -> &mut BTreeMap<u32, Reader> {
        self.session.as_mut().expect("connect came first")
    }

    /// What the readers have to say next.
    pub(super) fn speak(&mut self, random: &mut StdRng) -> Vec<ServerMessage> {
        let Self { streams, session, .. } = self;
        let Some(readers) = session else { return Vec::new() };
        let mut said = Vec::new();
        readers.retain(|sub, reader| {
            let stream = &streams[reader.channel];
            let pushed = if reader.seen + 1 < stream.first {
                let gap = Gap { from: reader.seen, to: stream.first - 1 };
                reader.seen = gap.to;
                Pushed::Lost(gap)
            } else if reader.seen == stream.last() && !reader.in_pages {
                if stream.ended {
                    let pushed = Pushed::Ended { seq: stream.last() };
                    said.push(ServerMessage::Push(Push { sub: *sub, pushed }));
                }
                return !stream.ended;
            } else if reader.in_pages || random.random_range(0..4) == 0 {
                let from = usize::try_from(reader.seen).expect("few");
                let count = random.random_range(0..4);
                let records: Vec<_> = stream.records[from..].iter().take(count).cloned().collect();
                let prev = reader.seen;
                reader.seen += records.len() as u64;
                reader.in_pages = reader.seen < stream.last();
                Pushed::Page { prev, records, more: reader.in_pages }
            } else {
                let prev = reader.seen;
                reader.seen += 1;
                let record = stream.record(Position { epoch: stream.epoch, seq: reader.seen });
                Pushed::Message { prev, skipped: 0, record: record.expect("kept").clone() }
            };
            said.push(ServerMessage::Push(Push { sub: *sub, pushed }));
            true
        });
        said
    }

    /// The stream begins anew, as when a memory channel's server is started again.
    pub(super) fn reset(&mut self, channel: usize) -> Vec<ServerMessage> {
        self.epochs += 1;
        let stream = &mut self.streams[channel];
        let old = std::mem::take(&mut stream.records);
        let mut past = std::mem::take(&mut stream.past);
        past.insert(stream.epoch, old);
        *stream =
            Stream { epoch: Epoch::from_random(1_000 + self.epochs), past, ..Stream::default() };
        let position = stream.position();
        let mut said = Vec::new();
        for (sub, reader) in self.session.iter_mut().flatten() {
            if reader.channel == channel {
                reader.seen = 0;
                reader.in_pages = false;
                let pushed = Pushed::Reset { position };
                said.push(ServerMessage::Push(Push { sub: *sub, pushed }));
            }
        }
        said
    }

    /// Retention.
    pub(super) fn forget_old(&mut self, channel: usize, random: &mut StdRng) {
        let stream = &mut self.streams[channel];
        stream.first = random.random_range(stream.first..=stream.last() + 1);
    }

    pub(super) fn end(&mut self, channel: usize) {
        self.streams[channel].ended = true;
    }

    /// Ends some subscription for a time.
    pub(super) fn push_out(&mut self, random: &mut StdRng) -> Option<ServerMessage> {
        let readers = self.session.as_mut()?;
        let index = random.random_range(0..readers.len().max(1));
        let sub = *readers.keys().nth(index)?;
        readers.remove(&sub);
        let refusal = Refusal::new(ErrorCode::Internal, "pushed out");
        let pushed = Pushed::Unsubscribed(Unsubscribed { refusal });
        Some(ServerMessage::Push(Push { sub, pushed }))
    }
}

fn index(name: &str) -> usize {
    let found = CHANNELS.iter().position(|known| channel(known) == channel(name));
    found.expect("a known channel")
}
