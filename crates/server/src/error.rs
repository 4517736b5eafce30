//! Why a server does not start.

use std::{fmt, io, path::PathBuf};

use crate::config::ConfigError;

/// Why a server does not start. Its words have the cause and the cure.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot be used.
    Config(ConfigError),
    /// The address cannot be bound.
    Bind {
        /// Which, as it was configured.
        addr: String,
        /// Why.
        error: io::Error,
    },
    /// Others than this machine could reach the server, and nobody could prove who they are.
    NoCredentials {
        /// The address, as it was configured.
        listen: String,
    },
    /// The data folder cannot be used.
    Data {
        /// Which.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The log cannot be opened.
    Log(longwire_log::OpenError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Bind { addr, error } => {
                let cure = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "another program listens there; stop it, or set `listen` to another port (port \
                         0 takes a free one)"
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        "this machine does not have that address; set `listen` to 127.0.0.1 for \
                         programs on this machine, or 0.0.0.0 for all"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "a port below 1024 needs the right to it; set `listen` to a higher one"
                    }
                    _ => "write `listen` as HOST:PORT, as in 127.0.0.1:8000 or [::1]:8000",
                };
                write!(f, "cannot listen on {addr}: {error}; {cure}")
            }
            Self::NoCredentials { listen } => write!(
                f,
                "{listen} can be reached from other machines, and no credentials are configured: anybody \
                 could read and write everything. Add to longwire.toml, with these fresh secrets,\n\n\
                 [auth]\n\
                 api_keys = [{{ name = \"app\", key = \"{}\" }}]\n\
                 hmac_secret = \"{}\"\n\n\
                 or serve this machine alone: listen = \"127.0.0.1:8000\"",
                secret::<24>(),
                secret::<32>()
            ),
            Self::Data { folder, error } => write!(
                f,
                "the data folder {} cannot be used: {error}; set `data` to a folder that may be written",
                folder.display()
            ),
            Self::Log(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Bind { error, .. } | Self::Data { error, .. } => Some(error),
            Self::Log(error) => Some(error),
            Self::NoCredentials { .. } => None,
        }
    }
}

/// A fresh secret of `N` bytes, as hexadecimal digits.
fn secret<const N: usize>() -> String {
    rand::random::<[u8; N]>().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
