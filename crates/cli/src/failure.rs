//! Why the command failed: one line for a person, a kind for a program, and the exit code.

use std::{error::Error as _, fmt, io};

use longwire::{
    Cause, ConnectError, Error, ProtocolError,
    client::{ProxyUrlError, RedirectError},
    proto::{Limit, Timer},
    tls::TlsError,
};
use longwire_server::StartError;

/// The end of a command that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// What failed, in a word for programs.
    pub(crate) kind: &'static str,
    /// What happened, its cause, and the cure.
    pub(crate) message: String,
    /// The status of an HTTP answer that refused the WebSocket.
    pub(crate) status: Option<u16>,
}

impl Failure {
    /// A failure on this side.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self::of_kind("local", message)
    }

    /// A mistake on the command line.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::of_kind("usage", message)
    }

    /// What stdin, or a file to be sent, holds is not what it should be.
    pub(crate) fn input(message: impl fmt::Display) -> Self {
        Self::of_kind("input", message)
    }

    /// TLS cannot be set up.
    pub(crate) fn tls(error: TlsError) -> Self {
        Self::of_kind("tls", error)
    }

    fn of_kind(kind: &'static str, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string(), status: None }
    }

    /// 1, or 2 for wrong usage.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.kind == "usage" { 2 } else { 1 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let kind = match &error {
            ConnectError::Url(_) | ConnectError::Request(_) => "usage",
            ConnectError::Dns(_) => "dns",
            ConnectError::Tcp(_) => "tcp",
            ConnectError::ProxyUrl(_) | ConnectError::Proxy(_) => "proxy",
            ConnectError::Tls(_) => "tls",
            ConnectError::Refused(_) => "refused",
            ConnectError::Redirect(RedirectError::Location(_)) => "handshake",
            ConnectError::Redirect(_) => "redirect",
            ConnectError::TimedOut { .. } => "timeout",
            _ => "handshake",
        };
        let status = match &error {
            ConnectError::Refused(response) => Some(response.status().as_u16()),
            _ => None,
        };
        Self { kind, message: in_options(&error.to_string()), status }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(_) | StartError::NoCredentials { .. } => Self::usage(error),
            error => Self::new(error),
        }
    }
}

impl From<ProxyUrlError> for Failure {
    fn from(error: ProxyUrlError) -> Self {
        Self::usage(format!("--proxy: {error}"))
    }
}

impl From<Error> for Failure {
    /// A connection that did not close cleanly.
    fn from(error: Error) -> Self {
        let closed = error.closed();
        let said = closed.received.as_ref().map_or_else(String::new, |received| {
            format!("; before that the server sent a close with {received}")
        });
        let (kind, message) = match closed.cause {
            Cause::Violation(violation) => {
                let told = match &closed.sent {
                    Some(sent) => format!("; it was told so with {}", sent.code),
                    None => String::new(),
                };
                let what = match violation {
                    ProtocolError::LimitExceeded(limit @ Limit::Fragments(_)) => {
                        format!("the server sent too much: {limit}")
                    }
                    ProtocolError::LimitExceeded(limit) => format!(
                        "the server sent too much: {limit}; --max-message-size raises the limit"
                    ),
                    fault => format!("the server broke the protocol: {fault}"),
                };
                ("violation", what + &told)
            }
            Cause::Lost => {
                let how = error.io_error().map_or_else(ended, |io| match io.kind() {
                    // TLS tells an end without its own closing so.
                    io::ErrorKind::UnexpectedEof => ended(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                        format!("the server cut it off ({io})")
                    }
                    _ => io_text(io),
                });
                ("lost", format!("the connection was lost: {how}{said}"))
            }
            Cause::TimedOut(Timer::Keepalive) => (
                "timeout",
                "the connection was lost: the server no longer answers pings".to_owned(),
            ),
            Cause::TimedOut(_) => (
                "timeout",
                format!("the server did not finish the closing handshake in time{said}"),
            ),
            _ => ("local", error.to_string()),
        };
        Self { kind, message, status: None }
    }
}

fn ended() -> String {
    "the server ended it without a close".to_owned()
}

/// An I/O error with what is below it, where that says more.
fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    match error.source().map(ToString::to_string) {
        Some(source) if !text.contains(&source) => format!("{text}: {source}"),
        _ => text,
    }
}

/// The library's cures name its methods. Here these are options.
fn in_options(message: &str) -> String {
    let options = [
        ("Connect::bearer_token", "--user or --bearer"),
        ("Connect::redirects", "--redirects"),
        ("Connect::connect_timeout", "--timeout"),
        ("Connect::handshake_timeout", "--timeout"),
        ("as by ClientTls::with_ca_file", "as by --ca FILE"),
        ("ClientTls::bundled_roots", "--ca FILE"),
        ("another Origin", "another --origin"),
    ];
    options.iter().fold(message.to_owned(), |text, (method, option)| text.replace(method, option))
}
