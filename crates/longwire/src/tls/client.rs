//! TLS of a client: which roots it trusts, and the handshake.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{HTTP_1_1, TlsError, pem};

/// How a client does TLS: which certificate authorities it trusts, or a whole rustls configuration.
///
/// The default trusts the system's store (feature `tls-native-roots`, on by default), which is read at the
/// first `wss:` connection and then kept for the life of the process; without that feature the bundled
/// Mozilla roots (feature `tls-webpki-roots`). Sessions are resumed within one `ClientTls` and its clones.
#[derive(Clone, Default)]
pub struct ClientTls(Option<Arc<ClientConfig>>);

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A configuration may hold a client's private key.
        f.write_str(if self.0.is_some() { "ClientTls(configured)" } else { "ClientTls(default)" })
    }
}

impl ClientTls {
    /// Trusts the system's store of certificate authorities, or the file in `SSL_CERT_FILE` and the folder in
    /// `SSL_CERT_DIR` if set. Reads files.
    ///
    /// # Errors
    /// [`TlsError::NativeRoots`] if there is no store, or nothing usable in it.
    #[cfg(feature = "tls-native-roots")]
    pub fn native_roots() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        native_store(found.certs, &found.errors).map(Self::trusting)
    }

    /// Trusts the certificate authorities that Mozilla trusts, as compiled into the program.
    #[cfg(feature = "tls-webpki-roots")]
    pub fn bundled_roots() -> Self {
        Self::trusting(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// Trusts the certificates in a PEM file, and no others. Reads the file.
    ///
    /// # Errors
    /// [`TlsError::File`] names the file and what is wrong with it.
    pub fn with_ca_file(path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let path = path.as_ref();
        let mut store = RootCertStore::empty();
        for certificate in pem::certificates(path)? {
            store.add(certificate).map_err(|error| TlsError::File {
                path: path.to_owned(),
                problem: format!("one of its certificates cannot be trusted as a root: {error}"),
                source: None,
            })?;
        }
        Ok(Self::trusting(store))
    }

    /// Uses a configuration as it is, for client certificates, pinning or another cryptography provider. If
    /// it offers no application protocol, `http/1.1` is offered.
    pub fn from_config(config: impl Into<Arc<ClientConfig>>) -> Self {
        let mut config = config.into();
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = vec![HTTP_1_1.to_vec()];
        }
        Self(Some(config))
    }

    fn trusting(store: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions of TLS")
            .with_root_certificates(store)
            .with_no_client_auth();
        Self::from_config(config)
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        static DEFAULT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        if let Some(config) = self.0.as_ref().or_else(|| DEFAULT.get()) {
            return Ok(Arc::clone(config));
        }
        let made = default_roots().await?.0.expect("made from roots, so it has a configuration");
        Ok(Arc::clone(DEFAULT.get_or_init(|| made)))
    }

    /// Does the handshake as the client of `host`, a DNS name or an IP address without brackets.
    pub(crate) async fn connect<T>(&self, host: &str, io: T) -> Result<TlsStream<T>, TlsError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| TlsError::ServerName(host.to_owned()))?;
        let connector = TlsConnector::from(self.config().await?);
        let stream = connector
            .connect(name, io)
            .await
            .map_err(|source| TlsError::Handshake { host: Some(host.to_owned()), source })?;
        match stream.get_ref().1.alpn_protocol() {
            Some(protocol) if protocol != HTTP_1_1 => {
                Err(TlsError::Alpn(String::from_utf8_lossy(protocol).into_owned()))
            }
            _ => Ok(stream),
        }
    }
}

/// The roots of a client that was given none.
#[cfg_attr(
    not(feature = "tls-native-roots"),
    expect(clippy::unused_async, reason = "the same signature as with the feature")
)]
async fn default_roots() -> Result<ClientTls, TlsError> {
    // Reading the store takes milliseconds of disk and parsing, so not on the runtime's own threads.
    #[cfg(feature = "tls-native-roots")]
    return tokio::task::spawn_blocking(ClientTls::native_roots)
        .await
        .unwrap_or_else(|error| Err(TlsError::NativeRoots(error.to_string())));
    #[cfg(all(feature = "tls-webpki-roots", not(feature = "tls-native-roots")))]
    return Ok(ClientTls::bundled_roots());
    #[cfg(not(any(feature = "tls-webpki-roots", feature = "tls-native-roots")))]
    return Err(TlsError::NoRoots);
}

/// Takes what is usable; a store often holds a few certificates that are not.
#[cfg(feature = "tls-native-roots")]
fn native_store(
    certificates: Vec<rustls::pki_types::CertificateDer<'static>>,
    errors: &[rustls_native_certs::Error],
) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let total = certificates.len();
    let (usable, _) = store.add_parsable_certificates(certificates);
    if usable > 0 {
        return Ok(store);
    }
    let mut found = format!("{total} certificates, none usable");
    for error in errors {
        found.push_str("; ");
        found.push_str(&error.to_string());
    }
    Err(TlsError::NativeRoots(found))
}
