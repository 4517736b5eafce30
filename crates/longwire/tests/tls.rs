//! TLS of both sides: trust, names, ALPN, PEM files, and what the errors say.
#![cfg(feature = "tls")]

mod net;

use std::sync::Arc;

use longwire::tls::{ClientTls, ServerTls, TlsError};
use longwire::{Connect, ConnectError};
use net::{Certificates, Server, assert_cancel_safe, assert_echo, failure, path_text, soon};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_name_and_an_address_in_the_certificate_are_trusted() {
    let certificates = Certificates::new("names", &["localhost", "127.0.0.1"]);
    let server = Server::with_tls(certificates.server()).await;
    for host in ["localhost", "127.0.0.1"] {
        let connect = Connect::new(&server.url("wss", host, "/")).tls(certificates.client());
        let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
        assert_echo(&mut ws).await;
    }
}

#[tokio::test]
async fn a_request_larger_than_a_read_buffer_passes() {
    let certificates = Certificates::new("records", &["localhost"]);
    let server = Server::with_tls(certificates.server()).await;
    let long = "x".repeat(15_000);
    let connect = Connect::new(&server.url("wss", "localhost", "/"))
        .tls(certificates.client())
        .header("x-long", &long);
    let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
    assert_echo(&mut ws).await;
    assert_eq!(server.requests()[0].headers()["x-long"], *long);
}

/// The cause of a failed handshake.
fn tls_failure(error: &ConnectError) -> &TlsError {
    let ConnectError::Tls(error) = error else { panic!("{error:?}") };
    error
}

#[tokio::test]
async fn an_untrusted_authority_a_wrong_name_and_a_stale_certificate_have_their_cures() {
    let mine = Certificates::new("mine", &["localhost"]);
    let theirs = Certificates::new("theirs", &["localhost"]);
    let named = Certificates::new("named", &["other.test"]);
    let stale = Certificates::altered("stale", &["localhost"], |certificate| {
        certificate.not_before = rcgen::date_time_ymd(2001, 1, 1);
        certificate.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let early = Certificates::altered("early", &["localhost"], |certificate| {
        certificate.not_before = rcgen::date_time_ymd(2901, 1, 1);
        certificate.not_after = rcgen::date_time_ymd(2902, 1, 1);
    });
    for (server, client, expected) in [
        (&theirs, &mine, "trust its certificate authority"),
        (&named, &named, "use a host name that the certificate has"),
        (&stale, &stale, "renew the certificate"),
        (&early, &early, "correct this machine's clock"),
    ] {
        let server = Server::with_tls(server.server()).await;
        let url = server.url("wss", "localhost", "/");
        let error = failure(Connect::new(&url).tls(client.client())).await;
        assert!(matches!(tls_failure(&error), TlsError::Handshake { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(std::error::Error::source(tls_failure(&error)).is_some());
        assert!(server.requests().is_empty(), "no request went out");
    }
}

#[tokio::test]
async fn a_server_without_tls_on_the_port_is_guessed() {
    let certificates = Certificates::new("plain", &["localhost"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("wss://{}/", listener.local_addr().expect("bound"));
    let server = async {
        let (mut io, _) = listener.accept().await.expect("it works");
        let hello = io.read(&mut [0; 4096]).await.expect("a greeting");
        assert!(hello > 0);
        io.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("the client reads");
    };
    let (error, ()) = tokio::join!(failure(Connect::new(&url).tls(certificates.client())), server);
    assert!(error.to_string().contains("does the peer speak TLS on this port at all?"), "{error}");
}

/// A server's configuration that knows these application protocols alone.
fn with_alpn(certificates: &Certificates, protocols: &[&str]) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_file_iter(certificates.path("server.pem"))
        .expect("a readable file")
        .collect::<Result<_, _>>()
        .expect("certificates");
    let key = PrivateKeyDer::from_pem_file(certificates.path("server.key")).expect("a key");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a matching key");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// A client's configuration of the caller's own.
fn trusting(certificates: &Certificates) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(certificates.path("ca.pem")).expect("a file") {
        roots.add(certificate.expect("a certificate")).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[tokio::test]
async fn the_client_names_the_server_and_offers_http_1_1_alone() {
    let certificates = Certificates::new("hello", &["localhost", "127.0.0.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    for (host, sni) in [("localhost", Some("localhost")), ("127.0.0.1", None)] {
        let url = format!("wss://{host}:{port}/");
        let connect = Connect::new(&url).tls(certificates.client());
        let server = async {
            let (io, _) = listener.accept().await.expect("it works");
            let acceptor =
                tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io);
            let start = acceptor.await.expect("a greeting");
            let hello = start.client_hello();
            assert_eq!(hello.server_name(), sni, "RFC 6066 section 3: no addresses");
            let offered: Vec<_> = hello.alpn().expect("protocols").collect();
            assert_eq!(offered, [b"http/1.1"]);
        };
        let (_, ()) = tokio::join!(failure(connect), server);
    }
}

#[tokio::test]
async fn a_server_for_http_2_alone_is_refused() {
    let certificates = Certificates::new("alpn", &["localhost"]);
    let server = Server::with_tls(ServerTls::from_config(with_alpn(&certificates, &["h2"]))).await;
    let url = server.url("wss", "localhost", "/");
    let error = failure(Connect::new(&url).tls(certificates.client())).await;
    assert!(matches!(tls_failure(&error), TlsError::Handshake { .. }), "{error:?}");

    // A caller's own configuration may offer more than can be spoken.
    let mut config = trusting(&certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let error = failure(Connect::new(&url).tls(ClientTls::from_config(config.clone()))).await;
    assert!(
        matches!(tls_failure(&error), TlsError::Alpn(protocol) if protocol == "h2"),
        "{error:?}"
    );

    // And without any it offers the right one.
    config.alpn_protocols.clear();
    let server = Server::with_tls(certificates.server()).await;
    let url = server.url("wss", "localhost", "/");
    let connect = Connect::new(&url).tls(ClientTls::from_config(config));
    let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
    assert_echo(&mut ws).await;
}

#[test]
fn errors_of_pem_files_name_the_file_and_the_cure() {
    let ours = Certificates::new("files", &["localhost"]);
    let other = Certificates::new("files-other", &["localhost"]);
    let empty = ours.write("empty.pem", "nothing here\n");
    let damaged =
        ours.write("damaged.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let nonsense = ours.write(
        "nonsense.pem",
        "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
    );
    let bad_key =
        ours.write("bad.key", "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n");
    let encrypted = ours.write(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let (certificate, key) = (ours.path("server.pem"), ours.path("server.key"));
    let missing = ours.path("missing.pem");
    let folder = ours.path(".");
    for (certificate, key, file, expected) in [
        (&missing, &key, &missing, "the certificate file cannot be read"),
        (&certificate, &missing, &missing, "the private key file cannot be read"),
        (&folder, &key, &folder, "the certificate file cannot be read"),
        (&empty, &key, &empty, "it holds no certificate"),
        (&certificate, &empty, &empty, "it holds no private key"),
        (&key, &certificate, &key, "are the two files exchanged?"),
        (&certificate, &certificate, &certificate, "are the two files exchanged?"),
        (&damaged, &key, &damaged, "its PEM form is damaged"),
        (&nonsense, &key, &nonsense, "its certificate cannot be used"),
        (&certificate, &bad_key, &bad_key, "its private key cannot be used"),
        (&certificate, &encrypted, &encrypted, "its private key is encrypted"),
    ] {
        let error = ServerTls::from_pem_files(certificate, key).expect_err("a bad file");
        let TlsError::File { path, .. } = &error else { panic!("{error:?}") };
        assert_eq!(path, file, "{error}");
        assert!(error.to_string().starts_with(path_text(file)), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = ServerTls::from_pem_files(&certificate, other.path("server.key"))
        .expect_err("another's key");
    assert!(matches!(error, TlsError::KeyMismatch { .. }), "{error:?}");
    assert!(error.to_string().contains(path_text(&other.path("server.key"))), "{error}");

    for (file, expected) in [
        (&missing, "the certificate file cannot be read"),
        (&empty, "it holds no certificate"),
        (&nonsense, "cannot be trusted as a root"),
    ] {
        let error = ClientTls::with_ca_file(file).expect_err("a bad file");
        assert!(error.to_string().starts_with(path_text(file)), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn one_file_may_hold_chain_and_key() {
    let certificates = Certificates::new("one-file", &["localhost"]);
    let read = |name| std::fs::read_to_string(certificates.path(name)).expect("a readable file");
    let both = certificates.write("both.pem", &(read("server.key") + &read("server.pem")));
    let tls = ServerTls::from_pem_files(&both, &both).expect("valid");
    assert_eq!(format!("{tls:?}"), "ServerTls(configured)", "no key is shown");
}

#[tokio::test]
async fn a_client_that_gives_up_tls_is_an_error_of_the_server() {
    let certificates = Certificates::new("server-side", &["localhost"]);
    let (io, mut client) = tokio::io::duplex(4096);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("room");
    let error = soon(certificates.server().accept(io)).await.expect_err("no TLS");
    assert!(matches!(error, TlsError::Handshake { host: None, .. }), "{error:?}");
    assert!(error.to_string().starts_with("no TLS with the client: "), "{error}");
}

#[tokio::test]
async fn accepting_tls_dropped_after_any_poll_closes_the_connection() {
    let certificates = Certificates::new("accept", &["localhost"]);
    let tls = certificates.server();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting(&certificates)));
    for polls in 1.. {
        let (io, client) = tokio::io::duplex(256);
        let server = async {
            let accepted = net::polled(polls, tls.accept(io)).await;
            accepted.map(|accepted| drop(accepted.expect("TLS"))).is_some()
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let client = async {
            // Whatever the client comes to, it ends, since the server is gone.
            if let Ok(mut io) = connector.connect(name, client).await {
                let _ = io.read_to_end(&mut Vec::new()).await;
            }
        };
        let (finished, ()) = soon(Box::pin(async { tokio::join!(server, client) })).await;
        if finished {
            assert!(polls > 1, "a handshake has more than one wait");
            break;
        }
    }
}

#[tokio::test]
async fn dropped_after_any_poll_a_connection_under_tls_is_closed() {
    let certificates = Certificates::new("cancel", &["127.0.0.1"]);
    let server = Server::with_tls(certificates.server()).await;
    let tls = certificates.client();
    let polls = assert_cancel_safe(server.address, |address| {
        Connect::new(&format!("wss://{address}/")).tls(tls.clone())
    })
    .await;
    assert!(polls > 3, "TCP, TLS and the handshake have a wait each");
}

/// What the child processes below do: connect with the default TLS settings.
#[cfg(feature = "tls-native-roots")]
#[tokio::test]
#[ignore = "runs in a process of its own, with another store of certificates"]
async fn child() {
    let url = std::env::var("LONGWIRE_TEST_URL").expect("set by the parent");
    match soon(longwire::connect(&url)).await {
        Ok(mut ws) => assert_echo(&mut ws).await,
        Err(error) => panic!("{error}"),
    }
}

#[cfg(feature = "tls-native-roots")]
#[tokio::test(flavor = "multi_thread")]
async fn the_systems_store_is_the_default_and_its_absence_is_told() {
    let certificates = Certificates::new("store", &["localhost"]);
    let server = Server::with_tls(certificates.server()).await;
    let url = server.url("wss", "localhost", "/");
    let (ca, missing) = (certificates.path("ca.pem"), certificates.path("missing.pem"));
    let run = |store: std::path::PathBuf| {
        let url = url.clone();
        tokio::task::spawn_blocking(move || {
            let variables = [("LONGWIRE_TEST_URL", &*url), ("SSL_CERT_FILE", path_text(&store))];
            net::in_environment("child", &variables)
        })
    };
    let output = soon(run(ca)).await.expect("no panic");
    assert!(output.status.success(), "{output:?}");
    let output = soon(run(missing)).await.expect("no panic");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("the system has no usable store of certificate authorities"), "{text}");
    assert!(text.contains("missing.pem") && text.contains("ca-certificates"), "{text}");
}

#[cfg(feature = "tls-webpki-roots")]
#[tokio::test]
async fn the_bundled_roots_do_not_trust_a_private_authority() {
    let certificates = Certificates::new("bundled", &["localhost"]);
    let server = Server::with_tls(certificates.server()).await;
    let connect =
        Connect::new(&server.url("wss", "localhost", "/")).tls(ClientTls::bundled_roots());
    let error = failure(connect).await;
    assert!(error.to_string().contains("trust its certificate authority"), "{error}");
}
