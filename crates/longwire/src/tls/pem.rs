//! Certificates and private keys from PEM files (RFC 7468), with errors that name the file.

use std::io;
use std::path::Path;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// A PEM file of this many bytes is none: a bundle of every public authority has 250 KB.
const MAX_FILE_SIZE: u64 = 16 * 1024 * 1024;

/// Every certificate of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path, "certificate")?;
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(path, &error))?;
    if certificates.is_empty() {
        let found = if PrivateKeyDer::from_pem_slice(&bytes).is_ok() {
            "it holds a private key but no certificate; are the two files exchanged?"
        } else {
            "it holds no certificate; a PEM file has a line \"-----BEGIN CERTIFICATE-----\""
        };
        return Err(problem(path, found));
    }
    Ok(certificates)
}

/// The first private key of a file: PKCS #8, PKCS #1 or SEC1, not encrypted.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(path, "private key")?;
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => {
            let has = |label: &str| String::from_utf8_lossy(&bytes).contains(label);
            Err(problem(
                path,
                if has("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
                    "its private key is encrypted; decrypt it, as with `openssl pkey -in FILE -out PLAIN`"
                } else if has("-----BEGIN CERTIFICATE-----") {
                    "it holds a certificate but no private key; are the two files exchanged?"
                } else {
                    "it holds no private key; a PEM file has a line \"-----BEGIN PRIVATE KEY-----\""
                },
            ))
        }
        Err(error) => Err(malformed(path, &error)),
    }
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, TlsError> {
    let checked = || -> io::Result<Vec<u8>> {
        if std::fs::metadata(path)?.len() > MAX_FILE_SIZE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is over 16 MiB"));
        }
        std::fs::read(path)
    };
    checked().map_err(|source| TlsError::File {
        path: path.to_owned(),
        problem: format!("the {what} file cannot be read: {source}"),
        source: Some(source),
    })
}

fn problem(path: &Path, problem: &str) -> TlsError {
    TlsError::File { path: path.to_owned(), problem: problem.to_owned(), source: None }
}

fn malformed(path: &Path, error: &PemError) -> TlsError {
    problem(path, &format!("its PEM form is damaged ({error}); export the file once more"))
}
