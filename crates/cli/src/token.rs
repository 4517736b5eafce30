//! `longwire token`: makes a JSON Web Token that lets a client in, for trying and for scripts.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use longwire_channel::{ChannelPattern, Token};
use longwire_server::{
    auth::{Claims, sign_token},
    config::Action,
};
use ring::signature::Ed25519KeyPair;
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

use crate::{failure::Failure, listening, output, settings::SettingsArgs};

/// The options of `longwire token`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct TokenArgs {
    /// Whom the token is for: the `user` that others see [default: nobody in particular]
    #[arg(long, value_name = "NAME", value_parser = user)]
    user: Option<Token>,
    /// What it allows on which channels, may be repeated: subscribe, publish, history, manage
    #[arg(long, value_name = "PATTERN=ACTIONS", required = true, value_parser = permission)]
    allow: Vec<Permission>,
    /// How long it is valid, such as 90s, 15m, 1h or 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lifetime)]
    expires: Duration,
    /// PEM file with the Ed25519 private key to sign with, whose public key the server has
    /// [default: the configuration's `auth.hmac_secret`]
    #[arg(long, value_name = "FILE")]
    ed25519_key: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
}

const HELP: &str = "\
The token alone goes to stdout, and what it says to stderr. A pattern is a channel's name in which
a * stands for any text.

Examples:
  longwire token --user alice --allow 'chat:*=subscribe,publish' --expires 1h
  export LONGWIRE_TOKEN=$(longwire token --allow 'chat:*=subscribe,history')
  longwire token --allow '*=subscribe' --ed25519-key private.pem

A key pair, of which auth.ed25519_public_key is the public half:
  openssl genpkey -algorithm ed25519 -out private.pem
  openssl pkey -in private.pem -pubout";

/// Makes the token and prints it.
pub(crate) fn run(args: &TokenArgs) -> Result<(), Failure> {
    let expires = SystemTime::now() + args.expires;
    let seconds = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let sub = args.user.as_ref().map(ToString::to_string);
    let mut claims = Claims { sub, exp: seconds, ..Claims::default() };
    for Permission { pattern, actions } in &args.allow {
        let allowed = claims.channels.entry(pattern.to_string()).or_default();
        for action in actions {
            if !allowed.contains(action) {
                allowed.push(*action);
            }
        }
    }
    let (token, key) = match &args.ed25519_key {
        Some(file) => (Ed25519::read(file)?.sign(&claims), file.display().to_string()),
        None => (by_secret(args, &claims)?, "auth.hmac_secret".to_owned()),
    };
    listening::announce(&token);
    output::note(format_args!(
        "for {}, signed by {key}, until {}",
        claims.sub.as_deref().unwrap_or("anyone who has it"),
        httpdate::fmt_http_date(expires)
    ));
    for (pattern, actions) in &claims.channels {
        let names = actions.iter().map(|action| name_of(*action));
        output::note(format_args!("{pattern}: {}", names.collect::<Vec<_>>().join(", ")));
    }
    Ok(())
}

/// One `--allow`.
#[derive(Clone, Debug)]
struct Permission {
    pattern: ChannelPattern,
    actions: Vec<Action>,
}

/// Signs with the secret of the configuration.
fn by_secret(args: &TokenArgs, claims: &Claims) -> Result<String, Failure> {
    let config = args.settings.load(&[])?;
    if config.auth.hmac_secret.is_none() {
        return Err(Failure::new(format!(
            "there is no key to sign with: {} has no auth.hmac_secret. `longwire init --prod` writes \
             one; a private key is given by --ed25519-key FILE. A server in development mode needs no \
             token",
            args.settings.named()
        )));
    }
    Ok(sign_token(&config.auth, claims)?)
}

/// A private key of which the server has the public half.
struct Ed25519(Ed25519KeyPair);

impl Ed25519 {
    fn read(file: &Path) -> Result<Self, Failure> {
        let fault = |problem: &dyn fmt::Display| {
            Failure::new(format!(
                "{}: {problem}; it is made by `openssl genpkey -algorithm ed25519`",
                file.display()
            ))
        };
        let pem = fs::read(file).map_err(|error| fault(&error))?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem)
            .map_err(|error| fault(&format_args!("there is no PEM private key in it: {error}")))?;
        // Most tools write the key without its public half.
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
            .map(Self)
            .map_err(|error| fault(&format_args!("it is no Ed25519 private key: {error}")))
    }

    fn sign(&self, claims: &Claims) -> String {
        let claims = serde_json::to_vec(claims).expect("texts and numbers have a form in JSON");
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

fn permission(text: &str) -> Result<Permission, String> {
    let (pattern, names) = text
        .rsplit_once('=')
        .ok_or("write the channels, a =, and the actions, as in 'chat:*=subscribe,publish'")?;
    let pattern = ChannelPattern::new(pattern).map_err(|error| error.to_string())?;
    let actions = names.split(',').map(|name| {
        let found = ACTIONS.iter().find(|(known, _)| *known == name.trim());
        found.map(|(_, action)| *action).ok_or_else(|| {
            let known: Vec<_> = ACTIONS.iter().map(|(known, _)| *known).collect();
            format!("`{name}` is no action; these are {}", known.join(", "))
        })
    });
    Ok(Permission { pattern, actions: actions.collect::<Result<_, _>>()? })
}

fn name_of(action: Action) -> &'static str {
    let known = ACTIONS.iter().find(|(_, known)| *known == action);
    known.map_or("something else", |(name, _)| name)
}

fn user(text: &str) -> Result<Token, String> {
    Token::new(text).map_err(|error| error.to_string())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if (LIFETIME_MIN..=LIFETIME_MAX).contains(&time) => Ok(time),
        _ => Err("it is a time from 1s to 3650d, such as 90s, 15m, 1h or 7d".to_owned()),
    }
}

const ACTIONS: &[(&str, Action)] = &[
    ("subscribe", Action::Subscribe),
    ("publish", Action::Publish),
    ("history", Action::History),
    ("manage", Action::Manage),
];

const LIFETIME_MIN: Duration = Duration::from_secs(1);
const LIFETIME_MAX: Duration = Duration::from_hours(24 * 3650);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_a_pattern_and_known_actions() {
        let permission_of = |text| permission(text).map(|found| found.actions);
        assert_eq!(
            permission_of("chat:*=subscribe,publish"),
            Ok(vec![Action::Subscribe, Action::Publish])
        );
        for (bad, expected) in [
            ("chat:*", "write the channels"),
            ("chat:*=", "`` is no action"),
            ("chat:*=read", "subscribe, publish, history, manage"),
            ("=publish", "pattern"),
        ] {
            let words = permission_of(bad).expect_err(bad);
            assert!(words.contains(expected), "{bad}: {words}");
        }
    }

    #[test]
    fn a_lifetime_has_its_unit_and_an_end() {
        assert_eq!(lifetime("1h"), Ok(Duration::from_hours(1)));
        for bad in ["", "0s", "60", "never", "11y"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
