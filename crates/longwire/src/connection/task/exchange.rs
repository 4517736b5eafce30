//! Between the task and its handles: what arrived goes to the inbox, what is to be sent comes from the
//! outbox.

use std::mem;

use longwire_proto::{Fragment, SendError, State as ClosingState};

use super::{
    super::{
        outbox::{Outbound, Outbox, Taken},
        queues::Parked,
    },
    Turn,
    ending::CLOSE_PATIENCE,
};
use crate::error::PingError;

impl Turn {
    /// Moves what arrived into the inbox, takes what is in the outbox, and tells of progress. Says
    /// whether there was a reason to.
    pub(super) fn exchange(&mut self) -> bool {
        if !self.queues.take_changed() && !self.report {
            if self.arrivals.is_empty() {
                return false;
            }
            let receiver = self.arrivals.give(&mut self.queues.lock());
            receiver.wake(&self.queues);
            return true;
        }
        let written = self.report || self.progress;
        let flushed = if written { self.flushed() } else { None };
        let mut state = self.queues.lock();
        let tell = mem::take(&mut self.report) || self.progress && state.watched;
        self.aborted = state.is_aborted();

        let receiver = self.arrivals.give(&mut state);
        state.held = self.connection.owes_close();

        let mut taken = None;
        if self.pending.is_none() && !state.outbox.is_empty() {
            self.taken += state.outbox.len() as u64;
            self.tell_wire_bytes(state.outbox.payload());
            state.outbox_pings = 0;
            taken = Some(state.outbox.take());
        }
        self.outbox_left = !state.outbox.is_empty();
        state.closing |= !self.connection.state().may_send();
        if state.closing && self.rare.patience.is_none() && self.is_open() {
            let timeout = self.queues.config.close_timeout;
            self.rare.patience = self.now.checked_add(timeout);
            self.rare.patience_limit = self.now.checked_add(timeout.saturating_mul(CLOSE_PATIENCE));
        }
        let mut parked = Parked::default();
        state.flushed = flushed.unwrap_or(state.flushed);
        if tell {
            self.progress = false;
            state.watched = false;
            state.latency = self.connection.latency();
            parked = mem::take(&mut state.parked);
        }
        self.watched = state.watched;
        drop(state);

        if let Some(taken) = taken {
            self.encode_taken(taken);
        }
        receiver.wake(&self.queues);
        if tell {
            self.queues.notify_waiting();
        }
        parked.wake();
        true
    }

    /// Tells how much the transport has not taken, of what the application sent.
    pub(super) fn tell_wire_bytes(&self, pending: usize) {
        let encoded = self.encoded.min(self.connection.buffered_amount());
        self.queues.set_wire_bytes(pending + encoded);
    }

    /// Bytes of payload that were taken and are not encoded.
    pub(super) fn pending_payload(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.payload())
    }

    /// Encodes what was just taken, where that is not far ahead of the transport.
    fn encode_taken(&mut self, taken: Taken) {
        let outbound = match taken {
            Taken::One(outbound) => outbound,
            Taken::Queue(queue) => {
                self.pending = Some(queue);
                return;
            }
        };
        let left = if self.may_encode() { self.encode_one(outbound) } else { Err(outbound) };
        match left {
            Ok(()) => self.unoffered = true,
            Err(outbound) => self.pending_mut().put_back(outbound),
        }
    }

    /// Whether little waits for the transport, or what is encoded is thrown away.
    fn may_encode(&self) -> bool {
        self.connection.buffered_amount() < WIRE_TARGET || self.refused
    }

    fn pending_mut(&mut self) -> &mut Outbox {
        self.pending.get_or_insert_default()
    }

    /// Whether an exchange may have made something possible.
    pub(super) fn has_work(&self) -> bool {
        let reads_again = self.skipped && !self.arrivals.is_full();
        let writes = self.unoffered || self.pending.is_some();
        reads_again || writes || self.has_unparsed() || !self.is_open()
    }

    /// Whether a write leaves nothing more to do.
    pub(super) fn is_steady(&self) -> bool {
        self.pending.is_none() && self.is_open()
    }

    /// How many of the things that were taken the transport took in its turn; `None` if no more
    /// than before.
    pub(super) fn flushed(&mut self) -> Option<u64> {
        let ended = self.connection.state() == ClosingState::Closed;
        if self.needs_flush || self.refused || ended {
            return None;
        }
        if self.pending.is_none() && self.connection.buffered_amount() == 0 {
            if !self.rare.marks.is_empty() {
                self.rare.marks.clear();
            }
            return Some(self.taken);
        }
        let written = self.connection.written();
        if self.rare.marks.is_empty() {
            return None;
        }
        let passed = self.rare.marks.partition_point(|&(_, end)| end <= written);
        self.rare.marks.drain(..passed).next_back().map(|(taken, _)| taken)
    }

    /// Encodes what was taken from the outbox, but not far ahead of the transport, so that control
    /// frames need not queue behind it.
    pub(super) fn encode(&mut self) {
        while self.pending.is_some()
            && self.may_encode()
            && let Some(outbound) = self.pop_pending()
        {
            if let Err(outbound) = self.encode_one(outbound) {
                self.pending_mut().put_back(outbound);
                break;
            }
        }
        self.report |= self.outbox_left && self.pending.is_none();
    }

    /// Gives one thing to the connection. It comes back where that has no room for it.
    fn encode_one(&mut self, outbound: Outbound) -> Result<(), Outbound> {
        let payload = outbound.payload();
        match outbound {
            Outbound::Message(message) => {
                let sent = self.connection.send(message, self.now);
                self.taken_or_back(sent).map_err(Outbound::Message)?;
            }
            Outbound::Frames { frames, payload } => {
                let sent = self.connection.send_frames(frames, self.now);
                self.taken_or_back(sent).map_err(|frames| Outbound::Frames { frames, payload })?;
            }
            Outbound::Fragment { fragment, compress } => {
                let fin = fragment.fin;
                let sent = if compress {
                    self.connection.send_fragment(fragment, self.now)
                } else {
                    self.connection.send_fragment_uncompressed(fragment, self.now)
                };
                self.taken_or_back(sent).map_err(|part| {
                    let fragment = Fragment { part: part.into_message(), fin };
                    Outbound::Fragment { fragment, compress }
                })?;
            }
            Outbound::Ping(answer) => {
                if let Some(number) = self.connection.ping(self.now) {
                    self.rare.pings.push((number, answer));
                } else {
                    let open = self.connection.state() == ClosingState::Open;
                    let error = if open { PingError::TooMany } else { PingError::Closed };
                    // The caller may have gone; then nobody wants to know.
                    drop(answer.send(Err(error)));
                    // Without a byte it is as good as flushed.
                    self.tell_progress();
                }
            }
            Outbound::Close(close) => self.connection.close(close, self.now),
            Outbound::Fail(close) => self.connection.fail(close, self.now),
        }
        self.encoded += payload;
        Ok(())
    }

    /// What comes back for want of room. What is refused behind a Close frame is dropped: nothing can
    /// follow it, and whoever sent it hears of the end.
    fn taken_or_back<M>(&mut self, sent: Result<(), SendError<M>>) -> Result<(), M> {
        match sent {
            Ok(()) => Ok(()),
            Err(SendError::Full(message)) => Err(message),
            Err(_) => {
                self.refused = true;
                Ok(())
            }
        }
    }

    fn pop_pending(&mut self) -> Option<Outbound> {
        let pending = self.pending.as_mut()?;
        let outbound = pending.pop();
        if pending.is_empty() {
            self.pending = None;
        }
        outbound
    }
}

/// Bytes encoded ahead of the transport: one large write. A Pong waits behind no more than this, or
/// behind one message.
const WIRE_TARGET: usize = 64 * 1024;
