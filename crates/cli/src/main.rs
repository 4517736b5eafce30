//! The `longwire` command: runs what the arguments ask for and turns its end into an exit code.

mod args;
mod bench;
mod channel;
mod check;
mod connect;
mod echo;
mod event;
mod failure;
mod init;
mod input;
mod limits;
mod listening;
mod log;
mod opening;
mod output;
mod render;
mod serve;
mod settings;
mod signals;
mod token;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

/// 0: it ended as it should. 1: it failed, and one line on stderr says why. 2: wrong usage, found by
/// clap or by the library.
fn main() -> ExitCode {
    let args = Args::parse();
    log::start(args.log, args.verbose);
    let result = match &args.command {
        Command::Serve(serve) => serve::run(serve),
        Command::Init(init) => init::run(init),
        Command::Check(check) => check::run(check),
        Command::Token(token) => token::run(token),
        Command::Publish(publish) => channel::publish(publish),
        Command::Tail(tail) => channel::tail(tail, args.verbose),
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
