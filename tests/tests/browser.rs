//! Chromium's own WebSocket, in a page, against `longwire echo`.

use anyhow::Result;
use longwire::{Acceptor, Close, CloseReason, OriginPolicy, WebSocket};
use longwire_tests::browser::{Browser, PageServer};
use longwire_tests::certificates::Certificates;
use longwire_tests::peers::{Scheme, Server};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The page's host in all tests but those of the Origin policy.
const HOST: &str = "127.0.0.1";

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

#[test]
fn messages_of_all_kinds_and_sizes_come_back() -> Result<()> {
    let seen = run(Scheme::Plain, "messages", &[], &[])?;
    assert_eq!(seen["close"], normal_close(), "{seen}");
    Ok(())
}

#[test]
fn messages_of_all_kinds_and_sizes_come_back_over_tls() -> Result<()> {
    let seen = run(Scheme::Tls, "messages", &[], &[])?;
    assert_eq!(seen["close"], normal_close(), "{seen}");
    Ok(())
}

#[test]
fn a_burst_of_messages_comes_back_in_order() -> Result<()> {
    let seen = run(Scheme::Plain, "burst", &[], &[])?;
    assert_eq!(seen["close"], normal_close(), "{seen}");
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
