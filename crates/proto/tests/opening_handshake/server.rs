//! The server's side (§4.2).

use http::header::{
    CONTENT_LENGTH, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, SET_COOKIE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use longwire_proto::handshake::{
    Answer, BadRequest, ClientOpening, HandshakeError, HandshakeLimits, Misuse, ServerHandshake,
    encode_acceptance, encode_response,
};
use longwire_proto::{Agreement, Extension};

use crate::{Head, SAMPLE_ACCEPT, SAMPLE_KEY, in_any_chunking, subprotocols};

fn request() -> Head {
    Head::new(
        "GET /chat HTTP/1.1",
        &[
            ("Host", "server.example.com"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", SAMPLE_KEY),
            ("Sec-WebSocket-Version", "13"),
        ],
    )
}

/// Reads an opening, checks that no chunking changes the outcome, and gives it with what followed.
fn read_bytes(input: &[u8]) -> (Result<ClientOpening, HandshakeError>, Vec<u8>) {
    let (_, leftover) = in_any_chunking(input, |pieces| {
        let (outcome, leftover) = feed(pieces, HandshakeLimits::default());
        (format!("{outcome:?}"), leftover)
    });
    (feed(&[input], HandshakeLimits::default()).0, leftover)
}

fn feed(
    pieces: &[&[u8]],
    limits: HandshakeLimits,
) -> (Result<ClientOpening, HandshakeError>, Vec<u8>) {
    let mut server = ServerHandshake::new(limits);
    for (index, piece) in pieces.iter().enumerate() {
        match server.handle_input(piece) {
            Ok(None) => {}
            Ok(Some(mut opening)) => {
                let mut leftover = opening.take_leftover().to_vec();
                leftover.extend(pieces[index + 1..].concat());
                return (Ok(opening), leftover);
            }
            Err(error) => return (Err(error), Vec::new()),
        }
    }
    (Err(server.handle_eof()), Vec::new())
}

fn read(head: &Head) -> Result<ClientOpening, HandshakeError> {
    read_bytes(&head.bytes()).0
}

fn accepted(head: &Head) -> ClientOpening {
    read(head).unwrap_or_else(|error| panic!("{error}: {}", head.bytes().escape_ascii()))
}

fn fault_of(outcome: Result<ClientOpening, HandshakeError>) -> BadRequest {
    match outcome {
        Err(HandshakeError::BadRequest(fault)) => fault,
        other => panic!("a bad request is read as {other:?}"),
    }
}

fn refused(head: &Head) -> BadRequest {
    fault_of(read(head))
}

fn refused_bytes(input: &[u8]) -> BadRequest {
    fault_of(read_bytes(input).0)
}

fn response_text(fault: &BadRequest) -> String {
    String::from_utf8(encode_response(&fault.response())).expect("ASCII")
}

#[test]
fn a_plain_opening_is_accepted() {
    // §1.3, §4.2.2
    let opening = accepted(&request());
    assert_eq!(opening.request().uri(), "/chat");
    assert_eq!(opening.host(), "server.example.com");
    assert_eq!(opening.origin(), None);
    assert!(opening.subprotocols().is_empty() && opening.extensions().is_empty());
    let (response, agreement) = opening.accept(Answer::default()).expect("nothing is asked");
    assert_eq!(agreement, Agreement::default());
    assert_eq!(
        String::from_utf8(encode_acceptance(&response)).expect("ASCII"),
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {SAMPLE_ACCEPT}\r\n\r\n"
        )
    );
}

#[test]
fn bytes_after_the_request_are_handed_back() {
    let mut input = request().bytes();
    input.extend(b"\x81\x80\0\0\0\0");
    let (outcome, leftover) = read_bytes(&input);
    outcome.expect("a valid request");
    assert_eq!(leftover, b"\x81\x80\0\0\0\0");
}

#[test]
fn header_names_and_keywords_are_in_any_case() {
    // §4.2.1, items 3 and 4
    let head = Head::new(
        "GET /chat HTTP/1.1",
        &[
            ("HOST", "server.example.com"),
            ("upgrade", "WebSocket"),
            ("cONNECTION", "uPGRADE"),
            ("SEC-WEBSOCKET-KEY", SAMPLE_KEY),
            ("sec-websocket-version", "13"),
        ],
    );
    accepted(&head);
}

#[test]
fn white_space_around_values_is_no_part_of_them() {
    // RFC 9112 §5.1
    let mut head = request();
    for (_, value) in &mut head.headers {
        *value = format!("\t {value} \t");
    }
    let opening = accepted(&head);
    let (response, _) = opening.accept(Answer::default()).expect("nothing is asked");
    assert_eq!(response.headers()["sec-websocket-accept"], SAMPLE_ACCEPT);
    assert_eq!(opening.host(), "server.example.com");
}

#[test]
fn empty_lines_before_the_request_are_skipped() {
    // RFC 9112 §2.2
    let mut input = b"\r\n\r\n".to_vec();
    input.extend(request().bytes());
    assert!(read_bytes(&input).0.is_ok());
}

#[test]
fn the_method_must_be_get() {
    // §4.2.1, item 1
    for method in ["POST", "HEAD", "OPTIONS", "CONNECT", "get", "BREW"] {
        let fault = refused(&request().start(&format!("{method} /chat HTTP/1.1")));
        assert_eq!(fault, BadRequest::MethodNotGet(method.parse().expect("a method")));
        assert_eq!(fault.response().status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(fault.response().headers()["allow"], "GET");
    }
}

#[test]
fn the_version_of_http_must_be_1_1() {
    // §4.2.1, item 1
    for version in ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1x", "http/1.1"] {
        let fault = refused(&request().start(&format!("GET /chat {version}")));
        assert_eq!(fault.status(), StatusCode::BAD_REQUEST, "{version}: {fault:?}");
    }
    let fault = refused(&request().start("GET /chat HTTP/1.0"));
    assert_eq!(fault, BadRequest::HttpVersion);
}

#[test]
fn the_target_is_a_path_or_an_absolute_uri() {
    // §4.2.1, item 1; RFC 9112 §3.2
    for target in ["/", "/a/b?c=d", "//a", "/%20", "http://server.example.com/chat"] {
        accepted(&request().start(&format!("GET {target} HTTP/1.1")));
    }
    let opening = accepted(&request().start("GET WSS://SERVER.example.com?q HTTP/1.1"));
    assert_eq!((opening.request().uri().path(), opening.request().uri().query()), ("/", Some("q")));
    for target in [
        "*",
        "server.example.com:80",
        "chat",
        "ftp://server.example.com/",
        "http://u@server.example.com/",
    ] {
        let fault = refused(&request().start(&format!("GET {target} HTTP/1.1")));
        assert_eq!(fault, BadRequest::TargetInvalid, "{target}");
    }
}

#[test]
fn the_target_has_no_fragment_and_is_ascii() {
    // §3
    for target in ["/chat#", "/chat#x", "/\u{e9}"] {
        let fault = refused(&request().start(&format!("GET {target} HTTP/1.1")));
        assert_eq!(fault, BadRequest::TargetInvalid, "{target}");
    }
}

#[test]
fn there_is_one_valid_host() {
    // §4.2.1, item 2; RFC 9112 §3.2
    assert_eq!(refused(&request().without("Host")), BadRequest::HostMissing);
    let twice = request().with("host", "server.example.com");
    assert_eq!(refused(&twice), BadRequest::HeaderRepeated(HOST));
    for host in ["h", "h:1", "h:", "127.0.0.1:65535", "[::1]", "[::1]:80"] {
        assert_eq!(accepted(&request().replace("Host", host)).host(), host);
    }
    for host in
        ["", ":80", "h:x", "h:65536", "h:1:2", "u@h", "h@h", "a b", "h/p", "[::1", "a, b", "\u{e9}"]
    {
        let fault = refused(&request().replace("Host", host));
        assert_eq!(fault, BadRequest::HeaderInvalid(HOST), "{host}");
    }
}

#[test]
fn host_and_target_must_agree() {
    // RFC 9112 §3.2.2
    let absolute = request().start("GET http://other.example.com/chat HTTP/1.1");
    assert_eq!(refused(&absolute), BadRequest::HostMismatch);
    let port = request().start("GET http://server.example.com:81/chat HTTP/1.1");
    assert_eq!(refused(&port), BadRequest::HostMismatch);
}

#[test]
fn upgrade_is_a_list_that_names_websocket() {
    // §4.2.1, item 3
    for value in ["foo, websocket", "WEBSOCKET,foo", ",websocket ,"] {
        accepted(&request().replace("Upgrade", value));
    }
    accepted(&request().replace("Upgrade", "foo").with("Upgrade", "websocket"));
    for value in ["", "foo", "websockets", "websocket/13", "web socket", "h2c"] {
        let fault = refused(&request().replace("Upgrade", value));
        assert_eq!(fault, BadRequest::UpgradeMissing, "{value}");
    }
    assert_eq!(refused(&request().without("Upgrade")), BadRequest::UpgradeMissing);
}

#[test]
fn an_ordinary_request_is_told_to_upgrade() {
    // RFC 9110 §15.5.22
    let fault = refused(&Head::new("GET / HTTP/1.1", &[("Host", "h")]));
    let response = fault.response();
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(response.headers()["connection"], "close, Upgrade");
    assert!(response_text(&fault).contains("\r\nConnection: close, Upgrade\r\n"));
}

#[test]
fn connection_is_a_list_that_names_upgrade() {
    // §4.2.1, item 4
    for value in ["keep-alive, Upgrade", "upgrade,keep-alive", "Upgrade, HTTP2-Settings"] {
        accepted(&request().replace("Connection", value));
    }
    accepted(&request().replace("Connection", "keep-alive").with("Connection", "Upgrade"));
    for value in ["", "keep-alive", "not-upgrade", "upgraded", "close"] {
        let fault = refused(&request().replace("Connection", value));
        assert_eq!(fault, BadRequest::ConnectionNotUpgrade, "{value}");
    }
    assert_eq!(refused(&request().without("Connection")), BadRequest::ConnectionNotUpgrade);
}

#[test]
fn the_key_is_sixteen_bytes_once() {
    // §4.2.1, item 5
    assert_eq!(refused(&request().without("Sec-WebSocket-Key")), BadRequest::KeyMissing);
    let twice = request().with("Sec-WebSocket-Key", SAMPLE_KEY);
    assert_eq!(refused(&twice), BadRequest::HeaderRepeated(SEC_WEBSOCKET_KEY));
    for key in ["", "short", "AQIDBAUGBwgJCgsMDQ4P", "AQIDBAUGBwgJCgsMDQ4PEBES", "\u{e9}"] {
        let fault = refused(&request().replace("Sec-WebSocket-Key", key));
        assert_eq!(fault, BadRequest::KeyInvalid, "{key}");
    }
    // Erratum 3150: bits that pad the last character may be set.
    accepted(&request().replace("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC=="));
}

#[test]
fn the_version_of_the_protocol_must_be_13() {
    // §4.2.2, item 4; §4.4
    for version in ["8", "7", "0", "", "013", "13, 8", "1 3", "thirteen", "255"] {
        let fault = refused(&request().replace("Sec-WebSocket-Version", version));
        assert_eq!(fault, BadRequest::VersionUnsupported, "{version}");
    }
    let fault = refused(&request().without("Sec-WebSocket-Version"));
    assert_eq!(fault, BadRequest::VersionUnsupported);
    let response = fault.response();
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
    let twice = request().with("Sec-WebSocket-Version", "13");
    assert_eq!(refused(&twice), BadRequest::HeaderRepeated(SEC_WEBSOCKET_VERSION));
}

#[test]
fn the_origin_is_given_once() {
    // §4.2.1, item 7
    let opening = accepted(&request().with("Origin", "https://example.com"));
    assert_eq!(opening.origin(), Some("https://example.com"));
    assert_eq!(accepted(&request().with("Origin", "null")).origin(), Some("null"));
    let twice = request().with("Origin", "https://a").with("Origin", "https://a");
    assert_eq!(refused(&twice), BadRequest::HeaderRepeated(ORIGIN));
    for origin in ["", "https://\u{e9}", "a\tb"] {
        let fault = refused(&request().with("Origin", origin));
        assert_eq!(fault, BadRequest::HeaderInvalid(ORIGIN), "{origin}");
    }
}

#[test]
fn a_body_is_refused() {
    accepted(&request().with("Content-Length", "0"));
    for (name, value) in
        [("Content-Length", "1"), ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "x")]
    {
        assert_eq!(refused(&request().with(name, value)), BadRequest::BodyPresent, "{value}");
    }
    let both = request().with("Content-Length", "0").with("Transfer-Encoding", "chunked");
    assert_eq!(refused(&both), BadRequest::BodyPresent);
    for length in ["", "-0", "+0", "0x0", "0, 0", "18446744073709551616"] {
        let fault = refused(&request().with("Content-Length", length));
        assert_eq!(fault, BadRequest::HeaderInvalid(CONTENT_LENGTH), "{length}");
    }
    let twice = request().with("Content-Length", "0").with("Content-Length", "0");
    assert_eq!(refused(&twice), BadRequest::HeaderRepeated(CONTENT_LENGTH));
}

#[test]
fn what_smuggles_requests_is_refused() {
    // RFC 9112 §2.2, §5.1, §5.2
    let valid = String::from_utf8(request().bytes()).expect("ASCII");
    let host = "Host: server.example.com\r\n";
    for (what, replacement) in [
        ("a folded line", "Host: server.example.com\r\n folded\r\n"),
        ("a line that ends with LF", "Host: server.example.com\n"),
        ("a line that ends with CR", "Host: server.example.com\rX: y\r\n"),
        ("a NUL in a value", "Host: server.example.com\r\nX: a\0b\r\n"),
        ("a NUL in a name", "Host: server.example.com\r\nX\0: ab\r\n"),
        ("a space before the colon", "Host : server.example.com\r\n"),
        ("a space before the name", " Host: server.example.com\r\n"),
        ("no colon", "Host: server.example.com\r\nX\r\n"),
        ("no name", "Host: server.example.com\r\n: y\r\n"),
        ("DEL in a value", "Host: server.example.com\r\nX: \x7f\r\n"),
        ("a name outside ASCII", "Host: server.example.com\r\n\u{e9}: y\r\n"),
    ] {
        let fault = refused_bytes(valid.replace(host, replacement).as_bytes());
        assert!(matches!(fault, BadRequest::Malformed(_)), "{what}: {fault:?}");
        assert_eq!(fault.status(), StatusCode::BAD_REQUEST);
    }
    for start in
        ["GET  /chat HTTP/1.1", "GET /chat", "GET", "", "\x16\x03\x01", "GET /a b HTTP/1.1"]
    {
        let fault = refused(&request().start(&format!("{start}\r\nX: y")));
        assert_eq!(fault.status(), StatusCode::BAD_REQUEST, "{start}");
    }
    assert!(matches!(refused_bytes(b"GET / HTTP/1.1\n"), BadRequest::Malformed(_)));
}

#[test]
fn subprotocol_lines_are_one_list() {
    // §11.3.4
    let head = request()
        .with("Sec-WebSocket-Protocol", "chat,superchat ,")
        .with("Sec-WebSocket-Protocol", ", v1.json");
    assert_eq!(accepted(&head).subprotocols(), subprotocols(["chat", "superchat", "v1.json"]));
}

#[test]
fn subprotocols_are_tokens_and_distinct() {
    // §4.1, item 10 on the request; §4.2.1, item 8
    for list in ["", ",", "a b", "a;b", "\"a\"", "caf\u{e9}", "a, \u{1f600}", "a/1", "a=b"] {
        let fault = refused(&request().with("Sec-WebSocket-Protocol", list));
        assert_eq!(fault, BadRequest::HeaderInvalid(SEC_WEBSOCKET_PROTOCOL), "{list}");
        assert_eq!(fault.status(), StatusCode::BAD_REQUEST);
    }
    let twice =
        request().with("Sec-WebSocket-Protocol", "a, b").with("Sec-WebSocket-Protocol", "a");
    assert_eq!(refused(&twice), BadRequest::SubprotocolRepeated);
    accepted(&request().with("Sec-WebSocket-Protocol", "a, A"));
}

#[test]
fn the_clients_order_decides_on_the_subprotocol() {
    // §4.1: "ordered by preference"
    let opening = accepted(&request().with("Sec-WebSocket-Protocol", "a, b, c"));
    let select =
        |supported: &[_]| opening.select_subprotocol(supported).map(|name| name.to_string());
    assert_eq!(select(&subprotocols(["c", "b"])).as_deref(), Some("b"));
    assert_eq!(select(&subprotocols(["B", "d"])), None);
    assert_eq!(select(&[]), None);
}

#[test]
fn the_answer_has_one_subprotocol_that_was_offered() {
    // §4.2.2, item 5
    let opening = accepted(&request().with("Sec-WebSocket-Protocol", "a, b"));
    let answer = |name: &str| Answer { subprotocol: name.parse().ok(), ..Answer::default() };
    let (response, agreement) = opening.accept(answer("b")).expect("it was offered");
    assert_eq!(agreement.subprotocol.expect("a subprotocol"), "b");
    assert_eq!(response.headers()["sec-websocket-protocol"], "b");
    for name in ["c", "A"] {
        let misuse = opening.accept(answer(name)).expect_err("it was not offered");
        assert_eq!(misuse, Misuse::SubprotocolNotOffered(name.to_owned()).into());
        assert!(misuse.response().is_none(), "the client is not at fault");
    }
    let (response, _) = opening.accept(Answer::default()).expect("none may be chosen");
    assert!(!response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
}

#[test]
fn extension_lines_are_one_list() {
    // §9.1
    let head = request()
        .with("Sec-WebSocket-Extensions", "a; b=\"1\", a")
        .with("Sec-WebSocket-Extensions", "c");
    let expected = Extension::parse_list("a; b=1, a, c").expect("a list");
    assert_eq!(accepted(&head).extensions(), expected);
    for list in ["", ";", "a;", "a=b", "a; b=\"", "a; b=\"c d\"", "\u{e9}"] {
        let fault = refused(&request().with("Sec-WebSocket-Extensions", list));
        assert_eq!(fault, BadRequest::HeaderInvalid(SEC_WEBSOCKET_EXTENSIONS), "{list}");
    }
}

#[test]
fn the_answer_has_extensions_that_were_offered() {
    // §4.2.2, item 6
    let opening = accepted(&request().with("Sec-WebSocket-Extensions", "a; b, c"));
    let answer = |extensions| Answer { extensions, ..Answer::default() };
    let chosen = Extension::parse_list("c, a; b=1; d").expect("a list");
    let (response, agreement) = opening.accept(answer(chosen.clone())).expect("they were offered");
    assert_eq!(agreement.extensions, chosen);
    assert_eq!(response.headers()["sec-websocket-extensions"], "c, a; b=1; d");
    let other = Extension { name: "A".into(), params: vec![] };
    assert_eq!(
        opening.accept(answer(vec![other])).expect_err("it was not offered"),
        Misuse::ExtensionNotOffered("A".into()).into()
    );
    let wrong = Extension { name: "a".into(), params: vec![("x\r\ny".into(), None)] };
    assert_eq!(
        opening.accept(answer(vec![wrong])).expect_err("it is no token"),
        Misuse::ExtensionInvalid("a; x\r\ny".into()).into()
    );
}

#[test]
fn the_answer_may_have_further_headers_but_not_the_handshakes() {
    // §4.2.2
    let opening = accepted(&request());
    let mut headers = HeaderMap::new();
    headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
    headers.append(SET_COOKIE, HeaderValue::from_static("b=2"));
    let answer = Answer { headers, ..Answer::default() };
    let (response, _) = opening.accept(answer).expect("cookies are allowed");
    let text = String::from_utf8(encode_acceptance(&response)).expect("ASCII");
    assert!(text.ends_with("\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n"), "{text}");
    for name in [
        "upgrade",
        "connection",
        "content-length",
        "transfer-encoding",
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "sec-websocket-whatever",
    ] {
        let name = HeaderName::from_static(name);
        let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("x"))]);
        let outcome = opening.accept(Answer { headers, ..Answer::default() });
        assert_eq!(outcome.expect_err("it is reserved"), Misuse::HeaderReserved(name).into());
    }
}

#[test]
fn an_application_refuses_with_any_response() {
    // §4.2.2, item 2
    let response = Response::builder()
        .status(StatusCode::UNAUTHORIZED)
        .header("WWW-Authenticate", "Basic")
        .header("Connection", "keep-alive")
        .header("Content-Length", "99")
        .header("Transfer-Encoding", "chunked")
        .body("who are you?")
        .expect("a valid response");
    assert_eq!(
        String::from_utf8(encode_response(&response)).expect("ASCII"),
        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWww-Authenticate: Basic\r\n\
         Content-Length: 12\r\n\r\nwho are you?"
    );
}

#[test]
fn a_response_that_has_no_body_has_no_length() {
    // RFC 9110 §8.6
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let response = Response::builder().status(status).body("lost").expect("a valid response");
        let text = String::from_utf8(encode_response(&response)).expect("ASCII");
        assert!(text.ends_with("\r\nConnection: close\r\n\r\n"), "{text}");
    }
}

#[test]
fn every_refusal_ends_the_connection_and_says_why_in_one_line() {
    let faults = [
        BadRequest::BodyPresent,
        BadRequest::ConnectionNotUpgrade,
        BadRequest::HeaderRepeated(HOST),
        BadRequest::HeaderInvalid(HOST),
        BadRequest::HeadTooLarge(1),
        BadRequest::HostMissing,
        BadRequest::HostMismatch,
        BadRequest::HttpVersion,
        BadRequest::Incomplete,
        BadRequest::KeyInvalid,
        BadRequest::KeyMissing,
        BadRequest::Malformed("x"),
        BadRequest::MethodNotGet(Method::PUT),
        BadRequest::OriginNotAllowed("https://a\r\nb".into()),
        BadRequest::SubprotocolRepeated,
        BadRequest::TargetInvalid,
        BadRequest::TooManyHeaders(1),
        BadRequest::UpgradeMissing,
        BadRequest::VersionUnsupported,
    ];
    for fault in faults {
        let text = response_text(&fault);
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains("\r\nConnection: close"), "{text}");
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{text}");
        assert!(head.contains("\r\nContent-Type: text/plain"), "{text}");
        let line = body.strip_suffix('\n').expect("a line");
        assert!(!line.contains(['\r', '\n']) && line.contains("; "), "cause; cure: {line}");
        assert_eq!(line, HandshakeError::from(fault).to_string());
    }
}

#[test]
fn an_origin_that_a_policy_refuses_gets_403() {
    // §4.2.2, item 2; §10.2
    let error = HandshakeError::from(BadRequest::OriginNotAllowed("https://evil.example".into()));
    assert_eq!(error.response().expect("an answer").status(), StatusCode::FORBIDDEN);
}

#[test]
fn the_head_has_a_limit_in_bytes() {
    let padding = |size| request().with("X", &"x".repeat(size)).bytes();
    let overhead = padding(0).len();
    let limits = HandshakeLimits::default();
    for chunk in [1, 7, usize::MAX] {
        let read = |input: Vec<u8>| feed(&input.chunks(chunk).collect::<Vec<_>>(), limits).0;
        assert!(read(padding(limits.max_head_size - overhead)).is_ok());
        let fault = fault_of(read(padding(limits.max_head_size - overhead + 1)));
        assert_eq!(fault, BadRequest::HeadTooLarge(limits.max_head_size));
        assert_eq!(fault.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(fault_of(read(vec![b'x'; 1 << 20])), fault, "without a line");
        assert_eq!(fault_of(read(b"\r\n".repeat(1 << 19))), fault, "of empty lines");
    }
}

#[test]
fn the_head_has_a_limit_in_headers() {
    let with = |count| {
        let mut head = request();
        while head.headers.len() < count {
            head = head.with("X", "");
        }
        head.bytes()
    };
    let limits = HandshakeLimits::default();
    for chunk in [1, usize::MAX] {
        let read = |input: Vec<u8>| feed(&input.chunks(chunk).collect::<Vec<_>>(), limits).0;
        assert!(read(with(100)).is_ok());
        for count in [101, 2000] {
            let fault = fault_of(read(with(count)));
            assert_eq!(fault, BadRequest::TooManyHeaders(100));
            assert_eq!(fault.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
    }
}

#[test]
fn limits_beyond_what_a_header_map_holds_do_not_panic() {
    let mut limits = HandshakeLimits::default();
    (limits.max_head_size, limits.max_headers) = (usize::MAX, usize::MAX);
    let names = (0..40_000).fold(request(), |head, index| head.with(&format!("X{index}"), ""));
    let fault = fault_of(feed(&[&names.bytes()], limits).0);
    assert_eq!(fault, BadRequest::TooManyHeaders(usize::MAX));
}

#[test]
fn the_cost_is_linear_byte_by_byte() {
    // Were the head looked at again for each byte, this would take 10^13 steps.
    const SIZE: usize = 4 << 20;
    let mut limits = HandshakeLimits::default();
    limits.max_head_size = SIZE + 1024;
    let input = request().with("X", &"x".repeat(SIZE)).bytes();
    let mut server = ServerHandshake::new(limits);
    let (last, bytes) = input.split_last().expect("input");
    for byte in bytes {
        assert!(server.handle_input(&[*byte]).expect("valid so far").is_none());
    }
    assert!(server.handle_input(&[*last]).expect("valid").is_some());
}

#[test]
fn the_cost_of_lists_is_linear() {
    // Each of these would take 10^11 steps if elements were compared in pairs or text read again.
    let mut limits = HandshakeLimits::default();
    limits.max_head_size = 4 << 20;
    let names: Vec<_> = (0..300_000).map(|index| format!("p{index}")).collect();
    let head = request()
        .with("Sec-WebSocket-Protocol", &names.join(","))
        .with("Sec-WebSocket-Extensions", &format!("a{}", "; b=\"\\c\"".repeat(50_000)))
        .with("Connection", &" ,".repeat(300_000));
    let opening = feed(&[&head.bytes()], limits).0.expect("a long request");
    assert_eq!(opening.subprotocols().len(), 300_000);
    assert_eq!(opening.extensions()[0].params.len(), 50_000);
}

#[test]
fn a_request_that_ends_early_is_incomplete() {
    let input = request().bytes();
    assert_eq!(refused_bytes(&input[..input.len() - 1]), BadRequest::Incomplete);
    assert_eq!(refused_bytes(b""), BadRequest::Incomplete);
}

#[test]
fn a_finished_handshake_takes_no_input() {
    let mut server = ServerHandshake::new(HandshakeLimits::default());
    server.handle_input(&request().bytes()).expect("valid").expect("whole");
    assert_eq!(server.handle_input(b"x").expect_err("it is over"), Misuse::Finished.into());
    assert_eq!(server.handle_eof(), Misuse::Finished.into());
    let mut server = ServerHandshake::new(HandshakeLimits::default());
    server.handle_input(b"\n").expect_err("LF alone");
    assert_eq!(server.handle_input(b"x").expect_err("it is over"), Misuse::Finished.into());
}

#[test]
fn a_parsed_request_is_read_as_its_bytes_are() {
    let head = request()
        .with("Origin", "https://a")
        .with("Sec-WebSocket-Protocol", "a, b")
        .with("Sec-WebSocket-Extensions", "x");
    let from_bytes = accepted(&head);
    let parsed = from_bytes.request().clone().map(|()| "a body that nobody looks at");
    let opening = ClientOpening::from_request(&parsed).expect("a valid request");
    assert_eq!(format!("{opening:?}"), format!("{from_bytes:?}"));
}

#[test]
fn a_parsed_request_must_be_valid_too() {
    let valid = accepted(&request()).request().clone();
    let read = |change: fn(&mut Request<()>)| {
        let mut request = valid.clone();
        change(&mut request);
        fault_of(ClientOpening::from_request(&request))
    };
    assert_eq!(read(|r| *r.version_mut() = Version::HTTP_2), BadRequest::HttpVersion);
    assert_eq!(read(|r| *r.method_mut() = Method::POST), BadRequest::MethodNotGet(Method::POST));
    assert_eq!(read(|r| drop(r.headers_mut().remove(HOST))), BadRequest::HostMissing);
    let non_ascii = |r: &mut Request<()>| {
        let value = HeaderValue::from_bytes(b"caf\xe9").expect("obs-text");
        r.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
    };
    assert_eq!(read(non_ascii), BadRequest::HeaderInvalid(SEC_WEBSOCKET_PROTOCOL));
}
