//! What the hub waits for from the broker, and what then becomes of it.

use longwire_channel::{ChannelName, History, Published, Refusal};

use super::{Hub, listing::Listing};
use crate::{
    SessionId,
    broker::{Error, Response},
};

/// For what a request was submitted.
#[derive(Debug)]
pub(super) enum Pending {
    /// To attach a channel, for this session.
    Attach { channel: u32, session: SessionId },
    /// To find the place where a subscription is to begin, of this session.
    Place { sub: u32, session: SessionId },
    /// To read a page, for each of these; those of one session at most once.
    Page { channel: u32, readers: Vec<(SessionId, u32)> },
    /// To append a publication.
    Publish(Publisher),
    /// To read history.
    History { reader: Reader, history: History },
    /// To do what a request of the HTTP API asks for by itself.
    Request(u64),
    /// To look at a channel.
    Info { request: u64, channel: ChannelName },
    /// To list channels.
    Channels(Box<Listing>),
}

/// Who published.
#[derive(Clone, Copy, Debug)]
pub(super) enum Publisher {
    Session(SessionId),
    Request(u64),
    /// One of several publications of a request: its group, and its place there.
    Group(u32, u32),
}

/// Who reads history.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reader {
    /// The first of its commands that read history.
    Session(SessionId),
    Request(u64),
}

/// Several publications of one request.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) request: u64,
    pub(super) missing: usize,
    pub(super) results: Vec<Option<Result<Published, Refusal>>>,
}

impl Hub {
    /// A request is done. One that nobody waits for any more is for nothing.
    pub(super) fn completed(&mut self, token: u64, result: Result<Response, Error>) {
        let Some(pending) = self.pending.remove(&token) else { return };
        match (pending, result) {
            (Pending::Attach { channel, session }, result) => {
                self.looked(session);
                match result {
                    Ok(Response::Attached(info)) => self.attached(channel, token, info),
                    result => self.not_attached(channel, token, &error_of(result).refusal()),
                }
            }
            (Pending::Place { sub, session }, result) => {
                self.looked(session);
                self.place_found(sub, token, result);
            }
            (Pending::Page { channel, readers }, result) => {
                let page = match result {
                    Ok(Response::Page(page)) => Ok(page),
                    result => Err(error_of(result)),
                };
                self.page_read(channel, token, readers, &page);
            }
            (Pending::Publish(publisher), Ok(Response::Published(place))) => {
                self.count_publication(place);
                self.publish_done(publisher, token, Ok(place));
            }
            (Pending::Publish(publisher), result) => {
                self.publish_done(publisher, token, Err(error_of(result).refusal()));
            }
            (Pending::History { reader, history }, Ok(Response::Page(page))) => {
                self.history_read(reader, history, page);
            }
            (Pending::History { reader, .. }, result) => {
                self.history_done(reader, Err(error_of(result).refusal()));
            }
            (Pending::Request(request), result) => self.request_done(request, result),
            (Pending::Info { request, channel }, result) => {
                self.info_read(request, channel, result);
            }
            (Pending::Channels(listing), result) => self.channels_read(listing, result),
        }
    }
}

/// The error of a result; an answer to another question is one as well.
pub(super) fn error_of(result: Result<Response, Error>) -> Error {
    match result {
        Err(error) => error,
        Ok(_) => Error::Unavailable("the broker answered another question".into()),
    }
}
