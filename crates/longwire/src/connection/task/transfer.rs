//! Between the task and its transport: bytes in, parsed where they lie, and bytes out.

use std::{
    io::{self, IoSlice},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use longwire_proto::{Event, Input, Transmit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;
use tracing::debug;

use super::{
    super::{queues::Inbound, scratch},
    Turn,
};

impl Turn {
    /// Writes what there is to write. Says whether the transport took any.
    pub(super) fn write<T: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut T>,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut wrote = false;
        let mut pieces = 0;
        self.unoffered = false;
        while !self.write_failed
            && !self.tired
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
                    // What follows of a long message was perhaps compressed just now.
                    pieces += u32::from(self.connection.queued().is_none());
                    self.tired = pieces == PIECES_MAX;
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
                    self.tell_progress();
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
            self.tell_progress();
            if self.connection.buffered_amount() == 0 {
                self.encoded = 0;
            }
            self.tell_wire_bytes(self.pending_payload());
            if self.rare.patience.is_some() && self.rare.closed.is_none() && !self.write_failed {
                // The peer takes something; and once our Close frame is queued it has a time of its
                // own.
                let later = self.after_close_timeout().min(self.rare.patience_limit);
                self.rare.patience = later.filter(|_| self.is_open());
            }
        }
        if self.pending.is_none()
            && self.unmarked == 0
            && self.rare.marks.back().is_none_or(|mark| mark.0 < self.taken)
        {
            self.unmarked = self.taken;
        }
        if self.unmarked > 0
            && let Some(end) = self.connection.queued()
        {
            let behind = self.needs_flush || self.connection.buffered_amount() > 0;
            if behind || self.pending.is_some() {
                // Beyond so many the last one moves, and a flush waits a little longer.
                self.rare.marks.truncate(MARKS_MAX - 1);
                self.rare.marks.push_back((self.unmarked, end));
            }
            self.unmarked = 0;
        }
        if !self.rare.marks.is_empty()
            && !self.needs_flush
            && self.pending.is_none()
            && self.connection.buffered_amount() == 0
        {
            // All is written: what is flushed needs no marks.
            self.rare.marks.clear();
        }
        wrote
    }

    /// Tells of progress in writing: at once where somebody waits for it, or where the end is near.
    pub(super) fn tell_progress(&mut self) {
        if self.watched || self.rare.patience.is_some() || !self.is_open() {
            self.report = true;
        } else {
            self.progress = true;
        }
    }

    /// The transport takes no more. What the peer sent before may still be there to be read.
    pub(super) fn fail_writing(&mut self, error: io::Error) {
        self.write_failed = true;
        self.needs_flush = false;
        self.rare.error.get_or_insert(error);
        self.rare.patience = self.after_close_timeout();
    }

    /// Reads once. Says whether anything came.
    pub(super) fn read<T: AsyncRead>(&mut self, mut io: Pin<&mut T>, cx: &mut Context<'_>) -> bool {
        let full = self.has_unparsed() || self.arrivals.is_full();
        self.skipped = full && self.connection.is_reading();
        if self.read_ended || self.skipped {
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
                    self.rare.error.get_or_insert(error);
                }
            }
        }
        true
    }

    /// Reads into this thread's buffer and parses what came, in place.
    pub(super) fn read_scratch<T: AsyncRead>(
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
            if self.connection.is_reading() && !input.is_empty() {
                self.rare.unparsed.extend_from_slice(input.rest());
            }
            Poll::Ready(Ok(count))
        })
    }

    /// Whether something that was read waits until the inbox is emptied.
    pub(super) fn has_unparsed(&self) -> bool {
        !self.rare.unparsed.is_empty() || self.connection.has_more_events()
    }

    /// Parses what was left while the inbox was full.
    pub(super) fn parse_unparsed(&mut self) {
        if !self.has_unparsed() || self.arrivals.is_full() {
            return;
        }
        let mut unparsed = mem::take(&mut self.rare.unparsed);
        let start = self.rare.unparsed_start;
        let mut input = Input::new(&mut unparsed[start..]);
        self.poll_events(&mut input);
        let rest = input.len();
        if rest > 0 {
            self.rare.unparsed_start = unparsed.len() - rest;
            self.rare.unparsed = unparsed;
        } else {
            self.rare.unparsed_start = 0;
        }
    }

    /// Takes events out of `input` until it is used up or the inbox is full.
    pub(super) fn poll_events(&mut self, input: &mut Input<'_>) {
        while !self.arrivals.is_full() && !self.connection.owes_close() {
            if let Some(message) = self.connection.poll_message(input, self.now) {
                self.arrivals.push(Inbound::Message(message));
            } else if let Some(event) = self.connection.poll_event(input, self.now) {
                self.on_event(event);
            } else {
                break;
            }
        }
    }

    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.arrivals.push(Inbound::Message(message)),
            Event::Fragment(fragment) => self.arrivals.push(Inbound::Fragment(fragment)),
            Event::Pong { answers: Some((number, round_trip)), .. } => {
                self.report = true;
                let answered = self.rare.pings.partition_point(|(ping, _)| *ping <= number);
                for (_, answer) in self.rare.pings.drain(..answered) {
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
            Event::Closed(closed) => self.rare.closed = Some(closed),
            _ => {}
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

/// Places among the bytes to write that a flush may wait for.
const MARKS_MAX: usize = 64;

/// Writes in a turn that each lead to a further piece of a long message being compressed: some
/// milliseconds at the most.
const PIECES_MAX: u32 = 2;

/// Slices of one vectored write: 16 large messages with their headers.
const SLICES_MAX: usize = 32;
