//! Licences, bans and sources by cargo-deny, with the settings in `deny.toml`.

use anyhow::{Result, bail};
use longwire_toolbox::command::find_program;

use crate::cargo::{cargo, stream};

/// Runs the checks that need no network. Not part of `cargo xtask test`: building the tool takes
/// longer than all tests, and `tidy` covers licences and sources.
pub(crate) fn run() -> Result<()> {
    if find_program("cargo-deny").is_none() {
        bail!("cargo-deny is missing; type: cargo install --locked cargo-deny");
    }
    stream(&mut cargo(["deny", "check", "bans", "licenses", "sources"]))
}
