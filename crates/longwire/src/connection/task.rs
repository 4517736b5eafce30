//! The task that owns a connection's transport: it reads, writes, keeps time, and ends the
//! connection, whatever the application awaits.

use std::{
    collections::VecDeque,
    future::Future,
    io::{self, IoSlice},
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Buf;
use longwire_proto::{
    Closed, Connection, Event, Fragment, Input, SendError, State as ClosingState, Transmit,
};
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
    task::unconstrained,
    time::Sleep,
};
use tokio_util::io::poll_read_buf;
use tracing::{Span, debug};

use super::{
    queues::{Inbound, Outbound, Queues},
    scratch,
};
use crate::error::{End, PingError};

pin_project! {
    /// One connection's task. It ends when the connection does.
    pub(super) struct Task<T> {
        #[pin]
        io: T,
        #[pin]
        sleep: Sleep,
        turn: Turn,
    }
}

/// All of the task but its transport and its timer.
struct Turn {
    connection: Connection,
    queues: Arc<Queues>,
    now: Instant,
    /// When `sleep` fires.
    armed: Option<Instant>,

    /// What was read and is not parsed yet: the inbox was full.
    unparsed: Vec<u8>,
    unparsed_start: usize,
    /// What was parsed and is not in the inbox yet.
    arrived: VecDeque<Inbound>,
    /// How full the inbox is, with what arrived.
    inbox_len: usize,
    inbox_bytes: usize,
    /// Whether the application has handled all that it was given.
    idle: bool,
    /// Until when a Close frame that is owed waits for the application to do so.
    hold: Option<Instant>,
    /// When patience ends with what is pending before our own Close frame, or with a transport that
    /// is over but for its last bytes.
    patience: Option<Instant>,

    /// What was taken from the outbox and is not encoded yet.
    pending: VecDeque<Outbound>,
    pending_bytes: usize,
    /// Whether the outbox holds more.
    outbox_left: bool,
    /// Things ever taken from the outbox.
    taken: u64,
    /// Where what was taken ends among the bytes to write, while the transport is behind.
    marks: VecDeque<(u64, u64)>,
    /// Whether something was taken and thrown away, so that no more counts as flushed.
    refused: bool,
    /// Payload bytes encoded since all was written.
    encoded: usize,
    /// Whether the handles are to be told of progress in writing, or of a round-trip time.
    report: bool,
    /// Pings of the application that wait for their Pongs, by number.
    pings: Vec<(u64, oneshot::Sender<Result<Duration, PingError>>)>,

    needs_flush: bool,
    needs_shutdown: bool,
    read_ended: bool,
    write_failed: bool,
    error: Option<io::Error>,
    closed: Option<Box<Closed>>,
    /// Where what happens is logged; none where nobody listens.
    span: Option<Box<Span>>,
}

impl<T: AsyncRead + AsyncWrite> Task<T> {
    /// `leftover` is what the peer sent behind its opening handshake.
    pub(super) fn new(
        io: T,
        connection: Connection,
        queues: Arc<Queues>,
        leftover: Vec<u8>,
        span: Span,
    ) -> Self {
        let turn = Turn {
            connection,
            queues,
            now: now(),
            armed: None,
            unparsed: leftover,
            unparsed_start: 0,
            arrived: VecDeque::new(),
            inbox_len: 0,
            inbox_bytes: 0,
            idle: true,
            hold: None,
            patience: None,
            pending: VecDeque::new(),
            pending_bytes: 0,
            outbox_left: false,
            taken: 0,
            marks: VecDeque::new(),
            refused: false,
            encoded: 0,
            report: false,
            pings: Vec::new(),
            needs_flush: false,
            needs_shutdown: false,
            read_ended: false,
            write_failed: false,
            error: None,
            closed: None,
            span: (!span.is_disabled()).then(|| Box::new(span)),
        };
        Self { io, sleep: tokio::time::sleep(Duration::ZERO), turn }
    }
}

impl<T: AsyncRead + AsyncWrite> Future for Task<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let turn = this.turn;
        turn.queues.register_task(cx.waker());
        turn.keep_time();
        turn.exchange();
        for _ in 0..TURN_MAX {
            turn.encode();
            turn.parse_unparsed();
            turn.settle();
            let wrote = turn.write(this.io.as_mut(), cx);
            if turn.is_over() {
                turn.end();
                return Poll::Ready(());
            }
            let read = turn.read(this.io.as_mut(), cx);
            let exchanged = turn.exchange();
            if read || exchanged && turn.has_work() || wrote && !turn.is_steady() {
                continue;
            }
            turn.rest();
            if turn.arm(this.sleep.as_mut(), cx).is_pending() {
                return Poll::Pending;
            }
            turn.keep_time();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Turn {
    /// Moves what arrived into the inbox, takes what is in the outbox, and tells of progress. Says
    /// whether there was a reason to.
    fn exchange(&mut self) -> bool {
        if !self.queues.take_changed() && !self.report && self.arrived.is_empty() {
            return false;
        }
        let progress = mem::take(&mut self.report);
        let flushed = if progress { self.flushed() } else { None };
        let mut state = self.queues.lock();

        let mut receiver = None;
        if state.receiver_gone {
            self.arrived.clear();
            state.inbox = VecDeque::new();
            state.inbox_bytes = 0;
        } else if !self.arrived.is_empty() {
            state.inbox_bytes += self.arrived.iter().map(Inbound::len).sum::<usize>();
            if state.inbox.is_empty() {
                mem::swap(&mut state.inbox, &mut self.arrived);
            } else {
                state.inbox.append(&mut self.arrived);
            }
            receiver = state.receiver.take();
        }
        self.inbox_len = state.inbox.len();
        self.inbox_bytes = state.inbox_bytes;
        state.paused = self.inbox_is_full();
        self.idle = state.receiver_gone || state.inbox.is_empty() && !state.busy;
        state.held = self.connection.owes_close();

        if self.pending.is_empty() && !state.outbox.is_empty() {
            mem::swap(&mut state.outbox, &mut self.pending);
            self.taken += self.pending.len() as u64;
            self.pending_bytes = mem::take(&mut state.outbox_bytes);
            state.outbox_pings = 0;
        }
        self.outbox_left = !state.outbox.is_empty();
        state.closing |= !self.connection.state().may_send();
        if state.closing && self.patience.is_none() && self.is_open() {
            self.patience = self.after_close_timeout();
        }
        let mut parked = Vec::new();
        let wire_bytes = self.pending_bytes + self.encoded.min(self.connection.buffered_amount());
        if progress {
            state.flushed = flushed.unwrap_or(state.flushed);
            state.latency = self.connection.latency();
            parked = mem::take(&mut state.parked);
        }
        state.wire_bytes = wire_bytes;
        drop(state);

        if let Some(receiver) = receiver {
            receiver.wake();
        }
        if progress {
            self.queues.progress.notify_waiters();
        }
        for (_, sender) in parked {
            sender.wake();
        }
        true
    }

    /// Whether an exchange may have made something possible.
    fn has_work(&self) -> bool {
        !self.pending.is_empty() || !self.unparsed.is_empty() || !self.is_open()
    }

    /// Whether a write leaves nothing more to do.
    fn is_steady(&self) -> bool {
        self.pending.is_empty() && self.is_open()
    }

    fn is_open(&self) -> bool {
        self.connection.state() == ClosingState::Open && !self.connection.owes_close()
    }

    /// How many of the things that were taken the transport took in its turn; `None` if no more
    /// than before.
    fn flushed(&mut self) -> Option<u64> {
        if self.needs_flush || self.refused {
            return None;
        }
        if self.pending.is_empty() && self.connection.buffered_amount() == 0 {
            self.marks.clear();
            return Some(self.taken);
        }
        let written = self.connection.written();
        let passed = self.marks.partition_point(|&(_, end)| end <= written);
        self.marks.drain(..passed).last().map(|(taken, _)| taken)
    }

    fn after_close_timeout(&self) -> Option<Instant> {
        self.now.checked_add(self.queues.config.close_timeout)
    }

    /// Lets the clock have its say.
    fn keep_time(&mut self) {
        self.now = now();
        if self.armed.is_some_and(|armed| armed <= self.now) {
            self.armed = None;
        }
        if self.connection.poll_timeout().is_some_and(|deadline| deadline <= self.now) {
            self.connection.handle_timeout(self.now);
            self.report = true;
        }
        if self.patience.is_some_and(|patience| patience <= self.now) {
            self.give_up();
        }
    }

    /// The peer takes too long: what is still pending is given up, and so is a transport that failed
    /// or that is over.
    fn give_up(&mut self) {
        self.patience = None;
        self.report = true;
        self.needs_shutdown = false;
        if self.write_failed {
            self.connection.handle_lost();
        }
        self.pending.append(&mut self.queues.lock().outbox);
        let close = self.pending.iter().position(|it| matches!(it, Outbound::Close(_)));
        if let Some(close) = close {
            self.refused = true;
            self.pending.drain(..close);
            self.pending_bytes = 0;
            if let Some(Outbound::Close(close)) = self.pending.pop_front() {
                self.connection.close(close, self.now);
            }
        }
    }

    /// Whether the connection has ended, and its transport with it.
    fn is_over(&mut self) -> bool {
        if self.closed.is_none() {
            return false;
        }
        if self.needs_shutdown && !self.write_failed && self.patience.is_none() {
            self.patience = self.after_close_timeout();
        }
        !self.needs_shutdown || self.write_failed
    }

    /// Encodes what was taken from the outbox, but not far ahead of the transport, so that control
    /// frames need not queue behind it.
    fn encode(&mut self) {
        while self.connection.buffered_amount() < WIRE_TARGET
            && let Some(outbound) = self.pending.pop_front()
        {
            let len = outbound.len();
            // What is refused behind a Close frame is dropped: nothing can follow it, and whoever
            // sent it hears of the end.
            match outbound {
                Outbound::Message(message) => match self.connection.send(message, self.now) {
                    Ok(()) => {}
                    Err(SendError::Full(message)) => {
                        self.pending.push_front(Outbound::Message(message));
                        break;
                    }
                    Err(_) => self.refused = true,
                },
                Outbound::Fragment(fragment) => {
                    let fin = fragment.fin;
                    match self.connection.send_fragment(fragment, self.now) {
                        Ok(()) => {}
                        Err(SendError::Full(part)) => {
                            self.pending.push_front(Outbound::Fragment(Fragment { part, fin }));
                            break;
                        }
                        Err(_) => self.refused = true,
                    }
                }
                Outbound::Ping(answer) => match self.connection.ping(self.now) {
                    Some(number) => self.pings.push((number, answer)),
                    None => {
                        let open = self.connection.state() == ClosingState::Open;
                        let error = if open { PingError::TooMany } else { PingError::Closed };
                        // The caller may have gone; then nobody wants to know.
                        drop(answer.send(Err(error)));
                    }
                },
                Outbound::Close(close) => self.connection.close(close, self.now),
                Outbound::Fail(close) => self.connection.fail(close, self.now),
            }
            self.pending_bytes -= len;
            self.encoded += len;
        }
        self.report |= self.outbox_left && self.pending.is_empty();
    }

    /// Parses what was left while the inbox was full.
    fn parse_unparsed(&mut self) {
        if self.unparsed.is_empty() || self.inbox_is_full() {
            return;
        }
        let mut unparsed = mem::take(&mut self.unparsed);
        let start = self.unparsed_start;
        let mut input = Input::new(&mut unparsed[start..]);
        self.poll_events(&mut input);
        let rest = input.len();
        if rest > 0 {
            self.unparsed_start = unparsed.len() - rest;
            self.unparsed = unparsed;
        } else {
            self.unparsed_start = 0;
        }
    }

    /// Takes events out of `input` until it is used up or the inbox is full.
    fn poll_events(&mut self, input: &mut Input<'_>) {
        while !self.inbox_is_full()
            && !self.connection.owes_close()
            && let Some(event) = self.connection.poll_event(input, self.now)
        {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.deliver(Inbound::Message(message)),
            Event::Fragment(fragment) => self.deliver(Inbound::Fragment(fragment)),
            Event::Pong { answers: Some((number, round_trip)), .. } => {
                self.report = true;
                let answered = self.pings.partition_point(|(ping, _)| *ping <= number);
                for (_, answer) in self.pings.drain(..answered) {
                    // The caller may have gone; then nobody wants to know.
                    drop(answer.send(Ok(round_trip)));
                }
            }
            // Both oblige us to send a Close frame: whether the application is idle matters now.
            Event::CloseReceived(close) => {
                self.report = true;
                self.log(|| debug!(%close, "close received"));
            }
            Event::Violation(error) => {
                self.report = true;
                self.log(|| debug!(%error, "protocol violation"));
            }
            Event::Closed(closed) => self.closed = Some(Box::new(closed)),
            _ => {}
        }
    }

    fn deliver(&mut self, inbound: Inbound) {
        self.inbox_len += 1;
        self.inbox_bytes += inbound.len();
        if self.arrived.capacity() == 0 {
            self.arrived.reserve(ARRIVED_CAPACITY);
        }
        self.arrived.push_back(inbound);
    }

    fn inbox_is_full(&self) -> bool {
        self.inbox_len >= INBOX_MAX || self.inbox_bytes >= INBOX_BYTES_MAX
    }

    /// Sends the Close frame that is owed, once the application has handled what came before it or
    /// has had [`HOLD`] to do so; then lets the end of the transport take its effect.
    fn settle(&mut self) {
        if self.connection.owes_close() {
            let sent = self.pending.is_empty() && !self.outbox_left;
            let handled = self.idle && self.arrived.is_empty() && sent;
            let hold = *self.hold.get_or_insert(self.now + HOLD);
            if !handled && self.now < hold {
                return;
            }
            // The next poll after the event is what sends the frame.
            if let Some(event) = self.connection.poll_event(&mut Input::new(&mut []), self.now) {
                self.on_event(event);
            }
            self.report = true;
        }
        self.hold = None;
        if self.read_ended {
            if self.write_failed || self.error.is_some() {
                self.connection.handle_lost();
            } else if !self.needs_flush {
                self.connection.handle_eof(self.now);
            }
        } else if self.write_failed && self.inbox_is_full() {
            self.connection.handle_lost();
        }
        if self.connection.state() == ClosingState::Closed
            && let Some(event) = self.connection.poll_event(&mut Input::new(&mut []), self.now)
        {
            self.on_event(event);
        }
    }

    /// Writes what there is to write. Says whether the transport took any.
    fn write<T: AsyncWrite>(&mut self, mut io: Pin<&mut T>, cx: &mut Context<'_>) -> bool {
        let mut wrote = false;
        while !self.write_failed
            && let Some(transmit) = self.connection.poll_transmit()
        {
            if transmit == Transmit::Fin {
                self.needs_shutdown = true;
                // The last event may have become due.
                wrote = true;
                continue;
            }
            match poll_write(io.as_mut(), cx, self.connection.outgoing()) {
                Poll::Pending => break,
                Poll::Ready(Ok(count)) => {
                    self.connection.handle_written(count, self.now);
                    self.needs_flush = true;
                    wrote = true;
                }
                Poll::Ready(Err(error)) => {
                    self.fail_writing(error);
                    wrote = true;
                }
            }
        }
        if self.needs_flush && !self.write_failed {
            match io.as_mut().poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(result) => {
                    self.needs_flush = false;
                    self.report = true;
                    if let Err(error) = result {
                        self.fail_writing(error);
                    }
                }
            }
        }
        if self.needs_shutdown && io.poll_shutdown(cx).is_ready() {
            self.needs_shutdown = false;
        }
        if wrote {
            self.report = true;
            if self.connection.buffered_amount() == 0 {
                self.encoded = 0;
            }
            if self.patience.is_some() && self.closed.is_none() && !self.write_failed {
                // The peer takes something; and once our Close frame is queued it has a time of its
                // own.
                self.patience = self.after_close_timeout().filter(|_| self.is_open());
            }
        }
        let behind = self.needs_flush || self.connection.buffered_amount() > 0;
        if behind && self.pending.is_empty() && self.marks.back().is_none_or(|it| it.0 < self.taken)
        {
            self.marks.push_back((self.taken, self.connection.queued()));
        }
        wrote
    }

    /// The transport takes no more. What the peer sent before may still be there to be read.
    fn fail_writing(&mut self, error: io::Error) {
        self.write_failed = true;
        self.needs_flush = false;
        self.error.get_or_insert(error);
        self.patience = self.after_close_timeout();
    }

    /// Reads once. Says whether anything came.
    fn read<T: AsyncRead>(&mut self, mut io: Pin<&mut T>, cx: &mut Context<'_>) -> bool {
        let full = !self.unparsed.is_empty() || self.inbox_is_full();
        if self.read_ended || full && self.connection.is_reading() {
            self.connection.handle_reading(false, self.now);
            return false;
        }
        self.connection.handle_reading(true, self.now);
        let direct = self
            .connection
            .payload_space()
            .map(|mut space| poll_read_buf(io.as_mut(), cx, &mut space));
        let result = match direct {
            Some(result) => {
                self.poll_events(&mut Input::new(&mut []));
                result
            }
            None => self.read_scratch(io, cx),
        };
        match result {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.read_ended = true,
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => {
                self.read_ended = true;
                // TLS says so where TCP ended without its goodbye. The closing handshake tells a cut
                // stream from a whole one, so this is an end like any other.
                if error.kind() != io::ErrorKind::UnexpectedEof {
                    self.error.get_or_insert(error);
                }
            }
        }
        true
    }

    /// Reads into this thread's buffer and parses what came, in place.
    fn read_scratch<T: AsyncRead>(
        &mut self,
        io: Pin<&mut T>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        scratch::with(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(io.poll_read(cx, &mut buffer))?;
            let arrived = buffer.filled_mut();
            let count = arrived.len();
            let mut input = Input::new(arrived);
            self.poll_events(&mut input);
            if self.connection.is_reading() {
                self.unparsed.extend_from_slice(input.rest());
            }
            Poll::Ready(Ok(count))
        })
    }

    fn log(&self, event: impl FnOnce()) {
        if let Some(span) = &self.span {
            span.in_scope(event);
        }
    }

    /// Frees what a burst left behind.
    fn rest(&mut self) {
        if self.arrived.capacity() > 0 {
            self.arrived = VecDeque::new();
        }
        if self.pending.is_empty() && self.pending.capacity() > 0 {
            self.pending = VecDeque::new();
        }
        if self.marks.is_empty() && self.marks.capacity() > 0 {
            self.marks = VecDeque::new();
        }
        if self.pings.is_empty() && self.pings.capacity() > 0 {
            self.pings = Vec::new();
        }
    }

    /// Sets the timer, if it has to fire earlier than it would.
    fn arm(&mut self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let times = [self.connection.poll_timeout(), self.hold, self.patience];
        let Some(deadline) = times.into_iter().flatten().min() else {
            return Poll::Pending;
        };
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return Poll::Pending;
        }
        self.armed = Some(deadline);
        sleep.as_mut().reset(deadline.into());
        // Unconstrained: a turn that has used up its share would leave the timer without a waker.
        pin!(unconstrained(sleep)).poll(cx)
    }

    /// Leaves the end where the handles find it, and wakes them all.
    fn end(&mut self) {
        let closed = self.closed.take().map(|closed| *closed).unwrap_or_else(|| {
            self.connection.handle_lost();
            match self.connection.poll_event(&mut Input::new(&mut []), self.now) {
                Some(Event::Closed(closed)) => closed,
                event => unreachable!("the end comes once, and it is the last event: {event:?}"),
            }
        });
        self.log(|| debug!(%closed, "closed"));
        let io = self.error.take().filter(|_| !closed.is_clean());

        let mut state = self.queues.lock();
        if !state.receiver_gone {
            state.inbox_bytes += self.arrived.iter().map(Inbound::len).sum::<usize>();
            state.inbox.append(&mut self.arrived);
        }
        state.closing = true;
        state.end = Some(Arc::new(End { closed, io }));
        let outbox = mem::take(&mut state.outbox);
        let receiver = state.receiver.take();
        let parked = mem::take(&mut state.parked);
        drop(state);

        let pings = self.pings.drain(..).map(|(_, answer)| answer);
        let unsent = self.pending.drain(..).chain(outbox).filter_map(|outbound| match outbound {
            Outbound::Ping(answer) => Some(answer),
            _ => None,
        });
        for answer in pings.chain(unsent) {
            // The caller may have gone; then nobody wants to know.
            drop(answer.send(Err(PingError::Closed)));
        }
        self.queues.progress.notify_waiters();
        for waker in receiver.into_iter().chain(parked.into_iter().map(|(_, waker)| waker)) {
            waker.wake();
        }
    }
}

impl Drop for Turn {
    /// A runtime that shuts down drops the task before the connection's end: whoever waits must
    /// hear of it.
    fn drop(&mut self) {
        if self.queues.lock().end.is_none() {
            self.error.get_or_insert_with(|| {
                io::Error::other("the runtime dropped the connection's task before its end")
            });
            self.end();
        }
    }
}

fn poll_write<T: AsyncWrite>(
    io: Pin<&mut T>,
    cx: &mut Context<'_>,
    outgoing: &impl Buf,
) -> Poll<io::Result<usize>> {
    // A plain write is the cheaper system call, so where all is in one piece it is taken.
    let scattered = outgoing.chunk().len() < outgoing.remaining();
    let result = if scattered && io.is_write_vectored() {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = outgoing.chunks_vectored(&mut slices);
        io.poll_write_vectored(cx, &slices[..count])
    } else {
        io.poll_write(cx, outgoing.chunk())
    };
    match result {
        Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        result => result,
    }
}

/// Tokio's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Messages that wait for the application before reading stops: enough for a turn of small ones.
const INBOX_MAX: usize = 256;

/// Bytes of payload that wait for the application before reading stops. One message may exceed it.
pub(super) const INBOX_BYTES_MAX: usize = 256 * 1024;

/// Bytes encoded ahead of the transport: one large write. A Pong waits behind no more than this, or
/// behind one message.
const WIRE_TARGET: usize = 64 * 1024;

/// What the first message of a turn reserves: a turn of pipelined messages, in one allocation.
const ARRIVED_CAPACITY: usize = 16;

/// Slices of one vectored write: 16 large messages with their headers.
const SLICES_MAX: usize = 32;

/// Reads and writes a turn before other tasks have theirs.
const TURN_MAX: usize = 32;

/// Time for the application to handle what came before a Close frame or a violation, before the
/// Close frame is sent in return.
const HOLD: Duration = Duration::from_secs(1);
