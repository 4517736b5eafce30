//! `Client`: the handle of a client, and how one is made.

use std::{fmt, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use longwire::Connect;
use longwire_channel::{Codec, Payload};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

use crate::{
    Cause, ConnectionState, Session, Stats, TokenError,
    driver::Driver,
    history::AskHistory,
    machine::{Machine, TokenSource},
    opening::Opening,
    publish::Publishing,
    shared::{Handle, Shared, now},
    subscription::Subscribing,
};

/// A client of Longwire's channels: one connection at a time, and whatever it takes to have one.
///
/// A handle, and cheap to clone: the client has a task of its own. It connects, comes back after every loss, and closes
/// when the last handle is gone, those of subscriptions and pending answers included. Every async method is cancel safe.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use longwire_client::{Client, Event, channel::Payload};
///
/// let client = Client::connect("ws://localhost:8000/v1/connect");
/// let mut room = client.subscribe("chat:1").await?;
/// client.publish("chat:1", Payload::text("hello")).await?;
/// while let Some(event) = room.recv().await {
///     match event {
///         Event::Message(message) => println!("{:?}", message.record.payload),
///         Event::Lost(lost) => println!("lost: {} to {}", lost.from + 1, lost.to),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    handle: Arc<Handle>,
}

impl Client {
    /// Begins to connect to `ws://HOST:PORT/v1/connect`, or `wss:`, with the default settings. A mistake in the URL closes
    /// the client; [`Self::connected`] tells it.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn connect(url: &str) -> Self {
        Self::builder(url).connect()
    }

    /// Starts from a URL, for settings.
    pub fn builder(url: &str) -> Builder {
        Builder {
            opening: Opening::new(Connect::new(url)),
            codec: Codec::Json,
            tokens: TokenSource::None,
            callback: None,
        }
    }

    /// Reads a channel: settings, and then `.await`.
    pub fn subscribe(&self, channel: &str) -> Subscribing {
        Subscribing::new(self.handle.clone(), channel)
    }

    /// Publishes: settings, and then `.await`, which gives the position once the server has stored it.
    ///
    /// Without a connection it waits, with up to 1,000 others and 1 MiB; whatever was not answered is sent again, in order,
    /// and stored once.
    pub fn publish(&self, channel: &str, payload: Payload) -> Publishing {
        Publishing::new(self.handle.clone(), channel, payload)
    }

    /// Reads what a channel keeps: settings, and then `.await`.
    pub fn history(&self, channel: &str) -> AskHistory {
        AskHistory::new(self.handle.clone(), channel)
    }

    /// How the connection stands.
    pub fn state(&self) -> ConnectionState {
        self.handle.0.states().borrow().clone()
    }

    /// The connection's states from now on.
    pub fn states(&self) -> States {
        let states = self.handle.0.states();
        let told_closed = matches!(*states.borrow(), ConnectionState::Closed(_));
        States { states, told_closed }
    }

    /// Waits until the connection is open, if it is not.
    ///
    /// # Errors
    ///
    /// If the client is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: dropping its future stops the wait and nothing else.
    pub async fn connected(&self) -> Result<Session, Cause> {
        let mut states = self.states();
        let mut state = self.state();
        loop {
            match state {
                ConnectionState::Open(session) => return Ok(session),
                ConnectionState::Closed(cause) => return Err(cause),
                _ => state = states.next().await.unwrap_or(ConnectionState::Closed(Cause::Closed)),
            }
        }
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.handle.0.lock().machine.stats()
    }

    /// Drops the connection; the client comes back as after any loss. For tests.
    pub fn disconnect(&self) {
        self.handle.0.command(|state, now| state.machine.disconnect(now));
    }

    /// Says that the network may be back: an attempt that waits begins at once.
    pub fn wake(&self) {
        self.handle.0.command(|state, now| state.machine.wake(Duration::ZERO, now));
    }

    /// Closes the client: ends all subscriptions, takes nothing new, waits for pending publications up to `limit`, and
    /// closes the connection. What is still pending then is answered with
    /// [`NotSent`](crate::PublishError::NotSent) or [`Unknown`](crate::PublishError::Unknown).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: once polled the client closes, whether its future is dropped or not.
    pub async fn close(&self, limit: Duration) {
        self.handle.0.command(|state, now| {
            state.machine.close(limit, now);
            for (_, inbox) in state.inboxes.drain() {
                inbox.end();
            }
        });
        self.handle.0.done().await;
    }
}

/// The states of a client's connection, as they change. One that is followed by another before it is asked for is left out.
#[derive(Clone, Debug)]
pub struct States {
    states: watch::Receiver<ConnectionState>,
    told_closed: bool,
}

impl States {
    /// The next state. `None` behind [`ConnectionState::Closed`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    pub async fn next(&mut self) -> Option<ConnectionState> {
        if self.told_closed || self.states.changed().await.is_err() {
            return None;
        }
        let state = self.states.borrow_and_update().clone();
        self.told_closed = matches!(state, ConnectionState::Closed(_));
        Some(state)
    }
}

/// A client to be made.
#[derive(Clone)]
#[must_use = "nothing is connected until `connect`"]
pub struct Builder {
    opening: Opening,
    codec: Codec,
    tokens: TokenSource,
    callback: Option<Callback>,
}

/// What gives a token.
pub(crate) type Callback =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>> + Send + Sync>;

impl Builder {
    /// Presents this token, or API key, always.
    pub fn token(mut self, token: &str) -> Self {
        self.tokens = TokenSource::Fixed(token.to_owned());
        self.callback = None;
        self
    }

    /// Asks for a token before the first connection, when one is about to expire, and whenever the server wants a fresh
    /// one: one call at a time, of 30 s at most. [`TokenError`] says whether to try again.
    pub fn token_callback<F, R>(mut self, callback: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, TokenError>> + Send + 'static,
    {
        self.tokens = TokenSource::Callback;
        self.callback = Some(Arc::new(move || Box::pin(callback())));
        self
    }

    /// How messages are written. Default: [`Codec::Json`]; CBOR takes less for binary content.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Changes how the WebSocket is opened: TLS, header fields, proxy, timeouts.
    ///
    /// ```no_run
    /// # async fn run() {
    /// let client = longwire_client::Client::builder("wss://example.com/v1/connect")
    ///     .options(|connect| connect.header("X-Region", "eu").no_proxy())
    ///     .connect();
    /// # }
    /// ```
    pub fn options(mut self, change: impl FnOnce(Connect) -> Connect) -> Self {
        self.opening.change(change);
        self
    }

    /// Opens the byte stream under each connection by this, in place of dialling: a Unix socket, a tunnel. The URL gives
    /// the request alone; for `wss:` the stream must already be under TLS.
    pub fn over<F, R, T>(mut self, dial: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.opening.over(dial);
        self
    }

    /// Makes the client, and begins to connect.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn connect(self) -> Client {
        let mut machine = Machine::new(self.tokens, rand::random::<u64>, now());
        machine.connect(now());
        let shared = Arc::new(Shared::new(machine));
        let driver = Driver::new(shared.clone(), self.opening, self.codec, self.callback);
        tokio::spawn(driver.run());
        Client { handle: Arc::new(Handle(shared)) }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("opening", &self.opening)
            .field("codec", &self.codec)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}
