//! A certificate for the servers that are measured over TLS.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A certificate for 127.0.0.1 that vouches for itself, and its key, in a folder that goes with it.
#[derive(Debug)]
pub(crate) struct Certificate {
    folder: TempDir,
}

impl Certificate {
    pub(crate) fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".into(), "localhost".into()])?;
        let folder = tempfile::tempdir().context("no temporary folder can be made")?;
        let certificate = Self { folder };
        fs::write(certificate.chain(), made.cert.pem())?;
        fs::write(certificate.key(), made.signing_key.serialize_pem())?;
        Ok(certificate)
    }

    /// The file with the certificate, which is what clients trust as well.
    pub(crate) fn chain(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_there_as_long_as_the_certificate() {
        let certificate = Certificate::new().expect("made");
        let (chain, key) = (certificate.chain(), certificate.key());
        assert!(fs::read_to_string(&chain).expect("read").contains("BEGIN CERTIFICATE"));
        assert!(fs::read_to_string(&key).expect("read").contains("PRIVATE KEY"));
        drop(certificate);
        assert!(!chain.exists() && !key.exists());
    }
}
