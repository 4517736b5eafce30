//! Resume tickets: what a token said, signed by the server, so that a client comes back without asking anybody.

use std::{collections::BTreeMap, fs, io, path::Path};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::{
    crypto,
    tokens::{BadToken, bad_token},
};
use crate::{config::Action, storage::make_folder};

/// Signs tickets, and knows its own.
pub(super) struct Tickets {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
}

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// What it is for.
    aud: String,
    /// When it ends: seconds since 1970.
    pub(super) exp: u64,
    /// When the token ends that it came from: milliseconds since 1970.
    pub(super) until: u64,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
    /// What it allows.
    pub(super) channels: BTreeMap<String, Vec<Action>>,
}

impl Ticket {
    pub(super) fn new(
        sub: Option<String>,
        exp: u64,
        until: u64,
        channels: BTreeMap<String, Vec<Action>>,
    ) -> Self {
        Self { aud: AUDIENCE.to_owned(), exp, until, sub, channels }
    }
}

impl Tickets {
    pub(super) fn new(secret: &[u8]) -> Self {
        crypto::install();
        // A key of its own, so that no token passes for a ticket, and no ticket for a token, where both have one secret.
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), AUDIENCE.as_bytes());
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        validation.leeway = 0;
        Self {
            signing: EncodingKey::from_secret(key.as_ref()),
            checking: DecodingKey::from_secret(key.as_ref()),
            validation,
        }
    }

    pub(super) fn sign(&self, ticket: &Ticket) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), ticket, &self.signing)
            .expect("a ticket is a map with texts as keys, and HS256 signs with any secret")
    }

    pub(super) fn read(&self, text: &str) -> Result<Ticket, BadToken> {
        jsonwebtoken::decode(text, &self.checking, &self.validation)
            .map(|token| token.claims)
            .map_err(|error| bad_token(&error))
    }
}

/// The secret in the data folder; made at the first start, so that tickets outlive the process.
pub(super) fn kept_secret(data: &Path) -> io::Result<Vec<u8>> {
    let path = data.join(SECRET_FILE);
    match fs::read(&path) {
        Ok(secret) if secret.len() >= SECRET_LEN => return Ok(secret),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let secret = rand::random::<[u8; SECRET_LEN]>();
    make_folder(data)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(&path)?, &secret)?;
    Ok(secret.to_vec())
}

const AUDIENCE: &str = "longwire-ticket";
const SECRET_FILE: &str = "ticket-secret";
const SECRET_LEN: usize = 32;
