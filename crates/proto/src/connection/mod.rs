//! One connection after its opening handshake, as a state machine without I/O (RFC 6455 §5 to §7).

mod assembler;
mod ending;
mod event;
mod heartbeat;
mod input;
mod outgoing;
mod receive;
mod send;
mod state;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut};

use self::{
    ending::{Ending, Owed},
    heartbeat::{Heartbeat, Verdict},
    receive::{Receive, Received},
    send::Send,
    state::Step,
};
pub use self::{
    event::{Cause, Closed, Event, Timer},
    input::Input,
    state::State,
};
use crate::{
    Close, CloseCode, CloseReason, Config, DeflateParams, Fragment, Frames, MaskingKeys, Message,
    ProtocolError, SendError, Sendable, Side,
    extension::deflate::{Compressor, Decompressor},
};

/// One WebSocket connection after its opening handshake: all of the protocol, and no I/O.
///
/// Methods come in four kinds:
/// - **commands** ([`send`](Self::send), [`send_frames`](Self::send_frames), [`send_fragment`](Self::send_fragment),
///   [`ping`](Self::ping), [`close`](Self::close), [`fail`](Self::fail)): what the caller wants;
/// - **handlers** (`handle_*`): what happened outside;
/// - **polls** (`poll_*`): what the caller is to do next;
/// - **getters**, which change nothing.
///
/// **After any command or handler, poll events and transmits until both are `None`.** Then wait for
/// bytes, for room in the transport, for the caller's own wishes, or for the instant that
/// [`poll_timeout`](Self::poll_timeout) names.
///
/// The events of one input come out one at a time: a caller that stops polling keeps the rest of its
/// input and stops reading, and the transport's flow control holds the peer back.
pub struct Connection {
    config: Arc<Config>,
    side: Side,
    state: State,
    receive: Receive,
    send: Send,
    heartbeat: Heartbeat,
    /// Set once nothing more is to be read as frames: a Close frame arrived, or the connection
    /// failed.
    deaf: bool,
    ending: Ending,
    /// When a message last passed, in either direction.
    active: Instant,
}

/// What the transport is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transmit {
    /// Write from [`Connection::outgoing`], and say with [`Connection::handle_written`] how much.
    Bytes,
    /// Flush, then end our direction: TCP FIN, TLS `close_notify`, HTTP/2 `END_STREAM`. Said once.
    Fin,
}

impl Connection {
    /// The client's end. It masks what it sends, so it needs `keys` (§5.3).
    pub fn client(config: Arc<Config>, keys: Box<dyn MaskingKeys>, now: Instant) -> Self {
        Self::new(Side::Client, config, Some(keys), now)
    }

    /// The server's end.
    pub fn server(config: Arc<Config>, now: Instant) -> Self {
        Self::new(Side::Server, config, None, now)
    }

    fn new(
        side: Side,
        config: Arc<Config>,
        keys: Option<Box<dyn MaskingKeys>>,
        now: Instant,
    ) -> Self {
        Self {
            side,
            state: State::Open,
            receive: Receive::new(side),
            send: Send::new(keys, config.fragment_size),
            heartbeat: Heartbeat::new(now),
            deaf: false,
            ending: Ending::default(),
            active: now,
            config,
        }
    }

    /// Uses permessage-deflate as it was agreed on, with the settings of [`Config::deflate`]. To be
    /// said before anything is sent or received.
    #[must_use]
    pub fn with_deflate(mut self, agreed: DeflateParams) -> Self {
        let settings = self.config.deflate.unwrap_or_default();
        let server = (!agreed.server_no_context_takeover, agreed.server_max_window_bits);
        let client = (!agreed.client_no_context_takeover, agreed.client_max_window_bits);
        let (ours, theirs) = match self.side {
            Side::Server => (server, client),
            Side::Client => (client, server),
        };
        self.send.set_deflate(Compressor::new(&settings, ours.0, ours.1));
        self.receive.set_deflate(Decompressor::new(&settings, theirs.0, theirs.1));
        self
    }

    /// Queues a message (§6.1).
    ///
    /// With permessage-deflate a message of [`Deflate::threshold`](crate::Deflate::threshold) bytes
    /// or more is compressed, if that makes it smaller; beyond 64 KiB in pieces, as the transport
    /// takes them, each a frame.
    ///
    /// [`SendError::Full`] if it would take the queue beyond
    /// [`Limits::max_buffered_amount`](crate::Limits::max_buffered_amount).
    pub fn send(&mut self, message: impl Into<Sendable>, now: Instant) -> Result<(), SendError> {
        self.check_send(message.into()).and_then(|message| self.send.message(message))?;
        self.active = now;
        Ok(())
    }

    /// Whether [`Self::send_frames`] may be used: on a server, without compression and without a
    /// [`Config::fragment_size`]. It does not change.
    pub fn takes_frames(&self) -> bool {
        self.send.takes_frames()
    }

    /// Queues messages that were encoded before they came here: see [`Frames`].
    ///
    /// [`SendError::Full`] as by [`Self::send`], with all of them as one.
    ///
    /// # Panics
    ///
    /// Unless [`Self::takes_frames`].
    pub fn send_frames(&mut self, frames: Frames, now: Instant) -> Result<(), SendError<Frames>> {
        self.check_room(frames, Frames::encoded_len).and_then(|frames| self.send.frames(frames))?;
        self.active = now;
        Ok(())
    }

    /// Queues a fragment of a message (§5.4). Control frames may still pass between fragments; other
    /// messages may not.
    ///
    /// The first fragment decides the message's type, and whether it is compressed: as a message of
    /// that size would be. The parts of a text are each valid UTF-8.
    pub fn send_fragment(&mut self, fragment: Fragment, now: Instant) -> Result<(), SendError> {
        self.fragment(fragment, true, now)
    }

    /// As [`Self::send_fragment`]; where this is the first fragment, the message goes out as it is,
    /// although compression is agreed on.
    pub fn send_fragment_uncompressed(
        &mut self,
        fragment: Fragment,
        now: Instant,
    ) -> Result<(), SendError> {
        self.fragment(fragment, false, now)
    }

    fn fragment(
        &mut self,
        fragment: Fragment,
        compress: bool,
        now: Instant,
    ) -> Result<(), SendError> {
        let part = self.check_send(fragment.part.into())?.into_message();
        self.send.fragment(Fragment { part, fin: fragment.fin }, compress)?;
        self.active = now;
        Ok(())
    }

    fn check_send(&self, message: Sendable) -> Result<Sendable, SendError> {
        self.check_room(message, Sendable::len)
    }

    fn check_room<M>(&self, message: M, len: fn(&M) -> usize) -> Result<M, SendError<M>> {
        if !self.state.may_send() {
            return Err(SendError::Closed(message));
        }
        let queued = self.send.buffered_amount();
        let max = self.config.limits.max_buffered_amount;
        if queued > 0 && queued.saturating_add(len(&message)) > max {
            return Err(SendError::Full(message));
        }
        Ok(message)
    }

    /// Queues a Ping (§5.5.2) and gives its number, which [`Event::Pong`] repeats.
    ///
    /// `None` if the connection is closing, or if 64 Pings wait for their Pongs.
    pub fn ping(&mut self, now: Instant) -> Option<u64> {
        if self.state != State::Open {
            return None;
        }
        let number = self.heartbeat.start_ping(now)?;
        self.send.ping(number);
        Some(number)
    }

    /// Starts the closing handshake behind all that is queued (§7.1.2). Does nothing if our Close
    /// frame was sent already.
    ///
    /// A code that may not be on the wire (§7.4) is replaced by 1000, and [`Close::EMPTY`] stays
    /// empty. The peer's messages still arrive until its Close frame does.
    pub fn close(&mut self, close: Close, now: Instant) {
        match self.ending.owed {
            // The violation's own code goes out, and not one that hides it.
            Some(Owed::Fail(_)) => {}
            Some(Owed::AnswerClose) | None => {
                self.ending.owed = None;
                self.send_close(close, now);
            }
        }
    }

    /// Fails the connection (§7.1.7): sends the Close frame, reads no more, and ends.
    pub fn fail(&mut self, close: Close, now: Instant) {
        self.ending.owed = None;
        self.ending.cause.get_or_insert(Cause::Failed);
        self.be_deaf();
        self.send_close(close, now);
    }

    fn send_close(&mut self, mut close: Close, now: Instant) {
        let Some(next) = self.state.after(Step::SendClose) else { return };
        self.state = next;
        if close.code == CloseCode::NO_STATUS_RCVD {
            close = Close::EMPTY;
        } else if !close.code.may_be_sent() {
            close.code = CloseCode::NORMAL_CLOSURE;
        }
        self.send.close(close.clone());
        self.ending.sent = Some(close);
        let timeout = self.config.close_timeout;
        self.ending.deadline = now.checked_add(timeout);
        self.ending.limit = now.checked_add(timeout.saturating_mul(CLOSE_PATIENCE));
    }

    /// The peer ended its direction of the transport.
    pub fn handle_eof(&mut self, now: Instant) {
        self.ending.peer_fin = true;
        // The reading direction alone has ended: a Close frame that is owed can still go out.
        self.settle(now);
        // After both Close frames our own end of the transport is still to be said, and before it what
        // is queued; the next polls do that.
        if self.state != State::CloseExchanged && !self.deaf || self.ending.fin_told {
            self.finish();
        }
    }

    /// The transport is gone: a read or a write failed.
    pub fn handle_lost(&mut self) {
        self.finish();
    }

    /// The transport took `count` bytes of [`Self::outgoing`].
    ///
    /// # Panics
    ///
    /// If `count` is more than what was queued.
    pub fn handle_written(&mut self, count: usize, now: Instant) {
        let before = self.send.outgoing.written();
        self.send.written(count);
        if count == 0 {
            return;
        }
        self.heartbeat.on_written(before, now);
        if self.ending.cause.is_none()
            && let Some(limit) = self.ending.limit
        {
            let later = now.checked_add(self.config.close_timeout);
            self.ending.deadline = Some(later.map_or(limit, |later| later.min(limit)));
        }
    }

    /// The instant that [`Self::poll_timeout`] named has come, or an earlier one.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.ending.deadline.is_some_and(|deadline| deadline <= now) {
            // A Close frame that is owed has waited long enough. Sent, it has its own time.
            self.settle(now);
        }
        if self.ending.deadline.is_some_and(|deadline| deadline <= now) {
            if self.state != State::CloseExchanged || self.send.outgoing.has_remaining() {
                self.ending.cause.get_or_insert(Cause::TimedOut(Timer::Close));
            }
            self.finish();
            return;
        }
        if self.state != State::Open || self.ending.owed.is_some() {
            return;
        }
        match self.heartbeat.on_time(self.config.keepalive, now) {
            Verdict::Nothing => {}
            Verdict::SendPing => {
                if let Some(number) = self.heartbeat.start_ping(now) {
                    self.send.ping(number);
                }
                self.heartbeat.await_answer(self.send.outgoing.end(), now);
            }
            Verdict::TimedOut => {
                self.ending.cause = Some(Cause::TimedOut(Timer::Keepalive));
                self.finish();
                return;
            }
        }
        if self.idle_deadline().is_some_and(|deadline| deadline <= now) {
            let reason = CloseReason::truncated("idle for too long");
            self.close(Close::new(CloseCode::GOING_AWAY, reason), now);
        }
    }

    /// The caller stops reading from the transport, or reads again. While it does not read, the
    /// peer's silence is nobody's fault.
    pub fn handle_reading(&mut self, reading: bool, now: Instant) {
        self.heartbeat.set_reading(reading, now);
    }

    /// Takes at most one event out of `input`, in place.
    ///
    /// `None` means that the input is used up and kept where it is unfinished: whatever the
    /// pieces in which the bytes arrive, the events are the same.
    #[must_use]
    pub fn poll_event(&mut self, input: &mut Input<'_>, now: Instant) -> Option<Event> {
        if let Some(message) = self.poll_message(input, now) {
            return Some(Event::Message(message));
        }
        if !input.is_empty() || self.receive.has_direct() {
            self.heartbeat.on_received(now);
        }
        if self.ending.is_known() {
            self.settle(now);
            if let Some(closed) = self.ending.take_closed() {
                return Some(Event::Closed(closed));
            }
        }
        if self.deaf {
            input.take_all();
            return None;
        }
        let event = match self.receive.next(input, &self.config) {
            Ok(received) => self.receive(received?, now),
            Err(error) => return Some(self.violation(error, input, now)),
        };
        if self.deaf {
            input.take_all();
        }
        Some(event)
    }

    /// Takes a message out of `input` that lies whole in it, in one frame, where nothing else is due:
    /// what [`Self::poll_event`] would give, in fewer steps. `None` says nothing: poll events then.
    #[must_use]
    #[inline]
    pub fn poll_message(&mut self, input: &mut Input<'_>, now: Instant) -> Option<Message> {
        if self.deaf || self.ending.is_known() {
            return None;
        }
        let message = self.receive.take_message(input, &self.config)?;
        self.heartbeat.on_received(now);
        self.active = now;
        Some(message)
    }

    #[cold]
    fn violation(&mut self, error: ProtocolError, input: &mut Input<'_>, now: Instant) -> Event {
        self.be_deaf();
        input.take_all();
        self.ending.cause.get_or_insert(Cause::Violation(error));
        self.ending.deadline = now.checked_add(self.config.close_timeout);
        self.ending.owed = Some(Owed::Fail(error));
        Event::Violation(error)
    }

    /// From now on what arrives is thrown away, and so is what is unfinished.
    fn be_deaf(&mut self) {
        self.deaf = true;
        self.receive.clear();
    }

    /// Does what the last event obliges us to.
    fn settle(&mut self, now: Instant) {
        match self.ending.take_owed() {
            None => {}
            Some(Owed::AnswerClose) => {
                // §5.5.1: an endpoint typically echoes the status code.
                let code =
                    self.ending.received.as_ref().map_or(CloseCode::NO_STATUS_RCVD, |it| it.code);
                self.send_close(code.into(), now);
            }
            Some(Owed::Fail(error)) => {
                let reason = CloseReason::truncated(&error.to_string());
                self.fail(Close::new(error.close_code(), reason), now);
            }
        }
    }

    fn receive(&mut self, received: Received, now: Instant) -> Event {
        match received {
            Received::Message(message) => {
                self.active = now;
                Event::Message(message)
            }
            Received::Fragment(fragment) => {
                self.active = now;
                Event::Fragment(fragment)
            }
            Received::Ping(payload) => {
                if self.state.may_send() {
                    self.send.pong(&payload);
                }
                Event::Ping(payload)
            }
            Received::Pong(payload) => {
                let answers = self.heartbeat.on_pong(&payload, now);
                Event::Pong { payload, answers }
            }
            Received::Close(close) => {
                self.be_deaf();
                self.ending.peer_first = self.ending.sent.is_none();
                self.ending.received = Some(close.clone());
                self.state = self.state.after(Step::ReceiveClose).expect("deaf after the first");
                if self.state == State::CloseReceived {
                    self.ending.owed = Some(Owed::AnswerClose);
                    self.ending.deadline = now.checked_add(self.config.close_timeout);
                }
                Event::CloseReceived(close)
            }
        }
    }

    /// Says what the transport is to do next; `None` if nothing.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        if self.state == State::Closed {
            return None;
        }
        if self.send.outgoing.has_remaining() {
            return Some(Transmit::Bytes);
        }
        // §7.1.1: the server closes the transport first; the client waits for that, unless it
        // fails the connection.
        let exchanged = self.state == State::CloseExchanged && self.side == Side::Server;
        let failed = self.ending.cause.is_some() && !self.state.may_send();
        let answered_half = self.state == State::CloseExchanged && self.ending.peer_fin;
        if !(exchanged || failed || answered_half) || self.ending.fin_told {
            return None;
        }
        self.ending.fin_told = true;
        if self.ending.peer_fin {
            self.finish();
        }
        Some(Transmit::Fin)
    }

    /// The encoded bytes to write, for [`Transmit::Bytes`]: payloads are lent, not copied, so write
    /// them with [`Buf::chunks_vectored`]. Say what was written with [`Self::handle_written`].
    pub fn outgoing(&self) -> &(impl Buf + use<>) {
        &self.send.outgoing
    }

    /// The instant at which to call [`Self::handle_timeout`]; `None` if nothing waits for time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let open = self.state == State::Open && self.ending.owed.is_none();
        let heartbeat = self.heartbeat.deadline(self.config.keepalive).filter(|_| open);
        let idle = self.idle_deadline().filter(|_| open);
        let closing = self.ending.deadline.filter(|_| self.state != State::Closed);
        [heartbeat, idle, closing].into_iter().flatten().min()
    }

    fn idle_deadline(&self) -> Option<Instant> {
        self.config.idle_timeout.and_then(|timeout| self.active.checked_add(timeout))
    }

    /// Space to read payload into without a further copy, while a large one is under way.
    ///
    /// Fill it by one read from the transport, then poll events with an empty input. With bytes
    /// still in hand, parse these first.
    pub fn payload_space(&mut self) -> Option<impl BufMut + use<'_>> {
        if self.deaf { None } else { self.receive.payload_space() }
    }

    /// The transport is over, one way or another.
    fn finish(&mut self) {
        let Some(closed) = self.state.after(Step::CloseTransport) else { return };
        let exchanged = self.state == State::CloseExchanged && !self.send.outgoing.has_remaining();
        let natural = if exchanged { Cause::Clean } else { Cause::Lost };
        self.state = closed;
        self.ending.owed = None;
        self.be_deaf();
        self.send.clear();
        self.ending.deadline = None;
        self.ending.closed = Some(Box::new(Closed {
            sent: self.ending.sent.take(),
            received: self.ending.received.take(),
            peer_first: self.ending.peer_first,
            cause: self.ending.cause.unwrap_or(natural),
        }));
    }

    /// Which end this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Where the closing handshake stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the next [`poll_event`](Self::poll_event) will queue a Close frame: the answer to the
    /// peer's, or the one that fails the connection.
    pub fn owes_close(&self) -> bool {
        self.ending.owed.is_some()
    }

    /// Whether more bytes can change anything. After a Close frame, or a violation, what arrives is
    /// thrown away.
    pub fn is_reading(&self) -> bool {
        !self.deaf
    }

    /// Whether [`poll_event`](Self::poll_event) may give something without further input, to a caller
    /// that stopped polling: a compressed message that is delivered as it arrives can be far larger
    /// than its input.
    pub fn has_more_events(&self) -> bool {
        !self.deaf && self.receive.has_more()
    }

    /// Bytes queued and not yet handed to the transport, frame headers included; of a long message
    /// that is compressed piece by piece, what is not compressed yet.
    pub fn buffered_amount(&self) -> usize {
        self.send.buffered_amount()
    }

    /// The place behind all that was sent, counted in encoded bytes from the start of the connection;
    /// with [`Self::written`] it tells when something has gone out. `None` while the rest of a long
    /// message waits to be encoded.
    pub fn queued(&self) -> Option<u64> {
        self.send.is_encoded().then(|| self.send.outgoing.end())
    }

    /// Bytes that the transport took since the start of the connection.
    pub fn written(&self) -> u64 {
        self.send.outgoing.written()
    }

    /// The latest round-trip time; `None` before the first Pong.
    pub fn latency(&self) -> Option<Duration> {
        self.heartbeat.latency()
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("side", &self.side)
            .field("state", &self.state)
            .field("buffered_amount", &self.buffered_amount())
            .finish_non_exhaustive()
    }
}

/// How many times [`Config::close_timeout`] the closing handshake may take while the transport goes
/// on taking bytes.
const CLOSE_PATIENCE: u32 = 10;
