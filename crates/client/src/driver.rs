//! The task of a client: it carries out what the machine says, on a WebSocket, a clock and the token callback.

use std::{
    future::{Future, pending},
    iter, mem,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use longwire::{Close, Message, Receiver, SendError, Sendable, Sender, Text, WebSocket};
use longwire_channel::{CloseCode, Codec};
use tokio::{select, time::sleep_until};

use crate::{
    TokenError,
    client::Callback,
    machine::{Action, TransportEnd},
    opening::{self, Opening},
    shared::{Shared, State, now},
};

/// A client's task.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    attempts: Opening,
    codec: Codec,
    callback: Option<Callback>,
    socket: Option<Socket>,
    opening: Option<opening::Attempt>,
    token: Option<TokenAttempt>,
    /// What the machine wants, and has not got yet.
    actions: Vec<Action>,
    clocks: Clocks,
}

/// The open WebSocket.
struct Socket {
    sender: Sender,
    receiver: Receiver,
    /// A message for which there was no room.
    held: Option<Sendable>,
}

type TokenAttempt = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;

/// What a driver waits for.
enum Happened {
    /// The application has a command, or the socket has room.
    Work,
    Time,
    Opened(Result<WebSocket, TransportEnd>),
    Token(Result<String, TokenError>),
    Received(Result<Option<Message>, longwire::Error>),
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        attempts: Opening,
        codec: Codec,
        callback: Option<Callback>,
    ) -> Self {
        Self {
            shared,
            attempts,
            codec,
            callback,
            socket: None,
            opening: None,
            token: None,
            actions: Vec::new(),
            clocks: Clocks::new(),
        }
    }

    /// Runs until the client is closed.
    pub(crate) async fn run(mut self) {
        let mut told = 0;
        loop {
            told += self.turn();
            if self.shared.lock().machine.closed().is_some() {
                break;
            }
            if told >= TOLD_MAX {
                told = 0;
                tokio::task::yield_now().await;
            }
            let happened = self.happened().await;
            self.handle(happened);
        }
        if let Some(socket) = self.socket.take() {
            socket.sender.close(close(NORMAL)).await;
        }
    }

    /// Does all that the machine wants and tells all that it has to tell. Gives the events that went to subscriptions.
    fn turn(&mut self) -> usize {
        let shared = self.shared.clone();
        let is_last = {
            let machine = &mut shared.lock().machine;
            self.actions.extend(iter::from_fn(|| machine.poll_action()));
            machine.closed().is_some()
        };
        for action in mem::take(&mut self.actions) {
            // Without the lock, since this calls what the application gave.
            self.act(action, is_last);
        }
        let mut state = shared.lock();
        let told = shared.tell(&mut state);
        if let Some(socket) = &mut self.socket {
            socket.send_all(self.codec, &mut state);
        }
        // What was too large to be sent.
        told + shared.tell(&mut state)
    }

    fn act(&mut self, action: Action, is_last: bool) {
        match action {
            Action::AskToken => {
                let callback = self.callback.as_ref().expect("only a callback is asked");
                self.token = Some(callback());
            }
            Action::Open => self.opening = Some(self.attempts.attempt(self.codec)),
            // The last one is waited for, in `run`.
            Action::Close(code) if !is_last => {
                self.opening = None;
                if let Some(socket) = self.socket.take() {
                    socket.leave(code);
                }
            }
            Action::Close(_) => self.opening = None,
        }
    }

    /// Waits for the next thing to happen.
    async fn happened(&mut self) -> Happened {
        let Self { shared, socket, opening, token, .. } = self;
        let look = now() + LOOK_INTERVAL;
        let time = shared.lock().machine.poll_timeout().map_or(look, |due| due.min(look));
        let (receiver, crowded) = match socket {
            Some(Socket { sender, receiver, held }) => {
                let is_crowded = held.is_some() || sender.buffered_amount() >= BUFFERED_MAX;
                (Some(receiver), is_crowded.then_some(&*sender))
            }
            None => (None, None),
        };
        select! {
            () = shared.work() => Happened::Work,
            () = room(crowded) => Happened::Work,
            () = sleep_until(time.into()) => Happened::Time,
            result = attempt(opening) => Happened::Opened(result),
            answer = attempt(token) => Happened::Token(answer),
            message = received(receiver) => Happened::Received(message),
        }
    }

    fn handle(&mut self, happened: Happened) {
        let now = now();
        let asleep = self.clocks.asleep();
        let shared = self.shared.clone();
        let machine = &mut shared.lock().machine;
        // A command may have dropped the transport that something came of: the machine must not hear of it.
        self.actions.extend(iter::from_fn(|| machine.poll_action()));
        let is_old = self.actions.iter().any(|action| matches!(action, Action::Close(_)));
        if let Some(asleep) = asleep {
            machine.wake(asleep, now);
        }
        match happened {
            Happened::Opened(_) | Happened::Received(_) if is_old => {}
            Happened::Work => {}
            Happened::Time => machine.handle_timeout(now),
            Happened::Opened(opened) => {
                self.opening = None;
                match opened {
                    Ok(socket) => {
                        let (sender, receiver) = socket.split();
                        self.socket = Some(Socket { sender, receiver, held: None });
                        machine.handle_open();
                    }
                    Err(end) => machine.handle_closed(end, now),
                }
            }
            Happened::Token(answer) => {
                self.token = None;
                machine.handle_token(answer, now);
            }
            Happened::Received(Ok(Some(message))) => {
                machine.handle_traffic(now);
                match decode(self.codec, &message) {
                    Ok(messages) => {
                        for message in messages {
                            machine.handle_message(message, now);
                        }
                    }
                    Err(words) => machine.handle_unreadable(words, now),
                }
            }
            Happened::Received(ended) => {
                let end = self.socket.take().map(|socket| socket.end(ended.err()));
                if let Some(end) = end {
                    machine.handle_closed(end, now);
                }
            }
        }
    }
}

impl Drop for Driver {
    /// Also where a runtime shuts down, or the token callback panics.
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Socket {
    /// Sends what there is, as long as there is room.
    fn send_all(&mut self, codec: Codec, state: &mut State) {
        loop {
            if let Some(message) = self.held.take() {
                // That the socket is closed, `recv` tells.
                if let Err(SendError::Full(message)) = self.sender.try_send(message) {
                    self.held = Some(message);
                    return;
                }
            }
            if self.sender.buffered_amount() >= BUFFERED_MAX {
                return;
            }
            let Some(message) = state.machine.poll_transmit() else { return };
            let frame = codec.encode_client(&message);
            let size = frame.len() as u64;
            if state.machine.max_message_bytes().is_some_and(|max| size > max) {
                state.machine.handle_oversized(&message, size);
            } else {
                self.held = Some(framed(codec, frame).into());
            }
        }
    }

    /// Closes it, and does not wait for that.
    fn leave(self, code: CloseCode) {
        let closing = self.sender.close(close(code));
        // Once polled it closes by itself.
        let mut closing = std::pin::pin!(closing);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = closing.as_mut().poll(&mut context);
    }

    /// How it ended.
    fn end(&self, error: Option<longwire::Error>) -> TransportEnd {
        let frame = self.sender.closed().and_then(|closed| closed.received);
        match (frame, error) {
            (Some(frame), _) => TransportEnd::Closed {
                code: CloseCode(frame.code.get()),
                reason: frame.reason.to_string(),
            },
            (None, Some(error)) => TransportEnd::Lost(format!("the connection was lost: {error}")),
            (None, None) => TransportEnd::Lost("the connection was lost".to_owned()),
        }
    }
}

/// The two clocks of a machine: one of them stands still while it sleeps.
struct Clocks {
    wall: SystemTime,
    steady: Instant,
}

impl Clocks {
    fn new() -> Self {
        Self { wall: SystemTime::now(), steady: now() }
    }

    /// For how long the machine slept since the last look.
    fn asleep(&mut self) -> Option<Duration> {
        let last = mem::replace(self, Self::new());
        let wall = self.wall.duration_since(last.wall).ok()?;
        let asleep = wall.checked_sub(self.steady.saturating_duration_since(last.steady))?;
        (asleep >= ASLEEP_MIN).then_some(asleep)
    }
}

async fn attempt<F: Future + Unpin>(attempt: &mut Option<F>) -> F::Output {
    match attempt {
        Some(attempt) => attempt.await,
        None => pending().await,
    }
}

async fn received(receiver: Option<&mut Receiver>) -> Result<Option<Message>, longwire::Error> {
    match receiver {
        Some(receiver) => receiver.recv().await,
        None => pending().await,
    }
}

/// Waits until a crowded socket has room.
async fn room(crowded: Option<&Sender>) {
    match crowded {
        Some(sender) => {
            // That the socket is closed, `recv` tells.
            if sender.flush().await.is_err() {
                pending::<()>().await;
            }
        }
        None => pending().await,
    }
}

fn decode(codec: Codec, message: &Message) -> Result<Vec<longwire_channel::ServerMessage>, String> {
    if matches!(message, Message::Text(_)) != codec.is_text() {
        return Err(format!("a frame is not of {}", codec.subprotocol()));
    }
    codec.decode_server(message.as_bytes()).map_err(|error| error.to_string())
}

fn framed(codec: Codec, frame: Bytes) -> Message {
    if codec.is_text() {
        Message::Text(Text::try_from(frame).expect("JSON is UTF-8"))
    } else {
        Message::Binary(frame)
    }
}

fn close(code: CloseCode) -> Close {
    Close::from(longwire::CloseCode::new(code.0))
}

/// What is sent ahead of the network: more would only be lost with the connection, and keep a `pong` waiting.
const BUFFERED_MAX: usize = 256 * 1024;
/// Events given out before the applications have their turn, so that a page does not meet a full inbox.
const TOLD_MAX: usize = 128;
/// How often the clocks are compared.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// What the wall clock may run ahead by adjustment.
const ASLEEP_MIN: Duration = Duration::from_secs(5);
const NORMAL: CloseCode = CloseCode(1000);

#[cfg(test)]
mod tests {
    use longwire::Connect;

    use super::*;
    use crate::{
        ConnectionState,
        machine::{Machine, TokenSource},
    };

    #[test]
    fn a_wall_clock_that_ran_ahead_tells_a_sleep() {
        let minute = Duration::from_mins(1);
        let wall = SystemTime::now().checked_sub(minute).expect("later than 1970");
        let mut clocks = Clocks { wall, steady: now() };
        assert!(clocks.asleep().is_some_and(|asleep| asleep > minute / 2));
        assert_eq!(clocks.asleep(), None);
        clocks.wall += minute;
        assert_eq!(clocks.asleep(), None, "a wall clock that was put back is no sleep");
    }

    #[test]
    fn what_comes_of_a_transport_that_was_dropped_does_not_count_against_the_next_one() {
        let mut machine = Machine::new(TokenSource::None, || 0, now());
        machine.connect(now());
        let shared = Arc::new(Shared::new(machine));
        let attempts = Opening::new(Connect::new("ws://server.example/"));
        let mut driver = Driver::new(shared.clone(), attempts, Codec::Json, None);
        driver.turn();
        assert!(driver.opening.is_some());
        shared.command(|state, now| {
            state.machine.disconnect(now);
            state.machine.wake(Duration::ZERO, now);
        });
        driver.handle(Happened::Opened(Err(TransportEnd::Lost("the old one".into()))));
        driver.turn();
        assert!(driver.opening.is_some());
        assert_eq!(*shared.states().borrow(), ConnectionState::Connecting);
    }
}
