//! One publication: what it is, where it lies, and what its publisher was told.

use std::{collections::BTreeMap, time::Duration};

use longwire_channel::{Payload, Position, Token};

use super::Truth;
use crate::{
    content::{self, Kind},
    invariant::Invariant,
};

/// A publication, from the moment that somebody made it.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    pub(crate) channel: usize,
    pub(crate) shape: Shape,
    pub(crate) ephemeral: bool,
    pub(crate) publisher: Option<Token>,
    /// Its publisher numbers what it publishes.
    pub(crate) is_produced: bool,
    tag: u32,
    made: Duration,
    /// What had been acknowledged when it was made.
    floor: Option<(u64, u64)>,
    /// Where it lies: its numbers in each life of the stream that has it. More than one where its key was forgotten.
    pub(crate) stored: BTreeMap<u64, Vec<u64>>,
}

/// Of what form a content is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) padding: usize,
}

impl Publication {
    pub(crate) fn payload(&self) -> Payload {
        content::payload(self.tag, self.shape.kind, self.shape.padding)
    }

    pub(crate) fn event(&self) -> Option<Token> {
        content::event(self.tag)
    }

    /// Bytes of its content and of what belongs to it.
    pub(crate) fn bytes(&self) -> u64 {
        let token = |token: &Option<Token>| token.as_ref().map_or(0, |it| it.as_str().len());
        (self.payload().len() + token(&self.event()) + token(&self.publisher)) as u64
    }

    /// What is published, without key, producer and publisher.
    pub(crate) fn publication(&self) -> longwire_channel::Publication {
        longwire_channel::Publication {
            event: self.event(),
            ephemeral: self.ephemeral,
            ..longwire_channel::Publication::new(self.payload())
        }
    }
}

impl Truth {
    /// Somebody makes a publication; its tag.
    pub(crate) fn publish(
        &mut self,
        channel: usize,
        shape: Shape,
        ephemeral: bool,
        publisher: Option<Token>,
    ) -> u32 {
        let tag = u32::try_from(self.publications.len()).expect("few");
        self.publications.push(Publication {
            channel,
            shape,
            ephemeral,
            publisher,
            is_produced: false,
            tag,
            made: self.now,
            floor: self.channels[channel].acked,
            stored: BTreeMap::new(),
        });
        tag
    }

    /// A publisher is told where its publication lies.
    pub(crate) fn acked(&mut self, tag: u32, position: Option<Position>) {
        let publication = &mut self.publications[tag as usize];
        let Some(Position { epoch, seq }) = position else {
            Invariant::AckedIsThere.check(publication.ephemeral, || {
                format!("#{tag} is acknowledged without a position")
            });
            return;
        };
        let epoch = epoch.get();
        let stored = publication.stored.get(&epoch);
        Invariant::AckedIsThere.check(stored.is_some_and(|it| it.contains(&seq)), || {
            format!("#{tag} is acknowledged as {seq} of {epoch:016x}, and lies at {stored:?}")
        });
        if let Some((of, floor)) = publication.floor {
            Invariant::InOrder.check(of != epoch || floor < seq, || {
                format!("#{tag} lies at {seq} of {epoch:016x}, and {floor} was acknowledged before")
            });
        }
        let deleted = self.lives.get(&epoch).and_then(|life| life.deleted);
        Invariant::OverIsOver.check(deleted.is_none_or(|at| at >= publication.made), || {
            format!("#{tag} lies in {epoch:016x}, whose deletion was acknowledged before")
        });
        let acked = &mut self.channels[publication.channel].acked;
        match acked {
            Some((of, last)) if *of == epoch => *last = seq.max(*last),
            _ => *acked = Some((epoch, seq)),
        }
    }

    /// A publisher is told that its publication is not stored.
    pub(crate) fn not_stored(&self, tag: u32) {
        let stored = &self.publications[tag as usize].stored;
        Invariant::NotStored.check(stored.is_empty(), || {
            format!("#{tag} is told not to be stored, and lies at {stored:x?}")
        });
    }

    /// The last position of a channel that was acknowledged.
    pub(crate) fn last_acked(&self, channel: usize) -> Option<(u64, u64)> {
        self.channels[channel].acked
    }
}
