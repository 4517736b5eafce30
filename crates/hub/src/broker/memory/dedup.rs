//! Publications that a stream in memory knows again.

use std::collections::{HashMap, VecDeque};

use longwire_channel::{Publication, Token};

use crate::broker::Error;

/// Keys and producers of one stream. Bounded by [`MAX_KEYS`], [`MAX_PRODUCERS`] and [`MAX_PLACES`].
#[derive(Debug, Default)]
pub(super) struct Dedup(Option<Box<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    /// Each key's `seq`, and until when it is remembered.
    keys: HashMap<Token, (u64, u64)>,
    /// Keys in the order in which they came, and until when each is remembered.
    order: VecDeque<(u64, Token)>,
    producers: HashMap<Token, Producer>,
    memory: u64,
}

#[derive(Debug)]
struct Producer {
    epoch: u64,
    last: u64,
    /// The stream's `seq`s of its last publications.
    places: VecDeque<u64>,
    /// The stream's `seq` when it last published.
    used: u64,
}

/// Whether a publication was appended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    No,
    /// It was; its `seq`, if that is still known.
    Before(Option<u64>),
}

impl Dedup {
    pub(super) fn check(&self, publication: &Publication, now_ms: u64) -> Result<Known, Error> {
        let Some(tables) = &self.0 else {
            return match &publication.producer {
                Some(producer) if producer.seq != 1 => Err(Error::ProducerGap { expected: 1 }),
                _ => Ok(Known::No),
            };
        };
        if let Some(key) = &publication.key {
            let known = tables.keys.get(key).filter(|(_, until)| now_ms < *until);
            return Ok(known.map_or(Known::No, |(seq, _)| Known::Before(Some(*seq))));
        }
        let Some(producer) = &publication.producer else { return Ok(Known::No) };
        let known = tables.producers.get(&producer.id);
        let (epoch, last) = known.map_or((0, 0), |known| (known.epoch, known.last));
        match known {
            Some(known) if producer.epoch < known.epoch => {
                Err(Error::ProducerFenced { epoch: known.epoch })
            }
            Some(known) if producer.epoch == known.epoch && producer.seq <= known.last => {
                let back = usize::try_from(known.last - producer.seq).unwrap_or(usize::MAX);
                let place = known.places.len().checked_sub(1 + back);
                Ok(Known::Before(place.map(|place| known.places[place])))
            }
            _ => {
                let expected = if producer.epoch == epoch { last + 1 } else { 1 };
                if producer.seq != expected {
                    return Err(Error::ProducerGap { expected });
                }
                Ok(Known::No)
            }
        }
    }

    /// Remembers a publication that [`Self::check`] did not know.
    pub(super) fn remember(
        &mut self,
        publication: &Publication,
        seq: u64,
        now_ms: u64,
        window_ms: u64,
    ) {
        if let Some(key) = &publication.key {
            let tables = self.0.get_or_insert_default();
            let until = now_ms.saturating_add(window_ms);
            tables.memory += key_bytes(key);
            tables.keys.insert(key.clone(), (seq, until));
            tables.order.push_back((until, key.clone()));
            if tables.order.len() > MAX_KEYS {
                tables.forget_key();
            }
        } else if let Some(producer) = &publication.producer {
            let tables = self.0.get_or_insert_default();
            tables.remember_producer(&producer.id, producer.epoch, producer.seq, seq);
        }
    }

    /// Forgets keys whose time is over.
    pub(super) fn forget(&mut self, now_ms: u64) {
        let Some(tables) = &mut self.0 else { return };
        while tables.order.front().is_some_and(|(until, _)| *until <= now_ms) {
            tables.forget_key();
        }
        if tables.order.is_empty() && tables.producers.is_empty() {
            self.0 = None;
            return;
        }
        // What is counted are the entries: the tables have little room beyond them.
        if tables.order.capacity() > 4 * tables.order.len().max(16) {
            tables.order.shrink_to(2 * tables.order.len());
            tables.keys.shrink_to(2 * tables.keys.len());
        }
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> u64 {
        self.0.as_ref().map_or(0, |tables| tables.memory)
    }
}

impl Tables {
    fn forget_key(&mut self) {
        let Some((until, key)) = self.order.pop_front() else { return };
        self.memory -= key_bytes(&key);
        // A key that came again behind its window has another entry, which stays.
        if self.keys.get(&key).is_some_and(|(_, other)| *other == until) {
            self.keys.remove(&key);
        }
    }

    fn remember_producer(&mut self, id: &Token, epoch: u64, last: u64, seq: u64) {
        if !self.producers.contains_key(id) {
            if self.producers.len() >= MAX_PRODUCERS {
                let oldest = self.producers.iter().min_by_key(|(_, known)| known.used);
                if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                    self.producers.remove(&oldest);
                    self.memory -= producer_bytes(&oldest);
                }
            }
            self.memory += producer_bytes(id);
        }
        let known = self.producers.entry(id.clone()).or_insert_with(|| Producer {
            epoch,
            last: 0,
            places: VecDeque::new(),
            used: seq,
        });
        if known.epoch != epoch {
            known.places.clear();
        }
        known.epoch = epoch;
        known.last = last;
        known.used = seq;
        if known.places.len() == MAX_PLACES {
            known.places.pop_front();
        }
        known.places.push_back(seq);
    }
}

/// What a publication adds at the most.
pub(super) fn cost(publication: &Publication) -> u64 {
    let key = publication.key.as_ref().map_or(0, key_bytes);
    key + publication.producer.as_ref().map_or(0, |producer| producer_bytes(&producer.id))
}

fn key_bytes(key: &Token) -> u64 {
    128 + key.as_str().len() as u64
}

fn producer_bytes(id: &Token) -> u64 {
    256 + (MAX_PLACES * size_of::<u64>()) as u64 + id.as_str().len() as u64
}

/// Keys that a stream remembers; beyond them the oldest is forgotten.
const MAX_KEYS: usize = 100_000;

/// Producers that a stream remembers; beyond them the one is forgotten that was silent longest.
const MAX_PRODUCERS: usize = 1_000;

/// Publications of one producer whose places are remembered.
const MAX_PLACES: usize = 64;
