//! Why there is no stream to the server: each stage's error, with its cause and its cure.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use http::StatusCode;

use super::proxy::Proxy;
use super::{authority, socks5};
use crate::tls::TlsError;

/// A stage of opening a connection, as timeouts name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Resolving a host name.
    Dns,
    /// Connecting by TCP.
    Tcp,
    /// Asking a proxy for a tunnel.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The WebSocket opening handshake.
    Handshake,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "resolving the host name",
            Self::Tcp => "connecting by TCP",
            Self::Proxy => "asking the proxy for a tunnel",
            Self::Tls => "the TLS handshake",
            Self::Handshake => "the WebSocket opening handshake",
        })
    }
}

/// A host name that has no address.
#[derive(Debug)]
pub struct DnsError {
    host: String,
    cause: Option<io::Error>,
}

impl DnsError {
    pub(super) fn new(host: &str, cause: Option<io::Error>) -> Self {
        Self { host: host.to_owned(), cause }
    }

    /// The name that could not be resolved.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match &self.cause {
            Some(cause) => write!(f, "could not resolve the host name {host:?}: {cause}")?,
            None => write!(f, "the host name {host:?} has no address")?,
        }
        f.write_str("; check its spelling and that the name service can be reached")
    }
}

impl StdError for DnsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

/// One failed connection attempt.
#[derive(Debug)]
pub struct Attempt {
    address: SocketAddr,
    error: io::Error,
}

impl Attempt {
    pub(super) fn new(address: SocketAddr, error: io::Error) -> Self {
        Self { address, error }
    }

    /// The address that was tried.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why it failed.
    pub fn error(&self) -> &io::Error {
        &self.error
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

/// No address of the host accepted a TCP connection. Its `source()` is the first attempt's error.
#[derive(Debug)]
pub struct TcpError {
    target: String,
    attempts: Vec<Attempt>,
}

impl TcpError {
    pub(super) fn new(host: &str, port: u16, attempts: Vec<Attempt>) -> Self {
        Self { target: authority(host, port), attempts }
    }

    /// Every attempt, in the order of failing; at least one.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }
}

impl fmt::Display for TcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not connect to {}", self.target)?;
        for (index, attempt) in self.attempts.iter().enumerate() {
            write!(f, "{}{attempt}", if index == 0 { " (" } else { ", " })?;
        }
        let all = |kind| self.attempts.iter().all(|attempt| attempt.error.kind() == kind);
        f.write_str(if all(io::ErrorKind::ConnectionRefused) {
            "); start the server, or check the port"
        } else {
            "); check the address, the network and any firewall between"
        })
    }
}

impl StdError for TcpError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.attempts.first().map(|attempt| &attempt.error as _)
    }
}

/// The proxy gave no tunnel. It names the proxy without its credentials.
#[derive(Debug)]
pub struct ProxyError {
    proxy: String,
    failure: ProxyFailure,
}

/// What went wrong with a proxy.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyFailure {
    /// The proxy's own host name could not be resolved.
    Dns(DnsError),
    /// The target's host name could not be resolved; `socks5:` resolves it on this side.
    TargetDns(DnsError),
    /// No TCP connection to the proxy.
    Tcp(TcpError),
    /// No TLS with an `https:` proxy.
    Tls(TlsError),
    /// The connection to the proxy broke.
    Io(io::Error),
    /// The proxy closed the connection in the middle of its answer, or before it.
    Closed,
    /// The answer is not that of an HTTP or a SOCKS5 proxy; the text says why.
    Protocol(String),
    /// The proxy wants other credentials than it got: HTTP 407, or the refusal of RFC 1928 and RFC 1929.
    Credentials {
        /// Whether credentials were sent.
        sent: bool,
        /// What the proxy asked for, in its own words; may be empty.
        wanted: String,
    },
    /// The credentials cannot be sent in this proxy's protocol; the text says why.
    UnusableCredentials(&'static str),
    /// The host name cannot be sent in this proxy's protocol: SOCKS5 allows 255 bytes.
    UnusableHost,
    /// An HTTP proxy answered CONNECT with another status than 2xx or 407.
    Refused {
        /// The status.
        status: StatusCode,
        /// The reason phrase, in the proxy's own words; may be empty.
        reason: String,
    },
    /// A SOCKS5 proxy refused; one reply an address that was asked for, at least one.
    SocksRefused(Vec<SocksAttempt>),
}

/// A destination that a SOCKS5 proxy was asked for, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocksAttempt {
    /// The address or the host name, with the port.
    pub destination: String,
    /// The refusal.
    pub reply: SocksReply,
}

pub use socks5::Reply as SocksReply;

impl ProxyError {
    pub(super) fn new(proxy: &Proxy, failure: ProxyFailure) -> Self {
        Self { proxy: proxy.to_string(), failure }
    }

    /// What went wrong.
    pub fn failure(&self) -> &ProxyFailure {
        &self.failure
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy {}: ", self.proxy)?;
        match &self.failure {
            ProxyFailure::Dns(error) | ProxyFailure::TargetDns(error) => error.fmt(f)?,
            ProxyFailure::Tcp(error) => error.fmt(f)?,
            ProxyFailure::Tls(error) => error.fmt(f)?,
            ProxyFailure::Io(error) => write!(f, "the connection broke: {error}")?,
            ProxyFailure::Closed => f.write_str(
                "it closed the connection instead of answering; check its address and its kind",
            )?,
            ProxyFailure::Protocol(why) => {
                write!(f, "{why}; check that the URL's scheme fits the proxy's kind")?;
            }
            ProxyFailure::Credentials { sent, wanted } => {
                f.write_str(if *sent {
                    "it refused the user name and password"
                } else {
                    "it asks for a user name and password"
                })?;
                if !wanted.is_empty() {
                    write!(f, " ({})", wanted.escape_debug())?;
                }
                f.write_str("; put them into the proxy's URL, as in http://user:password@host")?;
            }
            ProxyFailure::UnusableCredentials(why) => {
                write!(f, "its user name and password cannot be sent: {why}")?;
            }
            ProxyFailure::UnusableHost => f.write_str(
                "the host name has more than 255 bytes; use an address, or a scheme of socks5",
            )?,
            ProxyFailure::Refused { status, reason } => {
                write!(f, "it refused the tunnel with {}", status.as_u16())?;
                if !reason.is_empty() {
                    write!(f, " {}", reason.escape_debug())?;
                }
                f.write_str("; its rules may not allow this host or this port")?;
            }
            ProxyFailure::SocksRefused(attempts) => {
                for (index, SocksAttempt { destination, reply }) in attempts.iter().enumerate() {
                    write!(f, "{}{destination}: {reply}", if index == 0 { "" } else { ", " })?;
                }
            }
        }
        Ok(())
    }
}

impl StdError for ProxyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.failure {
            ProxyFailure::Dns(error) | ProxyFailure::TargetDns(error) => Some(error),
            ProxyFailure::Tcp(error) => Some(error),
            ProxyFailure::Tls(error) => Some(error),
            ProxyFailure::Io(error) => Some(error),
            _ => None,
        }
    }
}
