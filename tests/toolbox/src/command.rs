//! Running a command to its end, with an error that can be acted on.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Lines of output that an error shows.
const TAIL: usize = 40;

/// Runs `command` with its output captured, and gives what it wrote to standard output.
///
/// The error names the command, its exit status and the end of what it wrote.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(stdout.into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let both = format!("{stdout}\n{stderr}");
    bail!("{} ended with {}:\n{}", shown(command), output.status, tail(&both, TAIL));
}

/// Where `program` is on the PATH.
pub fn find_program(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// The command as one types it.
#[must_use]
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// The last `lines` lines of `text` that are not blank.
#[must_use]
pub fn tail(text: &str, lines: usize) -> String {
    let kept: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    kept[kept.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_standard_output() {
        let out = run(Command::new("sh").args(["-c", "echo out; echo err >&2"])).expect("runs");
        assert_eq!(out, "out\n");
    }

    #[test]
    fn an_error_names_the_command_the_status_and_the_end_of_the_output() {
        let error = run(Command::new("sh").args(["-c", "seq 100; echo why >&2; exit 3"]))
            .expect_err("the command fails")
            .to_string();
        assert!(error.starts_with("sh -c seq 100"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("100\nwhy") && !error.contains("\n50\n"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("longwire-no-such-program")).expect_err("is missing");
        assert!(error.to_string().contains("cannot start longwire-no-such-program"), "{error}");
    }
}
