//! A look into what a channel keeps.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use longwire_channel::{ChannelName, History, Order, Position};
use tokio::sync::oneshot;

use crate::{
    Cause, HistoryError,
    machine::RequestId,
    shared::{Handle, HistoryResult},
};

/// A request for history to be made: settings, and then `.await`.
#[derive(Debug)]
#[must_use = "nothing is asked until this is awaited"]
pub struct AskHistory {
    handle: Arc<Handle>,
    channel: String,
    order: Order,
    from: Option<Position>,
    since: Option<u64>,
    limit: Option<u32>,
}

impl AskHistory {
    pub(crate) fn new(handle: Arc<Handle>, channel: &str) -> Self {
        Self {
            handle,
            channel: channel.to_owned(),
            order: Order::Forwards,
            from: None,
            since: None,
            limit: None,
        }
    }

    /// Oldest or newest first. Default: oldest.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Only what lies behind this position in that order.
    pub fn from(mut self, position: Position) -> Self {
        self.from = Some(position);
        self
    }

    /// Only what was published at this time or later: milliseconds since 1970.
    pub fn since(mut self, unix_ms: u64) -> Self {
        self.since = Some(unix_ms);
        self
    }

    /// The most records of the answer. Default, and bound: the server's own limit.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    fn ask(&self) -> Result<(RequestId, oneshot::Receiver<HistoryResult>), HistoryError> {
        let &Self { order, from, since, limit, .. } = self;
        let channel = ChannelName::new(&self.channel).map_err(HistoryError::Channel)?;
        let history = History { channel, order, from, since, limit };
        self.handle.0.command(|state, _| {
            let id = state.machine.history(history)?;
            let (sender, receiver) = oneshot::channel();
            state.requests.insert(id, sender);
            Ok((id, receiver))
        })
    }
}

impl IntoFuture for AskHistory {
    type Output = HistoryResult;
    type IntoFuture = Page;

    fn into_future(self) -> Page {
        Page { waiting: self.ask().map_err(Some), handle: self.handle }
    }
}

/// The answer to a request for history.
///
/// # Cancel safety
///
/// Dropping it takes the request back.
#[derive(Debug)]
#[must_use = "history that nobody reads need not be asked for"]
pub struct Page {
    waiting: Result<(RequestId, oneshot::Receiver<HistoryResult>), Option<HistoryError>>,
    handle: Arc<Handle>,
}

impl Future for Page {
    type Output = HistoryResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.waiting {
            Ok((_, waiting)) => Poll::Ready(match ready!(Pin::new(waiting).poll(cx)) {
                Ok(result) => result,
                // Nobody answers once the task is gone.
                Err(_) => Err(HistoryError::Closed(Cause::Closed)),
            }),
            Err(error) => Poll::Ready(Err(error.take().expect("polled again when it was over"))),
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Ok((id, _)) = self.waiting {
            self.handle.0.command(|state, _| {
                if state.requests.remove(&id).is_some() {
                    state.machine.forget_history(id);
                }
            });
        }
    }
}
