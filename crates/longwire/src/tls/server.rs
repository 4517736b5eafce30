//! TLS of a server: its certificate, and the handshake.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::Error as RustlsError;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{HTTP_1_1, TlsError, pem};

/// How a server does TLS: its certificate and key, or a whole rustls configuration. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration holds the private key.
        f.write_str("ServerTls(configured)")
    }
}

impl ServerTls {
    /// Reads a certificate chain, the server's own certificate first, and its unencrypted private key
    /// (PKCS #8, PKCS #1 or SEC1) from PEM files, which may be the same one. Clients need no certificate.
    ///
    /// # Errors
    /// [`TlsError::File`] names the file and what is wrong with it; [`TlsError::KeyMismatch`] if the key is
    /// not that of the first certificate.
    pub fn from_pem_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let chain = pem::certificates(certificate)?;
        let private_key = pem::private_key(key)?;
        let provider = rustls::crypto::ring::default_provider();
        let unusable = |path: &Path, what: &str, error: &RustlsError| TlsError::File {
            path: path.to_owned(),
            problem: format!("its {what} cannot be used: {error}"),
            source: None,
        };
        // Apart from the configuration, so that a fault of the key is not taken for one of the certificate.
        provider
            .key_provider
            .load_private_key(private_key.clone_key())
            .map_err(|error| unusable(key, "private key", &error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain, private_key)
            .map_err(|error| match error {
                RustlsError::InconsistentKeys(_) => TlsError::KeyMismatch {
                    certificate: certificate.to_owned(),
                    key: key.to_owned(),
                },
                error => unusable(certificate, "certificate", &error),
            })?;
        Ok(Self::from_config(config))
    }

    /// Uses a configuration as it is, for client certificates, several names or another cryptography
    /// provider. If it offers no application protocol, `http/1.1` is offered.
    pub fn from_config(config: impl Into<Arc<ServerConfig>>) -> Self {
        let mut config = config.into();
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = vec![HTTP_1_1.to_vec()];
        }
        Self(config)
    }

    /// Does the handshake with a client.
    ///
    /// # Errors
    /// [`TlsError::Handshake`]. It sets no time limit; put one around it, since a client may stay silent.
    ///
    /// # Cancel safety
    /// Dropping the future drops `io`, which closes the connection. No task is left behind.
    pub async fn accept<T>(&self, io: T) -> Result<TlsStream<T>, TlsError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        TlsAcceptor::from(Arc::clone(&self.0))
            .accept(io)
            .await
            .map_err(|source| TlsError::Handshake { host: None, source })
    }
}
