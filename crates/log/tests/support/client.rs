//! A log on disk, asked and answered in turn.

use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex},
};

use longwire_log::{
    Completion, Config, Handle, Log, LogError, OpenError, Report, Request, Response,
};

use super::Chance;

/// A log, and the bell that it rings.
pub(crate) struct Client {
    pub(crate) log: Log,
    bell: Arc<Bell>,
    next: u64,
}

#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Client {
    pub(crate) fn open(folder: &Path) -> Result<(Self, Report), OpenError> {
        Self::open_with(Config::new(folder))
    }

    pub(crate) fn open_with(config: Config) -> Result<(Self, Report), OpenError> {
        let bell = Arc::new(Bell::default());
        let wake = Arc::clone(&bell);
        let mut chance = Chance(std::process::id().into());
        let ring = move || {
            *wake.rung.lock().expect("nobody panics with it") = true;
            wake.heard.notify_one();
        };
        let (log, report) = Log::open(config, move || chance.next(), Arc::new(ring))?;
        Ok((Self { log, bell, next: 0 }, report))
    }

    /// Waits for the next completion.
    pub(crate) fn wait(&mut self) -> Completion {
        loop {
            if let Some(completion) = self.log.poll() {
                return completion;
            }
            let mut rung = self.bell.rung.lock().expect("nobody panics with it");
            while !*rung {
                rung = self.bell.heard.wait(rung).expect("nobody panics with it");
            }
            *rung = false;
        }
    }

    /// Carries out requests that are under way together, and gives the answers in their order.
    pub(crate) fn all(&mut self, requests: &[Request]) -> Vec<Result<Response, LogError>> {
        let first = self.next;
        for request in requests {
            self.log.submit(self.next, request.clone());
            self.next += 1;
        }
        let mut answers: Vec<_> = requests.iter().map(|_| None).collect();
        for _ in requests {
            let completion = self.wait();
            let place = usize::try_from(completion.token - first).expect("a token of these");
            assert!(answers[place].is_none(), "two answers to one request");
            answers[place] = Some(completion.result);
        }
        answers.into_iter().map(|answer| answer.expect("each place was filled once")).collect()
    }

    pub(crate) fn ask(&mut self, request: Request) -> Result<Response, LogError> {
        self.all(&[request]).pop().expect("one request, one answer")
    }
}
