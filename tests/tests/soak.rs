//! The short form of the soak: `cargo run --release -p longwire-tests --bin soak` is the long one.

use std::time::Duration;

use anyhow::Result;
use longwire_tests::{binaries, soak};

#[test]
fn two_thousand_connections_lose_nothing_double_nothing_and_do_not_grow() -> Result<()> {
    let plan = soak::Plan {
        connections: 2000,
        time: Duration::from_secs(20),
        every: Duration::from_secs(1),
    };
    let report = soak::run(&binaries::longwire()?, plan, |_| {})?;
    assert!(report.delivered > 10_000, "{} records are hardly a load", report.delivered);
    Ok(())
}
