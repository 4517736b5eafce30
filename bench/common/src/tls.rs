//! TLS of the servers: rustls with ring, as longwire has it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The configuration from PEM files of the certificate chain and its key. It offers HTTP/1.1.
pub fn server(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let unusable = |path: &Path| format!("{} cannot be used", path.display());
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| unusable(cert))?;
    let private_key = PrivateKeyDer::from_pem_file(key).with_context(|| unusable(key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private_key)
        .with_context(|| unusable(cert))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
