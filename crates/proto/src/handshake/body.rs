//! The body of a response that refuses the handshake (RFC 9112 §6): as long as it says, within a limit.

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::{http1, tokens};

/// Reads a body in any chunking.
#[derive(Debug)]
pub(crate) struct BodyReader {
    state: State,
    body: Vec<u8>,
    /// The line of a chunk that is being read.
    line: Vec<u8>,
    max_size: usize,
    truncated: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes, as Content-Length said (§6.2).
    Length(u64),
    /// Bytes until the connection ends (§6.3).
    UntilEnd,
    /// The line with a chunk's size (§7.1).
    ChunkSize,
    /// So many bytes of a chunk.
    ChunkData(u64),
    /// The empty line after a chunk.
    ChunkEnd,
    /// Nothing, or nothing that matters.
    Done,
}

impl BodyReader {
    pub(crate) fn new(response: &Response<()>, max_size: usize) -> Self {
        let state = State::after(response);
        let truncated = state.is_none();
        let state = state.unwrap_or(State::Done);
        Self { state, body: Vec::new(), line: Vec::new(), max_size, truncated }
    }

    pub(crate) fn push(&mut self, mut input: &[u8]) {
        while !input.is_empty() && !self.is_done() {
            input = self.step(input);
        }
    }

    /// Whether the rest of the input does not matter.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The body, and whether some of it is missing if no more input comes.
    pub(crate) fn finish(&mut self) -> (Bytes, bool) {
        let whole = matches!(self.state, State::Done | State::UntilEnd) && !self.truncated;
        (Bytes::from(std::mem::take(&mut self.body)), !whole)
    }

    /// Takes some of `input`, which is not empty, and gives the rest.
    fn step<'i>(&mut self, input: &'i [u8]) -> &'i [u8] {
        match self.state {
            // not covered: no caller goes on once the body is whole
            State::Done => input,
            State::UntilEnd => {
                self.keep(input);
                &[]
            }
            State::Length(left) | State::ChunkData(left) => {
                let length =
                    usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                let (data, rest) = input.split_at(length);
                let left = left - length as u64;
                self.state = match self.state {
                    State::Length(_) if left == 0 => State::Done,
                    State::Length(_) => State::Length(left),
                    _ if left == 0 => State::ChunkEnd,
                    _ => State::ChunkData(left),
                };
                self.keep(data);
                rest
            }
            State::ChunkSize | State::ChunkEnd => {
                let end = input.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
                let (piece, rest) = input.split_at(end.unwrap_or(input.len()));
                if self.line.len() + piece.len() > MAX_LINE {
                    self.give_up();
                    return rest;
                }
                self.line.extend_from_slice(piece);
                if end.is_some() {
                    self.end_line();
                }
                rest
            }
        }
    }

    fn end_line(&mut self) {
        let next = match (self.state, self.line.strip_suffix(b"\r\n")) {
            (State::ChunkSize, Some(line)) => match chunk_size(line) {
                // The trailers that may follow say nothing of the refusal.
                Some(0) => Some(State::Done),
                Some(size) => Some(State::ChunkData(size)),
                None => None,
            },
            (State::ChunkEnd, Some(b"")) => Some(State::ChunkSize),
            _ => None,
        };
        self.line.clear();
        match next {
            Some(state) => self.state = state,
            None => self.give_up(),
        }
    }

    fn keep(&mut self, data: &[u8]) {
        let room = self.max_size - self.body.len();
        self.body.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            self.give_up();
        }
    }

    /// Ends the body where it is: the status and the headers are worth more than its rest.
    fn give_up(&mut self) {
        self.truncated = true;
        self.state = State::Done;
    }
}

impl State {
    /// How the body after this head is delimited (RFC 9112 §6.3); `None` if that cannot be known.
    fn after(response: &Response<()>) -> Option<Self> {
        if !http1::may_have_body(response.status()) {
            return Some(Self::Done);
        }
        let headers = response.headers();
        if let Some(coding) = tokens::single(headers, &TRANSFER_ENCODING).ok()? {
            return coding.eq_ignore_ascii_case(b"chunked").then_some(Self::ChunkSize);
        }
        match tokens::single(headers, &CONTENT_LENGTH).ok()? {
            None => Some(Self::UntilEnd),
            Some(length) => match decimal(length)? {
                0 => Some(Self::Done),
                length => Some(Self::Length(length)),
            },
        }
    }
}

/// A `Content-Length`: digits only.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    parse(digits, 10)
}

/// The size that a chunk's first line gives; extensions are skipped.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|&byte| matches!(byte, b';' | b' ' | b'\t'));
    parse(&line[..end.unwrap_or(line.len())], 16)
}

fn parse(digits: &[u8], radix: u32) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    // The library also takes a sign.
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, radix).ok() }
}

/// Bytes of a chunk's first line, extensions included; no server needs so many.
const MAX_LINE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue, StatusCode};

    fn read(
        status: u16,
        headers: &[(HeaderName, &'static str)],
        pieces: &[&[u8]],
        max_size: usize,
    ) -> (Bytes, bool, bool) {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        for (name, value) in headers {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
        let mut reader = BodyReader::new(&response, max_size);
        for piece in pieces {
            reader.push(piece);
        }
        let done = reader.is_done();
        let (body, truncated) = reader.finish();
        (body, truncated, done)
    }

    /// The same whether the input comes whole, cut in two anywhere, or byte by byte.
    fn read_in_any_chunking(
        headers: &[(HeaderName, &'static str)],
        input: &[u8],
        max_size: usize,
    ) -> (Bytes, bool, bool) {
        let whole = read(403, headers, &[input], max_size);
        for split in 0..=input.len() {
            let (first, second) = input.split_at(split);
            assert_eq!(read(403, headers, &[first, second], max_size), whole, "split at {split}");
        }
        let bytes: Vec<_> = input.chunks(1).collect();
        assert_eq!(read(403, headers, &bytes, max_size), whole, "byte by byte");
        whole
    }

    const WHOLE: bool = false;
    const TRUNCATED: bool = true;

    #[test]
    fn content_length_ends_the_body() {
        let length = [(CONTENT_LENGTH, "5")];
        let body = |text: &'static str| Bytes::from_static(text.as_bytes());
        assert_eq!(read_in_any_chunking(&length, b"12345", 5), (body("12345"), WHOLE, true));
        assert_eq!(read_in_any_chunking(&length, b"12345rest", 9), (body("12345"), WHOLE, true));
        assert_eq!(read_in_any_chunking(&length, b"123", 9), (body("123"), TRUNCATED, false));
        assert_eq!(read_in_any_chunking(&length, b"12345", 4), (body("1234"), TRUNCATED, true));
        assert_eq!(read(403, &[(CONTENT_LENGTH, "0")], &[], 9), (body(""), WHOLE, true));
    }

    #[test]
    fn the_end_of_the_connection_ends_the_body() {
        assert_eq!(read_in_any_chunking(&[], b"12345", 5), ("12345".into(), WHOLE, false));
        assert_eq!(read_in_any_chunking(&[], b"123456", 5), ("12345".into(), TRUNCATED, true));
    }

    #[test]
    fn chunks_are_joined() {
        // RFC 9112 §7.1
        let chunked = [(TRANSFER_ENCODING, "Chunked"), (CONTENT_LENGTH, "1")];
        let input = b"3;name=value\r\nabc\r\n0A \r\n0123456789\r\n000\r\nTrailer: x\r\n\r\n";
        assert_eq!(
            read_in_any_chunking(&chunked, input, 13),
            ("abc0123456789".into(), WHOLE, true)
        );
        assert_eq!(read_in_any_chunking(&chunked, input, 4), ("abc0".into(), TRUNCATED, true));
        assert_eq!(
            read_in_any_chunking(&chunked, &input[..20], 99),
            ("abc".into(), TRUNCATED, false)
        );
    }

    #[test]
    fn what_is_not_a_chunk_cuts_the_body() {
        for (input, body) in [
            (&b"3\r\nabcd\r\n0\r\n\r\n"[..], "abc"),
            (b"3\r\nabc\r\nx\r\n", "abc"),
            (b"3\r\nabc\r\n\r\n", "abc"),
            (b"3\nabc\r\n0\r\n\r\n", ""),
            (b"+3\r\nabc\r\n0\r\n\r\n", ""),
            (b"-3\r\nabc\r\n0\r\n\r\n", ""),
            (b"10000000000000000\r\nabc", ""),
            (b"\xff\r\n", ""),
        ] {
            let got = read_in_any_chunking(&[(TRANSFER_ENCODING, "chunked")], input, 99);
            assert_eq!(got, (body.into(), TRUNCATED, true), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_chunk_extension_has_a_bound() {
        let line = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(MAX_LINE));
        let got = read_in_any_chunking(&[(TRANSFER_ENCODING, "chunked")], line.as_bytes(), 99);
        assert_eq!(got, ("".into(), TRUNCATED, true));
    }

    #[test]
    fn a_length_that_cannot_be_known_gives_no_body() {
        for headers in [
            &[(TRANSFER_ENCODING, "gzip, chunked")][..],
            &[(TRANSFER_ENCODING, "chunked"), (TRANSFER_ENCODING, "chunked")],
            &[(CONTENT_LENGTH, "5"), (CONTENT_LENGTH, "6")],
            &[(CONTENT_LENGTH, "+5")],
            &[(CONTENT_LENGTH, "")],
            &[(CONTENT_LENGTH, "18446744073709551616")],
        ] {
            assert_eq!(read(403, headers, &[b"12345"], 9), ("".into(), TRUNCATED, true));
        }
    }

    #[test]
    fn some_statuses_have_no_body() {
        for status in [204, 304] {
            let got = read(status, &[(CONTENT_LENGTH, "5")], &[b"12345"], 9);
            assert_eq!(got, ("".into(), WHOLE, true));
        }
    }
}
