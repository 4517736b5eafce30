//! `longwire token`: the token alone on stdout, the facts on stderr.

use std::{fs, path::Path, time::SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_ED25519};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    process::{Ended, Process, longwire, run},
    serve::serve_in,
};

fn token(folder: &Path, arguments: &[&str]) -> Ended {
    let mut command = longwire(&["token"]);
    Process::spawn(command.args(arguments).current_dir(folder)).wait()
}

/// The parts of the one line on stdout.
fn parts(ended: &Ended) -> (Value, Value, Vec<u8>) {
    let line = ended.text().strip_suffix('\n').expect("one line");
    let decoded: Vec<Vec<u8>> = line
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).expect("Base64 for URLs, without padding"))
        .collect();
    let json = |part: &Vec<u8>| serde_json::from_slice(part).expect("JSON");
    assert_eq!(decoded.len(), 3);
    (json(&decoded[0]), json(&decoded[1]), decoded[2].clone())
}

#[test]
fn it_says_who_and_what_and_how_long() {
    let folder = TempDir::new().expect("a temporary folder");
    let secret = format!("[auth]\nhmac_secret = \"{}\"\n", "s".repeat(32));
    fs::write(folder.path().join("longwire.toml"), secret).expect("it is writable");
    let ended = token(
        folder.path(),
        &[
            "--user",
            "alice",
            "--allow",
            "chat:*=subscribe,publish",
            "--allow",
            "b=history",
            "--expires",
            "2h",
        ],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (header, claims, _) = parts(&ended);
    assert_eq!(header["alg"], "HS256");
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["channels"]["chat:*"], serde_json::json!(["subscribe", "publish"]));
    assert_eq!(claims["channels"]["b"], serde_json::json!(["history"]));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is 2026");
    let left = claims["exp"].as_u64().expect("seconds") - now.as_secs();
    assert!((7200 - 60..=7200).contains(&left), "{left} s");
    assert!(ended.stderr.starts_with("for alice, signed by auth.hmac_secret, until "), "{ended:?}");
    assert!(!ended.stderr.contains(&"s".repeat(32)), "{ended:?}");
}

#[test]
fn a_private_key_signs_what_its_public_key_verifies() {
    let folder = TempDir::new().expect("a temporary folder");
    let pair = KeyPair::generate_for(&PKCS_ED25519).expect("the system has randomness");
    fs::write(folder.path().join("private.pem"), pair.serialize_pem()).expect("it is writable");
    let ended = token(folder.path(), &["--allow", "*=subscribe", "--ed25519-key", "private.pem"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (header, claims, signature) = parts(&ended);
    assert_eq!((&header["alg"], claims.get("sub")), (&Value::from("EdDSA"), None));
    let signed = ended.text().rsplit_once('.').expect("three parts").0;
    UnparsedPublicKey::new(&ED25519, pair.public_key_raw())
        .verify(signed.as_bytes(), &signature)
        .expect("the key signed it");
}

#[test]
fn a_server_with_the_public_key_takes_what_the_private_key_signed() {
    let folder = TempDir::new().expect("a temporary folder");
    let pair = KeyPair::generate_for(&PKCS_ED25519).expect("the system has randomness");
    fs::write(folder.path().join("private.pem"), pair.serialize_pem()).expect("it is writable");
    let public = format!("[auth]\ned25519_public_key = \"\"\"\n{}\"\"\"\n", pair.public_key_pem());
    fs::write(folder.path().join("longwire.toml"), public).expect("it is writable");
    let allow = ["--allow", "demo=publish", "--ed25519-key", "private.pem"];
    let token = token(folder.path(), &allow).text().trim().to_owned();
    let served = serve_in(folder, &[]);
    let publish =
        |token: &str| run(&["publish", "--url", &served.url, "--token", token, "demo", "a"], "");
    publish(&token).assert_quiet_success();
    let forged = publish(token.get(..token.len() - 8).expect("it is longer"));
    assert_eq!((forged.code, forged.text()), (Some(1), ""), "{forged:?}");
}

#[test]
fn without_a_key_it_says_where_one_comes_from() {
    let folder = TempDir::new().expect("a temporary folder");
    let allow = ["--allow", "a=publish"];
    let ended = token(folder.path(), &allow);
    assert_eq!((ended.code, ended.text()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("`longwire init --prod` writes one"), "{ended:?}");
    fs::write(folder.path().join("no.pem"), "nothing").expect("it is writable");
    for file in ["no.pem", "missing.pem"] {
        let ended = token(folder.path(), &[&allow[..], &["--ed25519-key", file]].concat());
        assert_eq!((ended.code, ended.text()), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.starts_with(&format!("longwire: {file}: ")), "{ended:?}");
        assert!(ended.stderr.contains("openssl genpkey -algorithm ed25519"), "{ended:?}");
    }
}
