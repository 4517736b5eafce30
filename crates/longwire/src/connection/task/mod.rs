//! The task that owns a connection's transport: it reads, writes, keeps time, and ends the
//! connection, whatever the application awaits.

mod arrivals;
mod ending;
mod exchange;
mod rare;
mod transfer;

use std::{
    future::Future,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use longwire_proto::Connection;
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::unconstrained,
    time::Sleep,
};
use tracing::Span;

use self::{arrivals::Arrivals, rare::Rare};
use super::{outbox::Outbox, queues::Queues};

pin_project! {
    /// One connection's task. It ends when the connection does.
    pub(crate) struct Task<T> {
        #[pin]
        io: T,
        #[pin]
        sleep: Sleep,
        turn: Turn,
    }
}

/// All of the task but its transport and its timer.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Turn {
    connection: Connection,
    queues: Arc<Queues>,
    now: Instant,
    /// When `sleep` fires.
    armed: Option<Instant>,
    /// Whether a time of the connection's is up.
    due: bool,

    arrivals: Arrivals,

    /// What was taken from the outbox and is not encoded yet.
    pending: Option<Box<Outbox>>,
    /// Whether the outbox holds more.
    outbox_left: bool,
    /// Things ever taken from the outbox.
    taken: u64,
    /// How much had been taken when all of it was given to the connection, which encodes a long
    /// message bit by bit; 0 once that has its mark.
    unmarked: u64,
    /// Whether something was taken and thrown away, so that no more counts as flushed.
    refused: bool,
    /// Whether frames were given to the connection that the transport was not offered yet.
    unoffered: bool,
    /// Payload bytes encoded since all was written.
    encoded: usize,
    /// Whether the handles are to be told of progress: in writing, of a round-trip time, or to the end.
    report: bool,
    /// Whether there is progress in writing of which they are told when somebody waits for it.
    progress: bool,
    /// Whether somebody does.
    watched: bool,
    /// Whether the transport is to be dropped as it is.
    aborted: bool,

    needs_flush: bool,
    /// Whether a long message was compressed for so long that other tasks should have their turn.
    tired: bool,
    needs_shutdown: bool,
    read_ended: bool,
    /// Whether the last read was left out, since the inbox was full.
    skipped: bool,
    write_failed: bool,
    rare: Rare,
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
        let mut rare = Rare::default();
        if !leftover.is_empty() {
            rare.unparsed = leftover;
        }
        let turn = Turn {
            connection,
            queues,
            now: now(),
            armed: None,
            arrivals: Arrivals::default(),
            pending: None,
            outbox_left: false,
            taken: 0,
            unmarked: 0,
            due: false,
            refused: false,
            unoffered: false,
            encoded: 0,
            report: false,
            progress: false,
            watched: false,
            aborted: false,
            needs_flush: false,
            tired: false,
            needs_shutdown: false,
            read_ended: false,
            skipped: false,
            write_failed: false,
            rare,
            span: (!span.is_disabled()).then(|| Box::new(span)),
        };
        Self { io, sleep: tokio::time::sleep(Duration::ZERO), turn }
    }
}

/// What comes after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Another, since this one changed something.
    Again,
    /// Another, behind other tasks.
    Tired,
    /// Nothing, until something happens.
    Rest,
    /// Nothing more: the connection has ended.
    Over,
}

impl<T> Task<T> {
    pub(super) fn queues(&self) -> &Arc<Queues> {
        &self.turn.queues
    }
}

impl<T: AsyncRead + AsyncWrite> Task<T> {
    /// Before the first step of a turn.
    pub(super) fn begin(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let turn = self.project().turn;
        turn.queues.register_task(cx.waker());
        turn.keep_time();
    }

    /// Takes what the handles want, writes, reads once, and gives what arrived.
    pub(super) fn step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step {
        let mut this = self.project();
        let turn = this.turn;
        turn.exchange();
        if turn.aborted {
            return Step::Over;
        }
        turn.encode();
        turn.parse_unparsed();
        turn.settle();
        let wrote = turn.write(this.io.as_mut(), cx);
        if turn.is_over() {
            turn.end();
            return Step::Over;
        }
        let read = turn.read(this.io, cx);
        let judged = turn.judge();
        let exchanged = turn.exchange();
        if mem::take(&mut turn.tired) {
            return Step::Tired;
        }
        if read || judged || exchanged && turn.has_work() || wrote && !turn.is_steady() {
            return Step::Again;
        }
        turn.rest();
        if turn.arm(this.sleep, cx).is_pending() {
            return Step::Rest;
        }
        turn.keep_time();
        Step::Again
    }

    /// In the midst of a turn, after something that may have taken its time.
    pub(super) fn look_at_clock(self: Pin<&mut Self>) {
        self.project().turn.now = now();
    }

    /// After a turn without a rest: the clock is looked at in the next, set or not.
    pub(super) fn pause(self: Pin<&mut Self>) {
        self.project().turn.armed = None;
    }
}

impl<T: AsyncRead + AsyncWrite> Future for Task<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.as_mut().begin(cx);
        for _ in 0..STEPS_MAX {
            match self.as_mut().step(cx) {
                Step::Again => {}
                Step::Tired => break,
                Step::Rest => return Poll::Pending,
                Step::Over => return Poll::Ready(()),
            }
        }
        // Other tasks have their turn.
        self.pause();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Turn {
    /// Lets the clock have its say.
    fn keep_time(&mut self) {
        self.now = now();
        // The timer is never set later than the earliest deadline. After a turn that had no end it may
        // not be set at all.
        if self.armed.is_some_and(|armed| armed > self.now) {
            return;
        }
        self.armed = None;
        self.due = self.connection.poll_timeout().is_some_and(|deadline| deadline <= self.now);
        if self.rare.patience.is_some_and(|patience| patience <= self.now) {
            self.give_up();
        }
    }

    /// Lets the connection act on its time, behind a read: whatever lay there shows that the peer lives.
    /// Says whether it did.
    fn judge(&mut self) -> bool {
        let due = mem::take(&mut self.due)
            && self.connection.poll_timeout().is_some_and(|deadline| deadline <= self.now);
        if due {
            self.connection.handle_timeout(self.now);
            self.report = true;
        }
        due
    }

    fn log(&self, event: impl FnOnce()) {
        if let Some(span) = &self.span {
            span.in_scope(event);
        }
    }

    /// Frees what a burst left behind.
    fn rest(&mut self) {
        self.arrivals.rest();
        self.rare.rest();
    }

    /// Sets the timer, if it has to fire earlier than it would.
    fn arm(&mut self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        // While the connection is open, nothing asks for an earlier time than a keepalive Ping that is
        // due one interval from now.
        let open = self.is_open() && self.rare.hold.is_none() && self.rare.patience.is_none();
        let interval = self.connection.config().keepalive.map(|keepalive| keepalive.interval);
        let earliest = interval.and_then(|interval| self.now.checked_add(interval));
        if open && self.armed.is_some_and(|armed| earliest.is_none_or(|it| armed <= it)) {
            return Poll::Pending;
        }
        let times = [self.connection.poll_timeout(), self.rare.hold, self.rare.patience];
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
}

/// Tokio's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Steps of a turn before other tasks have theirs.
pub(super) const STEPS_MAX: usize = 32;
