//! Which proxy a connection goes through: the one given, or the one that the environment names.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::{Target, authority, no_proxy};

/// The proxy's protocol, and who resolves the target's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    /// The client resolves.
    Socks5,
    /// The proxy resolves.
    Socks5h,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 | Self::Socks5h => 1080,
        }
    }
}

/// A user name and a password, as bytes: neither protocol names an encoding.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
}

/// A proxy, from a URL.
///
/// | Scheme | Protocol | The target's name is resolved by | Default port |
/// |---|---|---|---|
/// | `http` | HTTP CONNECT | the proxy | 80 |
/// | `https` | HTTP CONNECT inside TLS | the proxy | 443 |
/// | `socks5` | SOCKS5 | the client | 1080 |
/// | `socks5h`, `socks` | SOCKS5 | the proxy | 1080 |
///
/// A user name and a password in the URL, percent-encoded, go to the proxy alone: as Basic authentication, or
/// by RFC 1929. Neither `Debug` nor `Display` shows them.
///
/// ```
/// # use longwire::Proxy;
/// let proxy: Proxy = "socks5h://alice:secret@127.0.0.1".parse()?;
/// assert_eq!(proxy.to_string(), "socks5h://127.0.0.1:1080");
/// # Ok::<_, longwire::client::ProxyUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    scheme: Scheme,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

impl Proxy {
    /// Parses a proxy's URL. Without a scheme it is taken for `http:`, as is usual in the environment.
    pub fn new(url: &str) -> Result<Self, ProxyUrlError> {
        let (scheme, rest) = match url.split_once("://") {
            None => (Scheme::Http, url),
            Some((scheme, rest)) => {
                let scheme = match &*scheme.to_ascii_lowercase() {
                    "http" => Scheme::Http,
                    "https" => Scheme::Https,
                    "socks5" => Scheme::Socks5,
                    "socks5h" | "socks" => Scheme::Socks5h,
                    _ => return Err(ProxyUrlError::new("its scheme is not supported")),
                };
                (scheme, rest)
            }
        };
        // Under a scheme that the URL standard does not know it keeps every port that is written.
        let url = Url::parse(&format!("proxy://{rest}"))
            .map_err(|error| ProxyUrlError { reason: error.to_string(), variable: None })?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyUrlError::new("nothing may follow its host and port"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| ProxyUrlError::new("it has no host"))?;
        let host = match Host::parse(host) {
            Ok(Host::Domain(name)) => name,
            Ok(Host::Ipv4(address)) => address.to_string(),
            Ok(Host::Ipv6(address)) => address.to_string(),
            Err(error) => return Err(ProxyUrlError { reason: error.to_string(), variable: None }),
        };
        let port = url.port().unwrap_or(scheme.default_port());
        if port == 0 {
            return Err(ProxyUrlError::new("port 0 cannot be connected to"));
        }
        let decode = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| {
            let password = decode(url.password().unwrap_or_default());
            Credentials { user: decode(url.username()), password }
        });
        Ok(Self { scheme, host, port, credentials })
    }

    /// Sets the user name and the password, not percent-encoded.
    #[must_use]
    pub fn with_credentials(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some(Credentials { user: user.into(), password: password.into() });
        self
    }
}

impl Proxy {
    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The proxy that the process's environment names for the target, if any.
    pub(crate) fn from_environment(target: Target<'_>) -> Result<Option<Self>, ProxyUrlError> {
        choose(target, |name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }
}

/// The proxy for a target by the usual variables. Lower case wins, since curl reads `http_proxy` in no other.
fn choose(
    target: Target<'_>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, ProxyUrlError> {
    let set = |name: &'static str| {
        variable(name).filter(|value| !value.trim().is_empty()).map(|value| (name, value))
    };
    let is_loopback = target.host.eq_ignore_ascii_case("localhost")
        || target.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    let no_proxy = set("no_proxy").or_else(|| set("NO_PROXY"));
    if is_loopback || no_proxy.is_some_and(|(_, list)| no_proxy::exempts(&list, target)) {
        return Ok(None);
    }
    let chosen = if target.secure {
        set("https_proxy").or_else(|| set("HTTPS_PROXY"))
    } else {
        set("http_proxy").or_else(|| {
            // Under CGI the header "Proxy" of any request arrives as HTTP_PROXY (httpoxy, CVE-2016-5385).
            set("HTTP_PROXY").filter(|_| variable("REQUEST_METHOD").is_none())
        })
    };
    let chosen = chosen.or_else(|| set("all_proxy")).or_else(|| set("ALL_PROXY"));
    chosen
        .map(|(name, value)| {
            Proxy::new(value.trim())
                .map_err(|error| ProxyUrlError { variable: Some(name), ..error })
        })
        .transpose()
}

/// The proxy's URL, without credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), authority(&self.host, self.port))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl FromStr for Proxy {
    type Err = ProxyUrlError;

    fn from_str(url: &str) -> Result<Self, ProxyUrlError> {
        Self::new(url)
    }
}

/// A proxy's URL that is none. It does not show the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrlError {
    reason: String,
    variable: Option<&'static str>,
}

impl ProxyUrlError {
    fn new(reason: &str) -> Self {
        Self { reason: reason.to_owned(), variable: None }
    }

    /// The environment variable that holds the URL, if it came from there.
    pub fn variable(&self) -> Option<&'static str> {
        self.variable
    }
}

impl fmt::Display for ProxyUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variable {
            Some(name) => write!(f, "the proxy's URL in the environment variable {name}")?,
            None => f.write_str("the proxy's URL")?,
        }
        write!(
            f,
            " cannot be used: {}; write http://host:port, https://host:port, socks5://host:port or \
             socks5h://host:port",
            self.reason
        )
    }
}

impl std::error::Error for ProxyUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> String {
        match Proxy::new(url) {
            Ok(proxy) => proxy.to_string(),
            Err(error) => error.reason,
        }
    }

    #[test]
    fn a_url_gives_scheme_host_and_port() {
        for (url, expected) in [
            ("http://proxy.test:3128", "http://proxy.test:3128"),
            ("http://proxy.test/", "http://proxy.test:80"),
            ("http://proxy.test:80", "http://proxy.test:80"),
            ("HTTPS://Proxy.TEST", "https://proxy.test:443"),
            ("socks5://127.0.0.1", "socks5://127.0.0.1:1080"),
            ("socks5://127.0.0.1:80", "socks5://127.0.0.1:80"),
            ("socks5h://[::1]:9050", "socks5h://[::1]:9050"),
            ("socks://tor.test", "socks5h://tor.test:1080"),
            ("proxy.test:3128", "http://proxy.test:3128"),
            ("proxy.test", "http://proxy.test:80"),
            ("user:pass@proxy.test:3128", "http://proxy.test:3128"),
            ("http://b\u{fc}cher.test", "http://xn--bcher-kva.test:80"),
            ("socks4://proxy.test", "its scheme is not supported"),
            ("ftp://proxy.test", "its scheme is not supported"),
            ("http://proxy.test/path", "nothing may follow its host and port"),
            ("http://proxy.test?x", "nothing may follow its host and port"),
            ("http://proxy.test:0", "port 0 cannot be connected to"),
            ("http://", "it has no host"),
            ("", "it has no host"),
            ("http://proxy.test:99999", "invalid port number"),
        ] {
            assert_eq!(parsed(url), expected, "{url:?}");
        }
    }

    #[test]
    fn credentials_are_percent_decoded_and_never_shown() {
        let proxy = Proxy::new("http://al%40x:s%3Ae%ffcret@proxy.test").expect("a valid URL");
        let credentials = proxy.credentials().expect("credentials");
        assert_eq!(credentials.user, b"al@x");
        assert_eq!(credentials.password, b"s:e\xffcret");
        assert_eq!(
            format!("{proxy} {proxy:?}"),
            "http://proxy.test:80 Proxy(http://proxy.test:80)"
        );
        let proxy = proxy.with_credentials("bob", "hush%20");
        let credentials = proxy.credentials().expect("credentials");
        assert_eq!((&*credentials.user, &*credentials.password), (&b"bob"[..], &b"hush%20"[..]));
        assert_eq!(format!("{proxy:?}"), "Proxy(http://proxy.test:80)");
        for url in ["http://al:secret@proxy.test:x", "http://al:secret@/", "x://al:secret@p.test"] {
            let error = Proxy::new(url).expect_err("an invalid URL");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn the_environment_chooses() {
        const WS: (&str, bool) = ("example.com", false);
        const WSS: (&str, bool) = ("example.com", true);
        for (variables, (host, secure), expected) in [
            (&[][..], WS, None),
            (&[("http_proxy", "h.test")], WS, Some("http://h.test:80")),
            (&[("http_proxy", "h.test")], WSS, None),
            (&[("HTTP_PROXY", "h.test")], WS, Some("http://h.test:80")),
            (&[("HTTP_PROXY", "h.test"), ("REQUEST_METHOD", "GET")], WS, None),
            (&[("http_proxy", "h.test"), ("REQUEST_METHOD", "GET")], WS, Some("http://h.test:80")),
            (&[("HTTP_PROXY", "H.test"), ("http_proxy", "l.test")], WS, Some("http://l.test:80")),
            (&[("https_proxy", "s.test")], WSS, Some("http://s.test:80")),
            (&[("https_proxy", "s.test")], WS, None),
            (&[("HTTPS_PROXY", "https://s.test")], WSS, Some("https://s.test:443")),
            (
                &[("HTTPS_PROXY", "s.test"), ("REQUEST_METHOD", "GET")],
                WSS,
                Some("http://s.test:80"),
            ),
            (&[("ALL_PROXY", "socks5://a.test")], WS, Some("socks5://a.test:1080")),
            (&[("all_proxy", "socks5h://a.test")], WSS, Some("socks5h://a.test:1080")),
            (&[("ALL_PROXY", "a.test"), ("https_proxy", "s.test")], WSS, Some("http://s.test:80")),
            (&[("ALL_PROXY", "a.test"), ("https_proxy", " ")], WSS, Some("http://a.test:80")),
            (&[("ALL_PROXY", "a.test"), ("NO_PROXY", "example.com")], WS, None),
            (&[("ALL_PROXY", "a.test"), ("no_proxy", "*")], WS, None),
            (
                &[("ALL_PROXY", "a.test"), ("no_proxy", "x.test"), ("NO_PROXY", "*")],
                WS,
                Some("http://a.test:80"),
            ),
            (&[("ALL_PROXY", "a.test")], ("localhost", false), None),
            (&[("ALL_PROXY", "a.test")], ("127.9.9.9", true), None),
            (&[("ALL_PROXY", "a.test")], ("::1", false), None),
        ] {
            let target = Target { host, port: 80, secure };
            let found = choose(target, |name| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            });
            let found = found.expect("valid URLs").map(|proxy| proxy.to_string());
            assert_eq!(found.as_deref(), expected, "{variables:?} {host} {secure}");
        }
    }

    #[test]
    fn a_bad_url_in_the_environment_names_its_variable() {
        let target = Target { host: "example.com", port: 80, secure: false };
        let error = choose(target, |name| (name == "ALL_PROXY").then(|| "socks4://u:pw@x".into()))
            .expect_err("an unusable proxy");
        assert_eq!(error.variable(), Some("ALL_PROXY"));
        assert!(error.to_string().contains("ALL_PROXY") && !error.to_string().contains("pw"));
    }
}
