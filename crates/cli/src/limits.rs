//! The process's own limits: as many open files as the system allows.

#[cfg(unix)]
use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one, so that thousands of connections fit.
///
/// The default of 1024 exists for programs that use `select`; this one does not.
#[cfg(unix)]
pub(crate) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Where it is refused, fewer connections fit, and accepting says so.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub(crate) fn raise_open_files() {}

/// To how many open files the limit can be raised; `None` where there is none.
#[cfg(unix)]
pub(crate) fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// There is no such limit.
#[cfg(not(unix))]
pub(crate) fn open_files() -> Option<u64> {
    None
}
