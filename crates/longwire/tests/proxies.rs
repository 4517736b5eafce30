//! HTTP and SOCKS5 proxies on real sockets, given and from the environment.
#![cfg(feature = "tls")]

mod net;

use longwire::client::{ProxyFailure, SocksReply};
use longwire::{Connect, ConnectError, Proxy};
use net::{
    Certificates, FakeProxy, Server, Speaks, assert_cancel_safe, assert_echo, failure,
    in_environment, soon,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn proxy(url: &str) -> Proxy {
    url.parse().expect("a proxy's URL")
}

#[tokio::test]
async fn an_http_proxy_is_asked_to_connect_and_the_rest_is_the_servers() {
    let server = Server::start().await;
    let relay = FakeProxy::start(Speaks::Http(""), server.address).await;
    let url = format!("http://al:s%3Aecret@{}", relay.address);
    let connect = Connect::new("ws://longwire.test:81/x").proxy(proxy(&url));
    let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
    assert_echo(&mut ws).await;
    assert_eq!(
        relay.asked(),
        ["CONNECT longwire.test:81 HTTP/1.1\r\nHost: longwire.test:81\r\n\
          Proxy-Authorization: Basic YWw6czplY3JldA==\r\n\r\n"]
    );
    let requests = server.requests();
    assert!(!requests[0].headers().contains_key("proxy-authorization"));
    assert_eq!(requests[0].headers()["host"], "longwire.test:81");
}

#[tokio::test]
async fn tls_goes_through_the_tunnel_and_through_a_proxy_under_tls() {
    let certificates = Certificates::new("tunnel", &["longwire.test", "127.0.0.1"]);
    let server = Server::with_tls(certificates.server()).await;
    for (speaks, scheme) in [
        (Speaks::Http(""), "http"),
        (Speaks::Https(certificates.server()), "https"),
        (Speaks::Socks(0, None), "socks5h"),
    ] {
        let relay = FakeProxy::start(speaks, server.address).await;
        let connect = Connect::new("wss://longwire.test/")
            .tls(certificates.client())
            .proxy(proxy(&relay.url(scheme)));
        let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
        assert_echo(&mut ws).await;
        assert!(relay.asked()[0].contains("longwire.test:443"), "{:?}", relay.asked());
    }
}

#[tokio::test]
async fn an_http_proxy_that_wants_credentials_says_so() {
    const WANTS: &str = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n";
    let server = Server::start().await;
    let relay = FakeProxy::start(Speaks::Http(WANTS), server.address).await;
    for (user, sent, text) in
        [("", false, "it asks for a user name"), ("al:secret@", true, "it refused the user name")]
    {
        let url = format!("http://{user}{}", relay.address);
        let error = failure(Connect::new("ws://longwire.test/").proxy(proxy(&url))).await;
        let ConnectError::Proxy(found) = &error else { panic!("{error:?}") };
        assert!(
            matches!(found.failure(), ProxyFailure::Credentials { sent: was_sent, wanted }
                if *was_sent == sent && wanted == "Basic realm=\"x\""),
            "{error:?}"
        );
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("proxy http://{}: {text}", relay.address)), "{shown}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn an_http_proxy_that_refuses_gives_its_status() {
    let server = Server::start().await;
    let relay = FakeProxy::start(Speaks::Http("HTTP/1.1 403 Port\r\n\r\n"), server.address).await;
    let connect = Connect::new("ws://longwire.test/").proxy(proxy(&relay.url("http")));
    let error = failure(connect).await;
    let ConnectError::Proxy(found) = &error else { panic!("{error:?}") };
    assert!(
        matches!(found.failure(), ProxyFailure::Refused { status, reason }
            if *status == 403 && reason == "Port"),
        "{error:?}"
    );
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn socks5_authenticates_and_resolves_where_its_scheme_says() {
    let server = Server::start().await;
    let relay = FakeProxy::start(Speaks::Socks(0, Some(("al", "s:ecret"))), server.address).await;
    for (scheme, url, expected) in [
        ("socks5h", "ws://longwire.test/", "longwire.test:80"),
        ("socks5h", "ws://192.0.2.9:81/", "192.0.2.9:81"),
        ("socks5h", "ws://[2001:db8::9]/", "[2001:db8::9]:80"),
        ("socks5", "ws://192.0.2.9/", "192.0.2.9:80"),
    ] {
        let through = format!("{scheme}://al:s%3Aecret@{}", relay.address);
        let connect = Connect::new(url).proxy(proxy(&through));
        let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
        assert_echo(&mut ws).await;
        assert_eq!(relay.asked().last().map(String::as_str), Some(expected), "{scheme} {url}");
    }
    let connect = Connect::new("ws://localhost:81/")
        .proxy(proxy(&format!("socks5://al:s%3Aecret@{}", relay.address)));
    let mut ws = soon(connect.into_future()).await.expect("a WebSocket");
    assert_echo(&mut ws).await;
    let asked = relay.asked().pop().expect("a destination");
    assert!(["127.0.0.1:81", "[::1]:81"].contains(&&*asked), "it was resolved here: {asked}");
}

#[tokio::test]
async fn socks5_that_refuses_credentials_says_so() {
    let server = Server::start().await;
    let relay = FakeProxy::start(Speaks::Socks(0, Some(("al", "pw"))), server.address).await;
    for (user, sent) in [("", false), ("al:secret@", true)] {
        let url = format!("socks5h://{user}{}", relay.address);
        let error = failure(Connect::new("ws://longwire.test/").proxy(proxy(&url))).await;
        let ConnectError::Proxy(found) = &error else { panic!("{error:?}") };
        assert!(
            matches!(found.failure(), ProxyFailure::Credentials { sent: was_sent, .. }
                if *was_sent == sent),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn socks5_refusals_are_told_by_their_code() {
    let server = Server::start().await;
    for (code, reply) in [
        (1, SocksReply::GeneralFailure),
        (2, SocksReply::NotAllowed),
        (3, SocksReply::NetworkUnreachable),
        (4, SocksReply::HostUnreachable),
        (5, SocksReply::ConnectionRefused),
        (6, SocksReply::TtlExpired),
        (7, SocksReply::CommandNotSupported),
        (8, SocksReply::AddressTypeNotSupported),
        (99, SocksReply::Unassigned(99)),
    ] {
        let relay = FakeProxy::start(Speaks::Socks(code, None), server.address).await;
        let connect = Connect::new("ws://longwire.test/").proxy(proxy(&relay.url("socks5h")));
        let error = failure(connect).await;
        let ConnectError::Proxy(found) = &error else { panic!("{error:?}") };
        let ProxyFailure::SocksRefused(attempts) = found.failure() else { panic!("{error:?}") };
        assert_eq!(attempts[0].reply, reply);
        assert_eq!(attempts[0].destination, "longwire.test:80");
        assert!(error.to_string().contains(&format!("SOCKS5 reply {code}")), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_of_another_kind_is_told_from_one_that_closes() {
    for (scheme, greeting, expected) in [
        ("http", "", "it closed the connection"),
        ("socks5h", "", "it closed the connection"),
        ("http", "\u{5}\u{7f}", "it does not answer in HTTP/1.1"),
        ("socks5h", "HTTP/1.1 400 Bad\r\n\r\n", "it does not speak SOCKS5"),
        ("https", "HTTP/1.1 400 Bad\r\n\r\n", "does the peer speak TLS"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("{scheme}://{}", listener.local_addr().expect("bound"));
        let connect = Connect::new("ws://longwire.test/").proxy(proxy(&url));
        let server = async {
            let (mut io, _) = listener.accept().await.expect("it works");
            // Reads first, so that the end is no reset.
            let asked = io.read(&mut [0; 4096]).await.expect("a question");
            assert!(asked > 0);
            io.write_all(greeting.as_bytes()).await.expect("the client reads");
        };
        let (error, ()) = tokio::join!(failure(connect), server);
        assert!(matches!(error, ConnectError::Proxy(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let url = format!("socks5h://al:secret@{address}");
    let error = failure(Connect::new("ws://longwire.test/").proxy(proxy(&url))).await;
    let ConnectError::Proxy(found) = &error else { panic!("{error:?}") };
    assert!(matches!(found.failure(), ProxyFailure::Tcp(_)), "{error:?}");
    assert!(error.to_string().starts_with(&format!("proxy socks5h://{address}: ")), "{error}");
}

#[tokio::test]
async fn dropped_after_any_poll_a_connection_through_a_proxy_is_closed() {
    let server = Server::start().await;
    for (speaks, scheme) in [(Speaks::Http(""), "http"), (Speaks::Socks(0, None), "socks5h")] {
        let relay = FakeProxy::start(speaks, server.address).await;
        let polls = assert_cancel_safe(relay.address, |address| {
            Connect::new("ws://longwire.test/").proxy(proxy(&format!("{scheme}://{address}")))
        })
        .await;
        assert!(polls > 3, "TCP, the tunnel and the handshake have a wait each");
    }
}

/// What the child processes below do: connect to the URL in their environment.
#[tokio::test]
#[ignore = "runs in a process of its own, with proxies in its environment"]
async fn child() {
    let url = std::env::var("LONGWIRE_TEST_URL").expect("set by the parent");
    let mut ws = soon(longwire::connect(&url)).await.expect("a WebSocket");
    assert_echo(&mut ws).await;
}

/// Connects to a URL in a process with these variables; gives whether that worked.
async fn connects(url: String, variables: Vec<(&'static str, String)>) -> bool {
    let output = tokio::task::spawn_blocking(move || {
        let mut all = vec![("LONGWIRE_TEST_URL", &*url)];
        all.extend(variables.iter().map(|(name, value)| (*name, &**value)));
        in_environment("child", &all)
    });
    let output = soon(output).await.expect("no panic");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "{text}");
    output.status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_names_the_proxy() {
    let server = Server::start().await;
    let http = FakeProxy::start(Speaks::Http(""), server.address).await;
    let socks = FakeProxy::start(Speaks::Socks(0, None), server.address).await;
    let url = || "ws://longwire.test/".to_owned();

    assert!(connects(url(), vec![("HTTP_PROXY", http.url("http"))]).await);
    assert_eq!(http.asked().len(), 1);
    assert!(connects(url(), vec![("all_proxy", socks.url("socks5h"))]).await);
    assert_eq!(socks.asked().len(), 1);

    // Neither of these may reach a proxy, so the name cannot be resolved.
    let exempt = vec![("ALL_PROXY", http.url("http")), ("NO_PROXY", ".test".to_owned())];
    assert!(!connects(url(), exempt).await);
    let cgi = vec![("HTTP_PROXY", http.url("http")), ("REQUEST_METHOD", "GET".to_owned())];
    assert!(!connects(url(), cgi).await);
    assert!(!connects(url(), vec![("HTTPS_PROXY", http.url("http"))]).await);

    // And this one needs none.
    let loopback = server.url("ws", "127.0.0.1", "/");
    assert!(connects(loopback, vec![("ALL_PROXY", http.url("http"))]).await);
    assert_eq!((http.asked().len(), socks.asked().len()), (1, 1));
}
