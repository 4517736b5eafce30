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
