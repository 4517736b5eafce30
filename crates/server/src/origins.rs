//! Which web pages may connect, and call the HTTP API; one rule for both.

use std::net::IpAddr;

use http::{HeaderMap, Uri, header, uri::Authority};
use longwire::OriginPolicy;
use url::{Host, Url};

/// Which web pages may come in.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    policy: OriginPolicy,
    /// In development mode pages of this machine may, whatever their port, and the server answers only to this machine's
    /// names: a page elsewhere could give its own name the address 127.0.0.1.
    loopback: bool,
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Its page's origin is not allowed.
    Origin(String),
    /// It names a host that is not this machine, in development mode.
    Host(String),
    /// A proxy on this machine says that it came from elsewhere, in development mode.
    Forwarded(String),
}

impl Origins {
    pub(crate) fn new(allowed: &[String], loopback: bool) -> Self {
        let policy = if allowed.iter().any(|origin| origin == "*") {
            OriginPolicy::any()
        } else {
            allowed.iter().fold(OriginPolicy::same_origin(), OriginPolicy::allow)
        };
        Self { policy, loopback }
    }

    /// Whether a request with these headers may come in.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
        let host = host(uri, headers);
        if self.loopback && !is_loopback_authority(host) {
            return Err(Foreign::Host(host.to_owned()));
        }
        if let Some(from) = elsewhere(headers).filter(|_| self.loopback) {
            return Err(Foreign::Forwarded(from.to_owned()));
        }
        match origin(headers) {
            Some(origin) if !self.permits(origin, host) => Err(Foreign::Origin(origin.to_owned())),
            _ => Ok(()),
        }
    }

    /// Whether a request comes from a page of this very server, or from no page.
    pub(crate) fn is_own(uri: &Uri, headers: &HeaderMap) -> bool {
        OriginPolicy::same_origin().permits(origin(headers), host(uri, headers))
    }

    fn permits(&self, origin: &str, host: &str) -> bool {
        let of_this_machine = || {
            Url::parse(origin).is_ok_and(|url| {
                url.origin().is_tuple() && url.host().is_some_and(|host| is_loopback(&host))
            })
        };
        self.policy.permits(Some(origin), host) || (self.loopback && of_this_machine())
    }
}

impl Foreign {
    /// The cause and the cure.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Origin(origin) => format!(
                "pages of {origin} may not come in: add it to `allowed_origins` in longwire.toml"
            ),
            Self::Host(host) => format!(
                "`{host}` is not a name of this machine, and development mode serves only this \
                 machine: use localhost, or configure credentials"
            ),
            Self::Forwarded(from) => format!(
                "a proxy brings this from {from}, and development mode serves only this machine: \
                 configure credentials, by `longwire init` for example"
            ),
        }
    }
}

/// The `Origin` header. What is no text is no origin that anybody allows.
pub(crate) fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("(not ASCII)"))
}

fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let header = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| uri.authority().map(Authority::as_str)).unwrap_or("")
}

/// What a proxy says to be the origin of a request, or the host that it was for, if that is not this machine.
fn elsewhere(headers: &HeaderMap) -> Option<&str> {
    let is_here = |text: &str| {
        let address = text.trim_matches(['[', ']']).parse::<IpAddr>();
        address.is_ok_and(|it| it.to_canonical().is_loopback()) || is_loopback_authority(text)
    };
    let values = FORWARDED.iter().flat_map(|name| headers.get_all(*name));
    values
        .flat_map(|value| value.to_str().unwrap_or("(not ASCII)").split(','))
        .map(str::trim)
        .find(|text| !is_here(text))
}

fn is_loopback_authority(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    Host::parse(authority.host()).is_ok_and(|host| match host {
        Host::Domain(name) => is_loopback(&Host::Domain(&*name)),
        Host::Ipv4(address) => is_loopback(&Host::Ipv4(address)),
        Host::Ipv6(address) => is_loopback(&Host::Ipv6(address)),
    })
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => IpAddr::from(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::from(*address).is_loopback(),
    }
}

/// Headers by which proxies tell whom a request is from, and which host it was for. What is in the last one is not looked
/// into: it is never this machine alone.
const FORWARDED: &[&str] =
    &["x-forwarded-for", "x-forwarded-host", "x-real-ip", "cf-connecting-ip", "forwarded"];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(origins: &Origins, origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).expect("a header"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).expect("a header"));
        }
        origins.check(&Uri::from_static("/v1/connect"), &headers).is_ok()
    }

    #[test]
    fn pages_of_the_server_and_of_the_list_come_in() {
        let origins = Origins::new(&["https://app.example".to_owned()], false);
        assert!(check(&origins, None, "api.example"));
        assert!(check(&origins, Some("https://api.example"), "api.example"));
        assert!(check(&origins, Some("https://app.example"), "api.example"));
        assert!(!check(&origins, Some("https://evil.example"), "api.example"));
        assert!(!check(&origins, Some("http://localhost:3000"), "api.example"));
        assert!(!check(&origins, Some("null"), "api.example"));
        assert!(check(&Origins::new(&["*".to_owned()], false), Some("null"), "api.example"));
    }

    #[test]
    fn what_a_proxy_brings_from_elsewhere_is_not_for_development_mode() {
        let check = |name: &'static str, value: &str, loopback| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:8000"));
            headers.insert(name, HeaderValue::from_str(value).expect("a header"));
            let origins = Origins::new(&[], loopback);
            origins.check(&Uri::from_static("/v1/channels"), &headers)
        };
        for (name, value) in [
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-for", "127.0.0.1, 203.0.113.7"),
            ("x-forwarded-for", "unknown"),
            ("x-forwarded-host", "abc.tunnel.example"),
            ("x-real-ip", "2001:db8::1"),
            ("forwarded", "for=203.0.113.7"),
        ] {
            let foreign = check(name, value, true).expect_err(value);
            assert!(foreign.words().contains("configure credentials"), "{}", foreign.words());
            assert_eq!(check(name, value, false), Ok(()), "{value}");
        }
        for (name, value) in [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-for", "::1, ::ffff:127.0.0.1"),
            ("x-forwarded-host", "localhost:5173"),
            ("x-real-ip", "[::1]"),
        ] {
            assert_eq!(check(name, value, true), Ok(()), "{value}");
        }
    }

    #[test]
    fn development_mode_is_for_this_machine_alone() {
        let origins = Origins::new(&[], true);
        assert!(check(&origins, Some("http://localhost:3000"), "127.0.0.1:8000"));
        assert!(check(&origins, Some("http://127.0.0.1:5173"), "localhost:8000"));
        assert!(check(&origins, Some("http://[::1]:1"), "[::1]:8000"));
        assert!(check(&origins, None, "localhost"));
        assert!(!check(&origins, Some("http://evil.example"), "localhost:8000"));
        assert!(!check(&origins, Some("http://evil.example:8000"), "evil.example:8000"));
        assert!(!check(&origins, None, "evil.example:8000"));
        assert!(!check(&origins, None, "localhost.evil.example"));
    }
}
