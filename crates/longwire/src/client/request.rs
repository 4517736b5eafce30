//! What the caller puts into the opening handshake: header fields, credentials, cookies, subprotocols.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use longwire_proto::handshake::{ClientRequest, Subprotocol};
use longwire_proto::{DeflateParams, WsUri};

use super::error::RequestError;

/// The caller's part of a request. The first mistake is kept until the request is made.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    headers: HeaderMap,
    origin: Option<String>,
    subprotocols: Vec<Subprotocol>,
    require_subprotocol: bool,
    mistake: Option<RequestError>,
}

impl Request {
    fn blame(&mut self, problem: impl Into<String>) {
        self.mistake.get_or_insert_with(|| RequestError::new(problem));
    }

    /// Adds a header field.
    pub(super) fn header(&mut self, name: &str, value: &str) {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return self.blame(format!("{name:?} is not the name of a header field"));
        };
        let Ok(mut value) = HeaderValue::from_bytes(value.as_bytes()) else {
            return self
                .blame(format!("the value of the header field {name} has a control character"));
        };
        match name {
            header::ORIGIN => match value.to_str() {
                Ok(origin) => self.origin(origin),
                Err(_) => self.blame("an Origin is ASCII, as in https://example.com"),
            },
            header::COOKIE => self.cookie_pair(value.as_bytes()),
            header::PROXY_AUTHORIZATION => self.blame(
                "Proxy-Authorization would go to the server; put the user name and the password \
                 into the proxy's URL",
            ),
            header::AUTHORIZATION => {
                value.set_sensitive(true);
                self.headers.insert(name, value);
            }
            _ => {
                self.headers.append(name, value);
            }
        }
    }

    pub(super) fn origin(&mut self, origin: &str) {
        self.origin = Some(origin.to_owned());
    }

    pub(super) fn subprotocol(&mut self, name: &str) {
        match Subprotocol::new(name) {
            Ok(subprotocol) => self.subprotocols.push(subprotocol),
            Err(error) => self.blame(error.to_string()),
        }
    }

    pub(super) fn require_subprotocol(&mut self, required: bool) {
        self.require_subprotocol = required;
    }

    /// RFC 7617.
    pub(super) fn basic_auth(&mut self, user: &str, password: &str) {
        if user.contains(':') {
            // RFC 7617 section 2: the first colon ends the user name.
            return self.blame("a user name with a colon has no form in Basic authentication");
        }
        let token = STANDARD.encode(format!("{user}:{password}"));
        self.authorization(&format!("Basic {token}"));
    }

    /// RFC 6750 section 2.1.
    pub(super) fn bearer_token(&mut self, token: &str) {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return self.blame("a bearer token is visible ASCII without spaces, and not empty");
        }
        self.authorization(&format!("Bearer {token}"));
    }

    fn authorization(&mut self, value: &str) {
        let mut value = HeaderValue::from_str(value).expect("visible ASCII and a space");
        value.set_sensitive(true);
        self.headers.insert(header::AUTHORIZATION, value);
    }

    /// RFC 6265 section 4.1.1: a token, and octets without quotes, commas, semicolons and backslashes.
    pub(super) fn cookie(&mut self, name: &str, value: &str) {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return self.blame(format!("{name:?} is not the name of a cookie"));
        }
        let inner =
            value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        if !inner.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)) {
            return self.blame(format!(
                "the value of the cookie {name} has a character that a cookie cannot have; encode it"
            ));
        }
        self.cookie_pair(format!("{name}={value}").as_bytes());
    }

    /// RFC 6265 section 5.4: there is one Cookie header field.
    fn cookie_pair(&mut self, pair: &[u8]) {
        let joined = match self.headers.get(header::COOKIE) {
            Some(before) => [before.as_bytes(), pair].join(b"; ".as_slice()),
            None => pair.to_vec(),
        };
        let mut value = HeaderValue::from_bytes(&joined).expect("joined from valid values");
        value.set_sensitive(true);
        self.headers.insert(header::COOKIE, value);
    }

    /// The checked request, with the URL's credentials unless others were given.
    pub(super) fn for_uri(
        &self,
        uri: &WsUri,
        deflate: Option<DeflateParams>,
    ) -> Result<ClientRequest, RequestError> {
        let mut complete = self.clone();
        if let Some((user, password)) = uri.credentials()
            && !complete.headers.contains_key(header::AUTHORIZATION)
        {
            complete.basic_auth(&user, &password);
        }
        if let Some(mistake) = complete.mistake {
            return Err(mistake);
        }
        let mut request = ClientRequest::new(uri.clone());
        request.origin = complete.origin;
        request.subprotocols = complete.subprotocols;
        request.require_subprotocol = complete.require_subprotocol;
        request.deflate = deflate;
        request.headers = complete.headers;
        Ok(request)
    }
}
