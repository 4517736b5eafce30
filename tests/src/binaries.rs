//! The project's own programs, built in release mode for tests that run them as processes.

use std::collections::HashMap;
use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use longwire_toolbox::command::run;

/// The binary `longwire`.
pub fn longwire() -> Result<PathBuf> {
    build(&["--package", "longwire-cli", "--bin", "longwire"])
}

/// The binary `longwire` as a command that takes no settings from the tests' own environment.
pub fn longwire_command() -> Result<Command> {
    Ok(without_settings(Command::new(longwire()?)))
}

/// `command` without variables of ours, which `longwire` would take for settings of its own.
pub fn without_settings(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("LONGWIRE_") {
            command.env_remove(name);
        }
    }
    command
}

/// An example of the crate `longwire`.
pub fn example(name: &str) -> Result<PathBuf> {
    build(&["--package", "longwire", "--example", name])
}

/// A helper binary of the crate `longwire-tests`.
pub fn helper(name: &str) -> Result<PathBuf> {
    build(&["--package", "longwire-tests", "--bin", name])
}

/// Builds one program, once a process: cargo itself is not instant even when nothing changed.
fn build(what: &[&str]) -> Result<PathBuf> {
    static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let built = built.get_or_insert_default();
    let key = what.join(" ");
    if let Some(path) = built.get(&key) {
        return Ok(path.clone());
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--release", "--quiet"]);
    cargo.args(what).arg("--message-format=json-render-diagnostics");
    let path = executable(&run(&mut cargo)?).with_context(|| format!("no program in {key}"))?;
    built.insert(key, path.clone());
    Ok(path)
}

/// The path in cargo's last message about a program.
fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(message.get("executable")?.as_str()?.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_path_from_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-artifact","executable":"/t/release/longwire"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages), Some("/t/release/longwire".into()));
        assert_eq!(executable(r#"{"reason":"build-finished"}"#), None);
    }
}
