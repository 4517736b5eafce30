//! Starting a contestant as a server.

use anyhow::{Result, ensure};
use bench_harness::Server;

use crate::contestants::Contestant;
use crate::contestants::certificate::Certificate;
use crate::plan::workloads::Part;

/// Starts a contestant on its cores and waits until it listens, as it is asked to.
pub(crate) fn start(
    contestant: &Contestant,
    part: Part,
    cores: &[usize],
    certificate: &Certificate,
) -> Result<Server> {
    let server = Server::start(cores, &mut contestant.server(part, certificate))?;
    let scheme = if part == Part::Tls { "wss://" } else { "ws://" };
    ensure!(
        server.url().starts_with(scheme),
        "it listens on {}, and {scheme} was asked for",
        server.url()
    );
    Ok(server)
}
