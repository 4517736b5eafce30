//! A client of the protocol for tests.

use std::{net::SocketAddr, time::Duration};

use longwire::{Connect, Message, WebSocket};
use longwire_channel::{ClientMessage, Codec, Connect as Hello, ServerMessage};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A connection to `/v1/connect`, in JSON.
pub(crate) struct Client {
    pub(crate) socket: WebSocket,
}

impl Client {
    /// Connects without a subprotocol, and says nothing yet.
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        let socket =
            longwire::connect(&format!("ws://{addr}/v1/connect")).await.expect("connected");
        Self { socket }
    }

    /// Connects and says `connect`; gives its answer too.
    pub(crate) async fn connect(addr: SocketAddr, subscriptions: Value) -> (Self, Value) {
        let mut client = Self::open(addr).await;
        let hello = json!({ "type": "connect", "id": 1, "capabilities": 1, "subscriptions": subscriptions });
        client.say(&hello).await;
        let connected = client.hear().await;
        assert_eq!(connected["type"], "connected", "{connected}");
        (client, connected)
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.socket.send(message.to_string()).await.expect("sent");
    }

    pub(crate) async fn hear(&mut self) -> Value {
        let message = self.receive().await.expect("a message");
        serde_json::from_str(message.as_text().expect("a text")).expect("JSON")
    }

    /// Says something, and gives the next answer.
    pub(crate) async fn ask(&mut self, message: Value) -> Value {
        self.say(&message).await;
        self.hear().await
    }

    pub(crate) async fn receive(&mut self) -> Option<Message> {
        let received = timeout(PATIENCE, self.socket.recv()).await.expect("in time");
        received.expect("no fault")
    }

    /// The last word and the close code, with its reason.
    pub(crate) async fn end(mut self) -> (Value, u16, String) {
        let mut last = Value::Null;
        while let Some(message) = self.receive().await {
            last = serde_json::from_str(message.as_text().expect("a text")).expect("JSON");
        }
        let (code, reason) = closed(&self.socket);
        (last, code, reason)
    }
}

/// A WebSocket's transport whose request comes behind another one on the same connection; whatever it says comes raw.
pub(crate) async fn upgraded(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.expect("connected");
    let requests = format!(
        "GET /healthz HTTP/1.1\r\nhost: {addr}\r\n\r\n\
         GET /v1/connect HTTP/1.1\r\nhost: {addr}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream.write_all(requests.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.windows(12).any(|it| it == b"HTTP/1.1 101") || !head.ends_with(b"\r\n\r\n") {
        let read = timeout(PATIENCE, stream.read_buf(&mut head)).await.expect("in time");
        assert_ne!(read.expect("read"), 0, "{}", String::from_utf8_lossy(&head));
    }
    stream
}

/// The peer's close code and reason.
pub(crate) fn closed(socket: &WebSocket) -> (u16, String) {
    let closed = socket.closed().expect("it has ended");
    (closed.code().get(), closed.reason().to_owned())
}

/// A connection in CBOR.
pub(crate) async fn connect_cbor(addr: SocketAddr) -> WebSocket {
    let connect = Connect::new(&format!("ws://{addr}/v1/connect"));
    let mut socket = connect.subprotocols(["longwire.v1.cbor"]).await.expect("connected");
    assert_eq!(socket.subprotocol(), Some("longwire.v1.cbor"));
    let hello = Hello { id: 1, version: 1, ..Hello::default() };
    let bytes = Codec::Cbor.encode_client(&ClientMessage::Connect(Box::new(hello)));
    socket.send(Message::Binary(bytes)).await.expect("sent");
    match &hear_cbor(&mut socket).await[..] {
        [ServerMessage::Connected(_)] => socket,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn hear_cbor(socket: &mut WebSocket) -> Vec<ServerMessage> {
    let received = timeout(PATIENCE, socket.recv()).await.expect("in time");
    let message = received.expect("no fault").expect("a message");
    assert!(matches!(message, Message::Binary(_)));
    Codec::Cbor.decode_server(message.as_bytes()).expect("CBOR")
}

/// What never takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
