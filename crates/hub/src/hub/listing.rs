//! Lists of channels: only those that the caller may manage, and no name of another.

use longwire_channel::ChannelName;

use super::{
    Hub,
    pending::{Pending, error_of},
};
use crate::{
    Action, Answer, ChannelInfo, Permissions,
    broker::{Error, Request, Response},
};

/// A list that is being made.
#[derive(Debug)]
pub(super) struct Listing {
    request: u64,
    permissions: Permissions,
    limit: u32,
    found: Vec<ChannelInfo>,
}

impl Hub {
    pub(super) fn list_channels(
        &mut self,
        request: u64,
        permissions: &Permissions,
        after: Option<ChannelName>,
        limit: u32,
    ) {
        if !permissions.allow_somewhere(Action::Manage) {
            let none = Answer::Channels { channels: Vec::new(), next: None };
            return self.respond(request, Ok(none));
        }
        let permissions = permissions.clone();
        let listing = Listing { request, permissions, limit, found: Vec::new() };
        self.read_channels(Box::new(listing), after);
    }

    fn read_channels(&mut self, listing: Box<Listing>, after: Option<ChannelName>) {
        let limit = listing.limit;
        self.submit(Request::Channels { after, limit }, Pending::Channels(listing));
    }

    /// More names came. The last one that is told is where the next list goes on, so it is one of the caller's own;
    /// until there is one, or all were looked at, more are read.
    pub(super) fn channels_read(
        &mut self,
        mut listing: Box<Listing>,
        result: Result<Response, Error>,
    ) {
        let (channels, next) = match result {
            Ok(Response::Channels { channels, next }) => (channels, next),
            result => return self.respond(listing.request, Err(error_of(result).refusal())),
        };
        let (most, mut has_more) = (listing.limit as usize, next.is_some());
        for (name, info) in channels {
            if !listing.permissions.allow(&name, Action::Manage) {
                continue;
            }
            if listing.found.len() == most {
                has_more = true;
                break;
            }
            let info = self.look_at(name, info);
            listing.found.push(info);
        }
        if next.is_some() && listing.found.len() < most {
            return self.read_channels(listing, next);
        }
        let Listing { request, found, .. } = *listing;
        let next = found.last().filter(|_| has_more).map(|it| it.channel.clone());
        self.respond(request, Ok(Answer::Channels { channels: found, next }));
    }
}
