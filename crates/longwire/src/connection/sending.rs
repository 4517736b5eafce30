//! A message being sent by [`Sender::send`](super::Sender::send).

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use longwire_proto::{SendError, Sendable};

use super::{
    outbox::Outbound,
    queues::{By, Queues},
};

/// The future of [`Sender::send`](super::Sender::send). Written by hand: it holds the message once,
/// and what waiting takes only while it waits.
pub(super) struct Sending<'a> {
    queues: &'a Queues,
    state: State<'a>,
}

enum State<'a> {
    Begun(Sendable),
    Waiting(Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>),
    Done,
}

impl<'a> Sending<'a> {
    pub(super) fn new(queues: &'a Queues, message: Sendable) -> Self {
        Self { queues, state: State::Begun(message) }
    }
}

impl Future for Sending<'_> {
    type Output = Result<(), SendError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        if matches!(this.state, State::Begun(_))
            && let State::Begun(message) = mem::replace(&mut this.state, State::Done)
        {
            if this.queues.encode(&message) {
                return Poll::Ready(Ok(()));
            }
            if let Some(result) = this.begin(message) {
                return Poll::Ready(result);
            }
        }
        let State::Waiting(waiting) = &mut this.state else { panic!("polled after its end") };
        let result = ready!(waiting.as_mut().poll(cx));
        this.state = State::Done;
        Poll::Ready(result)
    }
}

impl Sending<'_> {
    /// Sends a message that takes more than its bytes. `None` if it has to wait.
    fn begin(&mut self, message: Sendable) -> Option<Result<(), SendError>> {
        match self.queues.push(Outbound::Message(message), By::Sender) {
            Err(SendError::Full(message) | SendError::FragmentPending(message)) => {
                self.state = State::Waiting(Box::pin(in_turn(self.queues, message)));
                None
            }
            result => Some(result),
        }
    }
}

/// Sends a message that has to wait, behind those that waited before it.
async fn in_turn(queues: &Queues, mut message: Sendable) -> Result<(), SendError> {
    let _waiting = Waiting::new(queues);
    let _turn = queues.waiting().turn.lock().await;
    loop {
        // Made before the look, so that no progress in between is missed.
        let progress = queues.waiting().progress.notified();
        message = match queues.push(Outbound::Message(message), By::Turn) {
            Err(SendError::Full(message) | SendError::FragmentPending(message)) => message,
            result => return result,
        };
        queues.watch();
        progress.await;
    }
}

/// A sender that waits for its turn: while there is one, nobody passes it.
struct Waiting<'a>(&'a Queues);

impl<'a> Waiting<'a> {
    fn new(queues: &'a Queues) -> Self {
        queues.lock().waiting += 1;
        Self(queues)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}
