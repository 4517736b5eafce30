//! Contestants in other languages, with the libraries that the project's toolbox has installed.

use std::path::Path;

use anyhow::{Context, Result};
use longwire_toolbox::{node, python};

use crate::contestants::Launch;

/// `ws` on Node.
pub(crate) fn ws(bench: &Path) -> Result<Launch> {
    let peer = node::find()?.command();
    // The toolbox's own peer lies beside the modules that it uses.
    let program = peer.get_args().next().map(Path::new).context("the peer has no source")?;
    Ok(Launch {
        program: peer.get_program().into(),
        arguments: vec![bench.join("peers/ws/server.cjs").into()],
        environment: vec![("NODE_PATH", program.with_file_name("node_modules").into())],
    })
}

/// `websockets` on Python.
pub(crate) fn websockets(bench: &Path) -> Result<Launch> {
    let peer = python::find()?.command();
    Ok(Launch {
        program: peer.get_program().into(),
        // -B: no compiled files in the tree.
        arguments: vec!["-B".into(), bench.join("peers/websockets/server.py").into()],
        environment: Vec::new(),
    })
}
