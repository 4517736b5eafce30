//! Throw-away certificates: an authority, and a server certificate for `localhost` that it signed.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer};
use rcgen::{KeyPair, KeyUsagePurpose, PublicKeyData as _};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Names and addresses that the server certificate is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// PEM files in a temporary folder, which goes when this is dropped.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
    /// What `--ignore-certificate-errors-spki-list` of Chromium takes: the base64 of the SHA-256 of
    /// the server certificate's public key.
    pub public_key_hash: String,
}

impl Certificates {
    /// Makes a new authority, key and certificate (P-256, which every peer reads).
    pub fn generate() -> Result<Self> {
        let authority_key = KeyPair::generate()?;
        let mut authority = named("Longwire test authority", Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_certificate = authority.self_signed(&authority_key)?;

        let key = KeyPair::generate()?;
        let mut server = named("Longwire test server", NAMES.map(String::from).to_vec())?;
        server.use_authority_key_identifier_extension = true;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?;

        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let certificates = Self {
            folder,
            public_key_hash: STANDARD.encode(Sha256::digest(key.subject_public_key_info())),
        };
        fs::write(certificates.authority(), authority_certificate.pem())?;
        fs::write(certificates.certificate(), certificate.pem())?;
        fs::write(certificates.key(), key.serialize_pem())?;
        fs::write(certificates.combined(), certificate.pem() + &key.serialize_pem())?;
        Ok(certificates)
    }

    /// The authority's certificate: what a client trusts.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// The server's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The server's private key (PKCS #8).
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Certificate and key in one file, as `haproxy` wants them.
    pub fn combined(&self) -> PathBuf {
        self.folder.path().join("combined.pem")
    }
}

fn named(name: &str, alternatives: Vec<String>) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(alternatives)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
