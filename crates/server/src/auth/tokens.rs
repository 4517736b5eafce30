//! Clients' tokens: JSON Web Tokens (RFC 7519) with HS256 or `EdDSA`.

use base64::{Engine, prelude::BASE64_STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};

use super::{Claims, crypto};
use crate::config::{AuthConfig, ConfigError};

/// The keys that tokens are checked with.
pub(super) struct TokenKeys {
    hmac: Option<DecodingKey>,
    ed25519: Option<DecodingKey>,
    leeway: u64,
}

/// Why a text is no token that counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadToken {
    /// It would have counted before.
    Expired,
    /// Anything else, with its cause and cure.
    Invalid(String),
}

impl TokenKeys {
    pub(super) fn new(config: &AuthConfig) -> Result<Self, ConfigError> {
        crypto::install();
        let hmac = config.hmac_secret.as_ref();
        let ed25519 = config.ed25519_public_key.as_deref().map(ed25519_key).transpose()?;
        Ok(Self {
            hmac: hmac.map(|secret| DecodingKey::from_secret(secret.0.as_bytes())),
            ed25519: ed25519.map(|key| DecodingKey::from_ed_der(&key)),
            leeway: config.leeway.0.as_secs(),
        })
    }

    /// What a token says, once its signature and its times are right.
    pub(super) fn read(&self, token: &str) -> Result<Claims, BadToken> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| {
            BadToken::Invalid(format!("the token is no JSON Web Token: {error}"))
        })?;
        if let Some(names) = header.crit {
            // Whoever does not know them must not take the token (RFC 7515 section 4.1.11).
            let words = format!(
                "the token's header has `crit`, {}, which nothing here knows: sign without it",
                names.join(", ")
            );
            return Err(BadToken::Invalid(words));
        }
        let algorithm = header.alg;
        let key = match algorithm {
            Algorithm::HS256 => self.hmac.as_ref().ok_or("HS256 needs `auth.hmac_secret`"),
            Algorithm::EdDSA => {
                self.ed25519.as_ref().ok_or("EdDSA needs `auth.ed25519_public_key`")
            }
            _ => Err("sign tokens by HS256 or EdDSA"),
        };
        let key = key.map_err(|cure| {
            let words =
                format!("the token is signed by {algorithm:?}, which is not accepted here: {cure}");
            BadToken::Invalid(words)
        })?;
        let mut validation = Validation::new(algorithm);
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.leeway = self.leeway;
        jsonwebtoken::decode(token, key, &validation)
            .map(|token| token.claims)
            .map_err(|error| bad_token(&error))
    }
}

/// Signs a token with `auth.hmac_secret`, as `longwire token` and tests do.
pub fn sign_token(config: &AuthConfig, claims: &Claims) -> Result<String, ConfigError> {
    crypto::install();
    let secret = config.hmac_secret.as_ref().ok_or_else(|| {
        ConfigError::invalid(
            "auth.hmac_secret",
            "it is not set, and tokens are signed with it: add the output of `openssl rand -hex 32`",
        )
    })?;
    Ok(sign(secret.0.as_bytes(), claims))
}

/// A token with HS256.
pub(super) fn sign(secret: &[u8], claims: &Claims) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
        .expect("claims are maps with texts as keys, and HS256 signs with any secret")
}

pub(super) fn bad_token(error: &jsonwebtoken::errors::Error) -> BadToken {
    match error.kind() {
        ErrorKind::ExpiredSignature => BadToken::Expired,
        ErrorKind::ImmatureSignature => BadToken::Invalid(
            "the token counts only later, by its `nbf`: compare the clocks of both machines"
                .to_owned(),
        ),
        ErrorKind::InvalidSignature => BadToken::Invalid(
            "the token's signature does not fit the key of this server: sign it with the key of \
             `[auth]`"
                .to_owned(),
        ),
        ErrorKind::MissingRequiredClaim(claim) => {
            BadToken::Invalid(format!("the token has no `{claim}`: add it when it is signed"))
        }
        ErrorKind::Json(error) => {
            BadToken::Invalid(format!("the token's claims cannot be read: {error}"))
        }
        _ => BadToken::Invalid(format!("the token is not valid: {error}")),
    }
}

/// The 32 bytes of a public key.
fn ed25519_key(text: &str) -> Result<Vec<u8>, ConfigError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let base64: String = lines.collect();
    let bytes = BASE64_STANDARD.decode(base64).unwrap_or_default();
    let key = bytes.strip_prefix(SPKI_ED25519).unwrap_or(&bytes);
    if key.len() != 32 {
        return Err(ConfigError::invalid(
            "auth.ed25519_public_key",
            "it is no Ed25519 public key: write the PEM that `openssl pkey -in KEY.pem -pubout` \
             prints, or the base64 of the key's 32 bytes",
        ));
    }
    Ok(key.to_vec())
}

/// What stands before the key in its `SubjectPublicKeyInfo` (RFC 8410 section 4).
const SPKI_ED25519: &[u8] =
    &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
