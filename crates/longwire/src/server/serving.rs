//! One connection of a server, from its opening handshake to the end of its handler.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};

use super::handlers::{Handled, Place};
use crate::{
    WebSocket,
    connection::{Attended, Task},
};

/// What an opening handshake comes to: the connection, or nothing.
pub(super) type Opened<T> = Option<(WebSocket, Task<T>)>;

type Opening<T> = Pin<Box<dyn Future<Output = Opened<T>> + Send>>;

pin_project! {
    /// One connection: its opening handshake, and behind it the connection and its handler in one.
    ///
    /// Written by hand, since an async block keeps a place for whatever it moves, and this future is as
    /// large as it is for the connection's life.
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
