//! `wss:` between the two commands, and what is said when trust is missing.

use std::{fs, path::PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Echo, echo, run, start};

struct Files {
    _folder: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("the system has randomness");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("the names are valid");
        params.distinguished_name.push(DnType::CommonName, name);
        let cert = params.self_signed(&key).expect("the key signs");
        let key_pem = key.serialize_pem();
        let folder = TempDir::new().expect("a temporary folder");
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        fs::write(&certificate, cert.pem()).expect("it is writable");
        fs::write(&key, key_pem).expect("it is writable");
        Self { _folder: folder, certificate, key }
    }

    fn certificate(&self) -> &str {
        self.certificate.to_str().expect("UTF-8")
    }

    fn echo(&self) -> Echo {
        echo(&["--cert", self.certificate(), "--key", self.key.to_str().expect("UTF-8")])
    }
}

#[test]
fn messages_pass_over_wss_under_a_trusted_certificate() {
    let files = Files::new("one");
    let echo = files.echo();
    assert!(echo.url.starts_with("wss://127.0.0.1:"), "{}", echo.url);
    let ended = run(&["connect", "--ca", files.certificate(), &echo.url], "one\ntwo\n");
    ended.assert_quiet_success();
    assert_eq!(ended.text(), "one\ntwo\n");
}

#[test]
fn a_load_passes_over_wss_under_a_trusted_certificate_only() {
    let files = Files::new("one");
    let echo = files.echo();
    let load = ["bench", "-n", "500", "--size", "100000", "-c", "3", "--in-flight", "4"];
    let ended = run(&[&load[..], &["--ca", files.certificate(), &echo.url]].concat(), "");
    ended.assert_quiet_success();
    assert!(ended.text().contains("every byte verified"), "{}", ended.text());
    let other = Files::new("other");
    let ended = run(&[&load[..], &["--ca", other.certificate(), &echo.url]].concat(), "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no TLS with the server: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("as by --ca FILE\n"), "{}", ended.stderr);
    let plain = crate::process::echo(&[]);
    let url = format!("wss://{}", plain.address());
    let ended = run(&["bench", "-c", "1", "--ca", files.certificate(), &url], "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("speak TLS on this port"), "{}", ended.stderr);
}

#[test]
fn a_killed_server_is_a_lost_connection_under_tls_too() {
    let files = Files::new("one");
    let echo = files.echo();
    let mut client = start(&["connect", "--ca", files.certificate(), &echo.url]);
    client.write_line("a");
    assert_eq!(client.line(), "a");
    echo.process.signal(Signal::KILL);
    let message = "the connection was lost: the server ended it without a close";
    client.wait().assert_failed(1, message);
}

#[test]
fn an_unknown_authority_is_refused_with_the_option_that_helps() {
    let (files, other) = (Files::new("one"), Files::new("other"));
    let echo = files.echo();
    let ended = run(&["connect", "--ca", other.certificate(), &echo.url], "secret\n");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no TLS with 127.0.0.1: "), "{}", ended.stderr);
    assert!(
        ended.stderr.ends_with("trust its certificate authority, as by --ca FILE\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn tls_on_one_side_alone_is_told() {
    let files = Files::new("one");
    let (plain, secure) = (echo(&[]), files.echo());
    let to_plain = format!("wss://{}", plain.address());
    let ended = run(&["connect", "--ca", files.certificate(), &to_plain], "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("does the peer speak TLS on this port"), "{}", ended.stderr);
    let ended = run(&["connect", &format!("ws://{}", secure.address())], "");
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn a_file_that_does_not_serve_is_named() {
    let files = Files::new("one");
    let certificate = files.certificate();
    for arguments in [
        &["echo", "--listen", "127.0.0.1:0", "--cert", "/no/such", "--key", "/no/such"][..],
        &["echo", "--listen", "127.0.0.1:0", "--cert", certificate, "--key", "/no/such"],
        &["connect", "--ca", "/no/such", "wss://127.0.0.1:1/"],
    ] {
        let ended = run(arguments, "");
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.starts_with("longwire: /no/such: the "), "{}", ended.stderr);
        assert!(ended.stderr.contains("No such file"), "{}", ended.stderr);
    }
    let ended =
        run(&["echo", "--listen", "127.0.0.1:0", "--cert", certificate, "--key", certificate], "");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("a certificate but no private key"), "{}", ended.stderr);
}
