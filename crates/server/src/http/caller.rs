//! Who asks, and about which channel.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::extract::{ConnectInfo, FromRequestParts, Path};
use http::request::Parts;
use longwire_channel::{ChannelName, ErrorCode, Refusal};
use longwire_hub::{Answer, Identity, Operation, Permissions};
use serde::Deserialize;
use tokio::time::timeout;
use tracing::debug;

use super::{
    answer::{Problem, bad_request},
    query,
    rate::Client,
};
use crate::{app::App, upgrade::bearer};

/// Whoever asks, by `Authorization: Bearer TOKEN` or `?token=TOKEN`.
pub(super) struct Caller {
    app: Arc<App>,
    address: IpAddr,
    pub(super) identity: Identity,
}

/// What the address names: a session, a user.
pub(super) struct Named(pub(super) String);

/// The channel in the address.
pub(super) struct Channel(pub(super) ChannelName);

impl Caller {
    /// Counts publications, unless the caller is the application itself, or this is development mode.
    pub(super) fn admit(&self, publications: usize) -> Result<(), Problem> {
        let Identity { user, permissions, expires_at_ms, .. } = &self.identity;
        let is_key = expires_at_ms.is_none() && *permissions != Permissions::none();
        if is_key && user.is_none() {
            return Ok(());
        }
        let client = user.clone().map_or_else(|| Client::at(self.address), Client::User);
        self.app.publish_rate.admit(&client, publications).map_err(Problem)
    }

    /// Asks the hub.
    pub(super) async fn ask(self, operation: Operation) -> Result<Answer, Problem> {
        let limit = self.app.config.limits.request_timeout.0;
        match timeout(limit, self.app.node().request(self.identity, operation)).await {
            Ok(outcome) => outcome.map_err(Problem),
            Err(_) => Err(Problem(no_answer(limit))),
        }
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
        }
        let token = match bearer(&parts.headers) {
            Some(token) => Some(token),
            None => query::<Token>(&parts.uri)?.token,
        };
        let identity = app.authorise(token).await.map_err(|denied| {
            debug!(refusal = %denied.refusal, "a request was not let in");
            Problem(denied.refusal)
        })?;
        let peer: Option<&ConnectInfo<SocketAddr>> = parts.extensions.get();
        let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        Ok(Self { app: app.clone(), address, identity })
    }
}

impl FromRequestParts<Arc<App>> for Channel {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Named(name) = Named::from_request_parts(parts, app).await?;
        ChannelName::new(&name).map(Self).map_err(|error| bad_request(error.to_string()))
    }
}

impl FromRequestParts<Arc<App>> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let name = Path::<String>::from_request_parts(parts, app).await;
        name.map(|Path(name)| Self(name))
            .map_err(|error| bad_request(format!("the address: {}", error.body_text())))
    }
}

/// An operation that was answered by something else than its answer.
pub(super) fn unexpected() -> Problem {
    let words =
        "the hub's answer is of another kind: this is a fault of the server, please report it";
    Problem(Refusal::new(ErrorCode::Internal, words))
}

/// The refusal of what took too long.
pub(super) fn no_answer(limit: Duration) -> Refusal {
    let words = format!(
        "there is no answer after {limit:?}: ask again; what was to be changed may still be, and what \
         is published again with the same Idempotency-Key is stored once"
    );
    Refusal::new(ErrorCode::Unavailable, words)
}
