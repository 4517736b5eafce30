//! What can go wrong in an opening handshake, split by whose fault it is, and the HTTP answer to it.

use std::fmt;

use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::InvalidDeflate;

/// Why an opening handshake failed.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The client's request breaks a rule; the server sends [`response`](Self::response).
    BadRequest(BadRequest),
    /// The server's response breaks a rule; the client fails the connection (§4.1).
    BadResponse(BadResponse),
    /// The calling code asks for what no handshake may say.
    Misuse(Misuse),
}

impl HandshakeError {
    /// The HTTP answer that the error deserves, with a one-line reason as its body.
    ///
    /// `None` unless the client's request is at fault. The status is 400, 403, 405, 426 or 431:
    /// see [`BadRequest::status`].
    pub fn response(&self) -> Option<Response<String>> {
        match self {
            Self::BadRequest(fault) => Some(fault.response()),
            Self::BadResponse(_) | Self::Misuse(_) => None,
        }
    }
}

/// What the client's request does wrong (§4.2.1).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// The request has a body, which would be read as frames.
    BodyPresent,
    /// `Connection` does not name `Upgrade`.
    ConnectionNotUpgrade,
    /// A header that may appear once, given here, appears again.
    HeaderRepeated(HeaderName),
    /// A header, given here, breaks its grammar.
    HeaderInvalid(HeaderName),
    /// The request head is larger than [`HandshakeLimits::max_head_size`](super::HandshakeLimits::max_head_size),
    /// given here in bytes.
    HeadTooLarge(usize),
    /// There is no `Host`.
    HostMissing,
    /// `Host` and the authority of the request target differ.
    HostMismatch,
    /// The request is not HTTP/1.1.
    HttpVersion,
    /// The connection ended inside the request head.
    Incomplete,
    /// `Sec-WebSocket-Key` is not the base64 of 16 bytes.
    KeyInvalid,
    /// There is no `Sec-WebSocket-Key`.
    KeyMissing,
    /// The bytes are not HTTP/1.1; says where.
    Malformed(&'static str),
    /// The method, given here, is not GET.
    MethodNotGet(Method),
    /// The server's policy refuses pages of this origin (§4.2.2). Only a policy raises this error:
    /// reading a request never does.
    OriginNotAllowed(String),
    /// `Sec-WebSocket-Protocol` names a subprotocol twice.
    SubprotocolRepeated,
    /// The request target is neither a path nor an absolute `http:`, `https:`, `ws:` or `wss:` URI.
    TargetInvalid,
    /// There are more headers than [`HandshakeLimits::max_headers`](super::HandshakeLimits::max_headers),
    /// given here.
    TooManyHeaders(usize),
    /// `Upgrade` does not name `websocket`: this is an ordinary HTTP request.
    UpgradeMissing,
    /// `Sec-WebSocket-Version` is not 13.
    VersionUnsupported,
}

impl BadRequest {
    /// The status of the answer: 403 for `OriginNotAllowed`, 405 for `MethodNotGet`, 426 for
    /// `UpgradeMissing` and `VersionUnsupported`, 431 for `HeadTooLarge` and `TooManyHeaders`, else
    /// 400.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::OriginNotAllowed(_) => StatusCode::FORBIDDEN,
            Self::MethodNotGet(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::UpgradeMissing | Self::VersionUnsupported => StatusCode::UPGRADE_REQUIRED,
            Self::HeadTooLarge(_) | Self::TooManyHeaders(_) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::BodyPresent
            | Self::ConnectionNotUpgrade
            | Self::HeaderRepeated(_)
            | Self::HeaderInvalid(_)
            | Self::HostMissing
            | Self::HostMismatch
            | Self::HttpVersion
            | Self::Incomplete
            | Self::KeyInvalid
            | Self::KeyMissing
            | Self::Malformed(_)
            | Self::SubprotocolRepeated
            | Self::TargetInvalid => StatusCode::BAD_REQUEST,
        }
    }

    /// The answer: the status, the headers that go with it, and the reason as one line of text.
    ///
    /// It ends the connection, so that no proxy in between can mistake what follows for a tunnel.
    pub fn response(&self) -> Response<String> {
        let mut response = Response::new(format!("{self}\n"));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if self.status() == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        if self.status() == StatusCode::UPGRADE_REQUIRED {
            // An Upgrade header must be named by Connection (RFC 9110 §7.8).
            headers.insert(CONNECTION, HeaderValue::from_static("close, Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BodyPresent => f.write_str(
                "the request has a body; send neither Content-Length nor Transfer-Encoding",
            ),
            Self::ConnectionNotUpgrade => f.write_str(
                "the Connection header does not name Upgrade; send Connection: Upgrade, and let \
                 proxies pass it on",
            ),
            Self::HeaderRepeated(name) => {
                write!(f, "the {name} header appears more than once; send it once")
            }
            Self::HeaderInvalid(name) => {
                write!(f, "the {name} header breaks its grammar; correct its value")
            }
            Self::HeadTooLarge(limit) => write!(
                f,
                "the request head is larger than {limit} bytes; send fewer or shorter headers"
            ),
            Self::HostMissing => f.write_str("there is no Host header; send the server's host"),
            Self::HostMismatch => f.write_str(
                "the Host header differs from the host of the request target; send the same host",
            ),
            Self::HttpVersion => {
                f.write_str("the request is not HTTP/1.1; upgrade a connection that speaks HTTP/1.1")
            }
            Self::Incomplete => f.write_str(
                "the connection ended inside the request; end the head with an empty line",
            ),
            Self::KeyInvalid => f.write_str(
                "the Sec-WebSocket-Key header is not the base64 of 16 bytes; send 16 random bytes",
            ),
            Self::KeyMissing => f.write_str(
                "there is no Sec-WebSocket-Key header; send the base64 of 16 random bytes",
            ),
            Self::Malformed(what) => write!(f, "the request is not HTTP/1.1: {what}; correct it"),
            Self::MethodNotGet(method) => {
                write!(f, "the method {method} cannot open a WebSocket; use GET")
            }
            Self::OriginNotAllowed(origin) => {
                write!(f, "the origin {origin:?} is not allowed; allow it in the server's policy")
            }
            Self::SubprotocolRepeated => f.write_str(
                "the Sec-WebSocket-Protocol header names a subprotocol twice; name each one once",
            ),
            Self::TargetInvalid => f.write_str(
                "the request target is not valid; send a path, percent-encoded and without fragment",
            ),
            Self::TooManyHeaders(limit) => {
                write!(f, "the request has more than {limit} headers; send fewer")
            }
            Self::UpgradeMissing => f.write_str(
                "this address speaks WebSocket only; connect with a WebSocket client, and let \
                 proxies pass on Upgrade: websocket",
            ),
            Self::VersionUnsupported => f.write_str(
                "the Sec-WebSocket-Version header is not 13; speak version 13 of the protocol",
            ),
        }
    }
}

/// What the server's response does wrong (§4.1).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadResponse {
    /// `Sec-WebSocket-Accept` does not answer the key that was sent.
    AcceptMismatch,
    /// There is no `Sec-WebSocket-Accept`.
    AcceptMissing,
    /// `Connection` does not name `Upgrade`.
    ConnectionNotUpgrade,
    /// The server's agreement to permessage-deflate breaks its rules (RFC 7692 §7.1).
    DeflateInvalid(InvalidDeflate),
    /// The server agreed to an extension, given here, that was not offered.
    ExtensionNotOffered(String),
    /// A header that may appear once, given here, appears again.
    HeaderRepeated(HeaderName),
    /// A header, given here, breaks its grammar.
    HeaderInvalid(HeaderName),
    /// The response heads, interim ones counted in, are larger than
    /// [`HandshakeLimits::max_head_size`](super::HandshakeLimits::max_head_size), given here in bytes.
    HeadTooLarge(usize),
    /// The response accepts the upgrade and is not HTTP/1.1.
    HttpVersion,
    /// The connection ended before the response head did; holds the bytes that had come.
    Incomplete(usize),
    /// The bytes are not HTTP/1.1; says where.
    Malformed(&'static str),
    /// The server chose none of the subprotocols, and
    /// [`ClientRequest::require_subprotocol`](super::ClientRequest::require_subprotocol) is set.
    SubprotocolMissing,
    /// The server chose a subprotocol, given here, that was not offered.
    SubprotocolNotOffered(String),
    /// There are more headers than [`HandshakeLimits::max_headers`](super::HandshakeLimits::max_headers),
    /// given here.
    TooManyHeaders(usize),
    /// `Upgrade` is not `websocket`.
    UpgradeMissing,
}

impl fmt::Display for BadResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcceptMismatch => f.write_str(
                "the server's Sec-WebSocket-Accept does not answer our key: it, or a proxy before \
                 it, does not speak WebSocket; check the address",
            ),
            Self::AcceptMissing => f.write_str(
                "the server's 101 has no Sec-WebSocket-Accept: it does not speak WebSocket; check \
                 the address",
            ),
            Self::ConnectionNotUpgrade => f.write_str(
                "the server's 101 has no Connection: Upgrade; check the server and the proxies \
                 before it",
            ),
            Self::DeflateInvalid(what) => write!(
                f,
                "the server's answer on permessage-deflate is wrong: {what}; correct the server, or \
                 do not offer compression"
            ),
            Self::ExtensionNotOffered(name) => write!(
                f,
                "the server agreed to the extension {name:?}, which was not offered; offer it or \
                 correct the server"
            ),
            Self::HeaderRepeated(name) => {
                write!(f, "the server sent the {name} header more than once; correct the server")
            }
            Self::HeaderInvalid(name) => {
                write!(f, "the server's {name} header breaks its grammar; correct the server")
            }
            Self::HeadTooLarge(limit) => write!(
                f,
                "the response head is larger than {limit} bytes; raise max_head_size if the server \
                 is trusted"
            ),
            Self::HttpVersion => {
                f.write_str("the server's 101 is not HTTP/1.1; correct the server")
            }
            Self::Incomplete(received) => write!(
                f,
                "the server closed the connection after {received} bytes of its response; check \
                 that it speaks WebSocket here, and whether it wants TLS (wss:)"
            ),
            Self::Malformed(what) => write!(
                f,
                "the response is not HTTP/1.1: {what}; check the port, and whether it wants TLS \
                 (wss:)"
            ),
            Self::SubprotocolMissing => f.write_str(
                "the server chose none of the subprotocols; offer one that it speaks, or do not \
                 require one",
            ),
            Self::SubprotocolNotOffered(name) => write!(
                f,
                "the server chose the subprotocol {name:?}, which was not offered; offer it or \
                 correct the server"
            ),
            Self::TooManyHeaders(limit) => write!(
                f,
                "the response has more than {limit} headers; raise max_headers if the server is \
                 trusted"
            ),
            Self::UpgradeMissing => f.write_str(
                "the server's 101 does not upgrade to websocket; check the server and the proxies \
                 before it",
            ),
        }
    }
}

/// What the calling code does wrong; decidable by reading it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// permessage-deflate is set, and also given by hand among the other extensions.
    DeflateRepeated,
    /// An extension, given here, has a name or a value that is not a token.
    ExtensionInvalid(String),
    /// The server's answer has an extension, given here, that the client did not offer (§4.2.2).
    ExtensionNotOffered(String),
    /// Input was given to a handshake that is over.
    Finished,
    /// A header of the caller, given here, belongs to the handshake.
    HeaderReserved(HeaderName),
    /// The caller's `Host` is not one valid host and port.
    HostInvalid,
    /// The origin has characters that a header cannot hold, or is given twice.
    OriginInvalid,
    /// The server's answer has a subprotocol, given here, that the client did not offer (§4.2.2).
    SubprotocolNotOffered(String),
    /// The client offers a subprotocol twice (§4.1).
    SubprotocolRepeated,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeflateRepeated => f.write_str(
                "permessage-deflate is set, and given among the other extensions too; leave it to \
                 the setting",
            ),
            Self::ExtensionInvalid(extension) => {
                write!(f, "{extension:?} is not an extension; use tokens for names and values")
            }
            Self::ExtensionNotOffered(name) => write!(
                f,
                "the client did not offer the extension {name:?}; answer with what it offered"
            ),
            Self::Finished => {
                f.write_str("the handshake is over; give what follows to the connection")
            }
            Self::HeaderReserved(name) => {
                write!(f, "the {name} header belongs to the handshake; leave it out")
            }
            Self::HostInvalid => {
                f.write_str("the Host header is not one host; give it as host:port")
            }
            Self::OriginInvalid => f.write_str(
                "the origin cannot be sent; give it once, as scheme://host:port in ASCII",
            ),
            Self::SubprotocolNotOffered(name) => write!(
                f,
                "the client did not offer the subprotocol {name:?}; choose one that it offered"
            ),
            Self::SubprotocolRepeated => {
                f.write_str("a subprotocol is offered twice; offer each one once")
            }
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(fault) => fault.fmt(f),
            Self::BadResponse(fault) => fault.fmt(f),
            Self::Misuse(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for HandshakeError {}
impl std::error::Error for BadRequest {}
impl std::error::Error for BadResponse {}
impl std::error::Error for Misuse {}

impl From<BadRequest> for HandshakeError {
    fn from(fault: BadRequest) -> Self {
        Self::BadRequest(fault)
    }
}

impl From<BadResponse> for HandshakeError {
    fn from(fault: BadResponse) -> Self {
        Self::BadResponse(fault)
    }
}

impl From<Misuse> for HandshakeError {
    fn from(fault: Misuse) -> Self {
        Self::Misuse(fault)
    }
}
