//! The threads of a run: commands to them, and what they tell.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use mio::Waker;

use crate::{
    LoadError,
    latency::{Latencies, histogram},
    shared::{Reading, Shared},
    slice::Slice,
    worker::{Command, Notice, Worker},
};

/// Ends a run early. A clone ends the same run.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the measured window now. The run then reports what was measured.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether that was wished for.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Threads at work. When dropped it ends them.
pub(crate) struct Crew {
    threads: Vec<Thread>,
    notices: Receiver<Notice>,
    pub(crate) stop: Stop,
    /// How long connections took to open.
    pub(crate) openings: Latencies,
    /// How late messages of an open loop were sent.
    pub(crate) send_late: Latencies,
}

struct Thread {
    commands: Sender<Command>,
    waker: Waker,
    handle: Option<JoinHandle<()>>,
}

/// What comes while the threads are at work.
pub(crate) enum News {
    Slice(Box<Slice>),
    Edge(Reading),
    /// A quarter of a second has passed.
    Tick,
}

impl Crew {
    pub(crate) fn start(shared: &Arc<Shared>, stop: Stop) -> Result<Self, LoadError> {
        let (tell, notices) = mpsc::channel();
        let start = |id| {
            let (commands, orders) = mpsc::channel();
            let (worker, waker) = Worker::new(id, Arc::clone(shared), orders, tell.clone())?;
            let thread = thread::Builder::new().name(format!("load-{id}"));
            let handle = thread.spawn(move || worker.run())?;
            Ok(Thread { commands, waker, handle: Some(handle) })
        };
        let threads = (0..shared.plan.threads).map(start).collect::<std::io::Result<Vec<_>>>();
        let threads = threads.map_err(|error| {
            LoadError::Machine(format!(
                "no threads to work with: {error}; use fewer, by Plan::threads"
            ))
        })?;
        Ok(Self { threads, notices, stop, openings: histogram(), send_late: histogram() })
    }

    /// Has every thread carry out a command, and waits until all have. `news` is told what happens
    /// meanwhile; it may end the run by an error.
    pub(crate) fn carry_out(
        &mut self,
        command: Command,
        mut news: impl FnMut(News) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        for thread in &self.threads {
            // A thread that has ended has told why.
            let _ = thread.commands.send(command);
            let _ = thread.waker.wake();
        }
        let mut busy = self.threads.len();
        let mut next_tick = Instant::now() + TICK;
        while busy > 0 {
            let left = next_tick.saturating_duration_since(Instant::now());
            match self.notices.recv_timeout(left) {
                Ok(Notice::Slice(slice)) => news(News::Slice(slice))?,
                Ok(Notice::Edge(reading)) => news(News::Edge(reading))?,
                Ok(Notice::Finished(times)) => {
                    let (openings, late) = &*times;
                    self.send_late.add(late).expect("all have the same bounds");
                    self.openings.add(openings).expect("all have the same bounds");
                    busy -= 1;
                }
                Ok(Notice::Failed(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) => {
                    next_tick += TICK;
                    news(News::Tick)?;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(panicked()),
            }
        }
        Ok(())
    }

    /// Waits while the connections rest. Fails if one of them does.
    pub(crate) fn rest(&self, time: Duration) -> Result<(), LoadError> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.is_stopped() {
                return Ok(());
            }
            match self.notices.recv_timeout(left.min(TICK)) {
                Ok(Notice::Failed(error)) => return Err(error),
                Err(RecvTimeoutError::Disconnected) => return Err(panicked()),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for thread in &self.threads {
            let _ = thread.commands.send(Command::Quit);
            let _ = thread.waker.wake();
        }
        for thread in &mut self.threads {
            if let Some(handle) = thread.handle.take() {
                let _ = handle.join();
            }
        }
    }
}

fn panicked() -> LoadError {
    LoadError::Machine("a thread of the load generator panicked; please report it".to_owned())
}

/// How often a run looks whether it is to stop, and tells how far it is.
const TICK: Duration = Duration::from_millis(250);
