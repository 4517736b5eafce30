//! Opening a WebSocket over an in-memory network, in virtual time.

use std::error::Error as _;

use http::{HeaderMap, Request as HttpRequest, header};
use longwire_proto::handshake::{Answer, ServerHandshake, encode_acceptance};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Handle;

use super::opening::{Opened, dial_and_open, open_over};
use super::*;
use crate::dial::fake::{Fake, MS, NEVER, Outcome as FakeOutcome, Peers, polled};
use crate::dial::{Stage, Stream};

const ADDRESS: &str = "192.0.2.1:80";

/// A network on which every host is one server that answers at once.
fn network() -> (Fake, Peers) {
    Fake::new(&[(ADDRESS, (MS(0), Ok(())))])
}

/// A client that no proxy of the machine's environment can touch.
fn client(url: &str) -> Connect {
    Connect::new(url).no_proxy()
}

/// Reads the request on a transport.
async fn request(io: &mut DuplexStream) -> HttpRequest<()> {
    let mut handshake = ServerHandshake::new(HandshakeLimits::default());
    let mut buffer = [0; 1024];
    loop {
        let read = io.read(&mut buffer).await.expect("no error");
        assert_ne!(read, 0, "the client closed before its request was whole");
        if let Some(opening) = handshake.handle_input(&buffer[..read]).expect("a valid request") {
            let (parts, ()) = opening.request().clone().into_parts();
            return HttpRequest::from_parts(parts, ());
        }
    }
}

/// The answer that accepts, in bytes.
fn acceptance(request: &HttpRequest<()>) -> Vec<u8> {
    let opening = longwire_proto::handshake::ClientOpening::from_request(request);
    let opening = opening.expect("a valid request");
    let (response, _) = opening.accept(Answer::default()).expect("a valid answer");
    encode_acceptance(&response)
}

type Outcome = Result<Opened<Stream<DuplexStream>>, ConnectError>;

/// Opens against a server that gives these answers, a connection each; an empty one accepts. Returns also
/// the requests.
async fn converse(connect: &Connect, answers: &[&str]) -> (Outcome, Vec<HttpRequest<()>>) {
    let (fake, mut peers) = network();
    let server = async {
        let mut requests = Vec::new();
        let mut kept = Vec::new();
        for answer in answers {
            let mut io = peers.recv().await.expect("a connection");
            let asked = request(&mut io).await;
            let bytes =
                if answer.is_empty() { acceptance(&asked) } else { answer.as_bytes().into() };
            io.write_all(&bytes).await.expect("the client reads");
            requests.push(asked);
            kept.push(io);
        }
        (requests, kept)
    };
    let (outcome, (requests, _kept)) = tokio::join!(dial_and_open(connect, &fake), server);
    assert_eq!(fake.started().len(), answers.len(), "one connection an answer");
    (outcome, requests)
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().expect("ASCII")).collect()
}

#[tokio::test(start_paused = true)]
async fn frames_behind_the_answer_are_kept() {
    let connect = client("ws://example.com/chat");
    let (fake, mut peers) = network();
    let server = async {
        let mut io = peers.recv().await.expect("a connection");
        let asked = request(&mut io).await;
        let bytes = [acceptance(&asked), b"\x81\x02hi".to_vec()].concat();
        io.write_all(&bytes).await.expect("the client reads");
        (asked, io)
    };
    let (opened, (asked, _io)) = tokio::join!(dial_and_open(&connect, &fake), server);
    let opened = opened.expect("accepted");
    assert_eq!(&*opened.leftover, b"\x81\x02hi");
    assert_eq!(opened.peer, Some(ADDRESS.parse().expect("an address")));
    assert_eq!(opened.response.status(), 101);
    assert_eq!(asked.uri(), "/chat");
    assert_eq!(field(asked.headers(), "host"), ["example.com"]);
    assert!(!asked.headers().contains_key(header::AUTHORIZATION));
}

#[tokio::test(start_paused = true)]
async fn the_request_says_what_the_builder_was_told() {
    let connect = client("ws://al%40x:p%3Aw@example.com/")
        .header("X-Own", "1")
        .header("x-own", "2")
        .header("Cookie", "z=0")
        .cookie("a", "1")
        .cookie("b", "\"2\"")
        .origin("https://site.test")
        .subprotocols(["two", "one"])
        .subprotocols(vec![String::from("zero")]);
    let (opened, requests) = converse(&connect, &[""]).await;
    opened.expect("accepted");
    let headers = requests[0].headers();
    for (name, expected) in [
        ("x-own", &["1", "2"][..]),
        ("cookie", &["z=0; a=1; b=\"2\""]),
        ("origin", &["https://site.test"]),
        ("sec-websocket-protocol", &["two, one, zero"]),
        ("authorization", &["Basic YWxAeDpwOnc="]),
        ("host", &["example.com"]),
    ] {
        assert_eq!(field(headers, name), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_credentials_replace_all_others() {
    let url = "ws://al:pw@example.com/";
    for (connect, expected) in [
        (client(url).bearer_token("tok"), "Bearer tok"),
        (client(url).basic_auth("bob", "hush"), "Basic Ym9iOmh1c2g="),
        (client(url).basic_auth("bob", "hush").bearer_token("tok"), "Bearer tok"),
        (client(url).bearer_token("tok").header("authorization", "Own x"), "Own x"),
    ] {
        let (opened, requests) = converse(&connect, &[""]).await;
        opened.expect("accepted");
        assert_eq!(field(requests[0].headers(), "authorization"), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mistake_in_the_request_is_told_without_its_value_and_costs_no_connection() {
    let url = "ws://example.com/";
    for (connect, expected) in [
        (client(url).header("a b", "x"), "\"a b\" is not the name of a header field"),
        (client(url).header("x-key", "secret\r\nA: b"), "the value of the header field x-key has"),
        (client(url).header("Upgrade", "h2c"), "the upgrade header belongs to the handshake"),
        (client(url).header("Sec-WebSocket-Key", "x"), "the sec-websocket-key header belongs"),
        (client(url).header("Proxy-Authorization", "secret"), "Proxy-Authorization would go"),
        (client(url).header("Host", "a b"), "the Host header is not one host"),
        (client(url).origin("a\nb"), "the origin cannot be sent"),
        (client(url).header("Origin", "\u{fc}"), "an Origin is ASCII"),
        (client(url).subprotocols(["a b"]), "\"a b\""),
        (client(url).subprotocols(["a", "a"]), "a subprotocol is offered twice"),
        (client(url).cookie("a=b", "secret"), "\"a=b\" is not the name of a cookie"),
        (client(url).cookie("a", "secret;"), "the value of the cookie a has"),
        (client(url).cookie("a", "secret\r\n"), "the value of the cookie a has"),
        (client(url).basic_auth("a:b", "secret"), "a user name with a colon"),
        (client("ws://a%3Ab:secret@example.com/"), "a user name with a colon"),
        (client(url).bearer_token("secret secret"), "a bearer token is visible ASCII"),
        (client(url).bearer_token(""), "a bearer token is visible ASCII"),
        (client(url).cookie("a", ";").header("a b", "x"), "the value of the cookie a has"),
    ] {
        let (fake, _peers) = network();
        let error = dial_and_open(&connect, &fake).await.expect_err("a mistake");
        assert!(matches!(error, ConnectError::Request(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error} {error:?} {connect:?}").contains("secret"), "{error:?}");
        assert!(fake.started().is_empty(), "nothing was dialled");
    }
}

#[tokio::test(start_paused = true)]
async fn a_url_that_is_none_is_an_error_without_its_password() {
    for url in ["ftp://u:secret@a.test", "ws://u:secret@a.test/#x", "ws://u:secret@", "a.test"] {
        let (fake, _peers) = network();
        let error = dial_and_open(&client(url), &fake).await.expect_err("no URL");
        assert!(matches!(error, ConnectError::Url(_)), "{error:?}");
        assert!(!format!("{error} {error:?} {:?}", client(url)).contains("secret"), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_shown() {
    let connect = client("ws://al:secret@example.com/")
        .bearer_token("secret")
        .cookie("a", "secret")
        .header("Cookie", "b=secret")
        .proxy("http://al:secret@proxy.test".parse().expect("a proxy"));
    assert!(!format!("{connect:?}").contains("secret"), "{connect:?}");
    let over = connect.clone().over(duplex(1).0);
    assert!(!format!("{over:?}").contains("secret"), "{over:?}");
    let connect = client("ws://example.com/");
    let answer = "HTTP/1.1 403 No\r\nSet-Cookie: a=secret\r\nSet-Cookie: b=secret\r\n\
                  Content-Length: 0\r\n\r\n";
    let (outcome, _) = converse(&connect, &[answer]).await;
    let error = outcome.expect_err("refused");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_gives_status_headers_and_body() {
    let answer =
        "HTTP/1.1 403 Forbidden\r\nX-Why: rules\r\nContent-Length: 14\r\n\r\nNot you,\nsorry";
    let (outcome, _) = converse(&client("ws://example.com/"), &[answer]).await;
    let error = outcome.expect_err("refused");
    let ConnectError::Refused(response) = &error else { panic!("{error:?}") };
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["x-why"], "rules");
    assert_eq!(&**response.body(), b"Not you,\nsorry");
    assert_eq!(
        error.to_string(),
        "the server refused the WebSocket opening handshake with 403 Forbidden: Not you,; the server \
         may want credentials or another Origin"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_body_does_not_end_counts_as_far_as_it_came() {
    let answer = "HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\npart";
    let (outcome, _) = converse(&client("ws://example.com/"), &[answer]).await;
    let error = outcome.expect_err("refused");
    let ConnectError::Refused(response) = &error else { panic!("{error:?}") };
    assert_eq!(&**response.body(), b"part");
    let marked = response.extensions().get::<longwire_proto::handshake::BodyTruncated>();
    assert!(marked.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_a_refusal_unless_redirects_are_allowed() {
    let answer = "HTTP/1.1 301 Moved\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    let (outcome, _) = converse(&client("ws://example.com/a"), &[answer]).await;
    let error = outcome.expect_err("refused");
    assert!(matches!(&error, ConnectError::Refused(response) if response.status() == 301));
    assert!(error.to_string().contains("Connect::redirects"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn credentials_follow_a_redirect_within_the_origin_and_are_lost_for_good_outside() {
    let connect = client("ws://al:pw@example.com/a")
        .redirects(9)
        .cookie("c", "1")
        .header("Host", "virtual.test")
        .header("X-Own", "1");
    let to = |location: &str| {
        format!("HTTP/1.1 307 There\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
    };
    let answers = [
        to("/b?q"),
        to("http://example.com:80/c"),
        to("ws://u:p@other.test/d"),
        to("ws://example.com/e"),
        String::new(),
    ];
    let answers: Vec<_> = answers.iter().map(String::as_str).collect();
    let (outcome, requests) = converse(&connect, &answers).await;
    outcome.expect("accepted in the end");
    let seen: Vec<_> = requests
        .iter()
        .map(|request| {
            let headers = request.headers();
            assert_eq!(field(headers, "x-own"), ["1"], "other header fields stay");
            let secrets = headers.contains_key("authorization") && headers.contains_key("cookie");
            let none = !headers.contains_key("authorization") && !headers.contains_key("cookie");
            assert_ne!(secrets, none);
            (request.uri().to_string(), field(headers, "host")[0].to_owned(), secrets)
        })
        .collect();
    let expected = [
        ("/a", "virtual.test", true),
        ("/b?q", "virtual.test", true),
        ("/c", "virtual.test", true),
        ("/d", "other.test", false),
        ("/e", "example.com", false),
    ];
    assert_eq!(seen, expected.map(|(path, host, kept)| (path.into(), host.into(), kept)));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_too_many_and_a_loop_are_errors_of_their_own() {
    let connect = client("ws://example.com/a").redirects(1);
    let to = |path| format!("HTTP/1.1 302 x\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n");
    let (outcome, _) = converse(&connect, &[&to("/b"), &to("/c")]).await;
    let error = outcome.expect_err("one too many");
    assert!(matches!(error, ConnectError::Redirect(RedirectError::TooMany { limit: 1, .. })));
    assert!(error.to_string().contains("ws://example.com/c"), "{error}");
    let (outcome, _) = converse(&connect, &[&to("/b"), &to("/a")]).await;
    let error = outcome.expect_err("a loop");
    assert!(matches!(error, ConnectError::Redirect(RedirectError::Loop { .. })));
    assert!(error.source().is_some());
}

#[tokio::test(start_paused = true)]
async fn every_stage_has_its_timeout() {
    const SILENT: &[(&str, FakeOutcome)] = &[(ADDRESS, (MS_0, Ok(())))];
    const MS_0: Duration = Duration::ZERO;
    let hanging: &[(&str, _)] = &[(ADDRESS, (NEVER, Ok(())))];
    let proxied =
        |proxy: &str| client("ws://example.com/").proxy(proxy.parse().expect("a proxy's URL"));
    let ten = Duration::from_secs(10);
    for (connect, outcomes, naming, stage, limit, subject) in [
        (client("ws://example.com/"), SILENT, NEVER, Stage::Dns, ten, "example.com"),
        (client("ws://example.com/"), hanging, MS(0), Stage::Tcp, ten, ADDRESS),
        (
            client("ws://example.com/").connect_timeout(MS(70)),
            hanging,
            MS(0),
            Stage::Tcp,
            MS(70),
            ADDRESS,
        ),
        (
            proxied("http://al:secret@192.0.2.1"),
            SILENT,
            MS(0),
            Stage::Proxy,
            ten,
            "http://192.0.2.1:80",
        ),
        (
            proxied("socks5h://al:secret@192.0.2.1:80"),
            SILENT,
            MS(0),
            Stage::Proxy,
            ten,
            "socks5h://192.0.2.1:80",
        ),
        (
            client("ws://example.com/a?token=secret"),
            SILENT,
            MS(0),
            Stage::Handshake,
            ten,
            "example.com",
        ),
        (
            client("ws://u:secret@example.com/").handshake_timeout(MS(80)),
            SILENT,
            MS(0),
            Stage::Handshake,
            MS(80),
            "example.com",
        ),
    ] {
        let (mut fake, mut peers) = Fake::new(outcomes);
        fake.naming = naming;
        let error = dial_and_open(&connect, &fake).await.expect_err("too slow");
        let elapsed = fake.birth.elapsed();
        let ConnectError::TimedOut { stage: found, subject: at, limit: within } = &error else {
            panic!("{error:?}")
        };
        assert_eq!((*found, &**at, *within), (stage, subject, limit));
        assert!(elapsed >= limit && elapsed <= limit + MS(1), "{elapsed:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        drop(fake);
        while let Some(mut peer) = peers.recv().await {
            peer.read_to_end(&mut Vec::new()).await.expect("the client closed");
        }
    }
}

#[cfg(feature = "tls-webpki-roots")]
#[tokio::test(start_paused = true)]
async fn a_silent_tls_server_times_out_in_tls() {
    let (fake, _peers) = Fake::new(&[("192.0.2.1:443", (MS(0), Ok(())))]);
    let connect = client("wss://example.com/").tls(ClientTls::bundled_roots());
    let error = dial_and_open(&connect, &fake).await.expect_err("too slow");
    assert!(
        matches!(&error, ConnectError::TimedOut { stage: Stage::Tls, subject, .. }
            if subject == "example.com"),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn both_timeouts_without_end_do_not_overflow() {
    let connect = client("ws://example.com/")
        .connect_timeout(Duration::MAX)
        .handshake_timeout(Duration::MAX)
        .attempt_delay(Duration::MAX);
    converse(&connect, &[""]).await.0.expect("accepted");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_or_answers_nonsense_is_told_apart() {
    let connect = client("ws://example.com/");
    for answer in ["HTTP/1.1 101 Switch", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 101 x\r\n\r\n"] {
        let (io, mut peer) = duplex(4096);
        let server = async {
            request(&mut peer).await;
            peer.write_all(answer.as_bytes()).await.expect("the client reads");
            drop(peer);
        };
        let (outcome, ()) = tokio::join!(open_over(&connect, io), server);
        let error = outcome.expect_err("no handshake");
        assert!(matches!(error, ConnectError::Handshake(_)), "{answer:?} {error:?}");
        assert!(error.source().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_before_the_request_was_read_is_still_read() {
    let connect = client("ws://example.com/").header("x-long", &"x".repeat(10_000));
    // The pipe holds 64 bytes, so the request cannot be written whole.
    let (io, mut peer) = duplex(64);
    let server = async {
        peer.write_all(b"HTTP/1.1 431 x\r\nContent-Length: 0\r\n\r\n").await.expect("room");
        drop(peer);
    };
    let (outcome, ()) = tokio::join!(open_over(&connect, io), server);
    let error = outcome.expect_err("refused");
    assert!(
        matches!(&error, ConnectError::Refused(response) if response.status() == 431),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_an_io_error() {
    let connect = client("ws://example.com/");
    // The other end is gone at once.
    let io = duplex(1).0;
    let error = open_over(&connect, io).await.expect_err("broken");
    assert!(matches!(error, ConnectError::Io(_)), "{error:?}");
    assert!(error.source().is_some());
}

#[tokio::test(start_paused = true)]
async fn dropped_after_any_poll_opening_closes_every_connection() {
    let connect = client("ws://example.com/a").redirects(1);
    for polls in 1.. {
        let (fake, mut peers) = network();
        let opening = async {
            let opened = polled(polls, dial_and_open(&connect, &fake)).await;
            assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "no task is left");
            drop(fake);
            opened.map(|opened| drop(opened.expect("accepted"))).is_some()
        };
        let server = async {
            let mut connections = 0;
            while let Some(mut io) = peers.recv().await {
                connections += 1;
                let mut handshake = ServerHandshake::new(HandshakeLimits::default());
                let mut buffer = [0; 64];
                loop {
                    let read = io.read(&mut buffer).await.expect("no error");
                    if read == 0 {
                        break;
                    }
                    let input = handshake.handle_input(&buffer[..read]);
                    if let Some(opening) = input.expect("a valid request") {
                        let answer = if connections == 1 {
                            b"HTTP/1.1 302 x\r\nLocation: /b\r\nContent-Length: 4\r\n\r\nbody"
                                .to_vec()
                        } else {
                            acceptance(&opening.request().clone())
                        };
                        for part in answer.chunks(32) {
                            // A client that is gone reads no more.
                            let _ = io.write_all(part).await;
                            tokio::task::yield_now().await;
                        }
                        let mut rest = Vec::new();
                        io.read_to_end(&mut rest).await.expect("no error");
                        assert!(rest.is_empty(), "nothing follows the request");
                        break;
                    }
                }
            }
        };
        let (finished, ()) = tokio::join!(opening, server);
        if finished {
            assert!(polls > 4, "opening has more than four waits");
            break;
        }
    }
}
