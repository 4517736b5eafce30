//! Publications: checked, appended in their order, answered in their order.

use std::sync::Arc;

use longwire_channel::{
    ChannelName, ErrorCode, Publication, Publish, Published, Refusal, ServerMessage,
};

use super::{
    Hub,
    bucket::{Bucket, Refused},
    millis,
    pending::{Pending, Publisher},
    session::Outstanding,
};
use crate::{Action, SessionId, broker::Request};

impl Hub {
    pub(super) fn publish(&mut self, id: SessionId, command: u64, publish: Publish, bytes: usize) {
        if let Err(refusal) = self.check_room(id, bytes) {
            let now = self.now;
            if let Some(session) = self.sessions.get_mut(id) {
                session.bucket.close(refusal.retry_after_ms.unwrap_or(0), now);
            }
            return self.refuse(id, command, refusal);
        }
        let Publish { channel, mut publication } = publish;
        let Some(session) = self.sessions.get(id) else { return };
        publication.publisher.clone_from(&session.user);
        let checked = self
            .check_session_access(session, &channel, Action::Publish)
            .and_then(|()| self.check_publication(&channel, &publication))
            .and_then(|()| self.check_rate(id, &channel));
        let answer = match checked {
            Ok(()) => Err(self.append(channel, publication, Publisher::Session(id))),
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
    ) -> u64 {
        let namespace = self.config.namespaces.of(&channel);
        let request = Request::Append {
            retention: namespace.retention,
            window_ms: millis(namespace.idempotency_window),
            channel,
            publication,
        };
        self.submit(request, Pending::Publish(publisher))
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

    /// Takes one of the publications that the session may make in this time.
    fn check_rate(&mut self, id: SessionId, channel: &ChannelName) -> Result<(), Refusal> {
        let namespace = Arc::clone(self.config.namespaces.of(channel));
        let (rate, now) = (self.config.publish_rate, self.now);
        let Some(session) = self.sessions.get_mut(id) else { return Ok(()) };
        if let Some(rate) = namespace.publish_rate {
            let rates = &mut session.busy().rates;
            let known = rates.iter().position(|(it, _)| Arc::ptr_eq(it, &namespace));
            let at = known.unwrap_or_else(|| {
                rates.push((namespace, Bucket::new(now)));
                rates.len() - 1
            });
            rates[at].1.take(rate, now).map_err(|refused| too_fast(rate, refused))?;
        }
        session.bucket.take(rate, now).map_err(|refused| too_fast(rate, refused))
    }
}

fn too_fast(rate: u32, refused: Refused) -> Refusal {
    let (retry, words) = match refused {
        Refused::Empty(retry) => {
            (retry, format!("more than {rate} publications a second: send them more slowly"))
        }
        Refused::Closed(retry) => {
            (retry, "one before it was refused for a time: send them again in their order".into())
        }
    };
    Refusal { retry_after_ms: Some(retry), ..Refusal::new(ErrorCode::RateLimited, words) }
}
