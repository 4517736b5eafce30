//! The faces of a channel: the protocol over a WebSocket, and the bare ones.

pub(crate) mod connect;
pub(crate) mod events;
pub(crate) mod gauge;
pub(crate) mod socket;
pub(crate) mod start;

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use longwire::{CloseReason, Message, SendError, Sendable, Sender, Text};
use longwire_channel::{CloseCode, Codec, Payload};

/// Messages of the protocol as a WebSocket message.
pub(crate) fn protocol_message(codec: Codec, bytes: Bytes) -> Message {
    if codec.is_text() { text_message(bytes) } else { Message::Binary(bytes) }
}

/// A record's content as a WebSocket message.
pub(crate) fn content_message(payload: &Payload) -> Message {
    match payload {
        Payload::Json(bytes) | Payload::Text(bytes) => text_message(bytes.clone()),
        other => Message::Binary(other.bytes().clone()),
    }
}

/// Sends, or ends a connection whose client has left far too much untaken: beyond what the hub bounds.
fn send_or_end(sender: &Sender, message: impl Into<Sendable>) {
    if let Err(SendError::Full(_)) = sender.try_send(message) {
        end(sender, CloseCode::SLOW_CONSUMER, "too much waits for this client: take it faster");
    }
}

/// Closes behind all that was sent; waits for nothing.
fn end(sender: &Sender, code: CloseCode, reason: &str) {
    let close =
        longwire::Close::new(longwire::CloseCode::new(code.0), CloseReason::truncated(reason));
    // The first poll is what closes; the end is the connection's own business.
    drop(futures_util::FutureExt::now_or_never(sender.close(close)));
}

fn text_message(bytes: Bytes) -> Message {
    Message::Text(Text::try_from(bytes).expect("a text and JSON are UTF-8, whoever made them"))
}

/// Completes when the transport took all that waits now, or has ended.
fn flushed(sender: &Sender) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let sender = sender.clone();
    Box::pin(async move {
        // An error says that nothing waits any more.
        let _ = sender.flush().await;
    })
}
