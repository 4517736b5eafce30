//! Futures of the server's opening handshake, dropped after every number of polls: the transport is
//! closed, and nothing is left behind.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use http::{Response, StatusCode};
use longwire::{Acceptor, WebSocket, server::AcceptError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Polls `future` up to `polls` times, with `between` after each, and drops it.
async fn dropped_after<F: Future>(
    future: F,
    polls: usize,
    mut between: impl AsyncFnMut(),
) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        between().await;
    }
    None
}

/// Drops the future that `start` makes of a server's end after n = 0, 1, ... polls, while the client
/// writes the request and reads the answer a byte at a time, until the future completes; and expects
/// the client to see the end of the transport each time.
async fn drop_after_every_poll<T, F: Future<Output = T>>(start: impl Fn(DuplexStream) -> F) -> T {
    for polls in 0..10_000 {
        let (mut client, server) = duplex(16);
        let mut request = REQUEST.iter();
        let mut answer = Vec::new();
        let output = dropped_after(start(server), polls, async || {
            if let Some(byte) = request.next() {
                client.write_all(&[*byte]).await.expect("the server reads");
            } else {
                match client.read_u8().await {
                    Ok(byte) => answer.push(byte),
                    // The server has ended its half, and waits for the client to leave.
                    Err(_) => client.shutdown().await.expect("the transport is there"),
                }
            }
        })
        .await;
        if let Some(output) = output {
            return output;
        }
        // Whatever was answered before the drop is followed by the end.
        client.read_to_end(&mut answer).await.expect("an end, and no error");
    }
    panic!("the future never completes");
}

#[tokio::test]
async fn accept_closes_the_transport_when_it_is_dropped() {
    let accepted = drop_after_every_poll(|io| async move { Acceptor::new().accept(io).await });
    let socket: WebSocket = accepted.await.expect("a valid request");
    assert_eq!(socket.closed(), None);
}

#[tokio::test]
async fn reading_and_rejecting_close_the_transport_when_they_are_dropped() {
    let rejected = drop_after_every_poll(|io| async move {
        let incoming = Acceptor::new().read(io).await?;
        let mut response = Response::new("not you\n");
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        incoming.reject(response).await
    });
    let outcome: Result<(), AcceptError> = rejected.await;
    assert!(outcome.is_ok(), "{outcome:?}");
}
