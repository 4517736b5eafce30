//! `longwire bench`: puts load on a server, and shows what was measured.

mod args;
mod command;
mod html;
mod plot;
mod progress;
mod text;

use std::{
    io::{self, IsTerminal, Write},
    process, thread,
};

use longwire_load::{LoadError, Progress, Report, Stop};
use tokio::runtime;

pub(crate) use args::BenchArgs;

use self::progress::Line;
use crate::{failure::Failure, limits, output, signals::Signals};

/// Measures, and reports.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let plan = args.plan()?;
    limits::raise_open_files();
    let stop = Stop::default();
    stop_on_signal(stop.clone())?;
    let shows = !args.quiet && io::stderr().is_terminal();
    let mut line = Line::new(shows, &plan);
    let page = args.html.as_deref().map(html::Page::open).transpose()?;
    let mut watch = |progress: &Progress| line.show(progress);
    let result = longwire_load::run(&plan, &stop, shows.then_some(&mut watch as _));
    line.clear();
    let report = result?;
    print(args, &report)?;
    if let Some(page) = page {
        let command = command::shown((&args.url, &report.url), &args.opening.secrets());
        page.write(&report, &command)?;
    }
    Ok(())
}

fn print(args: &BenchArgs, report: &Report) -> Result<(), Failure> {
    let text = if args.json {
        serde_json::to_string(report).expect("numbers and strings have a form in JSON") + "\n"
    } else {
        text::render(report)
    };
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // Whoever read stdout has seen enough, as `head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Ends the measuring at the first signal and the program at the second.
fn stop_on_signal(stop: Stop) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|error| Failure::new(format!("the runtime could not be started: {error}")))?;
    let entered = runtime.enter();
    let mut signals = Signals::catch()?;
    drop(entered);
    thread::spawn(move || {
        runtime.block_on(async {
            signals.next().await;
            stop.stop();
            signals.next().await;
            output::complain("stopped before the report was written");
            process::exit(1);
        });
    });
    Ok(())
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Plan(_) => Self::usage(in_options(&error)),
            error => Self::new(in_options(&error)),
        }
    }
}

/// The engine's cures name its settings. Here these are options.
fn in_options(error: &LoadError) -> String {
    let options = [
        ("Plan::ca", "--ca FILE"),
        ("Plan::cpu", "--cpu"),
        ("Plan::pid", "--pid"),
        ("Plan::threads", "--threads"),
        ("Plan::timeout", "--timeout"),
        ("Plan::until", "--duration"),
        ("Pace::Rate", "--rate"),
    ];
    let text = error.to_string();
    options.iter().fold(text, |text, (setting, option)| text.replace(setting, option))
}
