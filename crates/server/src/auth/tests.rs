//! Who is let in, and who is not.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use longwire_channel::ChannelName;
use longwire_hub::Action;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{
    config::{self, Overrides, Secret},
    node::unix_ms,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

struct Gate {
    configured: Configured,
    config: Config,
    _data: TempDir,
}

impl Gate {
    fn new(edit: impl FnOnce(&mut Config)) -> Self {
        let data = TempDir::new().expect("a folder");
        let mut config = Config { data: data.path().to_owned(), ..Config::default() };
        config.auth.hmac_secret = Some(Secret(SECRET.to_owned()));
        edit(&mut config);
        config.check().expect("a sound configuration");
        let configured = Configured::new(&config).expect("a sound configuration");
        Self { configured, config, _data: data }
    }

    fn show(&self, token: Option<&str>, ticket: Option<&str>) -> Result<Identity, Denied> {
        let credentials =
            Credentials { token: token.map(str::to_owned), ticket: ticket.map(str::to_owned) };
        match self.configured.authorise(&credentials, unix_ms()) {
            Authorisation::Decided(outcome) => outcome,
            Authorisation::Pending(_) => panic!("it asks nobody"),
        }
    }

    fn denied(&self, token: Option<&str>, ticket: Option<&str>) -> (ErrorCode, CloseCode, String) {
        let denied = self.show(token, ticket).expect_err("not let in");
        (denied.refusal.code, denied.close, denied.refusal.message)
    }

    fn sign(&self, claims: &Claims) -> String {
        sign_token(&self.config.auth, claims).expect("there is a secret")
    }
}

fn seconds() -> u64 {
    unix_ms() / 1000
}

fn claims(exp: u64) -> Claims {
    let chat = ("chat:*".to_owned(), vec![config::Action::Subscribe, config::Action::Publish]);
    Claims { sub: Some("alice".to_owned()), exp, nbf: None, channels: BTreeMap::from([chat]) }
}

fn allows(identity: &Identity, channel: &str, action: Action) -> bool {
    identity.permissions.allow(&ChannelName::new(channel).expect("valid"), action)
}

fn signed_by_hand(
    header: &serde_json::Value,
    claims: &serde_json::Value,
    sign: impl Fn(&[u8]) -> Vec<u8>,
) -> String {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let message = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    format!("{message}.{}", encode(&sign(message.as_bytes())))
}

#[test]
fn a_token_says_who_and_what_and_until_when() {
    let gate = Gate::new(|_| {});
    let exp = seconds() + 600;
    let identity = gate.show(Some(&gate.sign(&claims(exp))), None).expect("let in");
    assert_eq!(identity.user.as_ref().map(Token::as_str), Some("alice"));
    assert_eq!(identity.expires_at_ms, Some(exp * 1000));
    assert!(allows(&identity, "chat:1", Action::Subscribe));
    assert!(!allows(&identity, "chat:1", Action::History));
    assert!(!allows(&identity, "news", Action::Subscribe));
}

#[test]
fn a_token_that_is_over_is_told_so() {
    let gate = Gate::new(|_| {});
    let (code, close, _) = gate.denied(Some(&gate.sign(&claims(seconds() - 60))), None);
    assert_eq!((code, close), (ErrorCode::TokenExpired, CloseCode::TOKEN_EXPIRED));
    // Within the leeway of 30 s clocks may differ.
    assert!(gate.show(Some(&gate.sign(&claims(seconds() - 5))), None).is_ok());
}

#[test]
fn a_token_that_does_not_count_yet_is_refused() {
    let gate = Gate::new(|_| {});
    let at = |nbf| Claims { nbf: Some(nbf), ..claims(seconds() + 600) };
    let (code, _, words) = gate.denied(Some(&gate.sign(&at(seconds() + 300))), None);
    assert_eq!(code, ErrorCode::Unauthenticated);
    assert!(words.contains("clocks"), "{words}");
    assert!(gate.show(Some(&gate.sign(&at(seconds() + 5))), None).is_ok());
}

#[test]
fn a_token_with_another_key_is_refused() {
    let gate = Gate::new(|_| {});
    let mut other = gate.config.auth.clone();
    other.hmac_secret = Some(Secret("f".repeat(32)));
    let token = sign_token(&other, &claims(seconds() + 600)).expect("there is a secret");
    let (code, close, words) = gate.denied(Some(&token), None);
    assert_eq!((code, close), (ErrorCode::Unauthenticated, CloseCode::UNAUTHENTICATED));
    assert!(words.contains("signature"), "{words}");
}

#[test]
fn a_token_needs_a_signature_that_is_accepted_here() {
    let gate = Gate::new(|_| {});
    let body = json!({ "exp": seconds() + 600 });
    for algorithm in ["none", "HS384", "RS256", "EdDSA"] {
        let header = json!({ "alg": algorithm, "typ": "JWT" });
        let token = signed_by_hand(&header, &body, |_| b"anything".to_vec());
        assert_eq!(gate.denied(Some(&token), None).0, ErrorCode::Unauthenticated, "{algorithm}");
    }
    // The public key as a secret of HS256 is the classic confusion.
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
    let public = pair.public_key().as_ref().to_vec();
    let gate = Gate::new(|config| {
        config.auth.hmac_secret = None;
        config.auth.ed25519_public_key = Some(base64::prelude::BASE64_STANDARD.encode(&public));
    });
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &public);
    let token = signed_by_hand(&json!({ "alg": "HS256" }), &body, |message| {
        ring::hmac::sign(&key, message).as_ref().to_vec()
    });
    assert_eq!(gate.denied(Some(&token), None).0, ErrorCode::Unauthenticated);
}

#[test]
fn a_token_with_a_header_that_has_to_be_known_is_refused() {
    let gate = Gate::new(|_| {});
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let header = json!({ "alg": "HS256", "crit": ["once"], "once": true });
    let body = json!({ "exp": seconds() + 600 });
    let token =
        signed_by_hand(&header, &body, |message| ring::hmac::sign(&key, message).as_ref().to_vec());
    let (code, _, words) = gate.denied(Some(&token), None);
    assert_eq!(code, ErrorCode::Unauthenticated);
    assert!(words.contains("`crit`, once"), "{words}");
}

#[test]
fn an_ed25519_key_is_taken_as_pem_and_as_base64() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
    let raw = pair.public_key().as_ref();
    let spki =
        [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], raw].concat();
    let encode = |bytes: &[u8]| base64::prelude::BASE64_STANDARD.encode(bytes);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", encode(&spki));
    for key in [pem, encode(raw)] {
        let gate = Gate::new(|config| config.auth.ed25519_public_key = Some(key));
        let body = json!({ "exp": seconds() + 600, "sub": "bob" });
        let sign = |message: &[u8]| pair.sign(message).as_ref().to_vec();
        let token = signed_by_hand(&json!({ "alg": "EdDSA" }), &body, sign);
        let identity = gate.show(Some(&token), None).expect("let in");
        assert_eq!(identity.user.as_ref().map(Token::as_str), Some("bob"));
        let forged = signed_by_hand(&json!({ "alg": "EdDSA" }), &body, |_| vec![0; 64]);
        assert_eq!(gate.denied(Some(&forged), None).0, ErrorCode::Unauthenticated);
    }
}

#[test]
fn claims_that_mean_nothing_are_told() {
    let gate = Gate::new(|_| {});
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let cases = [
        (json!({ "sub": "a" }), "exp"),
        (json!({ "exp": seconds() + 9, "channels": { "a?": ["publish"] } }), "pattern"),
        (json!({ "exp": seconds() + 9, "channels": { "a": ["fly"] } }), "fly"),
        (json!({ "exp": seconds() + 9, "sub": "" }), "sub"),
    ];
    for (body, expected) in cases {
        let token = signed_by_hand(&json!({ "alg": "HS256" }), &body, |message| {
            ring::hmac::sign(&key, message).as_ref().to_vec()
        });
        let (code, _, words) = gate.denied(Some(&token), None);
        assert_eq!(code, ErrorCode::Unauthenticated);
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn an_api_key_may_do_what_it_says() {
    let file = format!(
        "[auth]\napi_keys = [\n{}\n{}\n]",
        "{ name = 'all', key = 'k-0123456789abcdef' },",
        // Of the text `secret-key`.
        "{ name = 'some', key_sha256 = '85dbe15d75ef9308c7ae0f33c7a324cc6f4bf519a2ed2f3027bd33c140a4f9aa', \
         channels = { 'chat:*' = ['publish'] } },",
    );
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("longwire.toml");
    std::fs::write(&path, file).expect("written");
    let read = Config::from_layers(Some(&path), [], &Overrides::new()).expect("sound");
    let gate = Gate::new(|config| config.auth.api_keys = read.auth.api_keys);
    let all = gate.show(Some("k-0123456789abcdef"), None).expect("let in");
    assert!(allows(&all, "anything", Action::Manage) && all.user.is_none());
    assert_eq!(all.ticket, None);
    let some = gate.show(Some("secret-key"), None).expect("let in");
    assert!(allows(&some, "chat:1", Action::Publish));
    assert!(!allows(&some, "chat:1", Action::Subscribe));
    let (code, _, words) = gate.denied(Some("k-0123456789abcdeF"), None);
    assert_eq!(code, ErrorCode::Unauthenticated);
    assert!(words.contains("[auth]"), "{words}");
}

#[test]
fn a_ticket_brings_the_identity_back_and_ends_with_its_token() {
    let gate = Gate::new(|_| {});
    let exp = seconds() + 600;
    let identity = gate.show(Some(&gate.sign(&claims(exp))), None).expect("let in");
    let ticket = identity.ticket.expect("a token gets a ticket");
    let resumed = gate.show(None, Some(&ticket)).expect("let in");
    assert_eq!(resumed.user, identity.user);
    assert_eq!(resumed.permissions, identity.permissions);
    assert_eq!(resumed.expires_at_ms, Some(exp * 1000));
    assert_eq!(resumed.ticket.as_deref(), Some(&*ticket));
}

#[test]
fn a_ticket_that_is_over_or_foreign_asks_for_a_token() {
    let gate = Gate::new(|_| {});
    let old = Ticket::new(None, seconds() - 1, 0, BTreeMap::new());
    let old = gate.configured.tickets.sign(&old);
    let foreign = Tickets::new(b"another secret of another server").sign(&Ticket::new(
        None,
        seconds() + 60,
        0,
        BTreeMap::new(),
    ));
    let token = gate.sign(&claims(seconds() + 60));
    for ticket in [&*old, &*foreign, &*token, "x"] {
        let (code, close, _) = gate.denied(None, Some(ticket));
        assert_eq!((code, close), (ErrorCode::TokenExpired, CloseCode::TOKEN_EXPIRED));
    }
}

#[test]
fn a_ticket_is_no_token() {
    let secret = Secret(SECRET.to_owned());
    let gate = Gate::new(|config| config.auth.ticket_secret = Some(secret));
    let identity = gate.show(Some(&gate.sign(&claims(seconds() + 600))), None).expect("let in");
    let ticket = identity.ticket.expect("a token gets a ticket");
    assert_eq!(gate.denied(Some(&ticket), None).0, ErrorCode::Unauthenticated);
}

#[test]
fn tickets_outlive_the_process() {
    let gate = Gate::new(|_| {});
    let identity = gate.show(Some(&gate.sign(&claims(seconds() + 600))), None).expect("let in");
    let again = Configured::new(&gate.config).expect("a sound configuration");
    assert!(again.by_ticket(&identity.ticket.expect("a ticket")).is_ok());
}

#[test]
fn who_shows_nothing_is_let_in_only_where_a_namespace_is_open() {
    let gate = Gate::new(|_| {});
    let (code, close, words) = gate.denied(None, None);
    assert_eq!((code, close), (ErrorCode::Unauthenticated, CloseCode::UNAUTHENTICATED));
    assert!(words.contains("Authorization: Bearer"), "{words}");
    let open = Gate::new(|config| {
        let mut namespace = config::NamespaceConfig::default();
        namespace.access.subscribe = Some(WhoName::Anyone);
        config.namespaces.insert("news".to_owned(), namespace);
    });
    let nobody = open.show(None, None).expect("let in");
    assert!(nobody.user.is_none() && !allows(&nobody, "news:1", Action::Publish));
}

#[test]
fn in_development_everybody_may_do_everything() {
    let credentials = Credentials { token: Some("nonsense".to_owned()), ticket: None };
    match Everybody.authorise(&credentials, unix_ms()) {
        Authorisation::Decided(Ok(identity)) => assert!(identity.permissions.administer()),
        other => panic!("{other:?}"),
    }
}
