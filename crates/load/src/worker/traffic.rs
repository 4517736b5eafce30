//! Bytes in and out of open connections: verified, timed, counted, and answered by the next message.

use std::{io, ops::Range, sync::atomic::Ordering, time::Instant};

use longwire_proto::{Cause, Closed, Event, Input, SendError, Sendable};

use super::{Job, Loading, Notice, Origin, Worker};
use crate::{
    LoadError,
    client::Stage,
    plan::{Pace, Until, Workload},
    schedule::Schedule,
    slice::Slice,
};

impl Worker {
    /// Takes the first `count` bytes of the buffer, which a client has brought.
    pub(super) fn take(&mut self, index: usize, count: usize) -> Result<(), LoadError> {
        let (at, now) = self.instant();
        self.turn_slice(now)?;
        let broadcast = matches!(self.shared.plan.workload, Workload::Broadcast(_));
        let window = self.window();
        let client = &mut self.clients[index];
        self.slice.counts.received += count as u64;
        let bytes = &mut self.buffer[..count];
        if let Some(watch) = &mut client.watch {
            self.slice.counts.compressed += watch.compressed(bytes);
        }
        let Stage::Open(connection) = &mut client.stage else { return Ok(()) };
        let mut input = Input::new(bytes);
        let before = client.dialogue.received;
        let progress = client.dialogue.progress();
        let mut last = None;
        while let Some(event) = connection.poll_event(&mut input, at) {
            match event {
                // What comes after our own Close is of no interest, nor is why it comes.
                Event::Fragment(_) if client.closing => {}
                Event::Fragment(fragment) => {
                    let allowed = if broadcast {
                        self.shared.broadcast.sent.load(Ordering::Acquire)
                    } else {
                        client.dialogue.sent
                    };
                    let number = client.dialogue.received;
                    let taken =
                        client.dialogue.take(&fragment.part, fragment.fin, allowed, &self.content);
                    match taken {
                        Ok(true) => {}
                        Ok(false) => continue,
                        Err(fault) => return self.fail_connection(index, fault),
                    }
                    let (origin, measured) = match self.origin {
                        Origin::Sent => {
                            let sent = client.dialogue.times.pop_front();
                            (sent.unwrap_or(now), self.slice.is_measured())
                        }
                        Origin::Round => {
                            let sent = self.shared.broadcast.sent_at.load(Ordering::Acquire);
                            (sent, self.slice.is_measured())
                        }
                        Origin::Due(table) => {
                            let due = table.due(client.number, number);
                            (due, window.contains(&due))
                        }
                        Origin::RoundDue(table) => {
                            let due = table.due(0, number);
                            (due, window.contains(&due))
                        }
                    };
                    if measured {
                        let latency = now.saturating_sub(origin).max(1);
                        self.slice.latencies.saturating_record(latency);
                    }
                }
                Event::Ping(_) | Event::Pong { .. } => {}
                event if client.closing => last = Some(event),
                event => return self.fail_connection(index, unexpected(&event)),
            }
        }
        if client.dialogue.progress() != progress {
            client.quiet_since = now;
        }
        let replies = client.dialogue.received - before;
        self.came(index, replies, now)?;
        match last {
            Some(Event::Closed(closed)) => self.closed(index, &closed),
            _ => Ok(()),
        }
    }

    /// When what is due belongs to the measured window.
    fn window(&self) -> Range<u64> {
        match &self.job {
            Job::Loading(loading) => loading.schedule.from..self.end.min(self.shared.planned_end()),
            _ => 0..0,
        }
    }

    /// So many messages came back on a client, and are verified.
    fn came(&mut self, index: usize, count: u64, now: u64) -> Result<(), LoadError> {
        if count == 0 {
            return Ok(());
        }
        self.delivered += count;
        self.count(count)?;
        let workload = self.shared.plan.workload;
        match (&self.job, workload) {
            (_, Workload::Broadcast(Pace::InFlight(_))) => {
                self.shared.broadcast.missing.fetch_sub(count, Ordering::AcqRel);
            }
            (_, Workload::Broadcast(Pace::Rate(_))) => {}
            (Job::Loading(_), Workload::Echo(Pace::InFlight(_))) => {
                if now < self.end {
                    self.clients[index].dialogue.due += count;
                } else {
                    self.owed -= count;
                }
            }
            (Job::Using(_), _) => {
                self.owed -= count;
                self.use_next()?;
            }
            _ => self.owed = self.owed.saturating_sub(count),
        }
        Ok(())
    }

    /// Counts messages, or handshakes, of which there may have been enough.
    pub(super) fn count(&mut self, count: u64) -> Result<(), LoadError> {
        self.slice.counts.messages += count;
        let plan = &self.shared.plan;
        if let (Until::Messages(enough), None) = (plan.until, plan.window())
            && self.slice.is_measured()
            && matches!(self.job, Job::Loading(_))
        {
            let before = self.shared.counted.fetch_add(count, Ordering::AcqRel);
            if before + count >= enough
                && let Some(reading) = self.shared.finish()?
            {
                self.tell(Notice::Edge(reading));
                self.end = self.shared.end();
            }
        }
        Ok(())
    }

    /// Sends what is due on a client, and writes as much as its transport takes.
    pub(super) fn pass_on(&mut self, index: usize) -> Result<(), LoadError> {
        loop {
            let (at, now) = self.instant();
            self.turn_slice(now)?;
            self.fill(index, at, now)?;
            let client = &mut self.clients[index];
            match client.flush(at) {
                Ok(written) => self.slice.counts.sent += written,
                Err(fault) => return self.fail_connection(index, fault),
            }
            if client.blocked || client.dialogue.sent >= client.dialogue.due {
                return Ok(());
            }
        }
    }

    /// Encodes messages that are due, not far ahead of the transport.
    fn fill(&mut self, index: usize, at: Instant, now: u64) -> Result<(), LoadError> {
        let window = self.window();
        let client = &mut self.clients[index];
        let Stage::Open(connection) = &mut client.stage else { return Ok(()) };
        let dialogue = &mut client.dialogue;
        while dialogue.sent < dialogue.due && connection.buffered_amount() < AHEAD {
            let message: Sendable = self.content.sendable(dialogue.speaker(), dialogue.sent);
            match connection.send(message, at) {
                Ok(()) => {}
                // A long message is still being compressed.
                Err(SendError::Full(_)) => return Ok(()),
                Err(error) => return self.fail_connection(index, error.to_string()),
            }
            if dialogue.sent == dialogue.received {
                client.quiet_since = now;
            }
            let due = match self.origin {
                Origin::Sent => {
                    dialogue.times.push_back(now);
                    None
                }
                Origin::Round => None,
                Origin::Due(table) => Some(table.due(client.number, dialogue.sent)),
                Origin::RoundDue(table) => Some(table.due(0, dialogue.sent)),
            };
            dialogue.sent += 1;
            if let Some(due) = due.filter(|due| window.contains(due)) {
                // It is written as soon as those that are encoded with it are.
                let late = self.shared.now().saturating_sub(due);
                self.send_late.saturating_record(late.max(1));
            }
        }
        Ok(())
    }

    /// The transport of a client came to its end, or failed.
    pub(super) fn transport_ended(
        &mut self,
        index: usize,
        error: Option<&io::Error>,
    ) -> Result<(), LoadError> {
        let (at, _) = self.instant();
        let client = &mut self.clients[index];
        let closing = client.closing;
        let last = client.end(error.is_some(), at);
        client.link.shutdown();
        match (last, closing) {
            (Some(Event::Closed(closed)), true) => self.closed(index, &closed),
            (_, true) => self.over(index),
            (Some(Event::Violation(violation)), false) => {
                self.fail_connection(index, unexpected(&Event::Violation(violation)))
            }
            (_, false) => {
                let how = match error {
                    Some(error) => error.to_string(),
                    None => "the server ended it without a close".to_owned(),
                };
                let owed =
                    self.clients[index].dialogue.sent - self.clients[index].dialogue.received;
                self.fail_connection(
                    index,
                    format!("the connection was lost: {how}; {owed} messages were on their way"),
                )
            }
        }
    }

    /// A client's closing handshake is over.
    fn closed(&mut self, index: usize, closed: &Closed) -> Result<(), LoadError> {
        if matches!(self.job, Job::Loading(_)) && closed.cause != Cause::Clean {
            return self.fail_connection(index, format!("it did not close cleanly: {closed}"));
        }
        self.over(index)
    }

    /// Slices and the window end on time, whatever comes.
    pub(super) fn turn_slice(&mut self, now: u64) -> Result<(), LoadError> {
        let Job::Loading(loading) = &self.job else { return Ok(()) };
        let planned = loading.schedule;
        if self.id == 0 && now >= self.next_edge(loading) {
            self.take_edge()?;
        }
        self.end = self.shared.end();
        let from = self.shared.from();
        if now < self.slice.until && now < self.end && from == self.from {
            return Ok(());
        }
        self.from = from;
        let next = Slice::at(now, Some(&Schedule { from, ..planned }), self.end);
        if next.when == self.slice.when {
            self.slice.until = next.until;
        } else {
            let done = std::mem::replace(&mut self.slice, next);
            self.tell(Notice::Slice(Box::new(done)));
        }
        Ok(())
    }

    /// When the first thread has to take the next reading.
    pub(super) fn next_edge(&self, loading: &Loading) -> u64 {
        if self.shared.from() == u64::MAX {
            loading.schedule.from
        } else if self.shared.end() == u64::MAX {
            self.shared.planned_end()
        } else {
            u64::MAX
        }
    }

    fn take_edge(&self) -> Result<(), LoadError> {
        if self.shared.from() == u64::MAX {
            self.tell(Notice::Edge(self.shared.begin()?));
        } else if let Some(reading) = self.shared.finish()? {
            self.tell(Notice::Edge(reading));
        }
        Ok(())
    }
}

/// What a server that is to send messages back has done instead.
fn unexpected(event: &Event) -> String {
    match event {
        Event::CloseReceived(close) => format!("the server closed the connection: {close}"),
        Event::Violation(violation) => format!("the server broke the protocol: {violation}"),
        Event::Closed(closed) => format!("the connection ended: {closed}"),
        other => format!("the server sent something unexpected: {other:?}"),
    }
}

/// Bytes that are encoded ahead of the transport.
const AHEAD: usize = 256 * 1024;
