//! The log over a simulated disk, against a model: thousands of seeds of requests, crashes, failed fsyncs and full disks.

mod support;

use std::sync::Arc;

use longwire_log::{LogError, Machine, Request, Response, SimulatedStorage};
use support::{
    Chance,
    model::{Model, random_write},
};

#[test]
fn what_was_acknowledged_is_there_once_and_in_order_after_any_crash() {
    let (from, number) = seeds();
    for seed in from..from + number {
        // A failing seed is the last that is printed; LOG_SEED=N runs it alone.
        println!("LOG_SEED={seed}");
        run(seed);
    }
}

/// The seeds to run: one of the environment's, or the first so many.
fn seeds() -> (u64, u64) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("LOG_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("LOG_SEEDS").unwrap_or(1_000)),
    }
}

fn run(seed: u64) {
    let mut chance = Chance(seed);
    let disk = Arc::new(SimulatedStorage::new());
    let mut salt = Chance(!seed);
    let mut open = || {
        let (machine, damage) =
            Machine::new(Arc::clone(&disk) as _, || salt.next()).expect("the disk works");
        assert_eq!(damage, []);
        machine
    };
    let mut machine = open();
    let mut model = Model::default();
    let mut now_ms = 1_000;
    for _ in 0..30 {
        // At times so much passes that keys leave the disk.
        now_ms += if chance.one_in(8) { 6_000 } else { chance.below(60) };
        let fault = match chance.below(12) {
            0 => Fault::Full,
            1 => Fault::Sync,
            _ => Fault::None,
        };
        match fault {
            Fault::Full => disk.set_full(true),
            Fault::Sync => disk.fail_next_sync(),
            Fault::None => {}
        }
        let requests: Vec<Request> =
            (0..=chance.below(12)).map(|_| random_write(&mut chance, now_ms)).collect();
        let answers = carry_out(&mut machine, &requests);
        match fault {
            Fault::None => check(&mut model, &requests, &answers),
            Fault::Full => {
                // Nothing was written, so what needed nothing written is all that was answered.
                disk.set_full(false);
                for answer in &answers {
                    assert_ne!(written(answer), Some(true), "{answer:?}");
                }
            }
            Fault::Sync => {
                let failed = answers.iter().any(|a| matches!(a, Err(LogError::Failed { .. })));
                if failed {
                    // It stays so, and reads go on.
                    let again = carry_out(&mut machine, &requests);
                    assert!(again.iter().all(|a| matches!(a, Err(LogError::Failed { .. }))));
                    model.compare(&mut chance, |request| ask(&mut machine, request));
                }
                let kept = failed && chance.one_in(2);
                disk.restart(kept);
                machine = open();
                if kept {
                    for request in &requests {
                        let _ = model.apply(request, None);
                    }
                    learn_epochs(&mut model, &mut machine);
                }
            }
        }
        if chance.one_in(10) {
            disk.restart(false);
            machine = open();
        }
        if chance.one_in(4) {
            while machine.sweep(now_ms) {}
            model.sweep(now_ms);
        }
        if chance.one_in(3) {
            model.compare(&mut chance, |request| ask(&mut machine, request));
        }
    }
    model.compare(&mut chance, |request| ask(&mut machine, request));
}

enum Fault {
    None,
    Full,
    Sync,
}

fn carry_out(machine: &mut Machine, requests: &[Request]) -> Vec<Result<Response, LogError>> {
    for (token, request) in (0..).zip(requests) {
        machine.submit(token, request.clone());
    }
    while machine.is_waiting() {
        machine.commit();
    }
    let mut answers = Vec::new();
    while let Some(completion) = machine.poll() {
        assert_eq!(completion.token, answers.len() as u64, "answers are in order");
        answers.push(completion.result);
    }
    assert_eq!(answers.len(), requests.len(), "each request has its answer");
    answers
}

fn ask(machine: &mut Machine, request: Request) -> Result<Response, LogError> {
    machine.submit(0, request);
    machine.poll().expect("reads are answered at once").result
}

fn check(model: &mut Model, requests: &[Request], answers: &[Result<Response, LogError>]) {
    for (request, answer) in requests.iter().zip(answers) {
        let expected = model.apply(request, Some(answer));
        assert_eq!(*answer, expected, "{request:?}");
    }
}

/// Whether an answer says that something was written for it.
fn written(answer: &Result<Response, LogError>) -> Option<bool> {
    match answer {
        Ok(Response::Appended(appended)) => Some(!appended.duplicate),
        Ok(_) => None,
        Err(_) => Some(false),
    }
}

/// A batch that nobody was told of gave streams epochs that the model does not know.
fn learn_epochs(model: &mut Model, machine: &mut Machine) {
    for (name, stream) in &mut model.streams {
        if stream.epoch.is_none()
            && let Ok(Response::Info(info)) = ask(machine, Request::Info { stream: name.clone() })
        {
            stream.epoch = Some(info.epoch);
        }
    }
}
