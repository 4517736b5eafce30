//! The protocol over a WebSocket: `/v1/connect`.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use longwire::{Message, Receiver, Sender, WebSocket};
use longwire_channel::{CloseCode, Codec, Disconnect, Incoming, ServerMessage};
use longwire_hub::{Input, PipeInfo, SessionId, Transport};

use super::{end, protocol_message, send_or_end};
use crate::{
    app::App,
    node::{NodeHandle, Visitor},
    pipe::{Form, Live, Pipe},
};

/// Serves a session until its connection ends.
///
/// What only its beginning, a message or its end needs is boxed: a quiet connection keeps no place for it.
pub(crate) fn attend(
    app: Arc<App>,
    socket: WebSocket,
    address: Option<IpAddr>,
) -> impl Future<Output = ()> + Send {
    let begun = Box::pin(begin(app, socket, address));
    async move {
        let (mut receiver, visitor, codec) = begun.await;
        while let Ok(Some(message)) = receiver.recv().await {
            Box::pin(tell(visitor.node(), visitor.session(), codec, message)).await;
        }
        Box::pin(visitor.leave()).await;
    }
}

async fn begin(
    app: Arc<App>,
    socket: WebSocket,
    address: Option<IpAddr>,
) -> (Receiver, Visitor, Codec) {
    let codec = match socket.subprotocol() {
        None => Codec::Json,
        Some(name) => Codec::from_subprotocol(name).unwrap_or_default(),
    };
    let (sender, receiver) = socket.split();
    let pipe = Box::new(ProtocolPipe { sender, codec });
    let info = PipeInfo { transport: Transport::WebSocket, address };
    let visitor = app.node().open(pipe, info, None).await;
    app.note_session(visitor.session());
    (receiver, visitor, codec)
}

/// A client that offers only subprotocols that nobody speaks here is told so.
pub(crate) async fn turn_away(socket: WebSocket) {
    let (sender, mut receiver) = socket.split();
    let disconnect = Disconnect {
        code: CloseCode::UNSUPPORTED,
        reason: "no subprotocol of yours is spoken here: offer longwire.v1.json, \
                 longwire.v1.cbor, or none"
            .to_owned(),
        retry_after_ms: None,
    };
    ProtocolPipe { sender, codec: Codec::Json }.close(&disconnect);
    while let Ok(Some(_)) = receiver.recv().await {}
}

async fn tell(node: &NodeHandle, session: SessionId, codec: Codec, message: Message) {
    let size = message.len();
    let malformed = |reason| Input::Malformed { session, id: None, reason };
    if matches!(message, Message::Text(_)) != codec.is_text() {
        let words = "the frame is of the other type: JSON goes in text frames, CBOR in binary ones";
        return node.input(malformed(words.to_owned())).await;
    }
    let incoming = match codec.decode_client(message.as_bytes()) {
        Ok(incoming) => incoming,
        Err(error) => return node.input(malformed(error.to_string())).await,
    };
    let bytes = size / incoming.len().max(1);
    for incoming in incoming {
        let input = match incoming {
            Incoming::Message(message) => Input::Received { session, message, bytes },
            Incoming::Refused { id, refusal } => {
                Input::Malformed { session, id: Some(id), reason: refusal.message }
            }
            _ => continue,
        };
        node.input(input).await;
    }
}

/// The protocol's messages, each a WebSocket message.
struct ProtocolPipe {
    sender: Sender,
    codec: Codec,
}

impl Pipe for ProtocolPipe {
    fn form(&self) -> Form {
        Form::Protocol(self.codec)
    }

    fn deliver(&mut self, live: Live) {
        if let Live::Message(message) = live {
            send_or_end(&self.sender, message);
        }
    }

    fn send(&mut self, message: &ServerMessage) {
        let bytes = self.codec.encode_server(message);
        send_or_end(&self.sender, protocol_message(self.codec, bytes));
    }

    fn buffered(&self) -> usize {
        self.sender.buffered_amount()
    }

    fn drained(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        super::flushed(&self.sender)
    }

    fn close(&mut self, disconnect: &Disconnect) {
        self.send(&ServerMessage::Disconnect(disconnect.clone()));
        end(&self.sender, disconnect.code, &disconnect.reason);
    }
}
