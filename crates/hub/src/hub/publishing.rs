//! Publications: checked, appended in their order, answered in their order.

use longwire_channel::{
    ChannelName, ErrorCode, Publication, Publish, Published, Refusal, ServerMessage,
};

use super::{
    Hub,
    held::HeldPublication,
    millis,
    pending::{Pending, Publisher},
    session::Outstanding,
};
use crate::{Action, SessionId, broker::Request};

impl Hub {
    pub(super) fn publish(&mut self, id: SessionId, command: u64, publish: Publish, bytes: usize) {
        if let Err(refusal) = self.check_shut(id).and_then(|()| self.check_room(id, bytes)) {
            return self.put_off(id, command, refusal);
        }
        let Publish { channel, mut publication } = publish;
        let Some(session) = self.sessions.get(id) else { return };
        publication.publisher.clone_from(&session.user);
        let checked = self
            .check_session_access(session, &channel, Action::Publish)
            .and_then(|()| self.check_publication(&channel, &publication));
        let answer = match checked {
            Ok(()) => {
                let token = self.new_token();
                let publication = HeldPublication { token, command, channel, publication, bytes };
                if let Err(refusal) = self.append_or_hold(id, publication) {
                    return self.put_off(id, command, refusal);
                }
                Err(token)
            }
            Err(refusal) => Ok(Err(refusal)),
        };
        let Some(session) = self.sessions.get_mut(id) else { return };
        let busy = session.busy();
        busy.bytes += bytes;
        busy.publishes.push_back(Outstanding { id: command, bytes, answer });
        self.answer_publishes(id);
    }

    /// Submits a publication that was checked.
    pub(super) fn append(
        &mut self,
        channel: ChannelName,
        publication: Publication,
        publisher: Publisher,
    ) {
        let token = self.new_token();
        self.append_as(token, channel, publication, publisher);
    }

    /// The same, with a token that it has already.
    pub(super) fn append_as(
        &mut self,
        token: u64,
        channel: ChannelName,
        publication: Publication,
        publisher: Publisher,
    ) {
        let namespace = self.config.namespaces.of(&channel);
        let request = Request::Append {
            retention: namespace.retention,
            window_ms: millis(namespace.idempotency_window),
            channel,
            publication,
        };
        self.submit_as(token, request, Pending::Publish(publisher));
    }

    /// A publication is done: it is answered once those before it are.
    pub(super) fn publish_done(
        &mut self,
        publisher: Publisher,
        token: u64,
        result: Result<Published, Refusal>,
    ) {
        match publisher {
            Publisher::Session(id) => {
                let busy = self.sessions.get_mut(id).and_then(|it| it.busy.as_mut());
                let outstanding =
                    busy.and_then(|it| it.publishes.iter_mut().find(|it| it.answer == Err(token)));
                if let Some(outstanding) = outstanding {
                    outstanding.answer = Ok(result);
                    self.answer_publishes(id);
                }
            }
            Publisher::Request(request) => {
                self.respond(request, result.map(crate::Answer::Published));
            }
            Publisher::Group(group, place) => self.one_of_group(group, place, result),
        }
    }

    fn answer_publishes(&mut self, id: SessionId) {
        loop {
            let Some(session) = self.sessions.get_mut(id) else { return };
            let busy = session.busy();
            if busy.publishes.front().is_none_or(|it| it.answer.is_err()) {
                return session.tidy();
            }
            let Some(Outstanding { id: command, bytes, answer: Ok(answer) }) =
                busy.publishes.pop_front()
            else {
                return;
            };
            busy.bytes -= bytes;
            match answer {
                Ok(published) => {
                    self.send(id, ServerMessage::Published { id: command, published });
                }
                Err(refusal) => self.refuse(id, command, refusal),
            }
        }
    }

    pub(super) fn count_publication(&mut self, published: Published) {
        if published.duplicate {
            self.stats.duplicates += 1;
        } else {
            self.stats.publications += 1;
        }
    }

    /// Whether the channel's namespace takes such a publication.
    pub(super) fn check_publication(
        &self,
        channel: &ChannelName,
        publication: &Publication,
    ) -> Result<(), Refusal> {
        let namespace = self.config.namespaces.of(channel);
        let (length, most) = (publication.payload.len(), namespace.max_message_bytes);
        if length > most {
            return Err(Refusal::new(
                ErrorCode::TooLarge,
                format!(
                    "the content has {length} bytes, and {channel} takes {most}: send less, or several"
                ),
            ));
        }
        let bad = |words| Err(Refusal::new(ErrorCode::BadRequest, words));
        if publication.event.as_ref().is_some_and(|it| it.as_str().starts_with(OWN_EVENTS)) {
            return bad(
                "events that begin with `longwire.` are the server's own words to readers: name it otherwise",
            );
        }
        if publication.key.is_some() && publication.producer.is_some() {
            return bad("a publication has a key or a producer, not both: leave one out");
        }
        if publication.producer.as_ref().is_some_and(|producer| producer.seq == 0) {
            return bad("a producer's seq begins at 1");
        }
        if publication.ephemeral {
            if publication.key.is_some() || publication.producer.is_some() {
                return bad(
                    "an ephemeral publication is not kept, so a repeated one cannot be known: leave out key and producer",
                );
            }
            if !namespace.ephemeral {
                return Err(Refusal::new(
                    ErrorCode::Forbidden,
                    "the channel's namespace takes no ephemeral publications: publish without `ephemeral`",
                ));
            }
        }
        Ok(())
    }
}

/// How the events begin by which a stream of server-sent events tells of losses, resets and ends.
const OWN_EVENTS: &str = "longwire.";
