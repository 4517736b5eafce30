//! The HTTP API: its routes, and what holds for all of them.

mod answer;
mod body;
mod caller;
mod channels;
mod connections;
mod development;
mod events;
mod files;
mod health;
mod json;
mod publish;
mod rate;
mod sockets;

use std::sync::Arc;

use axum::{
    Router,
    extract::{MatchedPath, Query, Request, State},
    handler::Handler,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{self, MethodFilter, MethodRouter},
};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use longwire_channel::{ErrorCode, Refusal};
use serde::de::DeserializeOwned;
use tracing::debug;

use self::answer::Problem;
pub(crate) use self::{
    answer::{refusal_json, refusal_response},
    body::BATCH_MAX,
    rate::{PublishRate, network},
};
use crate::{app::App, origins};

/// One route. The `OpenAPI` document has the same ones, which a test checks.
struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test that reads the document"))]
    method: MethodFilter,
    path: &'static str,
    handler: MethodRouter<Arc<App>>,
}

/// All routes of a server, those of development mode only where it is on.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    let more = if app.development.is_some() { development_routes() } else { Vec::new() };
    for route in routes().into_iter().chain(more) {
        router = router.route(route.path, route.handler);
    }
    router
        .fallback(async |uri: Uri| Problem(no_such_path(uri.path())))
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .layer(middleware::from_fn_with_state(app.clone(), count))
        .with_state(app.clone())
}

/// The routes that are always there.
fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/healthz", health::healthz),
        route(MethodFilter::GET, "/readyz", health::readyz),
        route(MethodFilter::GET, "/metrics", health::metrics),
        route(MethodFilter::GET, "/openapi.json", files::openapi),
        route(MethodFilter::GET, "/longwire.js", files::sdk),
        route(MethodFilter::GET, "/v1/connect", sockets::connect),
        route(MethodFilter::GET, "/v1/channels", channels::list),
        route(MethodFilter::GET, "/v1/channels/{channel}", channels::info),
        route(MethodFilter::DELETE, "/v1/channels/{channel}", channels::remove),
        route(MethodFilter::POST, "/v1/channels/{channel}/messages", publish::publish),
        route(MethodFilter::GET, "/v1/channels/{channel}/messages", channels::history),
        route(MethodFilter::POST, "/v1/channels/{channel}/end", channels::end),
        route(MethodFilter::GET, "/v1/channels/{channel}/events", events::events),
        route(MethodFilter::GET, "/v1/channels/{channel}/socket", sockets::content),
        route(MethodFilter::POST, "/v1/batch", publish::batch),
        route(MethodFilter::POST, "/v1/broadcast", publish::broadcast),
        route(MethodFilter::GET, "/v1/connections", connections::list),
        route(MethodFilter::DELETE, "/v1/connections/{session}", connections::disconnect),
        route(MethodFilter::DELETE, "/v1/users/{user}/connections", connections::disconnect_user),
    ]
}

/// What development mode adds.
fn development_routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/", files::console),
        route(MethodFilter::GET, "/console/{name}", files::console_file),
        route(MethodFilter::GET, "/dev/info", development::info),
        route(MethodFilter::POST, "/dev/kill", development::kill),
        route(MethodFilter::POST, "/dev/cut", development::cut),
        route(MethodFilter::POST, "/dev/answer", development::answer),
    ]
}

fn route<H, T>(method: MethodFilter, path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    Route { method, path, handler: routing::on(method, handler) }
}

/// Lets in what the phase and the origin allow, and answers browsers' questions about origins.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if OF_OPERATORS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    if let Err(foreign) = app.origins.check(request.uri(), request.headers()) {
        return Problem(Refusal::new(ErrorCode::Forbidden, foreign.words())).into_response();
    }
    if let Err(refusal) = app.admit() {
        return Problem(refusal).into_response();
    }
    // What was checked above is text.
    let origin = origins::origin(request.headers()).map(str::to_owned);
    let mut response = if origin.is_some() && request.method() == Method::OPTIONS {
        preflight()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(&origin).ok()) {
        headers.entry(header::ACCESS_CONTROL_ALLOW_ORIGIN).or_insert(origin);
        headers
            .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }
    response
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Longwire-Event",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Counts answers, and logs them.
async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    let response = next.run(request).await;
    let status = response.status().as_u16();
    app.metrics.answered(method, route, status);
    debug!(method, route, status, "a request was answered");
    response
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let words =
        format!("{method} is not possible at {}: GET /openapi.json has what is", uri.path());
    let mut response = Problem(Refusal::new(ErrorCode::BadRequest, words)).into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

/// The refusal of a path that is not there.
pub(crate) fn no_such_path(path: &str) -> Refusal {
    let words = format!("there is no {path} here: GET /openapi.json lists what there is");
    Refusal::new(ErrorCode::NotFound, words)
}

/// The query of an address.
pub(crate) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    Query::try_from_uri(uri).map(|Query(query)| query).map_err(|error| {
        let words = format!("the query of the address cannot be read: {}", error.body_text());
        Refusal::new(ErrorCode::BadRequest, words)
    })
}

/// For those who watch the server: from anywhere, in every phase.
const OF_OPERATORS: &[&str] = &["/healthz", "/readyz", "/metrics"];

#[cfg(test)]
mod tests;
