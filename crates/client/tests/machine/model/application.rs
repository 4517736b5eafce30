//! The application of the model: it checks all that it sees.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use longwire_client::{
    Event, Lost, PublishError,
    channel::{Payload, Position, Published, Start},
    machine::{Machine, PublicationId, SubscriptionId},
};
use rand::{RngExt as _, rngs::StdRng};

use super::server::{CHANNELS, Server};
use crate::support::{channel, publish};

#[derive(Default)]
pub(super) struct Application {
    subscriptions: BTreeMap<SubscriptionId, Reading>,
    pending: BTreeMap<PublicationId, Sent>,
    published: u64,
    /// Texts that are certainly not stored.
    not_stored: HashSet<String>,
}

struct Reading {
    channel: usize,
    /// Where it stands, once that is known.
    position: Option<Position>,
    ended: bool,
}

struct Sent {
    channel: usize,
    text: String,
}

impl Application {
    pub(super) fn subscribe(&mut self, machine: &mut Machine, index: usize, start: Start) {
        let id = machine.subscribe(channel(CHANNELS[index]), start, None).expect("open");
        let reading = Reading { channel: index, position: None, ended: false };
        assert!(self.subscriptions.insert(id, reading).is_none());
    }

    pub(super) fn publish(
        &mut self,
        machine: &mut Machine,
        index: usize,
        timeout: Option<Duration>,
        now: Instant,
    ) {
        self.published += 1;
        let text = format!("published {}", self.published);
        let id = machine.publish(publish(CHANNELS[index], &text), timeout, now).expect("room");
        assert!(self.pending.insert(id, Sent { channel: index, text }).is_none());
    }

    /// Pauses, resumes, unsubscribes or subscribes.
    pub(super) fn change_mind(&mut self, machine: &mut Machine, random: &mut StdRng) {
        let index = random.random_range(0..self.subscriptions.len().max(1));
        let Some((&id, reading)) = self.subscriptions.iter().nth(index) else { return };
        match random.random_range(0..12) {
            0..4 => machine.pause(id),
            4..10 => machine.resume(id),
            10 if !reading.ended => {
                let channel = reading.channel;
                machine.unsubscribe(id);
                self.subscriptions.remove(&id);
                self.subscribe(machine, channel, Start::Now);
            }
            _ => {}
        }
    }

    pub(super) fn resume_all(&mut self, machine: &mut Machine) {
        for id in self.subscriptions.keys() {
            machine.resume(*id);
        }
    }

    /// The first position is not told, but known.
    pub(super) fn look_at_positions(&mut self, machine: &Machine) {
        for (id, reading) in &mut self.subscriptions {
            let position = machine.position(*id);
            if reading.position.is_none() {
                reading.position = position;
            } else if !reading.ended {
                assert_eq!(reading.position, position, "what was told is where it stands");
            }
        }
    }

    pub(super) fn see(&mut self, id: SubscriptionId, event: Event, server: &Server) {
        let reading = self.subscriptions.get_mut(&id).expect("nothing is told of who is gone");
        assert!(!reading.ended, "nothing follows the end");
        let stream = server.stream(reading.channel);
        match event {
            Event::Message(message) => {
                let position = message.position().expect("none is ephemeral");
                if let Some(last) = reading.position {
                    let expected = Position { epoch: last.epoch, seq: last.seq + 1 };
                    assert_eq!(position, expected, "each once, in order");
                }
                assert_eq!(stream.record(position), Some(&message.record));
                reading.position = Some(position);
            }
            Event::Lost(Lost { epoch, from, to }) => {
                if let Some(last) = reading.position {
                    assert_eq!((last.epoch, last.seq), (epoch, from), "told where it stands");
                }
                assert!(from < to);
                let is_gone = epoch != stream.epoch || to < stream.first;
                assert!(is_gone, "what is told as lost cannot be had");
                reading.position = Some(Position { epoch, seq: to });
            }
            Event::Reset(position) => {
                assert_ne!(reading.position.map(|last| last.epoch), Some(position.epoch));
                // What is lost before it is told next.
                reading.position = Some(Position { epoch: position.epoch, seq: 0 });
            }
            Event::Ended { seq } => {
                if let Some(last) = reading.position {
                    assert_eq!(last.seq, seq);
                }
                reading.ended = true;
            }
            Event::State(_) => {}
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn answered(
        &mut self,
        id: PublicationId,
        result: Result<Published, PublishError>,
        server: &Server,
    ) {
        let sent = self.pending.remove(&id).expect("each is answered once");
        match result {
            Ok(published) => {
                let position = published.position.expect("none is ephemeral");
                let record = server.stream(sent.channel).record(position).expect("it is stored");
                assert_eq!(record.payload, Payload::text(sent.text));
            }
            Err(PublishError::Refused { .. } | PublishError::Unknown { .. }) => {}
            Err(PublishError::NotSent(_)) => {
                self.not_stored.insert(sent.text);
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    /// All has arrived, and nothing is stored twice.
    pub(super) fn check_the_end(&self, server: &Server) {
        assert!(self.pending.is_empty(), "every publication is answered");
        for reading in self.subscriptions.values() {
            let stream = server.stream(reading.channel);
            // A stream that began anew behind an end is not seen by who saw the end.
            if !reading.ended {
                let last = reading.position.expect("answered by now");
                assert_eq!((last.epoch, last.seq), (stream.epoch, stream.last()));
                assert!(!stream.ended, "the end is told");
            }
        }
        for index in 0..CHANNELS.len() {
            let stream = server.stream(index);
            for records in stream.past.values().chain([&stream.records]) {
                let mut texts = HashSet::new();
                for record in records {
                    let text = String::from_utf8_lossy(record.payload.bytes()).into_owned();
                    assert!(!self.not_stored.contains(&text), "{text} was told as not sent");
                    assert!(texts.insert(text.clone()), "{text} is stored twice");
                }
            }
        }
    }
}
