//! A log whose answers come late, and reads beside writes: what its threads do, from a seed.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use longwire_log::{Completion, Handle, Machine, Request};

use super::Chance;

/// A log as its threads would run it. Writes are committed at some time, and answered at some later time in their order;
/// reads are carried out at some time, and answered at some later time, whatever writes are.
#[derive(Debug)]
pub struct Shuffled {
    machine: Machine,
    random: Chance,
    /// Whether answers come at once.
    prompt: Arc<AtomicBool>,
    /// Reads that are not carried out.
    reads: VecDeque<(u64, Request)>,
    written: VecDeque<Completion>,
    read: VecDeque<Completion>,
}

impl Shuffled {
    /// A log over this machine. Once `prompt` is set its answers come at once.
    pub fn new(machine: Machine, seed: u64, prompt: Arc<AtomicBool>) -> Self {
        Self {
            machine,
            random: Chance::new(seed),
            prompt,
            reads: VecDeque::new(),
            written: VecDeque::new(),
            read: VecDeque::new(),
        }
    }

    fn chance(&mut self) -> bool {
        self.prompt.load(Ordering::Relaxed) || self.random.below(2) == 0
    }

    /// Some of what waits happens.
    fn work(&mut self) {
        if self.machine.is_waiting() && self.chance() {
            self.machine.commit();
        }
        while let Some(completion) = self.machine.poll() {
            self.written.push_back(completion);
        }
        while !self.reads.is_empty() && self.chance() {
            if let Some((token, request)) = self.reads.pop_front() {
                self.machine.submit(token, request);
            }
            while let Some(completion) = self.machine.poll() {
                self.read.push_back(completion);
            }
        }
    }
}

impl Handle for Shuffled {
    fn submit(&mut self, token: u64, request: Request) {
        if matches!(request, Request::Read(_) | Request::Info { .. } | Request::Streams { .. }) {
            self.reads.push_back((token, request));
        } else {
            self.machine.submit(token, request);
        }
    }

    fn poll(&mut self) -> Option<Completion> {
        self.work();
        let from_written = self.random.below(2) == 0;
        let (one, other) = if from_written {
            (&mut self.written, &mut self.read)
        } else {
            (&mut self.read, &mut self.written)
        };
        if !self.prompt.load(Ordering::Relaxed) && self.random.below(3) == 0 {
            return None;
        }
        one.pop_front().or_else(|| other.pop_front())
    }
}
