//! API keys: known by their SHA-256, compared in constant time.

use longwire_hub::Permissions;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::claims;
use crate::config::{self, ConfigError};

/// The keys of a configuration.
#[derive(Debug)]
pub(super) struct ApiKeys(Vec<ApiKey>);

#[derive(Debug)]
pub(super) struct ApiKey {
    pub(super) name: String,
    pub(super) permissions: Permissions,
    digest: [u8; 32],
}

impl ApiKeys {
    pub(super) fn new(keys: &[config::ApiKey]) -> Result<Self, ConfigError> {
        let keys = keys.iter().enumerate().map(|(number, key)| {
            let digest = match (&key.key, &key.key_sha256) {
                (Some(key), _) => Some(Sha256::digest(&key.0).into()),
                (None, Some(digits)) => from_hexadecimal(digits),
                (None, None) => None,
            };
            let place = format!("auth.api_keys.{number}");
            let digest = digest.ok_or_else(|| {
                ConfigError::invalid(&*place, "it needs a `key`, or the `key_sha256` of one")
            })?;
            let permissions = match &key.channels {
                None => Permissions::all(),
                Some(channels) => claims::permissions(channels).map_err(|error| {
                    ConfigError::invalid(format!("{place}.channels"), error.to_string())
                })?,
            };
            Ok(ApiKey { name: key.name.clone(), permissions, digest })
        });
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// The key with this text. Takes the same time whichever it is, and whether it is one.
    pub(super) fn find(&self, text: &str) -> Option<&ApiKey> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let mut found = None;
        for key in &self.0 {
            if bool::from(key.digest.ct_eq(&digest)) {
                found = Some(key);
            }
        }
        found
    }
}

fn from_hexadecimal(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}
