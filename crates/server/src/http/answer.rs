//! Answers of the HTTP API: JSON, and refusals with their status.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use longwire_channel::{ErrorCode, Refusal};
use serde_json::{Map, Value, json};

/// A refusal as an answer: `{"error": {"code", "message", "temporary", "retry_after_ms"}}` with the code's status.
#[derive(Debug)]
pub(super) struct Problem(pub(super) Refusal);

/// An answer in JSON.
#[derive(Debug)]
pub(super) struct Json(pub(super) Value);

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        refusal_response(&self.0).map(Body::from)
    }
}

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        json_response(self.0.to_string())
    }
}

/// An answer whose JSON is written already. It ends its line, so that a terminal's prompt stands on the next.
pub(super) fn json_response(mut text: String) -> Response {
    text.push('\n');
    ([(header::CONTENT_TYPE, JSON)], text).into_response()
}

/// Bad input, in words.
pub(super) fn bad_request(words: impl Into<String>) -> Problem {
    Problem(Refusal::new(ErrorCode::BadRequest, words))
}

/// A refusal as an HTTP response.
pub(crate) fn refusal_response(refusal: &Refusal) -> http::Response<String> {
    let body = json!({ "error": refusal_json(refusal) });
    let mut response = http::Response::new(format!("{body}\n"));
    *response.status_mut() =
        StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    if let Some(milliseconds) = refusal.retry_after_ms {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(milliseconds.div_ceil(1000)));
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// A refusal as the protocol has it.
pub(crate) fn refusal_json(refusal: &Refusal) -> Value {
    let mut error = Map::new();
    error.insert("code".to_owned(), refusal.code.name().into());
    error.insert("message".to_owned(), refusal.message.clone().into());
    error.insert("temporary".to_owned(), refusal.code.is_temporary().into());
    if let Some(milliseconds) = refusal.retry_after_ms {
        error.insert("retry_after_ms".to_owned(), milliseconds.into());
    }
    Value::Object(error)
}

const JSON: &str = "application/json";
