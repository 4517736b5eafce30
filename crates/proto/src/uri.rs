//! `ws:` and `wss:` URIs (§3), with what redirects and credentials need of them.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::{Host, Position, Url};

/// Where a WebSocket server is, as a `ws:` or `wss:` URI (§3).
///
/// `http:` and `https:` are read as `ws:` and `wss:`. A user name and a password are kept apart:
/// neither [`Display`](fmt::Display) nor [`Debug`](fmt::Debug) shows them.
///
/// Text is read by the rules of the WHATWG URL standard, as browsers do: host names become lower
/// case and ASCII, paths are normalised and percent-encoded.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WsUri {
    /// Invariant: the scheme is `ws` or `wss`, there is a host, and there is no fragment.
    url: Url,
}

impl WsUri {
    /// Reads an absolute URI. A fragment, even an empty one, is an error (§3).
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let url = Url::parse(text).map_err(|cause| UriError::Invalid(cause.to_string()))?;
        if url.fragment().is_some() {
            return Err(UriError::Fragment);
        }
        Self::from_url(url)
    }

    /// Resolves a reference against this URI, as the `Location` of a redirect needs it.
    ///
    /// A fragment is dropped: a `Location` may have one (RFC 9110 §10.2.2), and it is never sent.
    pub fn join(&self, reference: &str) -> Result<Self, UriError> {
        let mut url =
            self.url.join(reference).map_err(|cause| UriError::Invalid(cause.to_string()))?;
        url.set_fragment(None);
        Self::from_url(url)
    }

    /// Whether the connection must use TLS: true for `wss:`.
    pub fn is_secure(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// The host: a name in lower-case ASCII, an IPv4 address, or an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        let host = self.url.host_str().expect("a ws URI has a host");
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port. Default: 80, and 443 for `wss:`.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().expect("ws and wss have default ports")
    }

    /// The host and the port, as the `Host` header has them: an IPv6 address has its brackets, and
    /// the scheme's default port is left out.
    pub fn authority(&self) -> String {
        self.url[Position::BeforeHost..Position::AfterPort].to_owned()
    }

    /// The path, with `?` and the query if there is one: what the request asks for (§3).
    pub fn resource_name(&self) -> String {
        let name = &self.url[Position::BeforePath..Position::AfterQuery];
        match self.url.query() {
            Some("") => name.trim_end_matches('?').to_owned(),
            _ => name.to_owned(),
        }
    }

    /// The user name and the password, percent-decoded, if the URI has either.
    pub fn credentials(&self) -> Option<(String, String)> {
        let (user, password) = (self.url.username(), self.url.password());
        if user.is_empty() && password.is_none() {
            return None;
        }
        let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Some((decode(user), decode(password.unwrap_or_default())))
    }

    /// The origin of the server, as an `Origin` header has it: `http://` or `https://`, host, port.
    pub fn origin(&self) -> String {
        let scheme = if self.is_secure() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Whether both URIs have the same scheme, host and port.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.is_secure() == other.is_secure()
            && self.url.host() == other.url.host()
            && self.port() == other.port()
    }

    fn from_url(mut url: Url) -> Result<Self, UriError> {
        let scheme = match url.scheme() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            other => return Err(UriError::Scheme(other.to_owned())),
        };
        url.set_scheme(scheme).expect("http and ws schemes are interchangeable");
        if matches!(url.host(), None | Some(Host::Domain(""))) {
            // not covered: the URL parser refuses these hosts itself
            return Err(UriError::Invalid("empty host".to_owned()));
        }
        Ok(Self { url })
    }
}

impl FromStr for WsUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// Shows the URI without its credentials.
impl fmt::Display for WsUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), &self.url[Position::BeforeHost..])
    }
}

/// Shows the URI without its credentials.
impl fmt::Debug for WsUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WsUri({self})")
    }
}

/// Why a text is not the URI of a WebSocket server.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriError {
    /// The URI has a fragment (`#...`), which has no meaning for a WebSocket (§3).
    Fragment,
    /// The text is not an absolute URI with a host; says why.
    Invalid(String),
    /// The scheme, given here, is not `ws`, `wss`, `http` or `https`.
    Scheme(String),
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fragment => {
                f.write_str("the URI has a fragment; remove the # and what follows, or write %23")
            }
            Self::Invalid(cause) => {
                write!(f, "not a WebSocket URI ({cause}); write ws://host/path or wss://host/path")
            }
            Self::Scheme(scheme) => {
                write!(
                    f,
                    "the scheme {scheme:?} does not lead to a WebSocket; write ws:// or wss://"
                )
            }
        }
    }
}

impl std::error::Error for UriError {}
