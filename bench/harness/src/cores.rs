//! Children on cores of their own, with as many open files as they need.

use std::process::{Child, Command};

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Starts a child that inherits these cores: the thread is on them while it starts it.
pub fn spawn_on(cores: &[usize], command: &mut Command) -> Result<Child> {
    let before = sched_getaffinity(None)?;
    let mut wanted = CpuSet::new();
    for core in cores {
        wanted.set(*core);
    }
    sched_setaffinity(None, &wanted)
        .with_context(|| format!("cores {cores:?} cannot be used; see --server-cpu, --load-cpu"))?;
    let child = command.spawn();
    sched_setaffinity(None, &before)?;
    child.with_context(|| format!("{} cannot be started", command.get_program().display()))
}

/// Raises the soft limit of open files to the hard one, and fails if that is below `needed`. Children
/// inherit it.
pub fn raise_open_files(needed: u64) -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    ensure!(
        maximum.is_none_or(|maximum| maximum >= needed),
        "{needed} open files are needed and the hard limit is {}; raise it with `ulimit -Hn`",
        maximum.unwrap_or(0)
    );
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("the limit of open files could not be raised")
}
