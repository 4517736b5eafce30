//! The client role: a library's own client, which measures itself, against the floor.

use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use bench_harness::Server;
use bench_harness::cores::spawn_on;
use serde::Deserialize;

use super::{Cores, finish, limit};
use crate::contestants::Contestant;
use crate::plan::workloads::{Kind, Workload};
use crate::results::figures::Figures;

/// Runs a client on the core of what is measured; the server is on the other one.
pub(crate) fn measure(
    client: &Contestant,
    server: &Server,
    workload: Workload,
    seconds: f64,
    cores: &Cores,
) -> Result<Figures> {
    let Kind::Echo { connections, size, in_flight } = workload.kind else {
        bail!("{} is no load of a client", workload.name());
    };
    let mut command = client.command();
    command
        .args(["--target", server.address()])
        .args(["--connections", &connections.to_string(), "--size", &size.to_string()])
        .args(["--in-flight", &in_flight.to_string(), "--seconds", &seconds.to_string()])
        .args(["--warm-up", &(seconds / 4.0).to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = spawn_on(&cores.server, &mut command)?;
    let output = finish(child, limit(workload, seconds)).context("the client")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", complaint.trim());
    figures(&output.stdout)
}

/// What a client prints of itself.
#[derive(Debug, Deserialize)]
struct Report {
    seconds: f64,
    messages: f64,
    cpu_us_per_message: f64,
}

fn figures(printed: &[u8]) -> Result<Figures> {
    let report: Report =
        serde_json::from_slice(printed).context("what the client printed is not as agreed")?;
    ensure!(report.messages > 0.0 && report.seconds > 0.0, "no message came back");
    ensure!(report.cpu_us_per_message > 0.0, "too short for a figure of CPU; give more --seconds");
    Ok(Figures {
        cpu_us: Some(report.cpu_us_per_message),
        messages_per_second: Some(report.messages / report.seconds),
        ..Figures::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_cost_and_throughput() {
        let printed = br#"{"seconds": 2.0, "messages": 100, "cpu_us_per_message": 1.5}"#;
        let figures = figures(printed).expect("as agreed");
        assert_eq!((figures.cpu_us, figures.messages_per_second), (Some(1.5), Some(50.0)));
    }

    #[test]
    fn without_messages_there_is_no_figure() {
        let printed = br#"{"seconds": 2.0, "messages": 0, "cpu_us_per_message": 0}"#;
        assert!(figures(printed).is_err());
        assert!(figures(b"{}").is_err());
    }
}
