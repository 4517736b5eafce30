//! The project's scripts, typed: set-up, checks, tests.

mod cargo;
mod checks;
mod coverage;
mod deny;
mod instructions;
mod metadata;
mod setup;
mod test;
mod tidy;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup          install the outside programs that the tests need, into the cache and by apt
  test           setup, then all checks and all tests; the last line counts them
  checks         the checks alone: format, clippy, documentation, tidy, wasm32
  tidy           the house rules that no other tool knows
  deny           licences, sources and bans with cargo-deny, for those who have it
  coverage       line and branch coverage of crates/proto
  instructions   instructions of fixed scenarios, against an earlier revision;
                 --accept WHY lets HEAD be the one that later ones are compared with";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["setup"] => setup::run(),
        ["test"] => {
            return test::run().unwrap_or_else(|error| {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            });
        }
        ["checks"] => checks::run(),
        ["tidy"] => tidy::run(),
        ["deny"] => deny::run(),
        ["coverage"] => coverage::run(),
        ["instructions"] => instructions::run(),
        ["instructions", "--accept", why] => instructions::accept(why),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
