//! One connection of a server, from its opening handshake to the end of its handler.
//!
//! Both futures here are written by hand, since an async block keeps a place for whatever it moves, and a future is as
//! large as it is for the connection's life.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    AcceptError,
    handlers::{Handled, Place},
};
use crate::{
    WebSocket,
    connection::{Attended, Task},
};

/// What an opening handshake comes to: the connection, or nothing.
pub(super) type Opened<T> = Option<(WebSocket, Task<T>)>;

type Opening<T> = Pin<Box<dyn Future<Output = Opened<T>> + Send>>;

pin_project! {
    /// One connection: its opening handshake, and behind it the connection and its handler in one.
    #[project = ServingProj]
    pub(super) enum Serving<T, H, F> {
        Opening {
            opening: Opening<T>,
            // What attends the connection once it is open.
            attendant: Option<(H, Place)>,
        },
        Open {
            #[pin]
            attended: Attended<T, Handled<F>>,
        },
        Failed,
    }
}

impl<T, H, F> Serving<T, H, F> {
    /// `opening` is boxed, so that what a handshake needs goes with it.
    pub(super) fn new(opening: Opening<T>, handler: H, place: Place) -> Self {
        Self::Opening { opening, attendant: Some((handler, place)) }
    }
}

impl<T, H, F> Future for Serving<T, H, F>
where
    T: AsyncRead + AsyncWrite,
    H: FnOnce(WebSocket) -> F,
    F: Future<Output = ()>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let next = match self.as_mut().project() {
                ServingProj::Opening { opening, attendant } => {
                    match (ready!(opening.as_mut().poll(cx)), attendant.take()) {
                        (Some((socket, task)), Some((handler, place))) => Self::Open {
                            attended: Attended::new(task, || place.attend(handler(socket))),
                        },
                        _ => Self::Failed,
                    }
                }
                ServingProj::Open { attended } => return attended.poll(cx),
                ServingProj::Failed => return Poll::Ready(()),
            };
            self.set(next);
        }
    }
}

/// What accepting a request comes to: the connection, whose task is still to be run.
type Accepting<T> = Pin<Box<dyn Future<Output = Result<(WebSocket, Task<T>), AcceptError>> + Send>>;

pin_project! {
    /// A request that is being accepted, and behind that the connection and its handler in one.
    #[project = ServedProj]
    pub(super) enum Served<T, H, F> {
        Accepting {
            accepting: Accepting<T>,
            handler: Option<H>,
        },
        Open {
            #[pin]
            attended: Attended<T, F>,
        },
    }
}

impl<T, H, F> Served<T, H, F> {
    /// `accepting` is boxed, so that what a handshake needs goes with it.
    pub(super) fn new(accepting: Accepting<T>, handler: H) -> Self {
        Self::Accepting { accepting, handler: Some(handler) }
    }
}

impl<T, H, F> Future for Served<T, H, F>
where
    T: AsyncRead + AsyncWrite,
    H: FnOnce(WebSocket) -> F,
    F: Future<Output = ()>,
{
    type Output = Result<(), AcceptError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project() {
                ServedProj::Accepting { accepting, handler } => {
                    let (socket, task) = ready!(accepting.as_mut().poll(cx))?;
                    let handler = handler.take().expect("nobody polls a future that has ended");
                    Self::Open { attended: Attended::new(task, || handler(socket)) }
                }
                ServedProj::Open { attended } => return attended.poll(cx).map(Ok),
            };
            self.set(next);
        }
    }
}
