//! Who somebody is, and what they may do: API keys, clients' tokens and resume tickets.
//!
//! [`Authoriser`] is the seam: whatever else can tell who somebody is implements it.

mod claims;
mod crypto;
mod keys;
mod tickets;
mod tokens;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use longwire_channel::{CloseCode, ErrorCode, Refusal, Token};
use longwire_hub::{Credentials, Denied, Identity, Permissions};
use tokio::time::timeout;

pub use self::{claims::Claims, tokens::sign_token};
use self::{
    keys::ApiKeys,
    tickets::{Ticket, Tickets},
    tokens::{BadToken, TokenKeys},
};
use crate::{
    config::{Config, WhoName},
    error::StartError,
};

/// Tells who somebody is by what they present.
pub trait Authoriser: Send + Sync + 'static {
    /// Who it is, at this time in milliseconds since 1970. Runs in a task: what waits or blocks belongs into
    /// [`Authorisation::Pending`].
    fn authorise(&self, credentials: &Credentials, unix_ms: u64) -> Authorisation;
}

/// What an [`Authoriser`] says.
#[allow(clippy::exhaustive_enums, reason = "it is known, or it is not yet")]
pub enum Authorisation {
    /// It is known at once.
    Decided(Result<Identity, Denied>),
    /// Somebody else has to be asked. After `limits.connect_timeout` the answer is not waited for any more, and the future
    /// is dropped; so it is when the client leaves before.
    Pending(Pin<Box<dyn Future<Output = Result<Identity, Denied>> + Send>>),
}

/// What the configuration's section `[auth]` asks for.
pub(crate) struct Configured {
    keys: ApiKeys,
    tokens: TokenKeys,
    tickets: Tickets,
    ticket_ttl_s: u64,
    leeway_s: u64,
    /// Whether a namespace lets people in that present nothing.
    open: bool,
}

/// Everybody may do everything: development mode.
#[derive(Debug)]
pub(crate) struct Everybody;

impl Authorisation {
    /// Waits for what it says, at most so long.
    pub(crate) async fn decide(self, limit: Duration) -> Result<Identity, Denied> {
        match self {
            Self::Decided(outcome) => outcome,
            Self::Pending(outcome) => timeout(limit, outcome).await.unwrap_or_else(|_| {
                let words = format!(
                    "who this is was not known after {limit:?}: try again later; whoever runs the server \
                     looks at what it asks"
                );
                Err(Denied {
                    close: CloseCode::OVERLOADED,
                    refusal: Refusal::new(ErrorCode::Unavailable, words),
                })
            }),
        }
    }
}

impl fmt::Debug for Authorisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decided(Ok(_)) => "Authorisation::Decided(Ok)",
            Self::Decided(Err(_)) => "Authorisation::Decided(Err)",
            Self::Pending(_) => "Authorisation::Pending",
        })
    }
}

impl Authoriser for Everybody {
    fn authorise(&self, _: &Credentials, _: u64) -> Authorisation {
        Authorisation::Decided(Ok(Identity::nameless(Permissions::all())))
    }
}

impl Authoriser for Configured {
    fn authorise(&self, credentials: &Credentials, unix_ms: u64) -> Authorisation {
        let outcome = match (&credentials.token, &credentials.ticket) {
            (Some(token), _) => self.by_token(token, unix_ms),
            (None, Some(ticket)) => self.by_ticket(ticket),
            (None, None) => self.anonymous(),
        };
        Authorisation::Decided(outcome)
    }
}

impl Configured {
    /// Reads keys; makes the secret of tickets in the data folder, where none is configured.
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        let secret = match &config.auth.ticket_secret {
            Some(secret) => secret.0.clone().into_bytes(),
            None => tickets::kept_secret(&config.data)
                .map_err(|error| StartError::Data { folder: config.data.clone(), error })?,
        };
        Ok(Self {
            keys: ApiKeys::new(&config.auth.api_keys)?,
            tokens: TokenKeys::new(&config.auth)?,
            tickets: Tickets::new(&secret),
            ticket_ttl_s: config.auth.ticket_ttl.0.as_secs(),
            leeway_s: config.auth.leeway.0.as_secs(),
            open: lets_anyone_in(config),
        })
    }

    fn by_token(&self, token: &str, unix_ms: u64) -> Result<Identity, Denied> {
        if let Some(key) = self.keys.find(token) {
            tracing::trace!(key = key.name, "an API key");
            return Ok(Identity::nameless(key.permissions.clone()));
        }
        if token.matches('.').count() != 2 {
            return Err(unauthenticated(
                "the key is not known here, and it is no JSON Web Token: use a key of `[auth]`, or a \
                 token signed with its secret",
            ));
        }
        let claims = self.tokens.read(token).map_err(|bad| match bad {
            BadToken::Expired => expired("the token has expired: take a fresh one"),
            BadToken::Invalid(words) => unauthenticated(words),
        })?;
        self.identity(claims, unix_ms)
    }

    fn identity(&self, claims: Claims, unix_ms: u64) -> Result<Identity, Denied> {
        let permissions = claims::permissions(&claims.channels)
            .map_err(|error| unauthenticated(format!("the token's `channels`: {error}")))?;
        let user = user(claims.sub.as_deref())?;
        // One that is over by this clock was let in since the clock that it was signed by may be behind.
        let is_over = claims.exp <= unix_ms / 1000;
        let end = claims.exp.saturating_add(if is_over { self.leeway_s } else { 0 });
        let until = end.saturating_mul(1000);
        let exp = end.min((unix_ms / 1000).saturating_add(self.ticket_ttl_s));
        let ticket = Ticket::new(claims.sub, exp, until, claims.channels);
        Ok(Identity {
            user,
            permissions,
            expires_at_ms: Some(until),
            ticket: Some(self.tickets.sign(&ticket)),
        })
    }

    /// A ticket gives itself again: it ends when it ends, however often it is used.
    fn by_ticket(&self, text: &str) -> Result<Identity, Denied> {
        let ticket = self.tickets.read(text).map_err(|bad| match bad {
            BadToken::Expired => expired("the resume ticket has expired: connect with a token"),
            BadToken::Invalid(_) => {
                expired("the resume ticket is not of this server: connect with a token")
            }
        })?;
        let permissions = claims::permissions(&ticket.channels)
            .map_err(|error| unauthenticated(error.to_string()))?;
        Ok(Identity {
            user: user(ticket.sub.as_deref())?,
            permissions,
            expires_at_ms: Some(ticket.until),
            ticket: Some(text.to_owned()),
        })
    }

    fn anonymous(&self) -> Result<Identity, Denied> {
        if self.open {
            return Ok(Identity::nameless(Permissions::none()));
        }
        Err(unauthenticated(
            "there is no token: give one as `Authorization: Bearer TOKEN`, as `?token=TOKEN`, or in \
             `connect`",
        ))
    }
}

/// Whether a namespace has something that anyone may do.
fn lets_anyone_in(config: &Config) -> bool {
    config.namespaces.values().any(|namespace| {
        let access = &namespace.access;
        [access.subscribe, access.publish, access.history].contains(&Some(WhoName::Anyone))
    })
}

fn user(sub: Option<&str>) -> Result<Option<Token>, Denied> {
    let user = sub.map(Token::new).transpose();
    user.map_err(|error| unauthenticated(format!("the token's `sub` is no user: {error}")))
}

fn unauthenticated(words: impl Into<String>) -> Denied {
    Denied {
        close: CloseCode::UNAUTHENTICATED,
        refusal: Refusal::new(ErrorCode::Unauthenticated, words),
    }
}

/// An authoriser that panicked.
pub(crate) fn failed() -> Denied {
    let words =
        "who this is could not be found out: this is a fault of the server, please report it";
    Denied { close: CloseCode::INTERNAL, refusal: Refusal::new(ErrorCode::Internal, words) }
}

fn expired(words: &str) -> Denied {
    Denied {
        close: CloseCode::TOKEN_EXPIRED,
        refusal: Refusal::new(ErrorCode::TokenExpired, words),
    }
}

#[cfg(test)]
mod tests;
