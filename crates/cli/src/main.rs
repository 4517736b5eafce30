//! The `longwire` command: runs what the arguments ask for and turns its end into an exit code.

mod args;
mod bench;
mod connect;
mod echo;
mod event;
mod failure;
mod input;
mod limits;
mod opening;
mod output;
mod render;
mod signals;

use std::{io, process::ExitCode};

use clap::Parser;
use tracing_subscriber::filter::LevelFilter;

use args::{Args, Command};

/// 0: it ended as it should. 1: it failed, and one line on stderr says why. 2: wrong usage, found by
/// clap or by the library.
fn main() -> ExitCode {
    let args = Args::parse();
    let level = if args.verbose { LevelFilter::DEBUG } else { LevelFilter::WARN };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(render::is_coloured(&io::stderr()))
        .log_internal_errors(false)
        .init();
    let result = match &args.command {
        Command::Echo(echo) => echo::run(echo),
        Command::Bench(bench) => bench::run(bench),
        Command::Connect(connect) => connect::run(connect, args.verbose),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
