//! Subscriptions that are behind read pages, each in its turn.

use std::sync::Arc;

use longwire_channel::{Capabilities, ErrorCode, Gap, Order, Pushed, Record, Refusal};

use super::{
    Hub,
    pending::Pending,
    state::{Act, Event},
    subscription::NO_TOKEN,
};
use crate::{
    SessionId,
    broker::{Error, From, Page, Request},
};

impl Hub {
    /// Lets a session wait for its turn, if one of its subscriptions has something to read.
    pub(super) fn queue_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.queued || session.reading || session.is_congested() {
            return;
        }
        if session.busy.as_ref().is_some_and(|busy| !busy.readers.is_empty()) {
            session.queued = true;
            self.turns.push_back(id);
        }
    }

    /// Gives turns to sessions, one page each, as long as more may be read at a time.
    pub(super) fn give_turns(&mut self) {
        while self.reads < self.config.max_page_reads.max(1) {
            let Some(id) = self.turns.pop_front() else { return };
            let Some(session) = self.sessions.get_mut(id) else { continue };
            session.queued = false;
            if session.is_congested() {
                continue;
            }
            if let Some(&key) = session.busy.as_ref().and_then(|busy| busy.readers.front()) {
                session.reading = true;
                self.read_page(id, key);
            }
        }
    }

    fn read_page(&mut self, id: SessionId, key: u32) {
        self.transit(key, Event::Turn);
        let sub = &mut self.subscriptions[key as usize];
        let channel = &mut self.channels[sub.channel];
        let behind = sub.seen;
        // Others who come back at the same time want the same page.
        if let Some(token) = channel.read_behind(behind)
            && let Some(Pending::Page { readers, .. }) = self.pending.get_mut(&token)
            && readers.len() < self.config.max_page_readers
        {
            sub.awaits = token;
            readers.push((id, key));
            return;
        }
        let Some(mut position) = channel.position() else { return };
        position.seq = behind;
        let request = Request::Read {
            channel: channel.name.clone(),
            from: From::Behind(position),
            order: Order::Forwards,
            records: self.config.page_records,
            bytes: self.config.page_bytes,
        };
        let channel = sub.channel;
        let token = self.submit(request, Pending::Page { channel, readers: vec![(id, key)] });
        self.reads += 1;
        self.channels[channel].begin_read(behind, token);
        self.subscriptions[key as usize].awaits = token;
    }

    /// A page came, or did not.
    pub(super) fn page_read(
        &mut self,
        channel: u32,
        token: u64,
        readers: Vec<(SessionId, u32)>,
        page: &Result<Page, Error>,
    ) {
        self.reads -= 1;
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.end_read(token);
        }
        for (id, key) in readers {
            if let Some(session) = self.sessions.get_mut(id) {
                session.reading = false;
            }
            if self.subscriptions.get(key as usize).is_some_and(|sub| sub.awaits == token) {
                self.subscriptions[key as usize].awaits = NO_TOKEN;
                match page {
                    Ok(page) => self.give_page(key, page),
                    Err(error) => self.end_subscription(key, error.refusal()),
                }
            }
            self.queue_session(id);
        }
    }

    /// Gives a subscription what of the page it has not seen; what is behind the channel's tail comes live.
    fn give_page(&mut self, key: u32, page: &Page) {
        let sub = &self.subscriptions[key as usize];
        let channel = &self.channels[sub.channel];
        let (before, tail) = (sub.seen, channel.tail);
        if channel.epoch() != Some(page.epoch) {
            let refusal = Refusal::new(
                ErrorCode::Unavailable,
                "the stream began anew while it was read: subscribe again",
            );
            return self.end_subscription(key, refusal);
        }
        if page.first > before + 1 {
            self.lose(key, (page.first - 1).min(tail));
        }
        let damaged = page.damaged.last().map_or(0, |gap| gap.to.min(tail));
        let mut run = Vec::new();
        let mut is_read = false;
        for record in page.records.iter().filter(|record| record.seq <= tail) {
            let next = self.subscriptions[key as usize].seen + run.len() as u64 + 1;
            if record.seq < next {
                continue;
            }
            if record.seq > next {
                self.give_run(key, &mut run, true);
                self.lose(key, record.seq - 1);
            }
            run.push(Arc::clone(record));
            is_read = true;
        }
        let reached = self.subscriptions[key as usize].seen + run.len() as u64;
        self.give_run(key, &mut run, reached.max(damaged) < tail);
        self.lose(key, damaged);
        let seen = self.subscriptions[key as usize].seen;
        if !is_read && before < seen && seen == tail {
            // The page before said that more follows.
            self.push_page(key, seen, Vec::new(), false);
        }
        if seen == before && before < tail {
            let refusal = Refusal::new(
                ErrorCode::Unavailable,
                "the stream gave nothing of what it has: subscribe again",
            );
            return self.end_subscription(key, refusal);
        }
        let act = self.transit(key, Event::Page);
        debug_assert_eq!(act, Act::Nothing, "a page moves a subscription, and pushes nothing more");
        self.conclude(key);
    }

    /// Gives records that follow what the subscription has seen without a gap.
    fn give_run(&mut self, key: u32, run: &mut Vec<Arc<Record>>, more: bool) {
        let Some(last) = run.last().map(|record| record.seq) else { return };
        let sub = &mut self.subscriptions[key as usize];
        let prev = std::mem::replace(&mut sub.seen, last);
        sub.turn = self.channels[sub.channel].turn;
        self.stats.deliveries += run.len() as u64;
        self.stats.recovered += run.len() as u64;
        self.push_page(key, prev, std::mem::take(run), more);
    }

    /// Pushes a page, or what it has to a client that takes none.
    fn push_page(&mut self, key: u32, mut prev: u64, records: Vec<Arc<Record>>, more: bool) {
        let session = self.sessions.get(self.subscriptions[key as usize].session);
        if session.is_some_and(|it| it.capabilities.has(Capabilities::PAGES)) {
            return self.push(key, Pushed::Page { prev, records, more });
        }
        for record in records {
            let seq = record.seq;
            self.push(key, Pushed::Message { prev, skipped: 0, record });
            prev = seq;
        }
    }

    /// Records up to `to` are no longer there.
    fn lose(&mut self, key: u32, to: u64) {
        let sub = &mut self.subscriptions[key as usize];
        let from = sub.seen;
        if to > from {
            sub.seen = to;
            self.stats.lost += to - from;
            self.push(key, Pushed::Lost(Gap { from, to }));
        }
    }
}
