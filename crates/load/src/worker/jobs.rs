//! What a thread is told to do, and when it is done: opening, loading, using, closing.

use std::{sync::atomic::Ordering, time::Duration};

use longwire_proto::CloseCode;

use super::{CHECK, Command, Job, Loading, Notice, OPENING_MAX, Origin, Using, Worker};
use crate::{
    LoadError,
    client::{Client, Stage},
    latency::histogram,
    plan::{Pace, Workload},
    schedule::{Schedule, Timetable, nanos},
    slice::Slice,
};

impl Worker {
    /// Begins with a command.
    pub(super) fn begin(&mut self, command: Command) -> Result<(), LoadError> {
        let now = self.shared.now();
        self.end = self.shared.end();
        match command {
            Command::Open(all) => self.job = Job::Opening(self.share(all)),
            Command::Load(schedule) => self.begin_load(schedule, now)?,
            Command::Use { first, messages, schedule } => {
                let Workload::Idle { at_once, in_flight, .. } = self.shared.plan.workload else {
                    return Ok(());
                };
                let first = self.share(first);
                self.origin = Origin::Sent;
                self.owed = (self.clients.len() - first) as u64 * messages;
                self.slice = Slice::at(now, Some(&schedule), u64::MAX);
                self.job = Job::Using(Using {
                    first,
                    next: first,
                    left: messages,
                    in_flight,
                    in_flight_max: in_flight * self.share(at_once).max(1) as u64,
                    waiting: self.owed,
                });
                self.use_next()?;
            }
            Command::Close => {
                self.job = Job::Closing { deadline: now + nanos(CLOSE_MAX) };
                for index in 0..self.clients.len() {
                    self.close(index)?;
                }
            }
            Command::Quit => {}
        }
        Ok(())
    }

    /// How many of so many connections are this thread's.
    fn share(&self, all: usize) -> usize {
        (all + self.shared.plan.threads - 1 - self.id) / self.shared.plan.threads
    }

    fn begin_load(&mut self, schedule: Schedule, now: u64) -> Result<(), LoadError> {
        let plan = &self.shared.plan;
        let (workload, connections) = (plan.workload, plan.connections);
        self.slice = Slice::at(now, None, self.end);
        self.job = Job::Loading(Loading { schedule, due: (0, 0) });
        self.origin = match workload {
            Workload::Echo(Pace::Rate(rate)) => {
                Origin::Due(Timetable::new(schedule.start, rate, connections))
            }
            Workload::Broadcast(Pace::Rate(rate)) => {
                Origin::RoundDue(Timetable::new(schedule.start, rate, 1))
            }
            Workload::Broadcast(Pace::InFlight(_)) => Origin::Round,
            _ => Origin::Sent,
        };
        match workload {
            Workload::Echo(Pace::InFlight(count)) => {
                self.owed = (count * self.clients.len()) as u64;
                for index in 0..self.clients.len() {
                    self.clients[index].dialogue.due += count as u64;
                    self.pass_on(index)?;
                }
            }
            Workload::Connect => {
                for index in 0..self.share(connections) {
                    self.dial(index)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Looks at the clock, and does what is due.
    pub(super) fn tick(&mut self) -> Result<(), LoadError> {
        let now = self.shared.now();
        self.end = self.shared.end();
        self.turn_slice(now)?;
        match self.job {
            Job::Rest => {}
            Job::Opening(count) => self.go_on_opening(count)?,
            Job::Loading(loading) => self.go_on_loading(loading, now)?,
            Job::Using(_) => {
                if self.owed == 0 {
                    let done = std::mem::replace(&mut self.slice, Slice::at(now, None, 0));
                    self.tell(Notice::Slice(Box::new(done)));
                    self.finish();
                }
            }
            Job::Closing { deadline } => {
                let over = |client: &Client| matches!(client.stage, Stage::Over);
                if now >= deadline || self.clients.iter().all(over) {
                    self.finish();
                }
            }
        }
        if now >= self.next_check {
            self.next_check = now + nanos(CHECK);
            self.find_stalled(now)?;
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.job = Job::Rest;
        let openings = std::mem::replace(&mut self.openings, histogram());
        let late = std::mem::replace(&mut self.send_late, histogram());
        self.tell(Notice::Finished(Box::new((openings, late))));
    }

    fn go_on_opening(&mut self, count: usize) -> Result<(), LoadError> {
        let at_a_time = (OPENING_MAX / self.shared.plan.threads).max(1);
        while self.clients.len() < count && self.opening < at_a_time {
            self.dial(self.clients.len())?;
        }
        if self.clients.len() == count && self.opening == 0 {
            self.finish();
        }
        Ok(())
    }

    fn go_on_loading(&mut self, mut loading: Loading, now: u64) -> Result<(), LoadError> {
        let workload = self.shared.plan.workload;
        match workload {
            Workload::Echo(Pace::Rate(_)) => self.send_due(&mut loading, now)?,
            Workload::Broadcast(_) if self.id == 0 => self.send_round(&mut loading, now)?,
            _ => {}
        }
        self.job = Job::Loading(loading);
        if now < self.end {
            return Ok(());
        }
        let done = match workload {
            Workload::Echo(_) => self.owed == 0,
            Workload::Broadcast(_) => {
                // The first thread may be behind, and send what was due before the end.
                let over = self.shared.broadcast.over.load(Ordering::Acquire);
                let sent = self.shared.broadcast.sent.load(Ordering::Acquire);
                over && self.delivered == sent * self.clients.len() as u64
            }
            _ => self.clients.iter().all(|client| matches!(client.stage, Stage::Over)),
        };
        if done {
            let done = std::mem::replace(&mut self.slice, Slice::at(now, None, 0));
            self.tell(Notice::Slice(Box::new(done)));
            self.finish();
            return Ok(());
        }
        if now > self.end.saturating_add(self.stall()) {
            return Err(LoadError::Unmeasured(format!(
                "the server is behind: {} s after the end of the window {} messages had not come \
                 back; use a lower Pace::Rate, or fewer in flight",
                self.shared.plan.stall_timeout.as_secs_f64(),
                self.owed
            )));
        }
        Ok(())
    }

    /// When the next message of an open loop is due.
    pub(super) fn next_due(&self, loading: &Loading) -> Option<u64> {
        let (index, number) = loading.due;
        let due = match self.origin {
            Origin::Due(table) => table.due(self.clients.get(index)?.number, number),
            Origin::RoundDue(table) if self.id == 0 => table.due(0, number),
            _ => return None,
        };
        (due < self.end.min(self.shared.planned_end())).then_some(due)
    }

    /// Sends what has become due on each client in turn.
    fn send_due(&mut self, loading: &mut Loading, now: u64) -> Result<(), LoadError> {
        let mut turns = 0;
        let first = loading.due.0;
        while self.next_due(loading).is_some_and(|due| due <= now) {
            let (index, number) = loading.due;
            self.clients[index].dialogue.due += 1;
            self.owed += 1;
            turns += 1;
            loading.due = match index + 1 {
                next if next < self.clients.len() => (next, number),
                _ => (0, number + 1),
            };
        }
        // Several that became due on one client go out together.
        for turn in 0..turns.min(self.clients.len()) {
            self.pass_on((first + turn) % self.clients.len())?;
        }
        Ok(())
    }

    /// Sends the next broadcast once every client has the last, or when it is due.
    fn send_round(&mut self, loading: &mut Loading, now: u64) -> Result<(), LoadError> {
        let broadcast = &self.shared.broadcast;
        let mut count = 0;
        match self.origin {
            Origin::Round => {
                if now < self.end && broadcast.missing.load(Ordering::Acquire) == 0 {
                    let all = self.shared.plan.connections as u64;
                    broadcast.missing.store(all, Ordering::Release);
                    broadcast.sent_at.store(now, Ordering::Release);
                    count = 1;
                }
            }
            _ => {
                while let Some(due) = self.next_due(loading).filter(|due| *due <= now) {
                    broadcast.sent_at.store(due, Ordering::Release);
                    loading.due.1 += 1;
                    count += 1;
                }
            }
        }
        if count > 0 {
            broadcast.sent.fetch_add(count, Ordering::AcqRel);
            self.clients[0].dialogue.due += count;
            self.pass_on(0)?;
        }
        if now >= self.end {
            self.shared.broadcast.over.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Has the next clients in turn send their next messages, as many as may be on the way together.
    pub(super) fn use_next(&mut self) -> Result<(), LoadError> {
        while let Job::Using(using) = &mut self.job {
            let count = using.left.min(using.in_flight);
            let on_the_way = self.owed - using.waiting;
            if using.waiting == 0 || on_the_way + count > using.in_flight_max {
                break;
            }
            let index = using.next;
            using.waiting -= count;
            using.next += 1;
            if using.next == self.clients.len() {
                using.next = using.first;
                using.left -= count;
            }
            self.clients[index].dialogue.due += count;
            self.pass_on(index)?;
        }
        Ok(())
    }

    /// A handshake took so long. Where handshakes are the load, the connection is closed again.
    pub(super) fn handshaken(
        &mut self,
        index: usize,
        now: u64,
        took: u64,
    ) -> Result<(), LoadError> {
        if self.shared.plan.workload != Workload::Connect {
            self.openings.saturating_record(took);
            return Ok(());
        }
        self.turn_slice(now)?;
        if self.slice.is_measured() {
            self.slice.latencies.saturating_record(took);
        }
        self.count(1)?;
        self.begin_close(index);
        Ok(())
    }

    fn begin_close(&mut self, index: usize) {
        let (at, now) = self.instant();
        let client = &mut self.clients[index];
        client.closing = true;
        client.quiet_since = now;
        match &mut client.stage {
            Stage::Open(connection) => connection.close(CloseCode::NORMAL_CLOSURE.into(), at),
            stage => *stage = Stage::Over,
        }
    }

    /// Begins the closing handshake. What goes wrong in it is no part of a measurement.
    fn close(&mut self, index: usize) -> Result<(), LoadError> {
        self.begin_close(index);
        let (at, _) = self.instant();
        if self.clients[index].flush(at).is_err() {
            return self.over(index);
        }
        Ok(())
    }

    /// A client is over. Where handshakes are the load, the next takes its place.
    pub(super) fn over(&mut self, index: usize) -> Result<(), LoadError> {
        self.clients[index].stage = Stage::Over;
        let opens = self.shared.plan.workload == Workload::Connect
            && matches!(self.job, Job::Loading(_))
            && self.shared.now() < self.end;
        if opens { self.dial(index) } else { Ok(()) }
    }

    /// Fails if a connection has waited for too long.
    fn find_stalled(&self, now: u64) -> Result<(), LoadError> {
        if matches!(self.job, Job::Closing { .. }) {
            return Ok(());
        }
        self.clients.iter().try_for_each(|client| {
            let connection = client.number;
            match client.stage {
                Stage::Over => Ok(()),
                Stage::Open(_) => match self.fault_if_stalled(client, now) {
                    Some(fault) => Err(LoadError::Connection { connection, fault }),
                    None => Ok(()),
                },
                _ => {
                    let limit = self.shared.plan.timeout;
                    if now.saturating_sub(client.quiet_since) <= nanos(limit) {
                        return Ok(());
                    }
                    let fault = format!(
                        "{} took longer than {} s; Plan::timeout sets the limit",
                        client.doing(),
                        limit.as_secs_f64()
                    );
                    Err(LoadError::Opening { connection, fault })
                }
            }
        })
    }

    /// What to say of an open connection that owes an answer for too long.
    fn fault_if_stalled(&self, client: &Client, now: u64) -> Option<String> {
        let (plan, dialogue) = (&self.shared.plan, &client.dialogue);
        let is_broadcast = matches!(plan.workload, Workload::Broadcast(_));
        let (sent, since) = if is_broadcast {
            let broadcast = &self.shared.broadcast;
            let sent_at = broadcast.sent_at.load(Ordering::Acquire);
            (broadcast.sent.load(Ordering::Acquire), client.quiet_since.max(sent_at))
        } else {
            (dialogue.sent, client.quiet_since)
        };
        if now.saturating_sub(since) <= self.stall() {
            return None;
        }
        if client.closing {
            return Some("the server did not finish the closing handshake".to_owned());
        }
        (sent > dialogue.received).then(|| {
            format!(
                "no answer for {} s; expected message {} ({} bytes), nothing came; is it a server \
                 that sends every message {}?",
                plan.stall_timeout.as_secs_f64(),
                dialogue.received,
                plan.size,
                if is_broadcast { "to all connections" } else { "back" }
            )
        })
    }
}

/// How long all connections together may take to close in the end.
const CLOSE_MAX: Duration = Duration::from_secs(5);
