//! The server's side of the opening handshake (§4.2).

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};

use super::error::{BadRequest, HandshakeError, Misuse};
use super::http1::HeadReader;
use super::limits::HandshakeLimits;
use super::subprotocol::Subprotocol;
use super::{Agreement, body, check_deflate_once, is_reserved, key, lines, tokens, with_deflate};
use crate::DeflateParams;
use crate::extension::{self, Extension};

/// Reads a client's opening handshake from the bytes of an HTTP/1.1 connection.
///
/// Feed what the connection gives to [`handle_input`](Self::handle_input) until it yields a
/// [`ClientOpening`] or an error, then write the answer. Where an HTTP server has read the request
/// already, use [`ClientOpening::from_request`] instead.
#[derive(Debug)]
pub struct ServerHandshake {
    /// `None` once the handshake is read or has failed.
    head: Option<HeadReader>,
}

impl ServerHandshake {
    /// A handshake of which nothing is read yet.
    pub fn new(limits: HandshakeLimits) -> Self {
        Self { head: Some(HeadReader::for_request(limits)) }
    }

    /// Takes bytes from the connection, cut in any way; the cost is linear in their number.
    ///
    /// `None` means that more are needed. After an opening or an error the handshake is over, and
    /// further input is a [`Misuse`]. An error's [`response`](HandshakeError::response) is the
    /// answer to write before the connection is closed.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<Option<ClientOpening>, HandshakeError> {
        let mut head = self.head.take().ok_or(Misuse::Finished)?;
        let Some(leftover) = head.push(input).map_err(BadRequest::from)? else {
            self.head = Some(head);
            return Ok(None);
        };
        let request = head.request().map_err(BadRequest::from)?;
        let leftover = Bytes::copy_from_slice(leftover);
        Ok(Some(ClientOpening::read(request, leftover)?))
    }

    /// The connection ended: says what that means for the handshake.
    pub fn handle_eof(&mut self) -> HandshakeError {
        match self.head.take() {
            Some(_) => BadRequest::Incomplete.into(),
            None => Misuse::Finished.into(),
        }
    }
}

/// A valid opening handshake of a client, not yet answered (§4.2.1).
///
/// Answer with [`accept`](Self::accept); or refuse with any response, which
/// [`encode_response`](super::encode_response) writes, and close the connection.
#[derive(Debug)]
pub struct ClientOpening {
    request: Request<()>,
    /// What `Sec-WebSocket-Accept` will say.
    accept: HeaderValue,
    subprotocols: Vec<Subprotocol>,
    extensions: Vec<Extension>,
    leftover: Bytes,
}

impl ClientOpening {
    /// Reads the opening handshake from a request that an HTTP server has parsed.
    ///
    /// The request must be HTTP/1.1; its body and its extensions are not looked at.
    pub fn from_request<B>(request: &Request<B>) -> Result<Self, HandshakeError> {
        let mut copy = Request::new(());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        Ok(Self::read(copy, Bytes::new())?)
    }

    /// Takes the bytes that followed the request. The client should not have sent any before the
    /// answer; the connection must see them before what is read next.
    pub fn take_leftover(&mut self) -> Bytes {
        std::mem::take(&mut self.leftover)
    }

    /// Sends the Server's Opening Handshake (§4.2.2): makes the 101 response that accepts.
    ///
    /// Write it with [`encode_acceptance`](super::encode_acceptance), or give it to the HTTP server
    /// that read the request. Fails with a [`Misuse`] if the answer holds what the client did not
    /// offer, or a header that belongs to the handshake; the client can then still be refused.
    pub fn accept(&self, answer: Answer) -> Result<(Response<()>, Agreement), HandshakeError> {
        let Answer { subprotocol, deflate, extensions, headers } = answer;
        if let Some(name) = &subprotocol
            && !self.subprotocols.contains(name)
        {
            return Err(Misuse::SubprotocolNotOffered(name.to_string()).into());
        }
        let offered = |name| self.extensions.iter().any(|offer| offer.name == name);
        if let Some(extension) = extensions.iter().find(|extension| !offered(&*extension.name)) {
            return Err(Misuse::ExtensionNotOffered(extension.name.clone()).into());
        }
        if let Some(name) = headers.keys().find(|name| is_reserved(name)) {
            return Err(Misuse::HeaderReserved(name.clone()).into());
        }
        check_deflate_once(deflate, &extensions)?;
        let (deflate, answered) = deflate.and_then(|wish| wish.answer(&self.extensions)).unzip();
        let listed = with_deflate(&extensions, answered);

        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let own = response.headers_mut();
        own.insert(UPGRADE, HeaderValue::from_static("websocket"));
        own.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        own.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(name) = &subprotocol {
            own.insert(SEC_WEBSOCKET_PROTOCOL, token_value(name.as_str()));
        }
        if !listed.is_empty() {
            let list = Extension::format_list(&listed)
                .map_err(|wrong| Misuse::ExtensionInvalid(wrong.text().to_owned()))?;
            own.insert(SEC_WEBSOCKET_EXTENSIONS, token_value(&list));
        }
        own.extend(headers);
        Ok((response, Agreement { subprotocol, deflate, extensions }))
    }

    /// The request, without the bytes that followed it.
    pub fn request(&self) -> &Request<()> {
        &self.request
    }

    /// The host and the port that the client addressed, as `Host` has them.
    pub fn host(&self) -> &str {
        text(self.request.headers(), &HOST).expect("a request without Host is refused")
    }

    /// The origin of the page that opens the WebSocket; browsers always send it (§10.2).
    pub fn origin(&self) -> Option<&str> {
        text(self.request.headers(), &ORIGIN)
    }

    /// The subprotocols that the client offers, in its order of preference.
    pub fn subprotocols(&self) -> &[Subprotocol] {
        &self.subprotocols
    }

    /// The first subprotocol, in the client's order of preference, that is among `supported`.
    pub fn select_subprotocol(&self, supported: &[Subprotocol]) -> Option<Subprotocol> {
        self.subprotocols.iter().find(|offer| supported.contains(offer)).cloned()
    }

    /// The extensions that the client offers, in its order of preference; a name may come again
    /// with other parameters, as a fallback.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Reads the Client's Opening Handshake (§4.2.1).
    ///
    /// First what is asked of any HTTP/1.1 request, then whether this one asks for a WebSocket,
    /// then how. Only the first half and the key belong to HTTP/1.1: the rest is the same where
    /// RFC 8441 opens a WebSocket.
    fn read(request: Request<()>, leftover: Bytes) -> Result<Self, BadRequest> {
        let headers = request.headers();
        check_http(&request)?;
        check_no_body(headers)?;
        if !tokens::contains_token(headers, &UPGRADE, "websocket") {
            return Err(BadRequest::UpgradeMissing);
        }
        if !tokens::contains_token(headers, &CONNECTION, "upgrade") {
            return Err(BadRequest::ConnectionNotUpgrade);
        }
        if single(headers, SEC_WEBSOCKET_VERSION)? != Some(b"13") {
            return Err(BadRequest::VersionUnsupported);
        }
        let key = single(headers, SEC_WEBSOCKET_KEY)?.ok_or(BadRequest::KeyMissing)?;
        if !key::is_valid(key) {
            return Err(BadRequest::KeyInvalid);
        }
        let accept = token_value(&key::accept(key));
        let origin = single(headers, ORIGIN)?;
        if origin.is_some_and(|origin| origin.is_empty() || !is_visible(origin)) {
            return Err(BadRequest::HeaderInvalid(ORIGIN));
        }
        let subprotocols = Subprotocol::from_lines(lines(headers, &SEC_WEBSOCKET_PROTOCOL))
            .ok_or(BadRequest::HeaderInvalid(SEC_WEBSOCKET_PROTOCOL))?;
        if Subprotocol::any_repeated(&subprotocols) {
            return Err(BadRequest::SubprotocolRepeated);
        }
        let extensions = extension::from_lines(lines(headers, &SEC_WEBSOCKET_EXTENSIONS))
            .ok_or(BadRequest::HeaderInvalid(SEC_WEBSOCKET_EXTENSIONS))?;
        Ok(Self { request, accept, subprotocols, extensions, leftover })
    }
}

/// What the server says to a client's opening handshake. Default: no subprotocol, no extension.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// One of the subprotocols that the client offered, such as
    /// [`select_subprotocol`](ClientOpening::select_subprotocol) gives.
    pub subprotocol: Option<Subprotocol>,
    /// permessage-deflate (RFC 7692), to be agreed to within these parameters if the client offers
    /// it in a way that can be served; what came of it is in the [`Agreement`].
    pub deflate: Option<DeflateParams>,
    /// Further extensions that the client offered, with the parameters agreed to, in order of
    /// application: those that the caller does itself.
    pub extensions: Vec<Extension>,
    /// Further headers, such as `Set-Cookie`. `Upgrade`, `Connection`, `Content-Length`,
    /// `Transfer-Encoding` and `Sec-WebSocket-*` belong to the handshake.
    pub headers: HeaderMap,
}

/// A GET of HTTP/1.1 for one resource on one host (§4.2.1, items 1 and 2).
fn check_http(request: &Request<()>) -> Result<(), BadRequest> {
    if request.version() != Version::HTTP_11 {
        return Err(BadRequest::HttpVersion);
    }
    if request.method() != Method::GET {
        return Err(BadRequest::MethodNotGet(request.method().clone()));
    }
    let host = single(request.headers(), HOST)?.ok_or(BadRequest::HostMissing)?;
    let host = parse_host(host).ok_or(BadRequest::HeaderInvalid(HOST))?;
    let target = request.uri();
    match (target.scheme_str(), target.authority()) {
        (None, None) if target.path().starts_with('/') => Ok(()),
        (Some(scheme), Some(authority)) => {
            let known = |name: &&str| scheme.eq_ignore_ascii_case(name);
            if !["http", "https", "ws", "wss"].iter().any(known) || authority.as_str().contains('@')
            {
                Err(BadRequest::TargetInvalid)
            } else if *authority == host {
                Ok(())
            } else {
                // RFC 9112 §3.2.2 would have us trust the target; proxies may have trusted Host.
                Err(BadRequest::HostMismatch)
            }
        }
        _ => Err(BadRequest::TargetInvalid),
    }
}

/// A body would be read as frames by us, and as something else by a proxy.
fn check_no_body(headers: &HeaderMap) -> Result<(), BadRequest> {
    let length = single(headers, CONTENT_LENGTH)?.map(body::decimal);
    match length {
        Some(None) => Err(BadRequest::HeaderInvalid(CONTENT_LENGTH)),
        None | Some(Some(0)) if !headers.contains_key(TRANSFER_ENCODING) => Ok(()),
        None | Some(Some(_)) => Err(BadRequest::BodyPresent),
    }
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2), with a host that is not empty.
pub(super) fn parse_host(value: &[u8]) -> Option<Authority> {
    let authority = Authority::try_from(value).ok()?;
    let port = authority.as_str().strip_prefix(authority.host())?;
    let port_is_valid = match port.strip_prefix(':') {
        Some(digits) => digits.is_empty() || digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    (port_is_valid && !authority.host().is_empty()).then_some(authority)
}

fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&[u8]>, BadRequest> {
    tokens::single(headers, &name).map_err(|_| BadRequest::HeaderRepeated(name))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    tokens::single(headers, name).ok()?.and_then(|value| std::str::from_utf8(value).ok())
}

fn is_visible(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}

/// A header value of tokens and separators.
fn token_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("tokens and separators are visible ASCII")
}
