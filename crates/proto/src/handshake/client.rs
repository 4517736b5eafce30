//! The client's side of the opening handshake (§4.1).

use bytes::Bytes;
use http::header::{
    CONNECTION, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, Response, StatusCode, Version};

use super::body::BodyReader;
use super::error::{BadResponse, HandshakeError, Misuse};
use super::http1::{self, HeadReader};
use super::limits::HandshakeLimits;
use super::server::parse_host;
use super::subprotocol::Subprotocol;
use super::{Agreement, check_deflate_once, is_reserved, key, lines, tokens, with_deflate};
use crate::extension::{self, Extension, deflate};
use crate::uri::WsUri;
use crate::{DeflateParams, InvalidDeflate};

/// What a client asks a server for.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// The server and the resource. Credentials are not sent: put them into `headers`.
    pub uri: WsUri,
    /// The `Origin` to send, which only browsers must (§10.2). Default: none.
    pub origin: Option<String>,
    /// The subprotocols to offer, in order of preference. Default: none.
    pub subprotocols: Vec<Subprotocol>,
    /// Whether a server that chooses none of the offered subprotocols fails the handshake, as in
    /// browsers. RFC 6455 allows it to choose none. Default: false.
    pub require_subprotocol: bool,
    /// permessage-deflate (RFC 7692), to be offered with these parameters. Default: `None`.
    pub deflate: Option<DeflateParams>,
    /// Further extensions to offer, in order of preference: those that the caller does itself.
    /// Default: none.
    pub extensions: Vec<Extension>,
    /// Further headers. `Upgrade`, `Connection`, `Content-Length`, `Transfer-Encoding` and
    /// `Sec-WebSocket-*` belong to the handshake; `Host` takes the place of the URI's. Default: none.
    pub headers: HeaderMap,
}

impl ClientRequest {
    /// A request for `uri` with every default.
    pub fn new(uri: WsUri) -> Self {
        Self {
            uri,
            origin: None,
            subprotocols: Vec::new(),
            require_subprotocol: false,
            deflate: None,
            extensions: Vec::new(),
            headers: HeaderMap::new(),
        }
    }
}

/// Runs a client's opening handshake over the bytes of an HTTP/1.1 connection.
///
/// Write [`request`](Self::request), then feed what the connection gives to
/// [`handle_input`](Self::handle_input) until it says more than [`ClientProgress::NeedMore`].
#[derive(Debug)]
pub struct ClientHandshake {
    request: Vec<u8>,
    /// What `Sec-WebSocket-Accept` must say.
    accept: String,
    subprotocols: Vec<Subprotocol>,
    require_subprotocol: bool,
    deflate: Option<DeflateParams>,
    extensions: Vec<Extension>,
    max_body_size: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(HeadReader),
    /// The server refused; its reasons are being read.
    Body(Response<()>, BodyReader),
    Done,
}

impl ClientHandshake {
    /// Makes the request. `nonce` must come from a strong source of randomness, afresh for each
    /// connection (§4.1).
    ///
    /// Fails with a [`Misuse`] only.
    pub fn new(
        request: ClientRequest,
        nonce: [u8; 16],
        limits: HandshakeLimits,
    ) -> Result<Self, HandshakeError> {
        let key = key::encode(nonce);
        let bytes = encode_request(&request, &key)?;
        Ok(Self {
            request: bytes,
            accept: key::accept(key.as_bytes()),
            subprotocols: request.subprotocols,
            require_subprotocol: request.require_subprotocol,
            deflate: request.deflate,
            extensions: request.extensions,
            max_body_size: limits.max_body_size,
            state: State::Head(HeadReader::for_response(limits)),
        })
    }

    /// Takes bytes from the connection, cut in any way; the cost is linear in their number.
    ///
    /// Interim responses (1xx) are skipped. Once the handshake is accepted, refused or has failed
    /// it is over, and further input is a [`Misuse`].
    pub fn handle_input(&mut self, input: &[u8]) -> Result<ClientProgress, HandshakeError> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Head(reader) => self.read_head(reader, input),
            State::Body(response, reader) => Ok(self.read_body(response, reader, input)),
            State::Done => Err(Misuse::Finished.into()),
        }
    }

    /// The connection ended, or the caller does not want to wait for more: gives the refusal as far
    /// as it came, or the error if there was no whole response head.
    pub fn handle_eof(&mut self) -> Result<ClientProgress, HandshakeError> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Head(reader) => Err(BadResponse::Incomplete(reader.received()).into()),
            State::Body(response, mut reader) => Ok(refused(response, &mut reader)),
            State::Done => Err(Misuse::Finished.into()),
        }
    }

    /// The bytes to write first.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    fn read_head(
        &mut self,
        mut reader: HeadReader,
        mut input: &[u8],
    ) -> Result<ClientProgress, HandshakeError> {
        while let Some(rest) = reader.push(input).map_err(BadResponse::from)? {
            let response = reader.response().map_err(BadResponse::from)?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let agreement = self.check(&response)?;
                let leftover = Bytes::copy_from_slice(rest);
                return Ok(ClientProgress::Accepted { response, agreement, leftover });
            }
            if !response.status().is_informational() {
                let body = BodyReader::new(&response, self.max_body_size);
                return Ok(self.read_body(response, body, rest));
            }
            reader.restart();
            input = rest;
        }
        self.state = State::Head(reader);
        Ok(ClientProgress::NeedMore)
    }

    fn read_body(
        &mut self,
        response: Response<()>,
        mut reader: BodyReader,
        input: &[u8],
    ) -> ClientProgress {
        reader.push(input);
        if reader.is_done() {
            return refused(response, &mut reader);
        }
        self.state = State::Body(response, reader);
        ClientProgress::NeedMore
    }

    /// Validates a 101 response (§4.1, steps 2 to 6 on the server's response).
    fn check(&self, response: &Response<()>) -> Result<Agreement, BadResponse> {
        let headers = response.headers();
        if response.version() != Version::HTTP_11 {
            return Err(BadResponse::HttpVersion);
        }
        match single(headers, UPGRADE)? {
            Some(protocol) if protocol.eq_ignore_ascii_case(b"websocket") => {}
            _ => return Err(BadResponse::UpgradeMissing),
        }
        if !tokens::contains_token(headers, &CONNECTION, "upgrade") {
            return Err(BadResponse::ConnectionNotUpgrade);
        }
        match single(headers, SEC_WEBSOCKET_ACCEPT)? {
            None => return Err(BadResponse::AcceptMissing),
            Some(accept) if accept != self.accept.as_bytes() => {
                return Err(BadResponse::AcceptMismatch);
            }
            Some(_) => {}
        }
        let mut extensions = extension::from_lines(lines(headers, &SEC_WEBSOCKET_EXTENSIONS))
            .ok_or(BadResponse::HeaderInvalid(SEC_WEBSOCKET_EXTENSIONS))?;
        let deflate = self.check_deflate(&mut extensions)?;
        let offered = |name| self.extensions.iter().any(|offer| offer.name == name);
        if let Some(extension) = extensions.iter().find(|extension| !offered(&*extension.name)) {
            return Err(BadResponse::ExtensionNotOffered(extension.name.clone()));
        }
        Ok(Agreement { subprotocol: self.check_subprotocol(headers)?, deflate, extensions })
    }

    /// Takes permessage-deflate out of what the server agreed to, if it was offered.
    fn check_deflate(
        &self,
        extensions: &mut Vec<Extension>,
    ) -> Result<Option<DeflateParams>, BadResponse> {
        let Some(offered) = self.deflate else { return Ok(None) };
        let mut agreed = None;
        for answer in extensions.extract_if(.., |it| it.name == deflate::NAME) {
            let params = offered.check_answer(&answer).map_err(BadResponse::DeflateInvalid)?;
            if agreed.replace(params).is_some() {
                let repeated = InvalidDeflate::Repeated(answer.name);
                return Err(BadResponse::DeflateInvalid(repeated));
            }
        }
        Ok(agreed)
    }

    fn check_subprotocol(&self, headers: &HeaderMap) -> Result<Option<Subprotocol>, BadResponse> {
        let Some(chosen) = single(headers, SEC_WEBSOCKET_PROTOCOL)? else {
            let missing = self.require_subprotocol && !self.subprotocols.is_empty();
            return if missing { Err(BadResponse::SubprotocolMissing) } else { Ok(None) };
        };
        if !tokens::is_token(chosen) {
            return Err(BadResponse::HeaderInvalid(SEC_WEBSOCKET_PROTOCOL));
        }
        let offer = self.subprotocols.iter().find(|offer| offer.as_str().as_bytes() == chosen);
        match offer {
            Some(offer) => Ok(Some(offer.clone())),
            None => Err(BadResponse::SubprotocolNotOffered(
                String::from_utf8_lossy(chosen).into_owned(),
            )),
        }
    }
}

/// How far a client's opening handshake is.
#[derive(Debug)]
pub enum ClientProgress {
    /// The response is not whole; give more input.
    NeedMore,
    /// The WebSocket connection is established.
    Accepted {
        /// The server's response.
        response: Response<()>,
        /// What was negotiated.
        agreement: Agreement,
        /// Bytes that followed the response: the first frames. The connection must see them before
        /// what is read next.
        leftover: Bytes,
    },
    /// The server answered with another status than 101, which HTTP says how to handle: a redirect,
    /// a demand for credentials, an error. The body holds at most
    /// [`HandshakeLimits::max_body_size`] bytes; if some of it is missing, the response's extensions
    /// have [`BodyTruncated`].
    Refused(Response<Bytes>),
}

/// Marks a response, in its extensions, whose body is not whole: it was beyond the limit, cut off,
/// or delimited in a way that is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyTruncated;

fn refused(response: Response<()>, reader: &mut BodyReader) -> ClientProgress {
    let (body, truncated) = reader.finish();
    let mut response = response.map(|()| body);
    if truncated {
        response.extensions_mut().insert(BodyTruncated);
    }
    ClientProgress::Refused(response)
}

/// Writes the Client's Opening Handshake (§4.1, steps 1 to 12 on the request).
fn encode_request(request: &ClientRequest, key: &str) -> Result<Vec<u8>, Misuse> {
    let ClientRequest { uri, origin, subprotocols, deflate, extensions, headers, .. } = request;
    if let Some(name) = headers.keys().find(|name| is_reserved(name)) {
        return Err(Misuse::HeaderReserved(name.clone()));
    }
    if Subprotocol::any_repeated(subprotocols) {
        return Err(Misuse::SubprotocolRepeated);
    }
    let host = match tokens::single(headers, &HOST) {
        Ok(None) => uri.authority().into_bytes(),
        Ok(Some(host)) if parse_host(host).is_some() => host.to_vec(),
        Ok(Some(_)) | Err(_) => return Err(Misuse::HostInvalid),
    };
    let origins = headers.get_all(ORIGIN).iter().count() + usize::from(origin.is_some());
    let sendable = |origin: &String| !origin.is_empty() && origin.bytes().all(is_origin_byte);
    if origins > 1 || !origin.iter().all(sendable) {
        return Err(Misuse::OriginInvalid);
    }

    let mut out = format!("GET {} HTTP/1.1\r\n", uri.resource_name()).into_bytes();
    let mut write = |name: HeaderName, value: &[u8]| http1::write_header(&mut out, &name, value);
    write(HOST, &host);
    write(UPGRADE, b"websocket");
    write(CONNECTION, b"Upgrade");
    write(SEC_WEBSOCKET_KEY, key.as_bytes());
    write(SEC_WEBSOCKET_VERSION, b"13");
    if let Some(origin) = origin {
        write(ORIGIN, origin.as_bytes());
    }
    if !subprotocols.is_empty() {
        write(SEC_WEBSOCKET_PROTOCOL, Subprotocol::format_list(subprotocols).as_bytes());
    }
    check_deflate_once(*deflate, extensions)?;
    let extensions = with_deflate(extensions, deflate.map(DeflateParams::offer));
    if !extensions.is_empty() {
        let list = Extension::format_list(&extensions)
            .map_err(|wrong| Misuse::ExtensionInvalid(wrong.text().to_owned()))?;
        write(SEC_WEBSOCKET_EXTENSIONS, list.as_bytes());
    }
    for (name, value) in headers.iter().filter(|(name, _)| *name != HOST) {
        write(name.clone(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

fn is_origin_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&[u8]>, BadResponse> {
    tokens::single(headers, &name).map_err(|_| BadResponse::HeaderRepeated(name))
}
