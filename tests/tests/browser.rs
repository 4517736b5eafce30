//! Chromium's own WebSocket, in a page, against `longwire echo`.

use anyhow::Result;
use longwire::{Acceptor, Close, CloseReason, Config, Deflate, OriginPolicy, WebSocket};
use longwire_tests::browser::{Browser, PageServer};
use longwire_tests::certificates::Certificates;
use longwire_tests::forms::{ALL_FORMS, EchoServers};
use longwire_tests::peers::{Scheme, Server};
use longwire_tests::relay::Relay;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The page's host in all tests but those of the Origin policy.
const HOST: &str = "127.0.0.1";

/// Bytes in one direction that show that the scenario `messages`, which has 6.8 MB, was compressed,
/// although a quarter of the messages was not to be.
const MOST_BYTES: u64 = 2_300_000;

/// Runs `scenario` against a server that allows the page.
fn run(scheme: Scheme, scenario: &str, server_options: &[&str], offers: &[&str]) -> Result<Value> {
    let certificates = Certificates::generate()?;
    let page = PageServer::start()?;
    let origin = page.origin(HOST);
    let options = [&["--allow-origin", &origin], server_options].concat();
    let server = Server::longwire(scheme, &certificates, &options)?;
    Browser::start(page, HOST, scenario, &server.url("/"), offers, &certificates)?.result()
}

fn normal_close() -> Value {
    clean(1000, "")
}

/// What the page saw when all went well.
fn well(extensions: &str) -> Value {
    json!({ "extensions": extensions, "close": normal_close() })
}

/// The browser offers compression, and the server declines it.
#[test]
fn messages_of_all_kinds_and_sizes_come_back() -> Result<()> {
    assert_eq!(run(Scheme::Plain, "messages", &[], &[])?, well(""));
    Ok(())
}

#[test]
fn messages_of_all_kinds_and_sizes_come_back_over_tls() -> Result<()> {
    assert_eq!(run(Scheme::Tls, "messages", &[], &[])?, well(""));
    Ok(())
}

#[test]
fn a_burst_of_messages_comes_back_in_order() -> Result<()> {
    assert_eq!(run(Scheme::Plain, "burst", &[], &[])?, well(""));
    Ok(())
}

/// The server's answers, and what the page sees of them.
const DEFLATE: [(&str, &str); 2] = [
    ("takeover", "permessage-deflate"),
    ("no-takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
];

#[test]
fn compressed_messages_come_back() -> Result<()> {
    for (mode, agreed) in DEFLATE {
        assert_eq!(run(Scheme::Plain, "messages", &["--deflate", mode], &[])?, well(agreed));
        assert_eq!(run(Scheme::Plain, "burst", &["--deflate", mode], &[])?, well(agreed));
    }
    Ok(())
}

/// Both servers share what they prepare.
#[test]
fn prepared_ordinary_and_uncompressed_messages_come_back_in_turn() -> Result<()> {
    let certificates = Certificates::generate()?;
    let servers = EchoServers::new(&ALL_FORMS)?;
    let modes = [Deflate::context_takeover(), Deflate::no_context_takeover()];
    for (mut mode, (_, agreed)) in modes.into_iter().zip(DEFLATE) {
        mode.threshold = 0;
        let mut config = Config::default();
        config.deflate = Some(mode);
        let relay = Relay::start(servers.start(config)?)?;
        let page = PageServer::start()?;
        let browser = Browser::start(page, HOST, "messages", &relay.url("/"), &[], &certificates)?;
        assert_eq!(browser.result()?, well(agreed));
        let (sent, received) = (relay.from_client(), relay.from_server());
        assert!(
            sent < MOST_BYTES && received < MOST_BYTES,
            "{agreed}: the page sent {sent} bytes and received {received}"
        );
    }
    let reused = servers.shared.reused();
    assert!(reused > 20, "{reused} times was a prepared message shared");
    Ok(())
}

fn clean(code: u16, reason: &str) -> Value {
    json!({ "code": code, "reason": reason, "wasClean": true })
}

/// RFC 6455 section 5.5.1: the server answers with the code that it received, and without a reason;
/// a Close without a code is 1005 to the application (section 7.1.5).
#[test]
fn a_close_of_the_page_comes_back_with_its_code() -> Result<()> {
    let codes = [1005, 1000, 1000, 3000, 4999, 4000];
    for scheme in [Scheme::Plain, Scheme::Tls] {
        let seen = run(scheme, "closes", &[], &[])?;
        assert_eq!(seen, json!(codes.map(|code| clean(code, ""))));
    }
    Ok(())
}

#[test]
fn a_close_of_the_server_arrives_with_its_code_and_reason() -> Result<()> {
    let certificates = Certificates::generate()?;
    let runtime = Runtime::new()?;
    let server = runtime.block_on(longwire::Server::bind("127.0.0.1:0"))?;
    let url = Scheme::Plain.url(server.local_addr()?.port(), "/");
    let server = server.acceptor(Acceptor::new().origins(OriginPolicy::any()));
    runtime.spawn(server.serve(close_as_asked));

    let page = PageServer::start()?;
    let browser = Browser::start(page, HOST, "serverCloses", &url, &[], &certificates)?;
    let expected = json!([
        clean(1000, ""),
        clean(1000, "bye"),
        clean(1011, ""),
        clean(3000, "three thousand"),
        clean(4999, "für immer ☂"),
        clean(4000, &"é".repeat(61)),
    ]);
    assert_eq!(browser.result()?, expected);
    Ok(())
}

/// Closes with the code and the reason that the first message asks for.
async fn close_as_asked(mut socket: WebSocket) {
    let message = socket.recv().await.expect("the page is well").expect("the page sends first");
    let (code, reason) =
        message.as_text().and_then(|text| text.split_once(' ')).expect("a code and a reason");
    let code: u16 = code.parse().expect("a number");
    socket.close(Close::new(code.into(), CloseReason::truncated(reason))).await;
}

/// RFC 6455 section 4.1: the client's list is in the order of its preference.
#[test]
fn the_subprotocol_is_the_pages_first_that_the_server_knows() -> Result<()> {
    let known = ["--subprotocol", "notes", "--subprotocol", "chat"];
    let seen = run(Scheme::Plain, "subprotocol", &known, &["unknown", "chat", "notes"])?;
    assert_eq!(seen, json!({ "protocol": "chat", "close": normal_close() }));
    Ok(())
}

#[test]
fn a_server_that_shuts_down_closes_the_pages_socket_with_1001() -> Result<()> {
    let certificates = Certificates::generate()?;
    let page = PageServer::start()?;
    let origin = page.origin(HOST);
    let server = Server::longwire(Scheme::Plain, &certificates, &["--allow-origin", &origin])?;
    let browser = Browser::start(page, HOST, "watch", &server.url("/"), &[], &certificates)?;
    browser.wait_until_open()?;
    server.process.terminate()?;
    let seen = browser.result()?;
    assert_eq!((&seen["opened"], &seen["failed"]), (&json!(true), &json!(false)), "{seen}");
    assert_eq!(seen["close"]["code"], 1001, "{seen}");
    assert_eq!(seen["close"]["wasClean"], true, "{seen}");
    Ok(())
}

/// RFC 6455 section 10.2: a page of another site is refused unless the server was told to allow it.
#[test]
fn a_page_of_another_site_is_refused() -> Result<()> {
    let certificates = Certificates::generate()?;
    let server = Server::longwire(Scheme::Plain, &certificates, &[])?;
    let page = PageServer::start()?;
    let browser =
        Browser::start(page, "other.test", "watch", &server.url("/"), &[], &certificates)?;
    assert_eq!(
        browser.result()?,
        json!({
            "opened": false,
            "failed": true,
            "close": { "code": 1006, "reason": "", "wasClean": false },
        })
    );
    Ok(())
}

#[test]
fn a_page_of_another_site_is_served_if_its_origin_is_allowed() -> Result<()> {
    let certificates = Certificates::generate()?;
    let page = PageServer::start()?;
    let origin = page.origin("other.test");
    let server = Server::longwire(Scheme::Plain, &certificates, &["--allow-origin", &origin])?;
    let url = server.url("/");
    let browser = Browser::start(page, "other.test", "subprotocol", &url, &[], &certificates)?;
    assert_eq!(browser.result()?, json!({ "protocol": "", "close": normal_close() }));
    Ok(())
}
