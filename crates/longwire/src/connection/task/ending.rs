//! The end of a connection: what is owed before it, how long it may take, and who is told.

use std::{
    io, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use longwire_proto::{Event, Input, State as ClosingState};
use tracing::debug;

use super::{super::outbox::Outbound, Turn};
use crate::error::{End, PingError};

impl Turn {
    /// Sends the Close frame that is owed, once the application has handled what came before it or
    /// has had [`HOLD`] to do so; then lets the end of the transport take its effect.
    pub(super) fn settle(&mut self) {
        let ends = self.connection.owes_close()
            || self.read_ended
            || self.write_failed
            || self.connection.state() == ClosingState::Closed;
        if !ends {
            if self.rare.hold.is_some() {
                self.rare.hold = None;
            }
            return;
        }
        if self.connection.owes_close() {
            let sent = self.pending.is_none() && !self.outbox_left;
            let handled = self.arrivals.are_handled() && sent;
            let hold = *self.rare.hold.get_or_insert(self.now + HOLD);
            if !handled && self.now < hold {
                return;
            }
            // The next poll after the event is what sends the frame.
            if let Some(event) = self.connection.poll_event(&mut Input::new(&mut []), self.now) {
                self.on_event(event);
            }
            self.report = true;
        }
        self.rare.hold = None;
        if self.read_ended {
            if self.write_failed || self.rare.error.is_some() {
                self.connection.handle_lost();
            } else if !(self.needs_flush && self.connection.state() == ClosingState::CloseExchanged)
            {
                // Behind our last bytes: the transport may still hold our Close frame.
                self.connection.handle_eof(self.now);
            }
        } else if self.write_failed && self.arrivals.is_full() {
            self.connection.handle_lost();
        }
        if self.connection.state() == ClosingState::Closed
            && let Some(event) = self.connection.poll_event(&mut Input::new(&mut []), self.now)
        {
            self.on_event(event);
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.connection.state() == ClosingState::Open && !self.connection.owes_close()
    }

    pub(super) fn after_close_timeout(&self) -> Option<Instant> {
        self.now.checked_add(self.queues.config.close_timeout)
    }

    /// The peer takes too long: what is still pending is given up, and so is a transport that failed
    /// or that is over.
    pub(super) fn give_up(&mut self) {
        self.rare.patience = None;
        self.report = true;
        self.needs_shutdown = false;
        if self.write_failed {
            self.connection.handle_lost();
        }
        {
            let mut state = self.queues.lock();
            self.taken += state.outbox.len() as u64;
            if !state.outbox.is_empty() {
                self.pending.get_or_insert_default().append(mem::take(&mut state.outbox));
            }
            state.outbox_pings = 0;
        }
        self.refused |= self.pending.as_mut().is_some_and(|pending| pending.skip_to_close());
    }

    /// Whether the connection has ended, and its transport with it.
    pub(super) fn is_over(&mut self) -> bool {
        if self.rare.closed.is_none() {
            return false;
        }
        if self.needs_shutdown && !self.write_failed && self.rare.patience.is_none() {
            self.rare.patience = self.after_close_timeout();
        }
        !self.needs_shutdown || self.write_failed
    }

    /// Leaves the end where the handles find it, and wakes them all.
    pub(super) fn end(&mut self) {
        let closed = *self.rare.closed.take().unwrap_or_else(|| {
            self.connection.handle_lost();
            match self.connection.poll_event(&mut Input::new(&mut []), self.now) {
                Some(Event::Closed(closed)) => closed,
                event => unreachable!("the end comes once, and it is the last event: {event:?}"),
            }
        });
        self.log(|| debug!(%closed, "closed"));
        let io = self.rare.error.take().filter(|_| !closed.is_clean());

        let mut state = self.queues.lock();
        let last = self.arrivals.give(&mut state);
        state.closing = true;
        state.end = Some(Arc::new(End { closed, io }));
        let outbox = mem::take(&mut state.outbox);
        let receiver = mem::take(&mut state.receiver);
        let registration = state.take_registration();
        let parked = mem::take(&mut state.parked);
        drop(state);
        drop(registration);

        // Their callers may have gone; then nobody wants to know.
        for (_, answer) in self.rare.pings.drain(..) {
            drop(answer.send(Err(PingError::Closed)));
        }
        for mut unsent in self.pending.take().map(|pending| *pending).into_iter().chain([outbox]) {
            while let Some(outbound) = unsent.pop() {
                if let Outbound::Ping(answer) = outbound {
                    drop(answer.send(Err(PingError::Closed)));
                }
            }
        }
        self.queues.notify_waiting();
        last.wake(&self.queues);
        receiver.wake(&self.queues);
        parked.wake();
    }
}

impl Drop for Turn {
    /// A runtime that shuts down drops the task before the connection's end: whoever waits must
    /// hear of it.
    fn drop(&mut self) {
        if self.queues.lock().end.is_none() {
            self.rare.error.get_or_insert_with(|| {
                io::Error::other(if self.aborted {
                    "it was dropped at the limit of a shutdown; a longer one lets it close in order"
                } else {
                    "the runtime dropped the connection's task before its end"
                })
            });
            self.end();
        }
    }
}

/// Time for the application to handle what came before a Close frame or a violation, before the
/// Close frame is sent in return.
const HOLD: Duration = Duration::from_secs(1);

/// How many times the close timeout a Close frame may wait for what is pending before it, while the
/// transport goes on taking bytes.
pub(super) const CLOSE_PATIENCE: u32 = 10;
