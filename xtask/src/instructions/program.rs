//! The program with the scenarios: built as it is and as it was, and run under callgrind.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use longwire_toolbox::cache;
use longwire_toolbox::command::run as run_command;
use serde::Deserialize;

use super::base::git;
use crate::cargo::{cargo, root};

/// Instructions by scenario.
pub(super) type Counts = BTreeMap<String, u64>;

/// A build of `bench/micro`, in a folder of its own.
#[derive(Debug)]
pub(super) struct Program {
    dir: PathBuf,
    /// The folder of its profiles.
    name: &'static str,
}

impl Program {
    /// Of the tree as it is.
    pub(super) fn of_the_tree(dir: &Path) -> Result<Self> {
        println!("   building the scenarios");
        let program = Self { dir: dir.join("now"), name: "now" };
        program.build(root(), dir)?;
        Ok(program)
    }

    /// Of a commit, from the cache if this compiler has built it; `None` if it has no scenarios.
    pub(super) fn of_commit(commit: &str, dir: &Path) -> Result<Option<Self>> {
        if git(&["cat-file", "-e", &format!("{commit}:{MANIFEST}")]).is_err() {
            return Ok(None);
        }
        let _lock = cache::lock("instructions")?;
        let builds = cache::dir()?.join("instructions");
        let program = Self { dir: builds.join(format!("{commit}-{}", rustc()?)), name: "base" };
        if program.dir.join(NAME).exists() {
            return Ok(Some(program));
        }
        println!("   building those of the base");
        let source = dir.join("source");
        let _ = fs::remove_dir_all(&source);
        fs::create_dir_all(&source)?;
        let archive = dir.join("source.tar");
        git(&["archive", "--format=tar", &format!("--output={}", archive.display()), commit])?;
        run_command(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&source))?;
        program.build(&source, dir).with_context(|| format!("the base, {commit}"))?;
        fs::remove_dir_all(&source)?;
        fs::remove_file(&archive)?;
        Ok(Some(program))
    }

    /// Both revisions are built in one target folder: what they share is built once.
    fn build(&self, source: &Path, dir: &Path) -> Result<()> {
        #[derive(Deserialize)]
        struct Message {
            executable: Option<PathBuf>,
        }
        let mut build = cargo(["build", "--release", "--locked", "--message-format=json"]);
        build.arg("--manifest-path").arg(source.join(MANIFEST));
        build.env("CARGO_TARGET_DIR", dir.join("build"));
        // What one has set for one's own builds must not tell two revisions apart.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.ends_with("RUSTFLAGS") || text.starts_with("CARGO_PROFILE_") {
                build.env_remove(name);
            }
        }
        let messages = run_command(&mut build).with_context(|| {
            format!("cannot build {MANIFEST}; if its lock file is old: cargo update --workspace --manifest-path {MANIFEST}")
        })?;
        let executable = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Message>(line).ok()?.executable)
            .next_back()
            .context("cargo names no program")?;
        fs::create_dir_all(&self.dir)?;
        // Under its name only when it is whole.
        let part = self.dir.join("part");
        fs::copy(&executable, &part)
            .with_context(|| format!("cannot copy {}", executable.display()))?;
        fs::rename(&part, self.dir.join(NAME))?;
        Ok(())
    }

    fn scenarios(&self) -> Result<Vec<String>> {
        let listed = run_command(Command::new(self.dir.join(NAME)).arg("list"))?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// Runs one scenario. Where the program lies and what the environment holds would move its stack.
    fn count(&self, valgrind: &Path, name: &str, output: &Path) -> Result<u64> {
        let mut command = Command::new(valgrind);
        command.args(["--tool=callgrind", "--quiet", "--toggle-collect=*counted_scope*"]);
        command.arg(format!("--callgrind-out-file={}", output.display()));
        command.arg(format!("./{NAME}")).args(["count", name]);
        run_command(command.current_dir(&self.dir).env_clear())?;
        let profile = fs::read_to_string(output)
            .with_context(|| format!("callgrind has not written {}", output.display()))?;
        let count = total(&profile).unwrap_or(0);
        ensure!(count > 0, "callgrind counted nothing in {name}: is `counted_scope` still there?");
        Ok(count)
    }
}

/// Counts every scenario of every program, on all cores at once: a count does not mind.
pub(super) fn count(valgrind: &Path, dir: &Path, programs: &[&Program]) -> Result<Vec<Counts>> {
    let mut jobs = Vec::new();
    for (index, program) in programs.iter().enumerate() {
        let profiles = dir.join("profiles").join(program.name);
        let _ = fs::remove_dir_all(&profiles);
        fs::create_dir_all(&profiles)?;
        for name in program.scenarios()? {
            let output = profiles.join(name.replace('/', "-"));
            jobs.push((index, name, output));
        }
    }
    let jobs = Mutex::new(jobs.into_iter());
    let worker = || {
        let mut counted = Vec::new();
        loop {
            let job = jobs.lock().expect("no worker panics with it").next();
            let Some((index, name, output)) = job else { return Ok(counted) };
            let count = programs[index].count(valgrind, &name, &output)?;
            counted.push((index, name, count));
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let counted: Vec<Result<Vec<_>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|it| it.join().expect("a worker does not panic")).collect()
    });
    let mut counts = vec![Counts::new(); programs.len()];
    for part in counted {
        for (index, name, count) in part? {
            counts[index].insert(name, count);
        }
    }
    Ok(counts)
}

/// The total of a callgrind profile.
fn total(profile: &str) -> Option<u64> {
    let line = profile.lines().rev().find_map(|line| line.strip_prefix("totals: "))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The compiler, as part of a folder's name.
fn rustc() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = run_command(Command::new(rustc).current_dir(root()).arg("--version"))?;
    let words = version.split(|char: char| !char.is_ascii_alphanumeric() && char != '.');
    Ok(words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-"))
}

const NAME: &str = "bench-micro";
const MANIFEST: &str = "bench/micro/Cargo.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_profile_is_read() {
        let profile = "version: 1\nevents: Ir\nfn=(1) f\n12 7\n\ntotals: 72220\n";
        assert_eq!(total(profile), Some(72_220));
        assert_eq!(total("totals: 12 3 4\n"), Some(12));
    }

    #[test]
    fn a_profile_without_a_total_has_none() {
        for profile in ["", "summary: 1\n", "totals: \n", "totals: many\n"] {
            assert_eq!(total(profile), None, "{profile:?}");
        }
    }
}
