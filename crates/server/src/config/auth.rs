//! Who may come in: API keys, and the keys that sign clients' tokens.

use std::collections::BTreeMap;

use longwire_channel::ChannelPattern;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Secret, Span};

/// The section `[auth]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AuthConfig {
    /// Keys of the application's own servers. Default: none.
    pub api_keys: Vec<ApiKey>,
    /// What clients' JSON Web Tokens with HS256 are signed with; at least 32 bytes. Default: none is accepted.
    pub hmac_secret: Option<Secret>,
    /// The key for tokens with `EdDSA`: PEM, or the base64 of its 32 bytes. Default: none is accepted.
    pub ed25519_public_key: Option<String>,
    /// How far clocks may be apart: a token counts from so much before `nbf` to so much behind `exp`. Default: 30 s.
    pub leeway: Span,
    /// How long a resume ticket is good for, and never longer than the token it came from. Default: 1 h.
    pub ticket_ttl: Span,
    /// What resume tickets are signed with; at least 32 bytes. Servers that share it accept each other's tickets.
    /// Default: a secret made at the first start and kept in the data folder.
    pub ticket_secret: Option<Secret>,
}

/// A key of the HTTP API. The channels' access rules of namespaces do not bind it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiKey {
    /// What logs call it.
    pub name: String,
    /// The key; at least 16 bytes. This or `key_sha256`.
    pub key: Option<Secret>,
    /// The SHA-256 of the key, as 64 hexadecimal digits, so that the file holds no secret.
    pub key_sha256: Option<String>,
    /// What it may do, by pattern. Default: everything.
    pub channels: Option<BTreeMap<String, Vec<Action>>>,
}

/// Something that a key or token may do in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// Read what is published, from anywhere in the stream.
    Subscribe,
    /// Publish.
    Publish,
    /// Read what is kept without subscribing.
    History,
    /// End and delete streams, list channels, see and end connections.
    Manage,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            api_keys: Vec::new(),
            hmac_secret: None,
            ed25519_public_key: None,
            leeway: Span::seconds(30),
            ticket_ttl: Span::seconds(3600),
            ticket_secret: None,
        }
    }
}

impl AuthConfig {
    /// Whether anybody can prove who they are.
    pub fn has_credentials(&self) -> bool {
        !self.api_keys.is_empty() || self.accepts_tokens()
    }

    /// Whether clients' tokens are accepted.
    pub fn accepts_tokens(&self) -> bool {
        self.hmac_secret.is_some() || self.ed25519_public_key.is_some()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, secret) in
            [("hmac_secret", &self.hmac_secret), ("ticket_secret", &self.ticket_secret)]
        {
            if secret.as_ref().is_some_and(|secret| secret.0.len() < SECRET_MIN) {
                return Err(ConfigError::invalid(
                    format!("auth.{key}"),
                    format!(
                        "it has fewer than {SECRET_MIN} bytes, which can be guessed: take the output \
                         of `openssl rand -hex 32`"
                    ),
                ));
            }
        }
        for (number, key) in self.api_keys.iter().enumerate() {
            key.check(&format!("auth.api_keys.{number}"))?;
        }
        Ok(())
    }
}

impl ApiKey {
    fn check(&self, place: &str) -> Result<(), ConfigError> {
        match (&self.key, &self.key_sha256) {
            (Some(key), None) if key.0.len() < KEY_MIN => {
                return Err(ConfigError::invalid(
                    format!("{place}.key"),
                    format!(
                        "it has fewer than {KEY_MIN} bytes, which can be guessed: take the output of \
                         `openssl rand -hex 24`"
                    ),
                ));
            }
            (None, Some(digest)) if !is_sha256(digest) => {
                return Err(ConfigError::invalid(
                    format!("{place}.key_sha256"),
                    "it is no SHA-256: write the 64 hexadecimal digits that \
                     `printf %s KEY | sha256sum` prints",
                ));
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(ConfigError::invalid(
                    place,
                    "it needs either `key` or `key_sha256`, and not both",
                ));
            }
            _ => {}
        }
        for pattern in self.channels.iter().flat_map(BTreeMap::keys) {
            if let Err(error) = ChannelPattern::new(pattern) {
                let key = format!("{place}.channels.{pattern}");
                return Err(ConfigError::invalid(key, error.to_string()));
            }
        }
        Ok(())
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// As many bytes as the hash of HS256 has (RFC 7518 section 3.2).
const SECRET_MIN: usize = 32;

/// 64 bits, if every digit is hexadecimal.
const KEY_MIN: usize = 16;
