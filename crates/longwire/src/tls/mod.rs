//! TLS of both sides by rustls, and its errors. RFC 6455 section 4.1 item 5 and section 10.6.

#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod pem;
#[cfg(feature = "tls")]
mod server;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;

#[cfg(feature = "tls")]
pub use client::ClientTls;
#[cfg(feature = "tls")]
pub use server::ServerTls;

/// The one application protocol that the opening handshake speaks here (ALPN, RFC 7301).
#[cfg(feature = "tls")]
const HTTP_1_1: &[u8] = b"http/1.1";

/// TLS could not be set up, or its handshake failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// The crate was built without the feature `tls`.
    Disabled,
    /// The crate was built without `tls-native-roots` and `tls-webpki-roots`, and no roots were given.
    NoRoots,
    /// The system's store of trusted roots is missing or empty; the text says what was found.
    NativeRoots(String),
    /// A host name that cannot stand in a certificate.
    ServerName(String),
    /// A PEM file cannot be read or does not hold what it should.
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the cure.
        problem: String,
        /// The operating system's error, if reading failed.
        source: Option<io::Error>,
    },
    /// The private key is not that of the certificate.
    KeyMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the private key.
        key: PathBuf,
    },
    /// The handshake failed; the cause holds a `rustls::Error` if the fault is one of TLS.
    Handshake {
        /// The server's name as the client knows it; none on a server.
        host: Option<String>,
        /// The cause.
        source: io::Error,
    },
    /// The server chose another application protocol than HTTP/1.1.
    Alpn(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str(
                "longwire was built without TLS; enable its feature \"tls\", or use ws:",
            ),
            Self::NoRoots => f.write_str(
                "no certificate authority is trusted; enable the feature \"tls-native-roots\" or \
                 \"tls-webpki-roots\", or give a ClientTls with roots of its own",
            ),
            Self::NativeRoots(found) => write!(
                f,
                "the system has no usable store of certificate authorities ({found}); install the \
                 package ca-certificates, set SSL_CERT_FILE to a PEM file, or use \
                 ClientTls::bundled_roots"
            ),
            Self::ServerName(host) => {
                write!(f, "{host:?} cannot be the name in a certificate; use the server's DNS name")
            }
            Self::File { path, problem, .. } => write!(f, "{}: {problem}", path.display()),
            Self::KeyMismatch { certificate, key } => write!(
                f,
                "the private key in {} does not belong to the certificate in {}; the \
                 server's own certificate must come first in its file",
                key.display(),
                certificate.display()
            ),
            Self::Handshake { host, source } => {
                match host {
                    Some(host) => write!(f, "no TLS with {host}: {source}")?,
                    None => write!(f, "no TLS with the client: {source}")?,
                }
                match cure(source) {
                    Some(cure) => write!(f, "; {cure}"),
                    None => Ok(()),
                }
            }
            Self::Alpn(protocol) => write!(
                f,
                "the server chose the application protocol {protocol:?}, not \"http/1.1\"; offer \
                 no other in the TLS configuration"
            ),
        }
    }
}

impl StdError for TlsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::File { source, .. } => source.as_ref().map(|source| source as _),
            Self::Handshake { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// What the user can do about a failed handshake.
#[cfg(feature = "tls")]
fn cure(error: &io::Error) -> Option<&'static str> {
    use rustls::{CertificateError, Error};
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Some("the peer closed the connection; its log may say why");
    }
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidMessage(_) => Some("does the peer speak TLS on this port at all?"),
        Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => {
                Some("trust its certificate authority, as by ClientTls::with_ca_file")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Some("renew the certificate, or correct this machine's clock")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Some("correct this machine's clock")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Some("use a host name that the certificate has")
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(not(feature = "tls"))]
fn cure(_: &io::Error) -> Option<&'static str> {
    None
}
