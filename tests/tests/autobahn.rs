//! RFC 6455 conformance by the Autobahn testsuite: every case strictly OK, in both roles.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use longwire_tests::processes::Process;
use longwire_tests::{autobahn, binaries, summary};
use longwire_toolbox::autobahn::Autobahn;

const START_LIMIT: Duration = Duration::from_mins(1);

#[test]
fn server_role_is_strict() -> Result<()> {
    let suite = suite()?;
    let mut echo = Command::new(binaries::longwire()?);
    echo.args(["echo", "--listen", "127.0.0.1:0", "--deflate", "takeover"]);
    let server = Process::start(echo)?;
    let url = server
        .wait_for_line(START_LIMIT, |line| Some(line.strip_prefix("listening on ")?.to_owned()))?;
    summary::write(
        target(),
        "autobahn-server",
        &autobahn::check_server(&suite, &url, &reports("server"))?,
    )
}

#[test]
fn client_role_is_strict() -> Result<()> {
    let suite = suite()?;
    let example = binaries::example("autobahn_client")?;
    let client = |url: &str| {
        let mut client = Command::new(example);
        client.arg(url);
        client
    };
    let verdict = autobahn::check_client(&suite, client, &reports("client"))?;
    summary::write(target(), "autobahn-client", &verdict)
}

/// Asked for before anything is built: a missing suite fails at once.
fn suite() -> Result<Autobahn> {
    longwire_toolbox::autobahn::find()
}

/// Cargo's target folder.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo makes it within the target folder")
}

fn reports(role: &str) -> PathBuf {
    target().join("autobahn").join(role)
}
