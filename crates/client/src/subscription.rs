//! `Subscription`: the handle of one channel that is read.

use std::{
    future::{Future, IntoFuture, Ready, poll_fn, ready},
    sync::Arc,
    task::{Context, Poll, ready},
};

use longwire_channel::{ChannelName, Policy, Position, Start};

use crate::{
    Event, SubscribeError, SubscriptionState, inbox::Inbox, machine::SubscriptionId, shared::Handle,
};

/// A channel that is read, over any number of connections.
///
/// [`Self::recv`] gives each record once, in order, and tells what is lost. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    handle: Arc<Handle>,
    id: SubscriptionId,
    inbox: Arc<Inbox>,
}

impl Subscription {
    /// The next event. `None` once the subscription is over: behind [`Event::Ended`], [`Event::Failed`], or the
    /// application's own `close`.
    ///
    /// An application that does not call this holds up to 1,024 events or 4 MiB; then the subscription is paused, and goes
    /// on from its position once half of that is taken.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: no event is lost when its future is dropped.
    pub fn recv(&mut self) -> impl Future<Output = Option<Event>> + Send {
        poll_fn(|cx| self.poll_recv(cx))
    }

    /// [`Self::recv`], for those who write futures by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let taken = ready!(self.inbox.poll_take(cx));
        if taken.resume {
            self.handle.0.command(|state, _| state.machine.resume(self.id));
        }
        Poll::Ready(taken.event)
    }

    /// How it stands now; events that say so may still be on their way. `None` once it is over.
    pub fn state(&self) -> Option<SubscriptionState> {
        self.handle.0.lock().machine.subscription_state(self.id)
    }

    /// The position of the last record that came, which may be on its way to [`Self::recv`]. To go on after a restart of the
    /// process, keep [`Message::position`](crate::Message::position) of what was dealt with.
    pub fn position(&self) -> Option<Position> {
        self.handle.0.lock().machine.position(self.id)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.handle.0.command(|state, _| {
            state.machine.unsubscribe(self.id);
            state.inboxes.remove(&self.id);
        });
    }
}

/// A subscription to be made: settings, and then `.await`.
#[derive(Debug)]
#[must_use = "nothing is subscribed until this is awaited"]
pub struct Subscribing {
    handle: Arc<Handle>,
    channel: String,
    start: Start,
    policy: Option<Policy>,
}

impl Subscribing {
    pub(crate) fn new(handle: Arc<Handle>, channel: &str) -> Self {
        Self { handle, channel: channel.to_owned(), start: Start::Now, policy: None }
    }

    /// Where to begin. Default: [`Start::Now`], where the namespace has no other default.
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// What happens when the client is slower than the channel. Default: the namespace's.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    fn subscribe(self) -> Result<Subscription, SubscribeError> {
        let Self { handle, channel, start, policy } = self;
        let channel = ChannelName::new(&channel).map_err(SubscribeError::Channel)?;
        let inbox = Arc::new(Inbox::default());
        let id = handle.0.command(|state, _| {
            let id = state.machine.subscribe(channel, start, policy)?;
            state.inboxes.insert(id, inbox.clone());
            Ok(id)
        })?;
        Ok(Subscription { handle, id, inbox })
    }
}

impl IntoFuture for Subscribing {
    type Output = Result<Subscription, SubscribeError>;
    type IntoFuture = Ready<Self::Output>;

    /// Ready at once: the subscription exists whether there is a connection or not, and what the server says to it is an
    /// [`Event`]. It goes to the server before anything that is published afterwards.
    fn into_future(self) -> Self::IntoFuture {
        ready(self.subscribe())
    }
}
