//! Files that the server carries: the console, the SDK for browsers, the `OpenAPI` document.

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};

use super::{answer::Problem, no_such_path};

/// `GET /openapi.json`
pub(super) async fn openapi() -> Response {
    file("openapi.json", OPENAPI.as_bytes())
}

/// `GET /longwire.js`: for pages anywhere.
pub(super) async fn sdk() -> Response {
    let mut response = file("longwire.js", SDK.as_bytes());
    // A page of another origin needs this to load it as a module.
    let any = HeaderValue::from_static("*");
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    response
}

/// `GET /`: the console.
pub(super) async fn console() -> Result<Response, Problem> {
    console_file(Path("index.html".to_owned())).await
}

/// `GET /console/{name}`
pub(super) async fn console_file(Path(name): Path<String>) -> Result<Response, Problem> {
    let known = CONSOLE.iter().find(|(known, _)| *known == name);
    let (name, bytes) = known.ok_or_else(|| Problem(no_such_path(&format!("/console/{name}"))))?;
    let mut response = file(name, bytes);
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

fn file(name: &str, bytes: &'static [u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type(name)),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, bytes).into_response()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml; charset=utf-8",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// The contract of the HTTP API.
pub(crate) const OPENAPI: &str = include_str!("../../assets/openapi.json");

/// The built SDK.
const SDK: &str = include_str!("../../assets/longwire.js");

// The build script lists what lies in the folder `console`.
include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// Nothing from elsewhere runs or shows; sockets may go where a page was told to connect to.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_console_has_its_type() {
        for (name, bytes) in CONSOLE {
            assert_ne!(content_type(name), "application/octet-stream", "{name}");
            assert!(!bytes.is_empty(), "{name}");
        }
    }
}
