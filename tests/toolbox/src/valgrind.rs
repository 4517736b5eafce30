//! valgrind, as Debian packages it.

use std::path::PathBuf;

use anyhow::Result;

use crate::peer;

/// valgrind's program, installed from Debian if it is missing.
pub fn ensure() -> Result<PathBuf> {
    peer::ensure_program("valgrind", &["valgrind"])
}

/// valgrind's program, if it is installed.
pub fn find() -> Result<PathBuf> {
    peer::require_program("valgrind")
}
