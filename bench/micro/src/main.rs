//! Longwire's small parts: instructions of fixed scenarios, for callgrind to count, and times.

mod data;
mod scenarios;
mod timing;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: bench-micro COMMAND

  list          the names of the scenarios
  count NAME    one scenario, for callgrind: it collects in `counted_scope` alone
  time          times of the small parts, beside what they are compared with, as Markdown
    --json FILE    the same as JSON
    --only TEXT    those with this in their name
    --quick        fewer rounds";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] => {
            for scenario in scenarios::ALL {
                println!("{}", scenario.name);
            }
            Ok(())
        }
        ["count", name] => count(name),
        ["time", ref options @ ..] => {
            timing::Options::parse(options).and_then(|options| timing::run(&options))
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
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

fn count(name: &str) -> Result<()> {
    let Some(scenario) = scenarios::ALL.iter().find(|scenario| scenario.name == name) else {
        bail!("there is no scenario {name}; `list` has those there are");
    };
    // What is made once a thread or a process is no part of the work.
    (scenario.prepare)()();
    counted_scope((scenario.prepare)());
    Ok(())
}

/// The only place where instructions are counted: callgrind finds it by its name.
#[inline(never)]
fn counted_scope(work: scenarios::Work) {
    work();
}
