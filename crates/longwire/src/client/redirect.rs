//! Redirects of the opening handshake: RFC 6455 section 4.1, RFC 9110 section 15.4.
//!
//! Browsers follow none, so a client follows none either unless it was told how many.

use http::{HeaderMap, Response, StatusCode, header};
use longwire_proto::WsUri;

use super::error::RedirectError;

/// The way so far.
#[derive(Debug)]
pub(super) struct Trail {
    limit: usize,
    /// Each URL, without credentials; the first is where the caller wanted to go.
    visited: Vec<String>,
}

impl Trail {
    pub(super) fn new(start: &WsUri, limit: usize) -> Self {
        Self { limit, visited: vec![start.to_string()] }
    }

    /// Where a refusal leads, if it is a redirect and redirects are to be followed.
    pub(super) fn follow<B>(
        &mut self,
        from: &WsUri,
        response: &Response<B>,
    ) -> Result<Option<WsUri>, RedirectError> {
        let redirects = matches!(
            response.status(),
            StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
        );
        let Some(location) = response.headers().get(header::LOCATION).filter(|_| redirects) else {
            return Ok(None);
        };
        if self.limit == 0 {
            return Ok(None);
        }
        // A Location outside ASCII is not valid, but servers send UTF-8 and browsers take it.
        let location = String::from_utf8_lossy(location.as_bytes());
        let to = from.join(&location).map_err(RedirectError::Location)?;
        let location = to.to_string();
        if from.is_secure() && !to.is_secure() {
            return Err(RedirectError::Downgrade { location });
        }
        if self.visited.contains(&location) {
            return Err(RedirectError::Loop { location });
        }
        if self.visited.len() > self.limit {
            return Err(RedirectError::TooMany { limit: self.limit, location });
        }
        self.visited.push(location);
        Ok(Some(to))
    }
}

/// Removes what was meant for one origin alone.
pub(super) fn leave_origin(headers: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::HOST] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> WsUri {
        WsUri::parse(text).expect("a valid URL")
    }

    fn redirect(status: u16, location: &str) -> Response<()> {
        Response::builder()
            .status(status)
            .header(header::LOCATION, location)
            .body(())
            .expect("a valid response")
    }

    #[test]
    fn a_location_is_resolved_against_the_url() {
        for (from, location, expected) in [
            ("ws://a.test/x/y?q", "/z", "ws://a.test/z"),
            ("ws://a.test/x/y?q", "z?r", "ws://a.test/x/z?r"),
            ("ws://a.test/x", "//b.test/z", "ws://b.test/z"),
            ("wss://a.test/x", "//b.test/z", "wss://b.test/z"),
            ("ws://a.test/x", "wss://a.test/x", "wss://a.test/x"),
            ("ws://a.test/x", "http://b.test:81/z", "ws://b.test:81/z"),
            ("ws://a.test/x", "https://a.test/x", "wss://a.test/x"),
            ("wss://a.test/x", "https://b.test/", "wss://b.test/"),
            ("ws://u:p@a.test/x", "ws://b.test/", "ws://b.test/"),
        ] {
            for status in [301, 302, 303, 307, 308] {
                let from = uri(from);
                let to = Trail::new(&from, 1)
                    .follow(&from, &redirect(status, location))
                    .expect("an allowed redirect")
                    .expect("a redirect");
                assert_eq!(to.to_string(), expected, "{status} {location}");
            }
        }
    }

    #[test]
    fn what_is_no_redirect_is_not_followed() {
        let from = uri("ws://a.test/");
        for status in [200, 300, 304, 305, 306, 401, 403, 503] {
            let followed = Trail::new(&from, 9).follow(&from, &redirect(status, "/x"));
            assert!(matches!(followed, Ok(None)), "{status}");
        }
        let without = Response::builder().status(302).body(()).expect("a valid response");
        assert!(matches!(Trail::new(&from, 9).follow(&from, &without), Ok(None)));
        let unwanted = Trail::new(&from, 0).follow(&from, &redirect(302, "/x"));
        assert!(matches!(unwanted, Ok(None)), "none is followed unless asked for");
    }

    #[test]
    fn tls_is_never_given_up() {
        let from = uri("wss://a.test/");
        for location in ["ws://a.test/", "http://b.test/"] {
            let followed = Trail::new(&from, 9).follow(&from, &redirect(302, location));
            assert!(matches!(followed, Err(RedirectError::Downgrade { .. })), "{location}");
        }
    }

    #[test]
    fn a_loop_and_too_many_redirects_are_errors() {
        let (a, b) = (uri("ws://a.test/a"), uri("ws://a.test/b"));
        let mut trail = Trail::new(&a, 9);
        assert!(matches!(trail.follow(&a, &redirect(302, "/b")), Ok(Some(_))));
        let back = trail.follow(&b, &redirect(302, "/a"));
        assert!(
            matches!(&back, Err(RedirectError::Loop { location }) if location == "ws://a.test/a"),
            "{back:?}"
        );
        let itself = Trail::new(&a, 9).follow(&a, &redirect(302, "a"));
        assert!(matches!(itself, Err(RedirectError::Loop { .. })), "{itself:?}");

        let mut trail = Trail::new(&a, 2);
        assert!(matches!(trail.follow(&a, &redirect(302, "/1")), Ok(Some(_))));
        assert!(matches!(trail.follow(&a, &redirect(302, "/2")), Ok(Some(_))));
        let third = trail.follow(&a, &redirect(302, "/3"));
        assert!(matches!(third, Err(RedirectError::TooMany { limit: 2, .. })), "{third:?}");
    }

    #[test]
    fn a_location_that_is_no_websocket_is_an_error_without_its_credentials() {
        let from = uri("ws://a.test/");
        for location in ["ftp://u:secret@b.test/", "ws://u:secret@:x/", "mailto:u:secret@b.test"] {
            let error = Trail::new(&from, 9).follow(&from, &redirect(302, location));
            let Err(error) = error else { panic!("{error:?}") };
            assert!(matches!(error, RedirectError::Location(_)), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        let loops = Trail::new(&from, 9).follow(&from, &redirect(302, "ws://u:secret@a.test/"));
        let Err(error) = loops else { panic!("{loops:?}") };
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "cookie", "proxy-authorization", "host", "x-own", "origin"] {
            headers.insert(name, "x".parse().expect("a valid value"));
        }
        leave_origin(&mut headers);
        let mut left: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["origin", "x-own"]);
    }
}
