//! One thread and its share of the connections, on one poll.

mod jobs;
mod traffic;

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, TryRecvError},
    },
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker};

use crate::{
    LoadError, Plan,
    client::{Client, Opened, Stage},
    content::Content,
    latency::{Latencies, histogram},
    plan::Workload,
    schedule::{Schedule, Timetable, nanos},
    shared::{Reading, Shared},
    slice::Slice,
};

/// What a thread is told to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    /// Have so many connections open, over all threads.
    Open(usize),
    /// Put the plan's load on them, or open and close them, until the end of the window.
    Load(Schedule),
    /// Have each of the connections from this number on echo so many messages.
    Use { first: usize, messages: u64, schedule: Schedule },
    /// Close all.
    Close,
    /// End.
    Quit,
}

/// What a thread tells.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The readings at the beginning of the window, and at its end.
    Edge(Reading),
    Slice(Box<Slice>),
    /// The command is carried out. The times that connections took to open meanwhile, and how late
    /// messages of an open loop were sent.
    Finished(Box<(Latencies, Latencies)>),
    Failed(LoadError),
}

/// A thread at work.
pub(crate) struct Worker {
    /// Which of the threads, from 0. It has the connections whose numbers leave this remainder.
    id: usize,
    shared: Arc<Shared>,
    poll: Poll,
    commands: Receiver<Command>,
    notices: Sender<Notice>,
    clients: Vec<Client>,
    content: Content,
    /// Where bytes are read to, and parsed.
    buffer: Vec<u8>,
    job: Job,
    origin: Origin,
    /// What happens now.
    slice: Slice,
    openings: Latencies,
    /// From when a message was due until it was first offered to its socket.
    send_late: Latencies,
    /// Connections that are not open yet.
    opening: usize,
    /// Connections ever begun.
    dialled: usize,
    /// Clients that may have more to read, although nothing will wake us.
    again: Vec<usize>,
    /// Messages that are to come back and have not.
    owed: u64,
    /// Messages that came back.
    delivered: u64,
    /// The window, as far as it is known.
    from: u64,
    end: u64,
    /// When to look for stalled connections next.
    next_check: u64,
}

/// What a thread is doing.
#[derive(Clone, Copy, Debug)]
enum Job {
    Rest,
    /// Until so many clients are open.
    Opening(usize),
    Loading(Loading),
    Using(Using),
    Closing {
        deadline: u64,
    },
}

/// A load under way.
#[derive(Clone, Copy, Debug)]
struct Loading {
    schedule: Schedule,
    /// Of an open loop: the client whose message is due next, and the number of that message.
    due: (usize, u64),
}

/// Connections that have messages echoed in turn.
#[derive(Clone, Copy, Debug)]
struct Using {
    /// The first of the clients.
    first: usize,
    /// The client whose turn is next.
    next: usize,
    /// Messages for each in this round of turns, and in those to come.
    left: u64,
    /// Messages on the way in a turn, and in all turns together.
    in_flight: u64,
    in_flight_max: u64,
    /// Messages whose turn has not come.
    waiting: u64,
}

/// From when a message's latency counts.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// From its own sending.
    Sent,
    /// From the instant when it was due.
    Due(Timetable),
    /// From the sending of the one message that all wait for.
    Round,
    /// From the instant when the broadcast was due.
    RoundDue(Timetable),
}

impl Worker {
    pub(crate) fn new(
        id: usize,
        shared: Arc<Shared>,
        commands: Receiver<Command>,
        notices: Sender<Notice>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let Plan { content, size, seed, .. } = shared.plan;
        let worker = Self {
            id,
            poll,
            commands,
            notices,
            clients: Vec::new(),
            content: Content::new(content, size, seed),
            buffer: vec![0; BUFFER_LEN],
            job: Job::Rest,
            origin: Origin::Sent,
            slice: Slice::at(0, None, 0),
            openings: histogram(),
            send_late: histogram(),
            opening: 0,
            dialled: 0,
            again: Vec::new(),
            owed: 0,
            delivered: 0,
            from: u64::MAX,
            end: u64::MAX,
            next_check: 0,
            shared,
        };
        Ok((worker, waker))
    }

    /// Works until it is told to end, or fails.
    pub(crate) fn run(mut self) {
        if let Err(error) = self.work() {
            // If nobody listens, another thread failed first.
            let _ = self.notices.send(Notice::Failed(error));
        }
    }

    fn work(&mut self) -> Result<(), LoadError> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, Some(self.patience())) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(LoadError::Machine(format!("waiting for sockets failed: {error}")));
                }
            }
            let again = std::mem::take(&mut self.again);
            for event in events.iter().filter(|event| event.token() != WAKE) {
                self.serve(event.token().0, event.is_read_closed() || event.is_error())?;
            }
            for index in again {
                self.serve(index, true)?;
            }
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Quit) | Err(TryRecvError::Disconnected) => return Ok(()),
                    Ok(command) => self.begin(command)?,
                    Err(TryRecvError::Empty) => break,
                }
            }
            self.tick()?;
        }
    }

    /// How long there is nothing to do unless a socket wakes us.
    ///
    /// The system's wait is exact to a millisecond. What is due sooner than that is waited for by
    /// asking again and again, so that it goes out on time.
    fn patience(&self) -> Duration {
        let Job::Loading(loading) = &self.job else { return CHECK };
        if !self.again.is_empty() || self.is_busy() {
            return Duration::ZERO;
        }
        let now = self.shared.now();
        let left = |then: u64| Duration::from_nanos(then.saturating_sub(now));
        // Once the window is over nothing is due at its end.
        let end = if now < self.end { self.end } else { u64::MAX };
        let edge = if self.id == 0 { self.next_edge(loading) } else { u64::MAX };
        let wait = CHECK.min(left(self.slice.until)).min(left(end)).min(left(edge));
        match self.next_due(loading).map(left) {
            Some(due) if due < 2 * MILLISECOND => Duration::ZERO,
            Some(due) => {
                let whole = u64::try_from(due.as_millis()).unwrap_or(u64::MAX) - 1;
                wait.min(Duration::from_millis(whole))
            }
            None => wait,
        }
    }

    /// Whether waiting is busy: in a broadcast, to wake a sleeper is work of the server's core, and
    /// there would be the more of it the faster the receivers are.
    fn is_busy(&self) -> bool {
        matches!(self.shared.plan.workload, Workload::Broadcast(_)) && self.shared.now() < self.end
    }

    /// Does what a client's socket is ready for. `whole` reads on until there is nothing left.
    fn serve(&mut self, index: usize, whole: bool) -> Result<(), LoadError> {
        let client = &mut self.clients[index];
        match client.stage {
            Stage::Over => return Ok(()),
            Stage::Open(_) => {}
            _ => {
                let Shared { plan, target, .. } = &*self.shared;
                let now = self.shared.now();
                match client.open(&plan.request, target, &mut self.buffer, now) {
                    Ok(None) => return Ok(()),
                    Ok(Some(opened)) => self.opened(index, &opened)?,
                    Err(fault) => {
                        return Err(LoadError::Opening { connection: client.number, fault });
                    }
                }
            }
        }
        for _ in 0..READS {
            let client = &mut self.clients[index];
            if !client.is_open() {
                return Ok(());
            }
            match client.link.read(&mut self.buffer) {
                Ok(0) => return self.transport_ended(index, None),
                Ok(count) => {
                    self.take(index, count)?;
                    let client = &self.clients[index];
                    if !whole && client.link.is_drained(count, self.buffer.len()) {
                        return self.pass_on(index);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.pass_on(index);
                }
                Err(error) => return self.transport_ended(index, Some(&error)),
            }
        }
        self.again.push(index);
        self.pass_on(index)
    }

    /// A connection has opened.
    fn opened(&mut self, index: usize, opened: &Opened) -> Result<(), LoadError> {
        let now = self.shared.now();
        let client = &mut self.clients[index];
        let connection = client.number;
        let fail = |fault: String| Err(LoadError::Opening { connection, fault });
        let agreed = opened.agreement.deflate;
        if self.shared.plan.deflate.is_some() && agreed.is_none() {
            return fail(
                "the server did not agree to permessage-deflate; switch it on there, or offer none"
                    .to_owned(),
            );
        }
        let text = agreed.map(|agreed| agreed.to_string());
        let first = self.shared.agreed.get_or_init(|| text.clone());
        if *first != text {
            return fail("the server agreed to another compression than before".to_owned());
        }
        if agreed.is_some_and(|agreed| agreed.client_no_context_takeover) {
            self.content.prepare();
        }
        client.establish(&opened.agreement, &self.shared.config);
        client.quiet_since = now;
        self.opening -= 1;
        let took = now.saturating_sub(client.started).max(1);
        self.handshaken(index, now, took)?;
        if !opened.leftover.is_empty() {
            self.buffer[..opened.leftover.len()].copy_from_slice(&opened.leftover);
            self.take(index, opened.leftover.len())?;
        }
        Ok(())
    }

    /// Begins a further connection, in this place or behind all others.
    fn dial(&mut self, index: usize) -> Result<(), LoadError> {
        let Plan { threads, workload, .. } = self.shared.plan;
        let number = index * threads + self.id;
        // A connection that is opened anew gets a port of its own as if it were a further one.
        let source = self.dialled * threads + self.id;
        let speaker = if matches!(workload, Workload::Broadcast(_)) { 0 } else { number };
        let now = self.shared.now();
        let fail = |fault: String| LoadError::Opening { connection: number, fault };
        let mut client =
            Client::dial(number, source, speaker, &self.shared.target, now).map_err(fail)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(client.link.socket(), Token(index), interest)
            .map_err(|error| fail(format!("its socket cannot be waited for: {error}")))?;
        match self.clients.get_mut(index) {
            Some(place) => *place = client,
            None => self.clients.push(client),
        }
        self.dialled += 1;
        self.opening += 1;
        Ok(())
    }

    fn tell(&self, notice: Notice) {
        // If nobody listens, the end is near.
        let _ = self.notices.send(notice);
    }

    fn fail_connection<T>(&self, index: usize, fault: impl Into<String>) -> Result<T, LoadError> {
        Err(LoadError::Connection { connection: self.clients[index].number, fault: fault.into() })
    }

    /// This instant, in both forms.
    fn instant(&self) -> (Instant, u64) {
        let at = Instant::now();
        (at, self.shared.time(at))
    }

    fn stall(&self) -> u64 {
        nanos(self.shared.plan.stall_timeout)
    }
}

/// The token of what is no client.
const WAKE: Token = Token(usize::MAX);

/// Bytes read at a time.
const BUFFER_LEN: usize = 256 * 1024;

/// Sockets told of at a time.
const EVENTS: usize = 1024;

/// Reads of one client in a row, so that a fast one does not keep the others waiting.
const READS: usize = 4;

/// Connections that a run opens at a time: fewer than wait in the backlog of any listener.
const OPENING_MAX: usize = 64;

/// How often stalled connections are looked for, and the longest wait.
const CHECK: Duration = Duration::from_millis(100);

const MILLISECOND: Duration = Duration::from_millis(1);
