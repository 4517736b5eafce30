//! What arrived, on its way to the inbox, and how full that is.

use std::{collections::VecDeque, mem};

use super::super::{
    queues::{Inbound, Listener, State},
    spare,
};

/// What was parsed and is not in the inbox yet.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    queue: VecDeque<Inbound>,
    /// How full the inbox is, with what arrived.
    inbox_len: usize,
    inbox_bytes: usize,
    /// Whether the application had not handled all that it was given.
    busy: bool,
}

impl Arrivals {
    #[inline]
    pub(super) fn push(&mut self, inbound: Inbound) {
        self.inbox_len += 1;
        self.inbox_bytes += inbound.len();
        if self.queue.capacity() == 0 {
            self.queue = spare::take();
        }
        self.queue.push_back(inbound);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether so much waits for the application that reading stops.
    pub(super) fn is_full(&self) -> bool {
        self.inbox_len >= INBOX_MAX || self.inbox_bytes >= INBOX_BYTES_MAX
    }

    /// Whether the application has handled all that it was given, and all is given.
    pub(super) fn are_handled(&self) -> bool {
        self.queue.is_empty() && !self.busy
    }

    /// Moves what arrived into the inbox. Gives whom to wake, once the lock is released.
    pub(super) fn give(&mut self, state: &mut State) -> Listener {
        let mut receiver = Listener::Nobody;
        if state.receiver_gone {
            self.queue.clear();
            state.inbox = VecDeque::new();
            state.inbox_bytes = 0;
        } else if !self.queue.is_empty() {
            state.inbox_bytes += self.queue.iter().map(Inbound::len).sum::<usize>();
            if state.inbox.is_empty() {
                mem::swap(&mut state.inbox, &mut self.queue);
            } else {
                state.inbox.append(&mut self.queue);
            }
            receiver = mem::take(&mut state.receiver);
        }
        self.inbox_len = state.inbox.len();
        self.inbox_bytes = state.inbox_bytes;
        state.paused = self.is_full();
        self.busy = !state.receiver_gone && (state.busy || !state.inbox.is_empty());
        receiver
    }

    /// Frees what a burst left behind.
    pub(super) fn rest(&mut self) {
        if self.queue.is_empty() && self.queue.capacity() > 0 {
            spare::give(mem::take(&mut self.queue));
        }
    }
}

/// Messages that wait for the application before reading stops: enough for a turn of small ones.
const INBOX_MAX: usize = 256;

/// Bytes of payload that wait for the application before reading stops. One message may exceed it.
const INBOX_BYTES_MAX: usize = 256 * 1024;
