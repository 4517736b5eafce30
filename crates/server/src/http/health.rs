//! For those who watch the server.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde_json::json;

use super::answer::Json;
use crate::{
    app::{App, Phase},
    node::NodeHandle,
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
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let snapshot = match app.node_if_ready() {
        Some(node) => node.inspect().await,
        None => None,
    };
    let text = app.metrics.text(snapshot, app.phase().name());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
