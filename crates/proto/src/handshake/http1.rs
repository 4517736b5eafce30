//! HTTP/1.1 on the wire (RFC 9112): heads are read in any chunking, and written.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};

use super::error::{BadRequest, BadResponse};
use super::limits::HandshakeLimits;

/// Collects the bytes of a head until its empty line, and parses it once.
///
/// Each byte is looked at once as it arrives, so the cost is linear however the input is cut.
#[derive(Debug)]
pub(crate) struct HeadReader {
    limits: HandshakeLimits,
    /// Whether empty lines before the head are skipped, as a server does (RFC 9112 §2.2).
    skip_empty_lines: bool,
    head: Vec<u8>,
    /// Where the line that is being read starts in `head`.
    line_start: usize,
    /// Whole lines in `head`; the first is the request line or the status line.
    lines: usize,
    /// Bytes of all heads so far.
    received: usize,
}

impl HeadReader {
    pub(crate) fn for_request(limits: HandshakeLimits) -> Self {
        Self::new(limits, true)
    }

    pub(crate) fn for_response(limits: HandshakeLimits) -> Self {
        Self::new(limits, false)
    }

    fn new(limits: HandshakeLimits, skip_empty_lines: bool) -> Self {
        Self { limits, skip_empty_lines, head: Vec::new(), line_start: 0, lines: 0, received: 0 }
    }

    /// Takes the head's bytes from `input`. Once the head is whole, gives what follows it.
    pub(crate) fn push<'i>(&mut self, input: &'i [u8]) -> Result<Option<&'i [u8]>, HeadError> {
        let room = self.limits.max_head_size - self.received;
        let mut taken = 0;
        for piece in input[..input.len().min(room)].split_inclusive(|&byte| byte == b'\n') {
            self.head.extend_from_slice(piece);
            self.received += piece.len();
            taken += piece.len();
            if !piece.ends_with(b"\n") {
                break;
            }
            let line = &self.head[self.line_start..];
            if !line.ends_with(b"\r\n") {
                return Err(HeadError::Malformed("a line ends with LF alone"));
            }
            if line.len() > 2 {
                self.lines += 1;
                self.line_start = self.head.len();
                if self.lines > self.limits.max_headers.saturating_add(1) {
                    return Err(HeadError::TooManyHeaders(self.limits.max_headers));
                }
            } else if self.line_start == 0 && self.skip_empty_lines {
                self.head.clear();
            } else {
                return Ok(Some(&input[taken..]));
            }
        }
        if self.received == self.limits.max_head_size {
            return Err(HeadError::TooLarge(self.limits.max_head_size));
        }
        Ok(None)
    }

    /// Bytes that were taken, of all heads.
    pub(crate) fn received(&self) -> usize {
        self.received
    }

    /// Makes room for another head, within the same limit on their bytes.
    pub(crate) fn restart(&mut self) {
        self.head.clear();
        self.line_start = 0;
        self.lines = 0;
    }

    /// Parses the head as a request.
    pub(crate) fn request(&self) -> Result<Request<()>, HeadError> {
        let mut headers = self.header_slots();
        let mut head = httparse::Request::new(&mut headers);
        let status = head.parse(&self.head)?;
        let (httparse::Status::Complete(_), Some(method), Some(target), Some(minor)) =
            (status, head.method, head.path, head.version)
        else {
            // not covered: httparse completes only with all three parts
            return Err(HeadError::Malformed("the request line is not whole"));
        };
        // A fragment would be dropped without a word, and text outside ASCII kept.
        if target.contains('#') || !target.is_ascii() {
            return Err(HeadError::Target);
        }
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(method.as_bytes())
            .map_err(|_| HeadError::Malformed("the method is not a token"))?;
        *request.uri_mut() = Uri::try_from(target).map_err(|_| HeadError::Target)?;
        *request.version_mut() = version(minor);
        *request.headers_mut() = self.header_map(head.headers)?;
        Ok(request)
    }

    /// Parses the head as a response.
    pub(crate) fn response(&self) -> Result<Response<()>, HeadError> {
        let mut headers = self.header_slots();
        let mut head = httparse::Response::new(&mut headers);
        let status = head.parse(&self.head)?;
        let (httparse::Status::Complete(_), Some(code), Some(minor)) =
            (status, head.code, head.version)
        else {
            return Err(HeadError::Malformed("the status line is not whole"));
        };
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(code)
            .map_err(|_| HeadError::Malformed("the status is below 100"))?;
        *response.version_mut() = version(minor);
        *response.headers_mut() = self.header_map(head.headers)?;
        Ok(response)
    }

    fn header_slots(&self) -> Vec<httparse::Header<'_>> {
        vec![httparse::EMPTY_HEADER; self.lines.saturating_sub(1)]
    }

    fn header_map(&self, headers: &[httparse::Header<'_>]) -> Result<HeaderMap, HeadError> {
        let too_many = |_| HeadError::TooManyHeaders(self.limits.max_headers);
        let mut map = HeaderMap::try_with_capacity(headers.len()).map_err(too_many)?;
        for header in headers {
            let name = HeaderName::from_bytes(header.name.as_bytes())
                .map_err(|_| HeadError::Malformed("a header name is not a token"))?;
            let value = HeaderValue::from_bytes(header.value)
                .map_err(|_| HeadError::Malformed("a header value has control characters"))?;
            map.try_append(name, value).map_err(too_many)?;
        }
        Ok(map)
    }
}

/// Why bytes are not a head, of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    Malformed(&'static str),
    Target,
    TooLarge(usize),
    TooManyHeaders(usize),
    Version,
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        Self::Malformed(match error {
            httparse::Error::HeaderName => "a header name is not a token",
            httparse::Error::HeaderValue => "a header value has control characters",
            httparse::Error::NewLine => "a line does not end with CR LF",
            httparse::Error::Status => "the status line is not valid",
            httparse::Error::Token => "the request line is not valid",
            // not covered: there is a place for each line that was counted
            httparse::Error::TooManyHeaders => "a header line is not valid",
            httparse::Error::Version => return Self::Version,
        })
    }
}

impl From<HeadError> for BadRequest {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed(what) => Self::Malformed(what),
            HeadError::Target => Self::TargetInvalid,
            HeadError::TooLarge(limit) => Self::HeadTooLarge(limit),
            HeadError::TooManyHeaders(limit) => Self::TooManyHeaders(limit),
            HeadError::Version => Self::HttpVersion,
        }
    }
}

impl From<HeadError> for BadResponse {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed(what) => Self::Malformed(what),
            HeadError::TooLarge(limit) => Self::HeadTooLarge(limit),
            HeadError::TooManyHeaders(limit) => Self::TooManyHeaders(limit),
            HeadError::Target | HeadError::Version => {
                Self::Malformed("it does not start with HTTP/1.1")
            }
        }
    }
}

/// Writes an answer that refuses an opening handshake, for HTTP/1.1.
///
/// The answer ends the connection: `Connection: close` and `Content-Length` are written in place of
/// what the response has for them, and `Transfer-Encoding` is left out. A 1xx, 204 or 304 answer has
/// neither length nor body (RFC 9110 §8.6). To accept a handshake, use
/// [`encode_acceptance`].
pub fn encode_response(response: &Response<impl AsRef<[u8]>>) -> Vec<u8> {
    let status = response.status();
    let headers = response.headers();
    let mut out = encode_status_line(status);
    let connection = if headers.contains_key(UPGRADE) { "close, Upgrade" } else { "close" };
    write_header(&mut out, &CONNECTION, connection.as_bytes());
    for (name, value) in headers {
        if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
            write_header(&mut out, name, value.as_bytes());
        }
    }
    let body = response.body().as_ref();
    if may_have_body(status) {
        write_header(&mut out, &CONTENT_LENGTH, body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
    } else {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Writes the answer that accepts an opening handshake, for HTTP/1.1, as it is.
pub fn encode_acceptance(response: &Response<()>) -> Vec<u8> {
    let mut out = encode_status_line(response.status());
    write_headers(&mut out, response.headers());
    out.extend_from_slice(b"\r\n");
    out
}

pub(crate) fn write_headers(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        write_header(out, name, value.as_bytes());
    }
}

/// Writes one header line, with the name spelled as it usually is (`Sec-WebSocket-Key`): some
/// peers do compare case.
pub(crate) fn write_header(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    let start = out.len();
    out.extend_from_slice(name.as_str().as_bytes());
    let name = &mut out[start..];
    for index in 0..name.len() {
        if index == 0 || name[index - 1] == b'-' {
            name[index].make_ascii_uppercase();
        }
    }
    if name.starts_with(b"Sec-Websocket-") {
        name["Sec-Web".len()] = b'S';
    }
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Whether a response of this status has a body (RFC 9112 §6.3).
pub(crate) fn may_have_body(status: StatusCode) -> bool {
    !status.is_informational()
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::NOT_MODIFIED
}

fn encode_status_line(status: StatusCode) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes()
}

fn version(minor: u8) -> Version {
    if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 }
}
