//! What a server that listens tells its user: where, and why it cannot.

use std::io::{self, Write};

/// One line on stdout at once. Nobody may be listening to it: the server serves all the same.
pub(crate) fn announce(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Why a server cannot listen there, and what helps.
pub(crate) fn problem(addr: &str, error: &io::Error) -> String {
    let cure = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there; stop it, or choose another port by --listen (port 0 \
             takes a free one)"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; use 127.0.0.1 for local clients only, or \
             0.0.0.0 for all"
        }
        io::ErrorKind::PermissionDenied => {
            "a port below 1024 needs the right to it; choose a higher one by --listen"
        }
        _ => "write the address as HOST:PORT, as in 127.0.0.1:9001 or [::1]:9001",
    };
    format!("cannot listen on {addr}: {error}; {cure}")
}
