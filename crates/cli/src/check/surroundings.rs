//! The port, the limit of open files, and the clock.

use std::{
    net::TcpListener,
    time::{Duration, SystemTime},
};

use super::Finding;
use crate::{limits, listening};

/// Whether the server could listen there.
pub(super) fn port(listen: &str) -> Finding {
    match TcpListener::bind(listen) {
        Ok(_) => Finding::ok("port", format!("{listen} is free")),
        Err(error) => Finding::error("port", listening::problem(listen, &error)),
    }
}

/// Whether as many connections fit into the process.
pub(super) fn open_files(connections: u64) -> Finding {
    let Some(limit) = limits::open_files() else {
        return Finding::ok("files", "this system has no limit of open files");
    };
    let needed = connections + FILES_BESIDE;
    if limit >= needed {
        return Finding::ok(
            "files",
            format!("{limit} may be open, {connections} connections are allowed"),
        );
    }
    Finding::warning(
        "files",
        format!(
            "{limit} may be open, fewer than limits.connections = {connections} and {FILES_BESIDE} \
             for the log; raise it by `ulimit -Hn {needed}` (LimitNOFILE={needed} in systemd), or set \
             limits.connections = {}",
            limit.saturating_sub(FILES_BESIDE)
        ),
    )
}

/// Whether the clock can be right, which records and tokens need.
pub(super) fn clock(now: SystemTime) -> Finding {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let shown = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since);
    if since < PAST {
        return Finding::error(
            "clock",
            format!("it is {shown}, they say: tokens and retention go by it; set it, as by NTP"),
        );
    }
    Finding::ok("clock", shown)
}

/// What the log, the listener and the runtime open.
const FILES_BESIDE: u64 = 200;

/// The beginning of 2026, before which this program did not exist.
const PAST: Duration = Duration::from_hours(490_896);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_an_error_with_its_cure() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listen = listener.local_addr().expect("it is bound").to_string();
        let finding = port(&listen).to_string();
        assert!(finding.starts_with("error"), "{finding}");
        assert!(finding.contains("another program listens there"), "{finding}");
        drop(listener);
        assert!(port(&listen).to_string().starts_with("ok"));
    }

    #[test]
    fn more_connections_than_files_are_a_warning_that_has_both_cures() {
        let finding = open_files(u64::from(u32::MAX)).to_string();
        assert!(finding.starts_with("warning"), "{finding}");
        assert!(
            finding.contains("ulimit -Hn") && finding.contains("limits.connections"),
            "{finding}"
        );
        assert!(open_files(1).to_string().starts_with("ok"));
    }

    #[test]
    fn a_clock_of_before_the_program_is_an_error() {
        assert!(clock(SystemTime::now()).to_string().starts_with("ok"));
        let finding = clock(SystemTime::UNIX_EPOCH).to_string();
        assert!(finding.starts_with("error") && finding.contains("1970"), "{finding}");
    }
}
