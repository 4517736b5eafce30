//! What the HTTP API asks for.

use longwire_channel::{ChannelName, CloseCode, ErrorCode, Publication, Published, Refusal};

use super::{
    Hub,
    channel::index_of,
    pending::{Group, Pending, Publisher, Reader, error_of},
    session::Session,
};
use crate::{
    Action, Answer, ChannelInfo, ConnectionInfo, Effect, Identity, Operation, SessionId, Whom,
    broker::{Error, Info, Request, Response},
};

impl Hub {
    pub(super) fn requested(&mut self, request: u64, identity: &Identity, operation: Operation) {
        if self.requests >= self.config.max_requests {
            let most = self.config.max_requests;
            let refusal = Refusal {
                retry_after_ms: Some(RETRY_MS),
                ..Refusal::new(
                    ErrorCode::Unavailable,
                    format!(
                        "{most} requests wait for their answers, as many as may: try again later"
                    ),
                )
            };
            self.count_refusal(&refusal);
            return self.effects.push_back(Effect::Respond { request, outcome: Err(refusal) });
        }
        self.requests += 1;
        let begun =
            self.check_pending().and_then(|()| self.begin_request(request, identity, operation));
        if let Err(refusal) = begun {
            self.respond(request, Err(refusal));
        }
    }

    pub(super) fn respond(&mut self, request: u64, outcome: Result<Answer, Refusal>) {
        self.requests -= 1;
        if let Err(refusal) = &outcome {
            self.count_refusal(refusal);
        }
        self.effects.push_back(Effect::Respond { request, outcome });
    }

    fn begin_request(
        &mut self,
        request: u64,
        identity: &Identity,
        operation: Operation,
    ) -> Result<(), Refusal> {
        match operation {
            Operation::Publish { channel, publication } => {
                self.check_request_publish(identity, &channel, &publication)?;
                self.append_for(identity, channel, publication, Publisher::Request(request));
            }
            Operation::Batch(publications) => self.batch(request, identity, publications)?,
            Operation::Broadcast { channels, publication } => {
                let each = channels.into_iter().map(|it| (it, publication.clone())).collect();
                self.batch(request, identity, each)?;
            }
            Operation::History(history) => {
                self.check_request(identity, &history.channel, Action::History)?;
                self.submit_history(Reader::Request(request), history);
            }
            Operation::End { channel } => {
                self.check_request(identity, &channel, Action::Manage)?;
                self.submit(Request::End { channel }, Pending::Request(request));
            }
            Operation::Delete { channel } => {
                self.check_request(identity, &channel, Action::Manage)?;
                self.submit(Request::Delete { channel }, Pending::Request(request));
            }
            Operation::Info { channel } => {
                self.check_request(identity, &channel, Action::Manage)?;
                let pending = Pending::Info { request, channel: channel.clone() };
                self.submit(Request::Info { channel }, pending);
            }
            Operation::Channels { .. } if !identity.permissions.manage_some() => {
                let nothing = Answer::Channels { channels: Vec::new(), next: None };
                self.respond(request, Ok(nothing));
            }
            Operation::Channels { after, limit } => {
                let pending =
                    Pending::Channels { request, permissions: identity.permissions.clone() };
                let limit = limit.clamp(1, MAX_LIST);
                self.submit(Request::Channels { after, limit }, pending);
            }
            Operation::Connections { after, user, limit } => {
                check_administer(identity)?;
                let limit = limit.clamp(1, MAX_LIST) as usize;
                let is_wanted = |it: &&Session| user.is_none() || it.user == user;
                let found = self.sessions.behind(after).filter(is_wanted);
                let mut connections: Vec<_> =
                    found.take(limit + 1).map(|it| self.describe(it)).collect();
                let more = connections.len() > limit;
                connections.truncate(limit);
                self.respond(request, Ok(Answer::Connections { connections, more }));
            }
            Operation::Disconnect { whom, come_back } => {
                check_administer(identity)?;
                self.send_off(request, &whom, come_back)?;
            }
        }
        Ok(())
    }

    fn append_for(
        &mut self,
        identity: &Identity,
        channel: ChannelName,
        mut publication: Publication,
        publisher: Publisher,
    ) {
        publication.publisher.clone_from(&identity.user);
        self.append(channel, publication, publisher);
    }

    fn check_request(
        &self,
        identity: &Identity,
        channel: &ChannelName,
        action: Action,
    ) -> Result<(), Refusal> {
        self.check_access(&identity.permissions, identity.user.is_some(), channel, action)
    }

    fn check_request_publish(
        &self,
        identity: &Identity,
        channel: &ChannelName,
        publication: &Publication,
    ) -> Result<(), Refusal> {
        self.check_request(identity, channel, Action::Publish)?;
        self.check_publication(channel, publication)
    }

    /// Publishes several, each by itself.
    fn batch(
        &mut self,
        request: u64,
        identity: &Identity,
        publications: Vec<(ChannelName, Publication)>,
    ) -> Result<(), Refusal> {
        let (count, most) = (publications.len(), self.config.max_batch);
        if count > most {
            return Err(Refusal::new(
                ErrorCode::TooLarge,
                format!("{count} publications at once, and {most} may be: send several requests"),
            ));
        }
        if count == 0 {
            return Err(Refusal::new(
                ErrorCode::BadRequest,
                "there is nothing to publish: give one publication or more",
            ));
        }
        let group = Group { request, missing: count, results: vec![None; count] };
        let group = index_of(self.groups.insert(group));
        for (place, (channel, publication)) in publications.into_iter().enumerate() {
            let place = index_of(place);
            match self.check_request_publish(identity, &channel, &publication) {
                Ok(()) => {
                    let publisher = Publisher::Group(group, place);
                    self.append_for(identity, channel, publication, publisher);
                }
                Err(refusal) => self.one_of_group(group, place, Err(refusal)),
            }
        }
        Ok(())
    }

    /// One publication of several is done; with the last of them the request is answered.
    pub(super) fn one_of_group(
        &mut self,
        group: u32,
        place: u32,
        result: Result<Published, Refusal>,
    ) {
        if let Err(refusal) = &result {
            self.count_refusal(refusal);
        }
        let Some(open) = self.groups.get_mut(group as usize) else { return };
        open.results[place as usize] = Some(result);
        open.missing -= 1;
        if open.missing == 0 {
            let Group { request, results, .. } = self.groups.remove(group as usize);
            self.respond(request, Ok(Answer::Batch(results.into_iter().flatten().collect())));
        }
    }

    fn send_off(&mut self, request: u64, whom: &Whom, come_back: bool) -> Result<(), Refusal> {
        let ids: Vec<SessionId> = match whom {
            Whom::Session(id) => self.sessions.get(*id).iter().map(|it| it.id).collect(),
            Whom::User(user) => self
                .sessions
                .behind(None)
                .filter(|session| session.user.as_ref() == Some(user))
                .map(|session| session.id)
                .collect(),
        };
        if let (Whom::Session(id), true) = (whom, ids.is_empty()) {
            return Err(Refusal::new(
                ErrorCode::NotFound,
                format!(
                    "there is no session {id}: it has ended, or never was; the list of connections has those there are"
                ),
            ));
        }
        let (code, reason) = if come_back {
            (CloseCode::DISCONNECTED, "the connection was ended through the API: connect again")
        } else {
            (CloseCode::BANNED, "the connection was ended through the API: do not connect again")
        };
        let count = ids.len() as u64;
        for id in ids {
            self.disconnect(id, code, reason);
        }
        self.respond(request, Ok(Answer::Disconnected(count)));
        Ok(())
    }

    /// The broker has done what a request asks for by itself.
    pub(super) fn request_done(&mut self, request: u64, result: Result<Response, Error>) {
        let outcome = match result {
            Ok(Response::Ended(position)) => Ok(Answer::Ended(position)),
            Ok(Response::Deleted) => Ok(Answer::Deleted),
            result => Err(error_of(result).refusal()),
        };
        self.respond(request, outcome);
    }

    pub(super) fn info_read(
        &mut self,
        request: u64,
        channel: ChannelName,
        result: Result<Response, Error>,
    ) {
        let outcome = match result {
            Ok(Response::Info(Some(info))) => Ok(Answer::Info(self.look_at(channel, info))),
            Ok(Response::Info(None)) => Err(Refusal::new(
                ErrorCode::NotFound,
                format!(
                    "{channel} has no stream: nothing was published to it, or it was forgotten"
                ),
            )),
            result => Err(error_of(result).refusal()),
        };
        self.respond(request, outcome);
    }

    pub(super) fn channels_read(
        &mut self,
        request: u64,
        permissions: &crate::Permissions,
        result: Result<Response, Error>,
    ) {
        let outcome = match result {
            Ok(Response::Channels { channels, more }) => {
                let next = channels.last().map(|(name, _)| name.clone()).filter(|_| more);
                let channels = channels
                    .into_iter()
                    .filter(|(name, _)| permissions.allow(name, Action::Manage))
                    .map(|(name, info)| self.look_at(name, info))
                    .collect();
                Ok(Answer::Channels { channels, next })
            }
            result => Err(error_of(result).refusal()),
        };
        self.respond(request, outcome);
    }

    fn look_at(&self, channel: ChannelName, info: Info) -> ChannelInfo {
        let here = self.channels.find(&channel);
        let subscriptions = here.map_or(0, |key| self.channels[key].members().len() as u64);
        let Info { position, first, bytes, ended } = info;
        ChannelInfo { channel, position, first, bytes, ended, subscriptions }
    }

    fn describe(&self, session: &Session) -> ConnectionInfo {
        ConnectionInfo {
            session: session.id,
            user: session.user.clone(),
            transport: session.transport,
            address: session.address,
            connected_ms: self.now - session.opened_at,
            subscriptions: index_of(session.subs.len()),
            congested: session.is_congested(),
        }
    }
}

fn check_administer(identity: &Identity) -> Result<(), Refusal> {
    if identity.permissions.administer() {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::Forbidden,
        "connections are seen and ended by those who may manage every channel: the key or token needs \"manage\" for the pattern *",
    ))
}

/// The most entries of one list.
const MAX_LIST: u32 = 1_000;

/// When to try again where too many requests wait.
const RETRY_MS: u64 = 500;
