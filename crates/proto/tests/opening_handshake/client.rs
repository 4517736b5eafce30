//! The client's side (§4.1).

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, LOCATION, ORIGIN,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use longwire_proto::handshake::{
    BadResponse, BodyTruncated, ClientHandshake, ClientProgress, ClientRequest, HandshakeError,
    HandshakeLimits, Misuse,
};
use longwire_proto::{Agreement, Extension, WsUri};

use crate::{Head, SAMPLE_ACCEPT, SAMPLE_KEY, SAMPLE_NONCE, in_any_chunking, subprotocols};

fn request_for(uri: &str) -> ClientRequest {
    ClientRequest::new(WsUri::parse(uri).expect("a URI"))
}

/// A request that offers subprotocols and extensions.
fn offer() -> ClientRequest {
    let mut request = request_for("ws://server.example.com/chat");
    request.subprotocols = subprotocols(["chat", "superchat"]);
    request.extensions = Extension::parse_list("permessage-deflate; a, x").expect("a list");
    request
}

fn handshake(request: &ClientRequest) -> Result<ClientHandshake, HandshakeError> {
    ClientHandshake::new(request.clone(), SAMPLE_NONCE, HandshakeLimits::default())
}

fn request_text(request: &ClientRequest) -> String {
    let client = handshake(request).expect("a valid request");
    String::from_utf8(client.request().to_vec()).expect("text")
}

fn misuse(request: &ClientRequest) -> Misuse {
    match handshake(request) {
        Err(HandshakeError::Misuse(misuse)) => misuse,
        other => panic!("misuse is taken as {other:?}"),
    }
}

fn response() -> Head {
    Head::new(
        "HTTP/1.1 101 Switching Protocols",
        &[
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", SAMPLE_ACCEPT),
        ],
    )
}

/// Reads a response, checks that no chunking changes the outcome, and gives it with what followed.
fn read_bytes(
    request: &ClientRequest,
    input: &[u8],
) -> (Result<ClientProgress, HandshakeError>, Vec<u8>) {
    let limits = HandshakeLimits::default();
    let (_, leftover) = in_any_chunking(input, |pieces| {
        let (outcome, leftover) = feed(request, limits, pieces);
        (format!("{outcome:?}"), leftover)
    });
    (feed(request, limits, &[input]).0, leftover)
}

/// The outcome without the leftover, and the leftover together with what was not fed.
fn feed(
    request: &ClientRequest,
    limits: HandshakeLimits,
    pieces: &[&[u8]],
) -> (Result<ClientProgress, HandshakeError>, Vec<u8>) {
    let mut client = ClientHandshake::new(request.clone(), SAMPLE_NONCE, limits).expect("valid");
    for (index, piece) in pieces.iter().enumerate() {
        match client.handle_input(piece) {
            Ok(ClientProgress::NeedMore) => {}
            Ok(ClientProgress::Accepted { response, agreement, leftover }) => {
                let leftover = [&leftover[..], &pieces[index + 1..].concat()].concat();
                let accepted =
                    ClientProgress::Accepted { response, agreement, leftover: Bytes::new() };
                return (Ok(accepted), leftover);
            }
            outcome => return (outcome, Vec::new()),
        }
    }
    (client.handle_eof(), Vec::new())
}

fn accepted(request: &ClientRequest, head: &Head) -> Agreement {
    match read_bytes(request, &head.bytes()).0 {
        Ok(ClientProgress::Accepted { agreement, .. }) => agreement,
        other => panic!("a valid response is read as {other:?}"),
    }
}

fn fault(request: &ClientRequest, head: &Head) -> BadResponse {
    fault_of(read_bytes(request, &head.bytes()).0)
}

fn fault_of(outcome: Result<ClientProgress, HandshakeError>) -> BadResponse {
    match outcome {
        Err(error @ HandshakeError::BadResponse(_)) => {
            assert!(error.response().is_none(), "a client answers nothing");
            assert!(error.to_string().contains("; "), "cause; cure: {error}");
            let HandshakeError::BadResponse(fault) = error else { unreachable!("matched above") };
            fault
        }
        other => panic!("a bad response is read as {other:?}"),
    }
}

fn refusal(input: &[u8]) -> (Response<Bytes>, bool) {
    match read_bytes(&offer(), input).0 {
        Ok(ClientProgress::Refused(response)) => {
            let truncated = response.extensions().get::<BodyTruncated>().is_some();
            (response, truncated)
        }
        other => panic!("a refusal is read as {other:?}"),
    }
}

#[test]
fn the_request_is_as_the_rfc_has_it() {
    // §1.3, §4.1
    let mut request = offer();
    request.origin = Some("http://example.com".into());
    request.headers.append(COOKIE, HeaderValue::from_static("a=1"));
    assert_eq!(
        request_text(&request),
        format!(
            "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {SAMPLE_KEY}\r\n\
             Sec-WebSocket-Version: 13\r\nOrigin: http://example.com\r\n\
             Sec-WebSocket-Protocol: chat, superchat\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; a, x\r\nCookie: a=1\r\n\r\n"
        )
    );
}

#[test]
fn host_leaves_out_the_default_port_and_keeps_brackets() {
    // §4.1, item 4 on the request
    for (uri, host) in [
        ("ws://h:80/", "h"),
        ("wss://h:443/", "h"),
        ("wss://h:80/", "h:80"),
        ("ws://user:secret@[::1]:9001/", "[::1]:9001"),
    ] {
        let text = request_text(&request_for(uri));
        assert!(text.starts_with(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n")), "{text}");
        assert!(!text.contains("secret"));
    }
}

#[test]
fn the_caller_may_give_another_host() {
    let mut request = request_for("ws://127.0.0.1/");
    request.headers.insert(HOST, HeaderValue::from_static("example.com:8080"));
    let text = request_text(&request);
    assert!(text.contains("\r\nHost: example.com:8080\r\n"), "{text}");
    assert_eq!(text.matches("Host:").count(), 1);
    for host in ["", "a b", "u@h", "h:x"] {
        request.headers.insert(HOST, HeaderValue::from_static(host));
        assert_eq!(misuse(&request), Misuse::HostInvalid, "{host}");
    }
    request.headers.insert(HOST, HeaderValue::from_static("a"));
    request.headers.append(HOST, HeaderValue::from_static("b"));
    assert_eq!(misuse(&request), Misuse::HostInvalid);
}

#[test]
fn the_caller_may_not_give_headers_of_the_handshake() {
    for name in [
        "connection",
        "content-length",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "transfer-encoding",
        "upgrade",
    ] {
        let mut request = request_for("ws://h");
        let name = HeaderName::from_static(name);
        request.headers.insert(name.clone(), HeaderValue::from_static("1"));
        assert_eq!(misuse(&request), Misuse::HeaderReserved(name));
    }
}

#[test]
fn the_caller_cannot_smuggle_lines() {
    for value in ["a\r\nb: c", "a\nb", "a\rb", "a\0b"] {
        assert!(HeaderValue::from_str(value).is_err(), "no header value holds {value:?}");
        let mut request = request_for("ws://h");
        request.origin = Some(value.to_owned());
        assert_eq!(misuse(&request), Misuse::OriginInvalid);
        request = request_for("ws://h");
        request.extensions = vec![Extension { name: value.to_owned(), params: vec![] }];
        assert_eq!(misuse(&request), Misuse::ExtensionInvalid(value.to_owned()));
    }
    let uri = WsUri::parse("ws://h/a\r\nb: c?d e\u{e9}").expect("line ends are dropped from URIs");
    let text = request_text(&ClientRequest::new(uri));
    assert!(text.starts_with("GET /ab:%20c?d%20e%C3%A9 HTTP/1.1\r\nHost: h\r\n"), "{text}");
}

#[test]
fn the_origin_is_given_once() {
    let mut request = request_for("ws://h");
    request.headers.insert(ORIGIN, HeaderValue::from_static("https://a"));
    assert!(request_text(&request).contains("\r\nOrigin: https://a\r\n"));
    request.origin = Some("https://a".into());
    assert_eq!(misuse(&request), Misuse::OriginInvalid);
    for origin in ["", "a b", "https://\u{e9}"] {
        let mut request = request_for("ws://h");
        request.origin = Some(origin.into());
        assert_eq!(misuse(&request), Misuse::OriginInvalid, "{origin}");
    }
}

#[test]
fn offered_subprotocols_are_distinct() {
    // §4.1, item 10 on the request
    let mut request = request_for("ws://h");
    request.subprotocols = subprotocols(["a", "b", "a"]);
    assert_eq!(misuse(&request), Misuse::SubprotocolRepeated);
}

#[test]
fn header_values_are_sent_as_they_are() {
    let mut request = request_for("ws://h");
    let value = HeaderValue::from_bytes(b"Basic \xe9").expect("obs-text");
    request.headers.insert(AUTHORIZATION, value);
    let client = handshake(&request).expect("a valid request");
    assert!(client.request().ends_with(b"\r\nAuthorization: Basic \xe9\r\n\r\n"));
}

#[test]
fn the_sample_response_is_accepted() {
    // §1.3
    let head = response().with("Sec-WebSocket-Protocol", "chat");
    let agreement = accepted(&offer(), &head);
    assert_eq!(agreement.subprotocol.expect("a subprotocol"), "chat");
    assert!(agreement.extensions.is_empty());
}

#[test]
fn bytes_after_the_response_are_handed_back() {
    let mut input = response().bytes();
    input.extend(b"\x81\x02hi");
    let (outcome, leftover) = read_bytes(&offer(), &input);
    assert!(matches!(outcome, Ok(ClientProgress::Accepted { .. })));
    assert_eq!(leftover, b"\x81\x02hi");
}

#[test]
fn interim_responses_are_skipped() {
    // RFC 9110 §15.2
    let mut input = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
                      HTTP/1.1 199 \r\nUpgrade: x\r\n\r\n"
        .to_vec();
    input.extend(response().bytes());
    input.extend(b"\x89\0");
    let (outcome, leftover) = read_bytes(&offer(), &input);
    assert!(matches!(outcome, Ok(ClientProgress::Accepted { .. })));
    assert_eq!(leftover, b"\x89\0");
}

#[test]
fn interim_responses_have_a_limit() {
    let limits = HandshakeLimits::default();
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    for chunk in [1, 25, usize::MAX] {
        let pieces: Vec<_> = interim.chunks(chunk).collect();
        let fault = fault_of(feed(&offer(), limits, &pieces).0);
        assert_eq!(fault, BadResponse::HeadTooLarge(limits.max_head_size));
    }
}

#[test]
fn keywords_of_the_response_are_in_any_case() {
    // §4.1, items 2 and 3 on the response
    let head = Head::new(
        "HTTP/1.1 101",
        &[
            ("UPGRADE", " WebSocket\t"),
            ("connection", "keep-alive"),
            ("connection", ", uPGRADE"),
            ("SEC-WEBSOCKET-ACCEPT", &format!("\t{SAMPLE_ACCEPT}  ")),
        ],
    );
    accepted(&offer(), &head);
}

#[test]
fn the_response_is_http_1_1() {
    let old = response().start("HTTP/1.0 101 Switching Protocols");
    assert_eq!(fault(&offer(), &old), BadResponse::HttpVersion);
    for start in
        ["HTTP/2.0 101 x", "HTTP/1.1 99 x", "HTTP/1.1 099 x", "HTTP/1.1 abc", "SSH-2.0-x", ""]
    {
        let fault = fault(&offer(), &response().start(start));
        assert!(matches!(fault, BadResponse::Malformed(_)), "{start}: {fault:?}");
    }
    for line in ["X: a\n", "X: a\r\n folded\r\n", "X : a\r\n", "X: \0\r\n", "X\r\n"] {
        let mut text = String::from_utf8(response().bytes()).expect("ASCII");
        text.insert_str(text.len() - 2, line);
        let fault = fault_of(read_bytes(&offer(), text.as_bytes()).0);
        assert!(matches!(fault, BadResponse::Malformed(_)), "{line}: {fault:?}");
    }
}

#[test]
fn the_response_upgrades_to_websocket() {
    // §4.1, items 2 and 3 on the response
    let missing = BadResponse::UpgradeMissing;
    assert_eq!(fault(&offer(), &response().without("Upgrade")), missing);
    for upgrade in ["", "h2c", "websocket, foo", "websockets"] {
        assert_eq!(fault(&offer(), &response().replace("Upgrade", upgrade)), missing, "{upgrade}");
    }
    let twice = response().with("Upgrade", "websocket");
    assert_eq!(fault(&offer(), &twice), BadResponse::HeaderRepeated(UPGRADE));
    let missing = BadResponse::ConnectionNotUpgrade;
    assert_eq!(fault(&offer(), &response().without("Connection")), missing);
    assert_eq!(fault(&offer(), &response().replace("Connection", "close")), missing);
}

#[test]
fn the_response_answers_the_key() {
    // §4.1, item 4 on the response
    let name = "Sec-WebSocket-Accept";
    assert_eq!(fault(&offer(), &response().without(name)), BadResponse::AcceptMissing);
    for accept in ["", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo", "S3PPLMBITXAQ9KYGZZHZRBK+XOO=", SAMPLE_KEY] {
        let fault = fault(&offer(), &response().replace(name, accept));
        assert_eq!(fault, BadResponse::AcceptMismatch, "{accept}");
    }
    let twice = response().with(name, SAMPLE_ACCEPT);
    assert_eq!(fault(&offer(), &twice), BadResponse::HeaderRepeated(SEC_WEBSOCKET_ACCEPT));
}

#[test]
fn extensions_of_the_response_were_offered() {
    // §4.1, item 5 on the response; §9.1; erratum 3433
    let name = "Sec-WebSocket-Extensions";
    let head = response().with(name, "x; y=\"1\"").with(name, "permessage-deflate");
    let expected = Extension::parse_list("x; y=1, permessage-deflate").expect("a list");
    assert_eq!(accepted(&offer(), &head).extensions, expected);
    for (list, other) in [("x, z", "z"), ("X", "X")] {
        let fault = fault(&offer(), &response().with(name, list));
        assert_eq!(fault, BadResponse::ExtensionNotOffered(other.into()));
    }
    let none = request_for("ws://h");
    let fault_without_offer = fault(&none, &response().with(name, "x"));
    assert_eq!(fault_without_offer, BadResponse::ExtensionNotOffered("x".into()));
    for list in ["", "x;", "x; y=\"", "x y"] {
        let fault = fault(&offer(), &response().with(name, list));
        assert_eq!(fault, BadResponse::HeaderInvalid(SEC_WEBSOCKET_EXTENSIONS), "{list}");
    }
}

#[test]
fn the_subprotocol_of_the_response_is_one_that_was_offered() {
    // §4.1, item 6 on the response; §11.3.4
    let name = "Sec-WebSocket-Protocol";
    let agreement = accepted(&offer(), &response().with(name, " superchat "));
    assert_eq!(agreement.subprotocol.expect("a subprotocol"), "superchat");
    for other in ["Chat", "other"] {
        let fault = fault(&offer(), &response().with(name, other));
        assert_eq!(fault, BadResponse::SubprotocolNotOffered(other.into()));
    }
    let unasked = fault(&request_for("ws://h"), &response().with(name, "chat"));
    assert_eq!(unasked, BadResponse::SubprotocolNotOffered("chat".into()));
    for list in ["", "chat, superchat", "chat,", "\u{e9}"] {
        let fault = fault(&offer(), &response().with(name, list));
        assert_eq!(fault, BadResponse::HeaderInvalid(SEC_WEBSOCKET_PROTOCOL), "{list}");
    }
    let twice = response().with(name, "chat").with(name, "chat");
    assert_eq!(fault(&offer(), &twice), BadResponse::HeaderRepeated(SEC_WEBSOCKET_PROTOCOL));
}

#[test]
fn the_server_may_choose_no_subprotocol_unless_one_is_required() {
    // §4.2.2, item 5
    assert_eq!(accepted(&offer(), &response()).subprotocol, None);
    let mut strict = offer();
    strict.require_subprotocol = true;
    assert_eq!(fault(&strict, &response()), BadResponse::SubprotocolMissing);
    strict.subprotocols.clear();
    assert_eq!(accepted(&strict, &response()).subprotocol, None);
}

#[test]
fn a_redirect_gives_its_location() {
    let (response, truncated) =
        refusal(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 4\r\n\r\nmoved");
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.headers()[LOCATION], "/other");
    assert_eq!((&response.body()[..], truncated), (&b"move"[..], false));
}

#[test]
fn a_refusal_gives_its_chunked_body() {
    let (response, truncated) = refusal(
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n\
          4\r\nwho \r\n8;x=y\r\nare you?\r\n0\r\n\r\n",
    );
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!((&response.body()[..], truncated), (&b"who are you?"[..], false));
}

#[test]
fn a_refusal_may_last_until_the_connection_ends() {
    let (response, truncated) = refusal(b"HTTP/1.0 503 Service Unavailable\r\n\r\nlater");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((&response.body()[..], truncated), (&b"later"[..], false));
    let (response, truncated) = refusal(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!((response.body().len(), truncated), (0, false));
}

#[test]
fn a_success_that_is_not_101_is_a_refusal() {
    // §4.1, item 1 on the response
    let (response, _) = refusal(&response().start("HTTP/1.1 200 OK").bytes());
    assert_eq!(response.status(), StatusCode::OK);
}

#[test]
fn a_refusal_that_is_cut_off_says_so() {
    let (response, truncated) =
        refusal(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 99\r\n\r\nla");
    assert_eq!((&response.body()[..], truncated), (&b"la"[..], true));
    let (response, truncated) =
        refusal(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: ?\r\n\r\nla");
    assert_eq!(response.headers()[CONTENT_LENGTH], "?");
    assert_eq!((&response.body()[..], truncated), (&b""[..], true));
}

#[test]
fn the_body_of_a_refusal_has_a_limit() {
    let limits = HandshakeLimits::default();
    for (head, endless) in [
        ("HTTP/1.1 500 x\r\n\r\n", "x".to_owned()),
        ("HTTP/1.1 500 x\r\nContent-Length: 18446744073709551615\r\n\r\n", "x".to_owned()),
        ("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n".to_owned()),
        (
            "HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "x".to_owned(),
        ),
    ] {
        let mut client = ClientHandshake::new(offer(), SAMPLE_NONCE, limits).expect("valid");
        let mut progress = client.handle_input(head.as_bytes()).expect("a refusal");
        let mut pieces = 0;
        while let ClientProgress::NeedMore = progress {
            pieces += 1;
            assert!(pieces <= limits.max_body_size + 1, "{head}");
            progress = client.handle_input(endless.as_bytes()).expect("a refusal");
        }
        let ClientProgress::Refused(response) = progress else { panic!("{progress:?}") };
        assert_eq!(response.body().len(), limits.max_body_size);
        assert!(response.extensions().get::<BodyTruncated>().is_some());
    }
}

#[test]
fn a_caller_that_waits_no_longer_gets_the_refusal_so_far() {
    let mut client = handshake(&offer()).expect("valid");
    let head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nno";
    assert!(matches!(client.handle_input(head), Ok(ClientProgress::NeedMore)));
    let Ok(ClientProgress::Refused(response)) = client.handle_eof() else { panic!("a refusal") };
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::FORBIDDEN, &b"no"[..]));
}

#[test]
fn a_connection_that_ends_early_is_an_error() {
    let input = response().bytes();
    for length in [0, 1, input.len() - 1] {
        let fault = fault_of(read_bytes(&offer(), &input[..length]).0);
        assert_eq!(fault, BadResponse::Incomplete(length));
    }
}

#[test]
fn the_head_has_limits() {
    let limits = HandshakeLimits::default();
    let long = response().with("X", &"x".repeat(limits.max_head_size)).bytes();
    let many = (0..2000).fold(response(), |head, _| head.with("X", "")).bytes();
    for chunk in [1, 7, usize::MAX] {
        let read = |input: &[u8]| {
            fault_of(feed(&offer(), limits, &input.chunks(chunk).collect::<Vec<_>>()).0)
        };
        assert_eq!(read(&long), BadResponse::HeadTooLarge(limits.max_head_size));
        assert_eq!(read(&many), BadResponse::TooManyHeaders(limits.max_headers));
    }
}

#[test]
fn the_cost_is_linear_byte_by_byte() {
    // Were the head looked at again for each byte, this would take 10^13 steps.
    const SIZE: usize = 4 << 20;
    let mut limits = HandshakeLimits::default();
    limits.max_head_size = SIZE + 1024;
    let mut client = ClientHandshake::new(offer(), SAMPLE_NONCE, limits).expect("valid");
    let input = response().with("X", &"x".repeat(SIZE)).bytes();
    let (last, bytes) = input.split_last().expect("input");
    for byte in bytes {
        assert!(matches!(client.handle_input(&[*byte]), Ok(ClientProgress::NeedMore)));
    }
    assert!(matches!(client.handle_input(&[*last]), Ok(ClientProgress::Accepted { .. })));
}

#[test]
fn a_finished_handshake_takes_no_input() {
    let mut client = handshake(&offer()).expect("valid");
    assert!(matches!(
        client.handle_input(&response().bytes()),
        Ok(ClientProgress::Accepted { .. })
    ));
    let over = HandshakeError::from(Misuse::Finished);
    assert_eq!(client.handle_input(b"x").expect_err("it is over"), over);
    assert_eq!(client.handle_eof().expect_err("it is over"), over);
}

#[test]
fn misuse_names_cause_and_cure() {
    let mut request = request_for("ws://h");
    request.headers = HeaderMap::from_iter([(UPGRADE, HeaderValue::from_static("h2c"))]);
    let error = handshake(&request).expect_err("Upgrade belongs to the handshake");
    assert_eq!(error.to_string(), "the upgrade header belongs to the handshake; leave it out");
}
