//! One channel, bare, over a WebSocket: each record is a message, and each message is published.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use longwire::{Message, Receiver, Sender, WebSocket};
use longwire_channel::{
    ChannelName, ClientMessage, CloseCode, Disconnect, ErrorCode, Payload, Publication, Publish,
    Pushed, Refusal, ServerMessage, Start, Subscribe,
};
use longwire_hub::{Identity, Input, PipeInfo, Transport};

use super::{content_message, end, send_or_end};
use crate::{
    app::{App, Phase},
    node::Visitor,
    pipe::{Form, Live, Pipe, records},
};

/// What a client of this face asked for, before its connection opened.
pub(crate) struct Visit {
    pub(crate) channel: ChannelName,
    pub(crate) start: Start,
    pub(crate) identity: Identity,
}

/// Serves the channel until the connection ends.
///
/// What only its beginning, a message or its end needs is boxed: a quiet connection keeps no place for it.
pub(crate) fn attend(
    app: Arc<App>,
    socket: WebSocket,
    address: Option<IpAddr>,
    visit: Box<Visit>,
) -> impl Future<Output = ()> + Send {
    let begun = Box::pin(begin(app, socket, address, visit));
    async move {
        let (mut receiver, visitor, channel) = begun.await;
        let mut id = 0;
        while let Ok(Some(message)) = receiver.recv().await {
            id += 1;
            Box::pin(publish(&visitor, &channel, id, message)).await;
        }
        Box::pin(visitor.leave()).await;
    }
}

async fn begin(
    app: Arc<App>,
    socket: WebSocket,
    address: Option<IpAddr>,
    visit: Box<Visit>,
) -> (Receiver, Visitor, ChannelName) {
    let (sender, receiver) = socket.split();
    let info = PipeInfo { transport: Transport::Socket, address };
    let pipe = Box::new(ContentPipe { sender, app: app.clone() });
    let Visit { channel, start, identity } = *visit;
    let visitor = app.node().open(pipe, info, Some(identity)).await;
    let session = visitor.session();
    app.note_session(session);
    let subscribe = Subscribe { sub: SUB, channel: channel.clone(), start, policy: None };
    let message = ClientMessage::Subscribe { id: 0, subscribe };
    app.node().input(Input::Received { session, message, bytes: 0 }).await;
    (receiver, visitor, channel)
}

async fn publish(visitor: &Visitor, channel: &ChannelName, id: u64, message: Message) {
    let bytes = message.len();
    let payload = match message {
        Message::Text(text) => Payload::Text(text.into_bytes()),
        Message::Binary(bytes) => Payload::Binary(bytes),
    };
    let publication = Publication::new(payload);
    let publish = Box::new(Publish { channel: channel.clone(), publication });
    let message = ClientMessage::Publish { id, publish };
    visitor.node().input(Input::Received { session: visitor.session(), message, bytes }).await;
}

/// Contents alone, each a WebSocket message. What has no place in that ends the connection.
struct ContentPipe {
    sender: Sender,
    app: Arc<App>,
}

impl Pipe for ContentPipe {
    fn form(&self) -> Form {
        Form::Content
    }

    fn deliver(&mut self, live: Live) {
        if let Live::Message(message) = live {
            send_or_end(&self.sender, message);
        }
    }

    fn send(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Push(push) => {
                for record in records(push) {
                    send_or_end(&self.sender, content_message(&record.payload));
                }
                match &push.pushed {
                    Pushed::Lost(gap) => {
                        let reason = format!(
                            "records {} to {} are no longer kept: connect again, and take them faster",
                            gap.from + 1,
                            gap.to
                        );
                        end(&self.sender, CloseCode::SLOW_CONSUMER, &reason);
                    }
                    Pushed::Ended { .. } => {
                        end(&self.sender, CloseCode(NORMAL), "the stream has ended");
                    }
                    Pushed::Unsubscribed(unsubscribed) => self.refuse(&unsubscribed.refusal),
                    _ => {}
                }
            }
            ServerMessage::Error { refusal, .. } => self.refuse(refusal),
            _ => {}
        }
    }

    fn buffered(&self) -> usize {
        self.sender.buffered_amount()
    }

    fn drained(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        super::flushed(&self.sender)
    }

    fn close(&mut self, disconnect: &Disconnect) {
        end(&self.sender, disconnect.code, &disconnect.reason);
    }
}

impl ContentPipe {
    fn refuse(&self, refusal: &Refusal) {
        let is_stopping = self.app.phase() == Phase::Draining && refusal.code.is_temporary();
        let code = if is_stopping { CloseCode::GOING_AWAY } else { close_code(refusal.code) };
        end(&self.sender, code, &refusal.message);
    }
}

/// How a refusal ends a connection that has no other way to say it.
fn close_code(code: ErrorCode) -> CloseCode {
    match code {
        ErrorCode::Unauthenticated => CloseCode::UNAUTHENTICATED,
        ErrorCode::TokenExpired => CloseCode::TOKEN_EXPIRED,
        ErrorCode::Forbidden | ErrorCode::StreamEnded => CloseCode::FORBIDDEN,
        ErrorCode::Internal => CloseCode::INTERNAL,
        code if code.is_temporary() => CloseCode::OVERLOADED,
        _ => CloseCode::BAD_MESSAGE,
    }
}

/// There is one subscription.
pub(crate) const SUB: u32 = 1;

/// A stream's end is no fault (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;
