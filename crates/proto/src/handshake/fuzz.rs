//! Entry points of the fuzz targets for the handshake: each takes any bytes, and panics on a broken promise.

use super::{
    Answer, ClientHandshake, ClientProgress, ClientRequest, HandshakeError, HandshakeLimits,
    ServerHandshake, encode_acceptance, encode_response,
};
use crate::extension::Extension;
use crate::uri::WsUri;

/// A request, cut in any way, is read the same; a valid one can be answered, and its answer is one
/// that a client reads; an invalid one has an answer.
///
/// The first byte says how the rest is cut.
pub fn handshake_request(data: &[u8]) {
    let Some((&size, input)) = data.split_first() else { return };
    let whole = read_request(input, input.len());
    assert_eq!(whole, read_request(input, usize::from(size)), "in pieces of {size}");
    assert_eq!(whole, read_request(input, 1), "byte by byte");
}

/// A response, cut in any way, is read the same, and never gives more than the limits allow.
///
/// The first byte says how the rest is cut.
pub fn handshake_response(data: &[u8]) {
    let Some((&size, input)) = data.split_first() else { return };
    let whole = read_response(input, input.len());
    assert_eq!(whole, read_response(input, usize::from(size)), "in pieces of {size}");
    assert_eq!(whole, read_response(input, 1), "byte by byte");
}

/// A list of extensions that can be read can be written, and read again as the same.
pub fn extensions_header(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(extensions) = Extension::parse_list(text) {
        assert!(!extensions.is_empty(), "a list holds an element");
        let again = Extension::format_list(&extensions).expect("what was read can be written");
        assert_eq!(Extension::parse_list(&again), Ok(extensions));
    }
}

/// A URI that can be read can be read again, and makes a request of a path and five headers,
/// whatever it holds.
pub fn uri(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(uri) = WsUri::parse(text) else { return };
    let shown = WsUri::parse(&uri.to_string()).expect("what is shown can be read");
    assert_eq!(shown.to_string(), uri.to_string());
    assert!(shown.credentials().is_none(), "credentials are not shown");
    assert!(shown.same_origin(&uri));
    // A path that starts with two slashes names another host, where it is read as a reference.
    if !uri.resource_name().starts_with("//") {
        assert!(uri.same_origin(&uri.join(&uri.resource_name()).expect("a path is a reference")));
    }
    assert!(uri.resource_name().starts_with('/'));
    let client = ClientHandshake::new(ClientRequest::new(uri), [7; 16], LIMITS)
        .expect("a plain request has nothing to refuse");
    let request = std::str::from_utf8(client.request()).expect("ASCII");
    assert_eq!(request.split("\r\n").count(), 8, "the request line, five headers, an empty line");
    assert!(request.starts_with("GET /") && request.is_ascii());
}

/// What becomes of a request that comes in pieces of `size` bytes, as text to compare.
fn read_request(input: &[u8], size: usize) -> String {
    let mut server = ServerHandshake::new(LIMITS);
    let mut taken = 0;
    for piece in input.chunks(size.max(1)) {
        taken += piece.len();
        match server.handle_input(piece) {
            Ok(None) => {}
            Ok(Some(mut opening)) => {
                let head = taken - opening.take_leftover().len();
                let subprotocol = opening.subprotocols().first().cloned();
                let extensions = opening.extensions().to_vec();
                let answer = Answer { subprotocol, extensions, ..Answer::default() };
                let (response, _) = opening.accept(answer).expect("all of it was offered");
                let response = encode_acceptance(&response);
                assert_eq!(read_response(&response, 1), read_response(&response, response.len()));
                return format!("{head} {opening:?} {}", response.escape_ascii());
            }
            Err(error) => return describe(&error),
        }
    }
    describe(&server.handle_eof())
}

fn describe(error: &HandshakeError) -> String {
    let response = error.response().expect("a fault of the request has an answer");
    let bytes = encode_response(&response);
    let mut client = client();
    match client.handle_input(&bytes) {
        Ok(ClientProgress::Refused(refusal)) => {
            assert_eq!(refusal.status(), response.status());
            assert_eq!(refusal.body(), response.body());
        }
        // not covered: a finding
        other => panic!("an answer that refuses is read as {other:?}"),
    }
    format!("{error:?}")
}

/// What becomes of a response that comes in pieces of `size` bytes, as text to compare.
fn read_response(input: &[u8], size: usize) -> String {
    let mut client = client();
    let mut taken = 0;
    for piece in input.chunks(size.max(1)) {
        taken += piece.len();
        match client.handle_input(piece) {
            Ok(ClientProgress::NeedMore) => {}
            Ok(ClientProgress::Accepted { response, agreement, leftover }) => {
                return format!("{} {response:?} {agreement:?}", taken - leftover.len());
            }
            outcome => return outcome_text(&outcome),
        }
    }
    outcome_text(&client.handle_eof())
}

fn outcome_text(outcome: &Result<ClientProgress, HandshakeError>) -> String {
    if let Ok(ClientProgress::Refused(response)) = outcome {
        assert!(response.body().len() <= LIMITS.max_body_size, "the body is bounded");
    }
    format!("{outcome:?}")
}

/// A client whose nonce is the RFC's sample, so that a corpus can hold responses it accepts.
fn client() -> ClientHandshake {
    let uri = WsUri::parse("ws://server.example.com/chat").expect("a URI");
    let mut request = ClientRequest::new(uri);
    request.subprotocols =
        vec!["chat".parse().expect("a token"), "superchat".parse().expect("a token")];
    request.extensions = Extension::parse_list("permessage-deflate; a, x").expect("a list");
    ClientHandshake::new(request, *b"the sample nonce", LIMITS).expect("a valid request")
}

/// Small, so that a fuzzer reaches every one.
const LIMITS: HandshakeLimits =
    HandshakeLimits { max_head_size: 1024, max_headers: 16, max_body_size: 256 };

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
        Sec-WebSocket-Extensions: x; y=\"1\\2\"\r\nSec-WebSocket-Version: 13\r\n\r\n\x01\x02";

    const RESPONSES: [&str; 3] = [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x, permessage-deflate\r\n\r\n\x01",
        "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n\
         3;x\r\nabc\r\n20\r\n0123456789abcdef0123456789abcdef\r\n0\r\n\r\n",
        "HTTP/1.0 302 Found\r\nLocation: /\r\nContent-Length: 9\r\n\r\n123456789",
    ];

    /// Runs `target` on `seed` with every byte replaced, removed and doubled.
    fn mutate(seed: &str, target: fn(&[u8])) {
        for index in 0..seed.len() {
            for byte in [0, b'\r', b'\n', b' ', b',', b'"', b';', b':', b'0', b'a', 0x80, 0xff] {
                let mut data = Vec::from([3]);
                data.extend_from_slice(seed.as_bytes());
                data[1 + index] = byte;
                target(&data);
                data.insert(1 + index, seed.as_bytes()[index]);
                target(&data);
            }
            let mut data = Vec::from([3]);
            data.extend_from_slice(seed.as_bytes());
            data.remove(1 + index);
            target(&data);
            target(&data[..=index]);
        }
    }

    #[test]
    fn mutated_requests_are_read_the_same_in_any_chunking() {
        handshake_request(b"");
        mutate(REQUEST, handshake_request);
    }

    #[test]
    fn mutated_responses_are_read_the_same_in_any_chunking() {
        handshake_response(b"");
        for response in RESPONSES {
            mutate(response, handshake_response);
        }
    }

    #[test]
    fn the_seeds_are_valid() {
        assert!(read_request(REQUEST.as_bytes(), 1).contains("101 Switching Protocols"));
        assert!(read_response(RESPONSES[0].as_bytes(), 1).contains("subprotocol: Some"));
        assert!(read_response(RESPONSES[1].as_bytes(), 1).contains("abc0123456789abcdef"));
        assert!(read_response(RESPONSES[2].as_bytes(), 1).contains("123456789"));
    }

    proptest! {
        #[test]
        fn any_bytes_keep_the_promises(data in prop::collection::vec(any::<u8>(), 0..200)) {
            handshake_request(&data);
            handshake_response(&data);
            extensions_header(&data);
            uri(&data);
        }

        #[test]
        fn texts_like_uris_keep_the_promises(
            text in "(ws|wss|http|https|ftp)://([a-z]{0,3}(:[a-z%]{0,3})?@)?[a-z0-9.:\\[\\]%é-]{1,12}\
                     (:[0-9]{0,5})?[/a-z?#%&é|^ .]{0,12}"
        ) {
            uri(text.as_bytes());
        }
    }
}
