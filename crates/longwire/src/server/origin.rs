//! Which web pages may connect (RFC 6455 §10.2): the `Origin` header against a policy.

use http::uri::Authority;
use url::Url;

/// Which web pages may connect.
///
/// Browsers do not apply the same-origin policy to `WebSocket`s, and send cookies with the opening
/// handshake: a server that ignores `Origin` lets any page act as its visitor (cross-site WebSocket
/// hijacking). So by default a request with an `Origin` is accepted only if that origin's host and
/// port are those of the request's own `Host`; all else is refused with 403, `null` included.
///
/// A request without `Origin` comes from a program and not from a page, and is accepted: this is
/// no authentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginPolicy {
    any: bool,
    allowed: Vec<String>,
}

impl OriginPolicy {
    /// Pages of the server's own origin. The default.
    #[must_use]
    pub fn same_origin() -> Self {
        Self::default()
    }

    /// Every page of every site. Right where a visitor's browser adds no authority to a request: no
    /// cookie, no client certificate, no place in a private network.
    #[must_use]
    pub fn any() -> Self {
        Self { any: true, allowed: Vec::new() }
    }

    /// Also allows this origin, such as `https://app.example`: scheme, host and port are compared
    /// whole, after parsing. `null` is allowed only if it is given here.
    #[must_use]
    pub fn allow(mut self, origin: impl AsRef<str>) -> Self {
        self.allowed.push(normal(origin.as_ref()));
        self
    }

    /// Whether a request with this `Origin` and this `Host` may connect.
    pub fn permits(&self, origin: Option<&str>, host: &str) -> bool {
        let Some(origin) = origin else { return true };
        self.any || is_same(origin, host) || self.allowed.contains(&normal(origin))
    }
}

/// The origin's ASCII serialization, so that the same origin is the same text.
fn normal(origin: &str) -> String {
    match Url::parse(origin) {
        Ok(url) if url.origin().is_tuple() => url.origin().ascii_serialization(),
        _ => origin.to_ascii_lowercase(),
    }
}

/// Whether the origin's host and port are those of the `Host` header. The scheme cannot be compared:
/// TLS may end before this server.
fn is_same(origin: &str, host: &str) -> bool {
    let (Ok(origin), Ok(host)) = (Url::parse(origin), host.parse::<Authority>()) else {
        return false;
    };
    let default_port = match origin.scheme() {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    origin.host_str().is_some_and(|name| name.eq_ignore_ascii_case(host.host()))
        && host.port_u16().unwrap_or(default_port) == origin.port().unwrap_or(default_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_refuses_every_other_site() {
        let policy = OriginPolicy::default();
        let cases = [
            (None, "a.example", true),
            (Some("http://a.example"), "a.example", true),
            (Some("https://a.example"), "a.example", true),
            (Some("https://A.Example"), "a.example:443", true),
            (Some("http://a.example:8080"), "a.example:8080", true),
            (Some("http://[::1]:9001"), "[::1]:9001", true),
            (Some("http://a.example:8080"), "a.example", false),
            (Some("http://a.example"), "a.example:8080", false),
            (Some("https://b.example"), "a.example", false),
            (Some("https://a.example.evil"), "a.example", false),
            (Some("https://evil-a.example"), "a.example", false),
            (Some("null"), "a.example", false),
            (Some("file:///a.example"), "a.example", false),
            (Some("chrome-extension://a.example"), "a.example", false),
            (Some(""), "a.example", false),
        ];
        for (origin, host, expected) in cases {
            assert_eq!(policy.permits(origin, host), expected, "{origin:?} at {host}");
        }
    }

    #[test]
    fn an_allowed_origin_is_compared_whole() {
        let policy = OriginPolicy::same_origin().allow("https://App.example:443");
        assert!(policy.permits(Some("https://app.example"), "api.example"));
        assert!(!policy.permits(Some("http://app.example"), "api.example"));
        assert!(!policy.permits(Some("https://app.example:444"), "api.example"));
        assert!(!policy.permits(Some("https://x.app.example"), "api.example"));
        assert!(OriginPolicy::any().permits(Some("null"), "api.example"));
        assert!(OriginPolicy::same_origin().allow("null").permits(Some("null"), "api.example"));
    }
}
