//! Appends each line of the standard input to a stream, and prints its place once it is on disk.
//!
//!     cargo run -p longwire-log --example append -- FOLDER STREAM

use std::{
    io::{self, BufRead as _, Write as _},
    sync::mpsc::{self, Sender},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use longwire_log::{
    Append, Config, Handle as _, InvalidStreamName, Log, Request, Response, Retention, StreamName,
};

enum Event {
    Line(String),
    /// The standard input has ended.
    End,
    /// The log has something to tell.
    Woken,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(stream)) = (arguments.next(), arguments.next()) else {
        return Err("usage: append FOLDER STREAM".into());
    };
    let stream = StreamName::new(stream).map_err(|error: InvalidStreamName| error.to_string())?;

    let (events, incoming) = mpsc::channel();
    let woken = events.clone();
    let wake = std::sync::Arc::new(move || drop(woken.send(Event::Woken)));
    let (mut log, report) = Log::open(Config::new(folder), random(), wake)?;
    eprintln!("opened in {:?}", report.took);
    for place in report.torn.iter().chain(&report.corrupt) {
        eprintln!("{place}");
    }

    thread::spawn(move || read_lines(&events));
    let mut waiting = 0_u64;
    let mut ended = false;
    let mut out = io::stdout().lock();
    while !ended || waiting > 0 {
        match incoming.recv()? {
            Event::Line(line) => {
                waiting += 1;
                log.submit(0, Request::Append(append(stream.clone(), line)));
            }
            Event::End => ended = true,
            Event::Woken => {
                while let Some(completion) = log.poll() {
                    waiting -= 1;
                    match completion.result {
                        Ok(Response::Appended(place)) => {
                            writeln!(out, "{:016x}:{}", place.epoch, place.seq)?;
                        }
                        Ok(other) => writeln!(out, "{other:?}")?,
                        Err(error) => writeln!(out, "error: {error}")?,
                    }
                }
                out.flush()?;
            }
        }
    }
    Ok(())
}

fn append(stream: StreamName, line: String) -> Append {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Append {
        stream,
        time_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        body: line.into(),
        dedup: None,
        retention: Retention::UNLIMITED,
    }
}

fn read_lines(events: &Sender<Event>) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        if events.send(Event::Line(line)).is_err() {
            return;
        }
    }
    // The receiver may have gone.
    let _ = events.send(Event::End);
}

/// Random bits, as the standard library has them: for the keys of its maps.
fn random() -> impl FnMut() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    || RandomState::new().hash_one(0)
}
