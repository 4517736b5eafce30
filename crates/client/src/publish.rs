//! A publication to be made, and the future of its answer.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use longwire_channel::{ChannelName, Payload, Publication, Publish, Published, Token};
use tokio::sync::oneshot;

use crate::{
    Cause, PublishError, Unanswered,
    shared::{Handle, PublishResult},
};

/// A publication to be made: settings, and then `.await`.
#[derive(Debug)]
#[must_use = "nothing is published until this is awaited"]
pub struct Publishing {
    handle: Arc<Handle>,
    channel: String,
    payload: Payload,
    event: Option<String>,
    key: Option<String>,
    ephemeral: bool,
    timeout: Option<Duration>,
}

impl Publishing {
    pub(crate) fn new(handle: Arc<Handle>, channel: &str, payload: Payload) -> Self {
        Self {
            handle,
            channel: channel.to_owned(),
            payload,
            event: None,
            key: None,
            ephemeral: false,
            timeout: None,
        }
    }

    /// What kind of message it is.
    pub fn event(mut self, event: &str) -> Self {
        self.event = Some(event.to_owned());
        self
    }

    /// Its idempotency key: a second publication with it, even by another process, is a duplicate. Default: one of the
    /// client's own, so that it is stored once however often it is sent.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Delivers it to those who listen now and keeps it nowhere. It is sent once at most, and cannot have a key.
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    /// Waits no longer than this for the answer. Default: as long as the client lives.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    fn publish(&self) -> Result<oneshot::Receiver<PublishResult>, PublishError> {
        let token = |what, text: &Option<String>| {
            let token = text.as_deref().map(Token::new).transpose();
            token.map_err(|error| PublishError::Token { what, error })
        };
        let publish = Publish {
            channel: ChannelName::new(&self.channel).map_err(PublishError::Channel)?,
            publication: Publication {
                event: token("event", &self.event)?,
                key: token("key", &self.key)?,
                ephemeral: self.ephemeral,
                ..Publication::new(self.payload.clone())
            },
        };
        self.handle.0.command(|state, now| {
            let id = state.machine.publish(publish, self.timeout, now)?;
            let (sender, receiver) = oneshot::channel();
            state.publications.insert(id, sender);
            Ok(receiver)
        })
    }
}

impl IntoFuture for Publishing {
    type Output = PublishResult;
    type IntoFuture = Answer;

    fn into_future(self) -> Answer {
        Answer { waiting: self.publish().map_err(Some), _handle: self.handle }
    }
}

/// The answer to a publication.
///
/// # Cancel safety
///
/// The publication is queued when this is made. Dropping this stops the wait and nothing else: it is sent all the same.
#[derive(Debug)]
#[must_use = "without the answer nobody knows whether it is stored"]
pub struct Answer {
    waiting: Result<oneshot::Receiver<PublishResult>, Option<PublishError>>,
    /// Keeps the client open until the answer has come.
    _handle: Arc<Handle>,
}

impl Future for Answer {
    type Output = Result<Published, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.waiting {
            Ok(waiting) => {
                Poll::Ready(ready!(Pin::new(waiting).poll(cx)).unwrap_or_else(|_| {
                    // Nobody answers once the task is gone.
                    let why = Unanswered::Closed(Cause::Closed);
                    Err(PublishError::Unknown { why, key: None })
                }))
            }
            Err(error) => Poll::Ready(Err(error.take().expect("polled again when it was over"))),
        }
    }
}
