//! The broker that is examined, and what always holds of it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt::Debug,
    time::Duration,
};

use longwire_channel::{
    ChannelName, Epoch, Order, Payload, Position, Producer, Publication, Published, Token,
};

use crate::{
    Now, Retention,
    broker::{Broker, Error, Event, From, Info, Page, Request, Response},
};

/// A broker, and what it said.
#[derive(Debug)]
pub(super) struct Subject<B> {
    case: &'static str,
    broker: B,
    now: Now,
    next_token: u64,
    /// Requests that are not completed.
    open: HashSet<u64>,
    completed: HashMap<u64, Result<Response, Error>>,
    /// The channels of `Attach`es and `Read`s on their way.
    asked: HashMap<u64, ChannelName>,
    /// The epochs that each attached channel was told to have, the present one last.
    epochs: HashMap<ChannelName, Vec<Epoch>>,
    told: VecDeque<Event>,
}

impl<B: Broker> Subject<B> {
    pub(super) fn new(case: &'static str, broker: B, now: Now) -> Self {
        Self {
            case,
            broker,
            now,
            next_token: 0,
            open: HashSet::new(),
            completed: HashMap::new(),
            asked: HashMap::new(),
            epochs: HashMap::new(),
            told: VecDeque::new(),
        }
    }

    /// Fails the case unless the two are equal.
    pub(super) fn same<T: PartialEq + Debug>(&self, what: &str, found: &T, expected: &T) {
        assert!(found == expected, "{}: {what} is {found:?}, not {expected:?}", self.case);
    }

    /// Fails the case unless it holds.
    pub(super) fn holds(&self, what: &str, it_does: bool) {
        assert!(it_does, "{}: {what}", self.case);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix_ms += u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.look();
    }

    pub(super) fn unix_ms(&self) -> u64 {
        self.now.unix_ms
    }

    /// Submits a request, and does not wait for it.
    pub(super) fn submit(&mut self, request: Request) -> u64 {
        self.next_token += 1;
        let token = self.next_token;
        match &request {
            Request::Detach { channel } => drop(self.epochs.remove(channel)),
            Request::Attach { channel } | Request::Read { channel, .. } => {
                self.asked.insert(token, channel.clone());
                self.open.insert(token);
            }
            _ => drop(self.open.insert(token)),
        }
        self.broker.submit(token, request, self.now);
        token
    }

    /// Waits for a request.
    pub(super) fn wait(&mut self, token: u64) -> Result<Response, Error> {
        for _ in 0..PATIENCE {
            self.look();
            if let Some(result) = self.completed.remove(&token) {
                return result;
            }
            std::thread::yield_now();
        }
        panic!("{}: request {token} is not completed", self.case)
    }

    pub(super) fn ask(&mut self, request: Request) -> Result<Response, Error> {
        let token = self.submit(request);
        self.wait(token)
    }

    /// Takes what the broker has to say.
    fn look(&mut self) {
        while let Some(event) = self.broker.poll(self.now) {
            match event {
                Event::Completed { token, result } => {
                    let was_open = self.open.remove(&token);
                    self.holds("a request is completed once", was_open);
                    if let Some(channel) = self.asked.remove(&token) {
                        self.check_answer(channel, &result);
                    }
                    self.completed.insert(token, result);
                }
                event => {
                    self.check_epoch(&event);
                    self.told.push_back(event);
                }
            }
        }
    }

    /// No page shows an epoch that was not told before.
    fn check_answer(&mut self, channel: ChannelName, result: &Result<Response, Error>) {
        match result {
            Ok(Response::Attached(info)) => {
                self.epochs.insert(channel, vec![info.position.epoch]);
            }
            Ok(Response::Page(page)) => {
                let known = self.epochs.get(&channel);
                let is_known = known.is_none_or(|epochs| epochs.contains(&page.epoch));
                self.holds("a page's epoch was told before", is_known);
            }
            _ => {}
        }
    }

    /// No event shows an epoch that was not told before, and none that was left comes again.
    fn check_epoch(&mut self, event: &Event) {
        match event {
            Event::Appended { channel, epoch, .. } => {
                if let Some(known) = self.epochs.get(channel) {
                    self.same("the epoch of a record that is told", &Some(epoch), &known.last());
                }
            }
            Event::Reset { channel, position } => {
                if let Some(known) = self.epochs.get_mut(channel) {
                    let is_new = !known.contains(&position.epoch);
                    known.push(position.epoch);
                    self.holds("a stream that begins anew has a new epoch", is_new);
                }
            }
            Event::Ended { .. } | Event::Completed { .. } => {}
        }
    }

    /// The next thing that was told.
    pub(super) fn told(&mut self) -> Option<Event> {
        self.look();
        self.told.pop_front()
    }

    /// The `seq`s of records that were told since, and nothing else was.
    pub(super) fn told_records(&mut self) -> Vec<u64> {
        let mut seqs = Vec::new();
        while let Some(event) = self.told() {
            match event {
                Event::Appended { record, .. } => seqs.push(record.seq),
                other => panic!("{}: {other:?} is told", self.case),
            }
        }
        seqs
    }

    /// All requests are completed, and nothing more is told than the case looked at.
    pub(super) fn finish(mut self) {
        let open: Vec<u64> = self.open.iter().copied().collect();
        for token in open {
            drop(self.wait(token));
        }
        let told = self.told();
        self.same("what is told at the end", &told, &None);
    }

    // What cases ask for again and again.

    pub(super) fn attach(&mut self, channel: &ChannelName) -> Info {
        match self.ask(Request::Attach { channel: channel.clone() }) {
            Ok(Response::Attached(info)) => info,
            other => panic!("{}: attached as {other:?}", self.case),
        }
    }

    pub(super) fn detach(&mut self, channel: &ChannelName) {
        self.submit(Request::Detach { channel: channel.clone() });
    }

    pub(super) fn submit_append(&mut self, channel: &ChannelName, publication: Publication) -> u64 {
        self.submit(append(channel, publication, KEEP, WINDOW_MS))
    }

    pub(super) fn append(
        &mut self,
        channel: &ChannelName,
        publication: Publication,
    ) -> Result<Published, Error> {
        let token = self.submit_append(channel, publication);
        self.wait_published(token)
    }

    pub(super) fn wait_published(&mut self, token: u64) -> Result<Published, Error> {
        match self.wait(token) {
            Ok(Response::Published(published)) => Ok(published),
            Ok(other) => panic!("{}: published as {other:?}", self.case),
            Err(error) => Err(error),
        }
    }

    /// Publishes something new, and gives its place.
    pub(super) fn publish(&mut self, channel: &ChannelName, publication: Publication) -> Position {
        match self.append(channel, publication) {
            Ok(Published { position: Some(position), duplicate: false }) => position,
            other => panic!("{}: published as {other:?}", self.case),
        }
    }

    pub(super) fn read(
        &mut self,
        channel: &ChannelName,
        from: From,
        order: Order,
        records: u32,
        bytes: usize,
    ) -> Page {
        let channel = channel.clone();
        match self.ask(Request::Read { channel, from, order, records, bytes }) {
            Ok(Response::Page(page)) => page,
            other => panic!("{}: read as {other:?}", self.case),
        }
    }

    /// The `seq`s of a page, and whether it has more behind it.
    pub(super) fn read_seqs(
        &mut self,
        channel: &ChannelName,
        from: From,
        order: Order,
        records: u32,
    ) -> (Vec<u64>, bool) {
        let page = self.read(channel, from, order, records, usize::MAX);
        (page.records.iter().map(|record| record.seq).collect(), page.more)
    }

    pub(super) fn info(&mut self, channel: &ChannelName) -> Option<Info> {
        match self.ask(Request::Info { channel: channel.clone() }) {
            Ok(Response::Info(info)) => info,
            other => panic!("{}: looked at as {other:?}", self.case),
        }
    }

    pub(super) fn end(&mut self, channel: &ChannelName) -> Position {
        match self.ask(Request::End { channel: channel.clone() }) {
            Ok(Response::Ended(position)) => position,
            other => panic!("{}: ended as {other:?}", self.case),
        }
    }

    pub(super) fn delete(&mut self, channel: &ChannelName) {
        let deleted = self.ask(Request::Delete { channel: channel.clone() });
        self.same("the answer to a deletion", &deleted, &Ok(Response::Deleted));
    }

    /// The next event, which tells that the stream began anew: its position.
    pub(super) fn told_reset(&mut self, channel: &ChannelName) -> Position {
        match self.told() {
            Some(Event::Reset { channel: reset, position }) if reset == *channel => position,
            other => panic!("{}: told {other:?} in place of a reset", self.case),
        }
    }

    /// So many records are told, and then the end.
    pub(super) fn told_records_and_end(&mut self, channel: &ChannelName, records: usize) {
        for _ in 0..records {
            let told = self.told();
            let is_record = matches!(told, Some(Event::Appended { .. }));
            self.holds("the records are told before the end", is_record);
        }
        self.told_end(channel);
    }

    pub(super) fn told_end(&mut self, channel: &ChannelName) {
        let told = self.told();
        let ended = Event::Ended { channel: channel.clone() };
        self.same("what is told of an end", &told, &Some(ended));
    }
}

/// Waits for a publication, which is to be taken.
pub(super) fn published<B: Broker>(subject: &mut Subject<B>, token: u64) {
    let answer = subject.wait_published(token);
    subject.holds("it is published", answer.is_ok());
}

pub(super) fn append(
    channel: &ChannelName,
    publication: Publication,
    retention: Retention,
    window_ms: u64,
) -> Request {
    Request::Append { channel: channel.clone(), publication, retention, window_ms }
}

pub(super) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("a name of the suite is valid")
}

pub(super) fn token(text: &str) -> Token {
    Token::new(text).expect("a token of the suite is valid")
}

pub(super) fn text(text: &str) -> Publication {
    Publication::new(Payload::text(text))
}

pub(super) fn keyed(content: &str, key: &str) -> Publication {
    Publication { key: Some(token(key)), ..text(content) }
}

pub(super) fn numbered(id: &str, epoch: u64, seq: u64) -> Publication {
    Publication { producer: Some(Producer { id: token(id), epoch, seq }), ..text("x") }
}

/// What cases keep that are not about it.
pub(super) const KEEP: Retention =
    Retention { count: 1_000, bytes: 1 << 20, age: Duration::from_hours(1) };

/// How long cases let keys be remembered.
pub(super) const WINDOW_MS: u64 = 60_000;

/// How often a broker is asked before it is given up: some seconds.
const PATIENCE: u32 = 20_000_000;
