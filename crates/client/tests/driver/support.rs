//! A network of pipes, and the server's end of a connection, which says what a test wants.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use longwire::{Acceptor, Message, Subprotocol, Text, WebSocket};
use longwire_client::{
    Builder, Client, Event, Subscription,
    channel::{
        Capabilities, ClientMessage, Codec, Connect, Connected, Epoch, Incoming, Limits, Outcome,
        Payload, Position, Published, Push, Pushed, Record, ServerMessage, Subscribe, Subscribed,
    },
};
use tokio::{
    io::DuplexStream,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

/// Runs a test on one thread, with a clock that stands still while there is something to do.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        // By the paused clock: a test that waits for what never comes gets here at once.
        let limit = Duration::from_hours(24);
        tokio::time::timeout(limit, test).await.expect("something awaited never comes");
    });
}

/// Lets all other tasks do what they can without the clock.
pub(crate) async fn settle() {
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
}

/// What happens within so many polls of a future; it is dropped behind them.
pub(crate) async fn dropped_after<F: Future>(future: F, polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        left -= 1;
        if left == 0 {
            return Poll::Ready(None);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Where the streams of a client end.
pub(crate) struct Network {
    codec: Codec,
    streams: UnboundedReceiver<DuplexStream>,
}

/// A client on pipes that hold so many bytes.
pub(crate) fn client_with(
    codec: Codec,
    capacity: usize,
    change: impl FnOnce(Builder) -> Builder,
) -> (Client, Network) {
    let (sender, streams) = unbounded_channel();
    let dial = move || {
        let (ours, theirs) = tokio::io::duplex(capacity);
        let sent = sender.send(theirs).map_err(|_| io::Error::other("the network is down"));
        std::future::ready(sent.map(|()| ours))
    };
    let builder = Client::builder("ws://server.example/v1/connect").codec(codec).over(dial);
    (change(builder).connect(), Network { codec, streams })
}

pub(crate) fn client() -> (Client, Network) {
    client_with(Codec::Json, 64 * 1024, |builder| builder)
}

/// A client whose first connection is open.
pub(crate) async fn open() -> (Client, Network, Peer) {
    let (client, mut network) = client();
    let (peer, _) = network.greet().await;
    client.connected().await.expect("open");
    (client, network, peer)
}

impl Network {
    /// The next connection of the client's.
    pub(crate) async fn accept(&mut self) -> Peer {
        let stream = self.streams.recv().await.expect("a client");
        let subprotocols =
            Codec::ALL.iter().map(|codec| Subprotocol::new(codec.subprotocol()).expect("a token"));
        let acceptor = Acceptor::new().subprotocols(subprotocols);
        let socket = acceptor.accept(stream).await.expect("a handshake");
        assert_eq!(socket.subprotocol(), Some(self.codec.subprotocol()));
        Peer { codec: self.codec, socket }
    }

    /// The next connection, with `connect` answered: all subscriptions are live at 0.
    pub(crate) async fn greet(&mut self) -> (Peer, Connect) {
        let mut peer = self.accept().await;
        let connect = peer.hear_connect().await;
        let live = |subscribe: &Subscribe| (subscribe.sub, Ok(live(subscribe.sub)));
        let connected = Connected {
            subscriptions: connect.subscriptions.iter().map(live).collect(),
            ..connected(connect.id)
        };
        peer.say(ServerMessage::Connected(Box::new(connected))).await;
        (peer, connect)
    }
}

/// The server's end of a connection.
pub(crate) struct Peer {
    codec: Codec,
    pub(crate) socket: WebSocket,
}

impl Peer {
    pub(crate) async fn hear(&mut self) -> ClientMessage {
        self.try_hear().await.expect("the client is there")
    }

    /// The next message; `None` once the client has left.
    pub(crate) async fn try_hear(&mut self) -> Option<ClientMessage> {
        let message = self.socket.recv().await.ok()??;
        assert_eq!(matches!(message, Message::Text(_)), self.codec.is_text());
        let mut messages = self.codec.decode_client(message.as_bytes()).expect("sound");
        assert_eq!(messages.len(), 1);
        match messages.remove(0) {
            Incoming::Message(message) => Some(message),
            refused => panic!("{refused:?}"),
        }
    }

    pub(crate) async fn hear_connect(&mut self) -> Connect {
        match self.hear().await {
            ClientMessage::Connect(connect) => *connect,
            other => panic!("connect is due, not {other:?}"),
        }
    }

    pub(crate) async fn hear_subscribe(&mut self) -> (u64, Subscribe) {
        match self.hear().await {
            ClientMessage::Subscribe { id, subscribe } => (id, subscribe),
            other => panic!("subscribe is due, not {other:?}"),
        }
    }

    /// Hears `subscribe` and answers that it is live at 0; gives the number.
    pub(crate) async fn take_subscription(&mut self) -> u32 {
        let (id, subscribe) = self.hear_subscribe().await;
        self.say(ServerMessage::Subscribed { id, subscribed: live(subscribe.sub) }).await;
        subscribe.sub
    }

    pub(crate) async fn hear_publish(&mut self) -> (u64, Payload) {
        match self.hear().await {
            ClientMessage::Publish { id, publish } => (id, publish.publication.payload),
            other => panic!("publish is due, not {other:?}"),
        }
    }

    pub(crate) async fn say(&mut self, message: ServerMessage) {
        let frame = self.codec.encode_server(&message);
        let message = if self.codec.is_text() {
            Message::Text(Text::try_from(frame).expect("JSON"))
        } else {
            Message::Binary(frame)
        };
        self.socket.send(message).await.expect("the client is there");
    }

    pub(crate) async fn push(&mut self, sub: u32, pushed: Pushed) {
        self.say(ServerMessage::Push(Push { sub, pushed })).await;
    }

    pub(crate) async fn published(&mut self, id: u64, seq: u64) {
        let published = Published { position: Some(at(seq)), duplicate: false };
        self.say(ServerMessage::Published { id, published }).await;
    }
}

pub(crate) fn connected(id: u64) -> Connected {
    Connected {
        id,
        session: "s".into(),
        user: None,
        capabilities: Capabilities::ALL,
        ping_interval_ms: 25_000,
        pong_timeout_ms: 10_000,
        expires_in_ms: None,
        reconnect_window_ms: 500,
        ticket: None,
        limits: Limits { max_message_bytes: 65_536, max_subscriptions: 100, publish_rate: 100 },
        subscriptions: Vec::new(),
    }
}

pub(crate) fn live(sub: u32) -> Subscribed {
    Subscribed { sub, position: at(0), outcome: Outcome::Live }
}

pub(crate) fn at(seq: u64) -> Position {
    Position { epoch: Epoch::from_random(1), seq }
}

pub(crate) fn record(seq: u64) -> Arc<Record> {
    let payload = Payload::text(seq.to_string());
    Arc::new(Record { seq, time: seq, payload, event: None, publisher: None })
}

pub(crate) fn message(seq: u64) -> Pushed {
    Pushed::Message { prev: seq - 1, skipped: 0, record: record(seq) }
}

pub(crate) fn page(seqs: std::ops::RangeInclusive<u64>, more: bool) -> Pushed {
    let prev = seqs.start() - 1;
    Pushed::Page { prev, records: seqs.map(record).collect(), more }
}

/// The `seq` of the next record.
pub(crate) async fn next(subscription: &mut Subscription) -> u64 {
    loop {
        match subscription.recv().await.expect("it goes on") {
            Event::Message(message) => return message.record.seq,
            Event::State(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
