//! Contestants in other languages, which the project's toolbox builds or installs.

use anyhow::Result;
use longwire_toolbox::bench::Server;

use super::Launch;

/// The program of one library's server, with what it needs to run at all.
pub(super) fn ensure(server: Server) -> Result<Launch> {
    let peer = server.ensure()?.command();
    Ok(Launch {
        program: peer.get_program().into(),
        arguments: peer.get_args().map(Into::into).collect(),
    })
}
