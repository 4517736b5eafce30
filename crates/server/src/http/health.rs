//! For those who watch the server.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use longwire_channel::{ErrorCode, Refusal};
use serde_json::json;

use super::answer::{Json, Problem};
use crate::{
    app::{App, Phase},
    node::NodeHandle,
    upgrade::bearer,
};

/// `GET /healthz`: the process lives.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether to send clients here.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let failed = app.node_if_ready().is_some_and(NodeHandle::log_has_failed);
    let status = match app.phase() {
        Phase::Ready if failed => "the log has failed: check the disk and start the server again",
        Phase::Ready => return Json(json!({ "status": "ready" })).into_response(),
        phase => phase.name(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": status }))).into_response()
}

/// `GET /metrics`
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if app.development.is_none() && !app.config.metrics.open {
        check_key(&app, &headers).await?;
    }
    let snapshot = match app.node_if_ready() {
        Some(node) => node.inspect().await,
        None => None,
    };
    let text = app.metrics.text(snapshot, app.phase().name());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Lets in API keys, whatever they may do otherwise, and tokens that may manage everything: what is measured tells how much
/// goes on, and measuring costs the more the more sessions there are.
async fn check_key(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let token = bearer(headers).ok_or_else(needs_key)?;
    if app.node_if_ready().is_none() {
        // Nobody can be known yet.
        app.admit()?;
    }
    let identity = app.authorise(Some(token)).await.map_err(|denied| denied.refusal)?;
    let is_key = identity.user.is_none() && identity.expires_at_ms.is_none();
    if is_key || identity.permissions.administer() {
        return Ok(());
    }
    let words = "the token may not see what is measured: show an API key, or a token with \"manage\" \
                 for \"*\"";
    Err(Problem(Refusal::new(ErrorCode::Forbidden, words)))
}

fn needs_key() -> Problem {
    let words = "what is measured is for those with an API key: send `Authorization: Bearer KEY`, or set \
                 `metrics.open = true` where nobody else reaches this port";
    Problem(Refusal::new(ErrorCode::Unauthenticated, words))
}
