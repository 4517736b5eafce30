//! The one command that proves the tree: set-up, checks, tests, and a line that counts them.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};

use crate::cargo::cargo;
use crate::metadata::Metadata;
use crate::{checks, coverage, instructions, setup};

/// Sums of cargo's `test result:` lines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs everything. The last line printed is `N passed, N failed`: the tests, and among the failed
/// each check that failed and each part of the set-up.
pub(crate) fn run() -> Result<ExitCode> {
    let summaries = Metadata::read()?.target_directory.join("summaries");
    if summaries.exists() {
        fs::remove_dir_all(&summaries)?;
    }
    let mut failed = setup::run_all();
    failed.extend(checks::run_all());

    let mut count = Count::default();
    for (title, arguments) in TESTS {
        println!("== {title}");
        let (counted, succeeded) = count_tests(&mut cargo(arguments.iter().copied()))?;
        if !succeeded && counted.failed == 0 {
            failed.push(format!("{title} (it did not build, or a test program crashed)"));
        }
        if counted.passed == 0 {
            failed.push(format!("{title}: no test passed"));
        }
        count.sum(&counted);
    }

    println!("== coverage");
    if let Err(error) = coverage::llvm_tools() {
        println!("   left out: {error:#}");
    } else if let Err(error) = coverage::run() {
        println!("   failed: {error:#}");
        failed.push("coverage".into());
    }

    println!("== instructions");
    if let Err(error) = instructions::run() {
        println!("   failed: {error:#}");
        failed.push("instructions".into());
    }

    println!("\n== summary");
    print_summaries(&summaries)?;
    for name in &failed {
        println!("failed: {name}");
    }
    if count.ignored > 0 {
        println!("{} ignored", count.ignored);
    }
    let failures = count.failed + failed.len() as u64;
    println!("{} passed, {failures} failed", count.passed);
    // A failure is no `Err`, whose text would come after the last line.
    Ok(if failures > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs `command` with its output on ours, and counts.
fn count_tests(command: &mut Command) -> Result<(Count, bool)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut count = Count::default();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        io::stdout().write_all(&line)?;
        count.add(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok((count, child.wait()?.success()))
}

impl Count {
    fn sum(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    fn add(&mut self, line: &str) {
        let Some((_, results)) =
            line.strip_prefix("test result: ").and_then(|it| it.split_once(". "))
        else {
            return;
        };
        for result in results.split("; ") {
            let Some((number, what)) = result.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// Leaves a line for the end of `cargo xtask test`, in the target folder's `summaries`.
pub(crate) fn keep_summary(target: &Path, name: &str, summary: &str) -> Result<()> {
    let summaries = target.join("summaries");
    fs::create_dir_all(&summaries)?;
    fs::write(summaries.join(format!("{name}.txt")), format!("{summary}\n"))?;
    Ok(())
}

fn print_summaries(dir: &Path) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let mut files =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    for file in files {
        print!("{}", fs::read_to_string(file)?);
    }
    Ok(())
}

/// What is tested, and how cargo is told: of the benchmark only what a test can hold, for its peers take
/// long to build.
const TESTS: [(&str, &[&str]); 3] = [
    ("tests", &["test", "--workspace", "--all-features", "--no-fail-fast"]),
    (
        "tests of the benchmark's runners and of what contestants share",
        &[
            "test",
            "--manifest-path",
            "bench/Cargo.toml",
            "--package",
            "bench-common",
            "--package",
            "bench-harness",
            "--package",
            "bench-runner",
            "--package",
            "bench-channels",
            "--locked",
        ],
    ),
    (
        "tests of the small parts' measuring",
        &["test", "--manifest-path", "bench/micro/Cargo.toml", "--locked"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_cargos_result_lines_and_nothing_else() {
        let mut count = Count::default();
        for line in [
            "running 3 tests\n",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s\n",
            "test result: FAILED. 2 passed; 5 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\n",
            "a test wrote: 9 passed; 9 failed\n",
        ] {
            count.add(line);
        }
        assert_eq!(count, Count { passed: 5, failed: 5, ignored: 1 });
    }

    #[test]
    fn counts_of_several_commands_are_summed() {
        let mut count = Count { passed: 1, failed: 2, ignored: 3 };
        count.sum(&Count { passed: 10, failed: 20, ignored: 30 });
        assert_eq!(count, Count { passed: 11, failed: 22, ignored: 33 });
    }

    #[test]
    fn a_command_that_fails_without_results_is_noticed() {
        let (count, succeeded) =
            count_tests(Command::new("sh").args(["-c", "exit 1"])).expect("runs");
        assert_eq!(count, Count::default());
        assert!(!succeeded);
    }
}
