//! What must hold at the end of a run.

use std::collections::HashMap;

use longwire_channel::{ChannelName, Order, Payload, Position};
use longwire_hub::{
    broker::{self, Broker},
    simulation::Contents,
};

use crate::{
    client::Sub,
    stores::Store,
    world::{API, World},
};

impl<S: Store> World<S> {
    pub(crate) fn check_end(&mut self) {
        self.count();
        for client in &self.clients {
            assert!(client.publishes.is_empty(), "{} publications wait", client.publishes.len());
        }
        for channel in self.channels.clone() {
            let (position, records) = self.read_back(&channel);
            self.check_readers(&channel, position, &records);
            self.check_acknowledged(&channel, position, &records);
            self.check_order(&channel, &records);
        }
    }

    /// What a client published lies in the order in which it published it, whatever was held or refused meanwhile.
    fn check_order(&self, channel: &ChannelName, records: &[(u64, String)]) {
        for client in &self.clients {
            let mine = records.iter().filter_map(|(_, content)| {
                let (name, rest) = content.split_once(':')?;
                let (number, _) = rest.split_once(' ')?;
                let is_mine = name.parse() == Ok(client.name) && !client.passed.contains(content);
                is_mine.then(|| number.parse::<u64>().expect("a client numbers its publications"))
            });
            let order: Vec<u64> = mine.collect();
            assert!(order.is_sorted(), "client {} in {channel}: {order:?}", client.name);
        }
    }

    /// Who reads a channel stands at its end, and was given what is there.
    fn check_readers(&self, channel: &ChannelName, position: Position, records: &[(u64, String)]) {
        for client in &self.clients {
            for sub in client.subs.iter().filter(|sub| sub.channel == *channel) {
                let reader = &sub.reader;
                let what = format!("client {} of {channel}, {:?}", client.name, sub.policy);
                if !(reader.skips && reader.ended) {
                    assert_eq!(reader.position, Some(position), "{what}");
                }
                let given: HashMap<u64, &[u8]> = reader
                    .records
                    .iter()
                    .filter(|(epoch, _)| *epoch == position.epoch)
                    .map(|(_, record)| (record.seq, &record.payload.bytes()[..]))
                    .collect();
                for (seq, content) in records {
                    if let Some(given) = given.get(seq) {
                        assert_eq!(*given, content.as_bytes(), "{what}: record {seq}");
                    }
                }
                if !self.forgets {
                    assert!(reader.lost.is_empty(), "{what}: {:?} is lost", reader.lost);
                    check_complete(&what, sub, position);
                }
            }
        }
    }

    /// What was acknowledged is there, once, where it was said.
    fn check_acknowledged(
        &self,
        channel: &ChannelName,
        position: Position,
        records: &[(u64, String)],
    ) {
        let mut places: HashMap<&str, u64> = HashMap::new();
        for (seq, content) in records {
            let key = (channel.clone(), position.epoch, *seq);
            if let Some(told) = self.contents.get(&key) {
                assert_eq!(told, content, "record {seq} of {channel}");
            }
            if content != API {
                let before = places.insert(content, *seq);
                assert_eq!(before, None, "{content:.20} lies in {channel} twice, and at {seq}");
            }
        }
        if self.forgets {
            return;
        }
        for ((of, content), place) in &self.acknowledged {
            if of == channel && place.epoch == position.epoch {
                let found = places.get(content.as_str());
                assert_eq!(found, Some(&place.seq), "{content:.20} of {channel} was acknowledged");
            }
        }
    }

    /// A channel as its broker has it.
    fn read_back(&mut self, channel: &ChannelName) -> (Position, Vec<(u64, String)>) {
        let mut found = Vec::new();
        let mut from = broker::From::Edge;
        loop {
            let now = self.node.clock.now();
            let request = broker::Request::Read {
                channel: channel.clone(),
                from,
                order: Order::Forwards,
                records: 1_000,
                bytes: usize::MAX,
            };
            self.node.broker.submit(u64::MAX, request, now);
            let page = loop {
                match self.node.broker.poll(now) {
                    Some(broker::Event::Completed {
                        token: u64::MAX,
                        result: Ok(broker::Response::Page(page)),
                    }) => break page,
                    Some(_) => {}
                    None => panic!("{channel} cannot be read"),
                }
            };
            let text = |payload: &Payload| String::from_utf8_lossy(payload.bytes()).into_owned();
            found.extend(page.records.iter().map(|it| (it.seq, text(&it.payload))));
            let position = Position { epoch: page.epoch, seq: page.last };
            match page.records.last() {
                Some(last) if page.more => {
                    from = broker::From::Behind(Position { seq: last.seq, ..position });
                }
                _ => return (position, found),
            }
        }
    }

    /// When everybody has gone, the hub holds nothing.
    pub(crate) fn check_nothing_is_left(&mut self) {
        for name in 0..self.clients.len() {
            self.hang_up(name);
        }
        self.node.settle();
        assert_eq!(self.node.hub.contents(), Contents::default());
        assert_eq!(self.node.open_requests(), 0);
        let stats = self.node.stats();
        assert_eq!((stats.sessions, stats.congested, stats.channels), (0, 0, 0));
        assert_eq!(stats.subscriptions, longwire_hub::Subscriptions::default());
    }
}

/// Without skipping, and where nothing is forgotten, a reader has every record from its first one on.
fn check_complete(what: &str, sub: &Sub, position: Position) {
    if sub.reader.skips {
        return;
    }
    let mut last = None;
    for (_, record) in sub.reader.records.iter().filter(|(epoch, _)| *epoch == position.epoch) {
        let expected = last.map_or(record.seq, |last| last + 1);
        assert_eq!(record.seq, expected, "{what}");
        last = Some(record.seq);
    }
    if let Some(last) = last {
        assert_eq!(last, position.seq, "{what}");
    }
}
