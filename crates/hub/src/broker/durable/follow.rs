//! Channels that are attached: what the log does to their streams is told, in order, whatever comes back when.
//!
//! The log answers writes in their order, but reads beside them: a read may show what a write did before that write is
//! answered. So a channel is followed by what is written to it alone; reads that show another life are read again.

use std::sync::Arc;

use longwire_channel::{ChannelName, Epoch, Position, Publication, Published, Record};
use longwire_log::{Handle, LogError, Response as LogResponse};

use super::{Durable, Event, Pending, Response, error_of, info_of, stream};

/// An attached channel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Followed {
    /// It is being found out where it stands.
    Looking {
        /// The token of the `Attach`.
        token: u64,
        /// What was written meanwhile: the place of the last record, ...
        written: Option<Position>,
        /// ... and whether the stream ended behind it.
        ended: bool,
    },
    /// Everything up to here was told.
    Told { position: Position, ended: bool },
}

impl Followed {
    pub(super) fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::Looking { .. } => None,
            Self::Told { position, .. } => Some(position.epoch),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Looking { ended: true, .. } | Self::Told { ended: true, .. })
    }

    /// The epoch to be told of a stream without records that was told to have none: which one it will have may change
    /// until it has some.
    pub(super) fn epoch_of_nothing(&self, seen: Position) -> Option<Epoch> {
        match self {
            Self::Told { position, .. } if position.seq == 0 && seen.seq == 0 => {
                Some(position.epoch)
            }
            _ => None,
        }
    }
}

impl<L: Handle> Durable<L> {
    pub(super) fn attach(&mut self, token: u64, channel: ChannelName) {
        let looking = Followed::Looking { token, written: None, ended: false };
        self.followed.insert(channel.clone(), looking);
        self.look(token, channel);
    }

    fn look(&mut self, token: u64, channel: ChannelName) {
        let request = longwire_log::Request::Info { stream: stream(&channel) };
        self.ask(request, Pending::Attach { token, channel });
    }

    /// The log said where a channel stands.
    pub(super) fn attached(&mut self, token: u64, channel: ChannelName, info: &longwire_log::Info) {
        let mut info = info_of(info);
        if let Some(followed) = self.followed.get_mut(&channel)
            && let Followed::Looking { token: looked, written, ended } = followed
            && *looked == token
        {
            match *written {
                // One of them is of a life that has ended; who looks again sees all that was answered.
                Some(place) if place.epoch != info.position.epoch => {
                    (*written, *ended) = (None, false);
                    return self.look(token, channel);
                }
                Some(place) => info.position.seq = info.position.seq.max(place.seq),
                None => {}
            }
            info.ended |= *ended;
            *followed = Followed::Told { position: info.position, ended: info.ended };
        }
        self.complete(token, Ok(Response::Attached(info)));
    }

    /// A publication is in the log, or is not.
    pub(super) fn appended(
        &mut self,
        token: u64,
        channel: ChannelName,
        publication: Publication,
        result: Result<LogResponse, LogError>,
    ) {
        let appended = match result {
            Ok(LogResponse::Appended(appended)) => appended,
            // It is there; where, is forgotten.
            Err(LogError::ProducerForgotten { .. }) => {
                let published = Published { position: None, duplicate: true };
                return self.complete(token, Ok(Response::Published(published)));
            }
            result => return self.complete(token, Err(error_of(result))),
        };
        let duplicate = appended.duplicate;
        let position = Position { epoch: Epoch::from_random(appended.epoch), seq: appended.seq };
        let tell = !duplicate && self.follow(&channel, position);
        let published = Published { position: Some(position), duplicate };
        self.complete(token, Ok(Response::Published(published)));
        if tell {
            let Publication { payload, event, publisher, .. } = publication;
            let (seq, time) = (appended.seq, appended.time_ms);
            let record = Arc::new(Record { seq, time, payload, event, publisher });
            let epoch = position.epoch;
            self.events.push_back(Event::Appended { channel, epoch, record });
        }
    }

    /// A record was written there. Whether it is to be told.
    fn follow(&mut self, channel: &ChannelName, place: Position) -> bool {
        // A stream that is being deleted begins anew soon, and this is of the life before.
        let ends = self.deleting.contains_key(channel);
        match self.followed.get_mut(channel) {
            None => false,
            Some(Followed::Looking { written, .. }) => {
                *written = Some(place);
                false
            }
            Some(Followed::Told { position, .. }) if position.epoch == place.epoch => {
                let news = place.seq > position.seq;
                position.seq = position.seq.max(place.seq);
                news
            }
            Some(Followed::Told { .. }) if ends => false,
            Some(_) => {
                self.begin_anew(channel, Position { seq: place.seq - 1, ..place });
                if let Some(Followed::Told { position, .. }) = self.followed.get_mut(channel) {
                    *position = place;
                }
                true
            }
        }
    }

    pub(super) fn begin_anew(&mut self, channel: &ChannelName, position: Position) {
        self.followed.insert(channel.clone(), Followed::Told { position, ended: false });
        self.events.push_back(Event::Reset { channel: channel.clone(), position });
    }

    pub(super) fn ended(&mut self, token: u64, channel: ChannelName, place: Position) {
        let mut news = false;
        let ends = self.deleting.contains_key(&channel);
        match self.followed.get_mut(&channel) {
            None => {}
            Some(Followed::Told { position, .. }) if ends && position.epoch != place.epoch => {}
            Some(Followed::Looking { written, ended, .. }) => {
                *written = Some(place);
                *ended = true;
            }
            Some(Followed::Told { position, ended }) => {
                let another_life = position.epoch != place.epoch;
                news = another_life || !*ended;
                *ended = true;
                if another_life {
                    self.begin_anew(&channel, place);
                    let told = Followed::Told { position: place, ended: true };
                    self.followed.insert(channel.clone(), told);
                }
            }
        }
        self.complete(token, Ok(Response::Ended(place)));
        if news {
            self.events.push_back(Event::Ended { channel });
        }
    }

    pub(super) fn deleted(
        &mut self,
        token: u64,
        channel: &ChannelName,
        result: Result<LogResponse, LogError>,
    ) {
        if let Some(deleting) = self.deleting.get_mut(channel) {
            *deleting -= 1;
            if *deleting == 0 {
                self.deleting.remove(channel);
            }
        }
        let epoch = match result {
            Ok(LogResponse::Deleted { epoch }) => Epoch::from_random(epoch),
            result => return self.complete(token, Err(error_of(result))),
        };
        let place = Position { epoch, seq: 0 };
        match self.followed.get_mut(channel) {
            None => {}
            Some(Followed::Looking { written, ended, .. }) => {
                *written = Some(place);
                *ended = false;
            }
            Some(Followed::Told { position, .. }) if position.epoch == epoch => {}
            Some(_) => self.begin_anew(channel, place),
        }
        self.complete(token, Ok(Response::Deleted));
    }
}
