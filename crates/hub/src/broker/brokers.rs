//! Two brokers as one: each channel is in that of its namespace's durability.

use std::{collections::HashMap, time::Instant};

use longwire_channel::ChannelName;

use super::{Broker, Error, Event, Info, Request, Response};
use crate::{Durability, Namespaces, Now};

/// A broker for channels in memory, and one for those on disk.
#[derive(Debug)]
pub struct Brokers<M, D> {
    memory: M,
    disk: D,
    namespaces: Namespaces,
    /// Lists that one of them has made and the other has not.
    lists: HashMap<u64, List>,
}

/// A list of channels that is being made.
#[derive(Debug)]
struct List {
    limit: u32,
    /// What the first of them answered.
    first: Option<Result<Half, Error>>,
}

/// Channels of one of the brokers, and behind which name it may have more.
type Half = (Vec<(ChannelName, Info)>, Option<ChannelName>);

impl<M: Broker, D: Broker> Brokers<M, D> {
    /// Those two.
    pub fn new(memory: M, disk: D, namespaces: Namespaces) -> Self {
        Self { memory, disk, namespaces, lists: HashMap::new() }
    }

    /// The broker for channels in memory.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// The broker for channels on disk.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// Takes the broker for channels on disk out.
    pub fn into_disk(self) -> D {
        self.disk
    }

    fn is_on_disk(&self, channel: &ChannelName) -> bool {
        self.namespaces.of(channel).durability == Durability::Disk
    }

    /// Puts two lists together; anything else goes through.
    fn merge(&mut self, event: Event) -> Option<Event> {
        let Event::Completed { token, result } = event else { return Some(event) };
        let Some(list) = self.lists.get_mut(&token) else {
            return Some(Event::Completed { token, result });
        };
        let answer = match result {
            Ok(Response::Channels { channels, next }) => Ok((channels, next)),
            Ok(_) => Err(Error::Unavailable("the broker answered another question".into())),
            Err(error) => Err(error),
        };
        let Some(first) = list.first.take() else {
            list.first = Some(answer);
            return None;
        };
        let limit = list.limit as usize;
        self.lists.remove(&token);
        let result = first.and_then(|(mut channels, next)| {
            let (others, next_other) = answer?;
            // Behind the name at which one of them stopped, the other knows too little.
            let mut next = next.into_iter().chain(next_other).min();
            channels.extend(others);
            channels.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            if let Some(end) = &next {
                channels.retain(|(name, _)| name <= end);
            }
            if channels.len() > limit {
                channels.truncate(limit);
                next = channels.last().map(|(name, _)| name.clone());
            }
            Ok(Response::Channels { channels, next })
        });
        Some(Event::Completed { token, result })
    }
}

impl<M: Broker, D: Broker> Broker for Brokers<M, D> {
    fn submit(&mut self, token: u64, request: Request, now: Now) {
        match request.channel() {
            Some(channel) if self.is_on_disk(channel) => self.disk.submit(token, request, now),
            Some(_) => self.memory.submit(token, request, now),
            None => {
                if let Request::Channels { limit, .. } = request {
                    self.lists.insert(token, List { limit, first: None });
                }
                self.memory.submit(token, request.clone(), now);
                self.disk.submit(token, request, now);
            }
        }
    }

    fn poll(&mut self, now: Now) -> Option<Event> {
        loop {
            let event = self.memory.poll(now).or_else(|| self.disk.poll(now))?;
            if let Some(event) = self.merge(event) {
                return Some(event);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.memory.poll_timeout().into_iter().chain(self.disk.poll_timeout()).min()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use longwire_channel::{Epoch, Position};

    use super::*;

    /// A broker that has one list, whatever it is asked.
    struct Fixed {
        names: &'static [&'static str],
        next: Option<&'static str>,
        events: VecDeque<Event>,
    }

    impl Broker for Fixed {
        fn submit(&mut self, token: u64, _: Request, _: Now) {
            let position = Position { epoch: Epoch::from_random(1), seq: 1 };
            let info = Info { position, first: 1, bytes: 1, ended: false };
            let named = |name: &&str| (ChannelName::new(name).expect("valid"), info);
            let channels = self.names.iter().map(named).collect();
            let next = self.next.map(|it| ChannelName::new(it).expect("valid"));
            let result = Ok(Response::Channels { channels, next });
            self.events.push_back(Event::Completed { token, result });
        }

        fn poll(&mut self, _: Now) -> Option<Event> {
            self.events.pop_front()
        }

        fn poll_timeout(&self) -> Option<Instant> {
            None
        }
    }

    fn fixed(names: &'static [&'static str], next: Option<&'static str>) -> Fixed {
        Fixed { names, next, events: VecDeque::new() }
    }

    /// What the two list together, three names at the most, and behind which one there may be more.
    fn merged(memory: Fixed, disk: Fixed) -> (String, Option<String>) {
        let mut brokers = Brokers::new(memory, disk, Namespaces::default());
        let now = Now { instant: Instant::now(), unix_ms: 0 };
        brokers.submit(7, Request::Channels { after: None, limit: 3 }, now);
        match brokers.poll(now) {
            Some(Event::Completed {
                token: 7,
                result: Ok(Response::Channels { channels, next }),
            }) => {
                assert_eq!(brokers.poll(now), None);
                let names: Vec<_> = channels.iter().map(|(name, _)| name.as_str()).collect();
                (names.join(" "), next.map(|name| name.as_str().to_owned()))
            }
            other => panic!("{other:?}"),
        }
    }

    fn list(names: &str, next: Option<&str>) -> (String, Option<String>) {
        (names.to_owned(), next.map(str::to_owned))
    }

    #[test]
    fn two_lists_are_one_in_the_order_of_names() {
        assert_eq!(merged(fixed(&["a", "c"], None), fixed(&["b"], None)), list("a b c", None));
        assert_eq!(
            merged(fixed(&["a", "c"], None), fixed(&["b", "d"], None)),
            list("a b c", Some("c"))
        );
        assert_eq!(merged(fixed(&[], None), fixed(&[], None)), list("", None));
    }

    #[test]
    fn nothing_is_listed_behind_what_one_of_them_has_seen() {
        // The disk left out what it could not read: what comes behind "b" there is not known.
        for disk in [&["b"][..], &[]] {
            let names = if disk.is_empty() { "a" } else { "a b" };
            let merged = merged(fixed(&["a", "x"], None), fixed(disk, Some("b")));
            assert_eq!(merged, list(names, Some("b")));
        }
    }
}
