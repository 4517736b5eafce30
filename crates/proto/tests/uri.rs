//! `ws:` and `wss:` URIs (§3).

use longwire_proto::{UriError, WsUri};

fn uri(text: &str) -> WsUri {
    WsUri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn ports_default_to_80_and_443() {
    // §3
    assert_eq!((uri("ws://h").port(), uri("ws://h").is_secure()), (80, false));
    assert_eq!((uri("wss://h").port(), uri("wss://h").is_secure()), (443, true));
    assert_eq!(uri("wss://h:80").port(), 80);
}

#[test]
fn http_schemes_are_read_as_websocket_schemes() {
    assert_eq!(uri("http://h:80/p"), uri("ws://h/p"));
    assert_eq!(uri("HTTPS://h:443/p"), uri("wss://h/p"));
    assert_eq!(uri("https://h:80").to_string(), "wss://h:80/");
}

#[test]
fn other_schemes_are_refused() {
    assert_eq!(WsUri::parse("ftp://h"), Err(UriError::Scheme("ftp".into())));
    assert_eq!(WsUri::parse("localhost:9001"), Err(UriError::Scheme("localhost".into())));
    for text in
        ["", "h", "/path", "//h/path", "ws:", "ws://", "ws://:80", "ws://h:65536", "ws://h:x"]
    {
        assert!(matches!(WsUri::parse(text), Err(UriError::Invalid(_))), "{text}");
    }
}

#[test]
fn fragments_are_refused() {
    // §3: "Fragment identifiers are meaningless in the context of WebSocket URIs"
    for text in ["ws://h/#f", "ws://h#", "ws://h/?q#f"] {
        assert_eq!(WsUri::parse(text), Err(UriError::Fragment), "{text}");
    }
    assert_eq!(uri("ws://h/%23f").resource_name(), "/%23f");
}

#[test]
fn resource_name_is_the_path_and_the_query() {
    // §3
    for (text, name) in [
        ("ws://h", "/"),
        ("ws://h?q=1", "/?q=1"),
        ("ws://h/?", "/"),
        ("ws://h/a/b?c?d", "/a/b?c?d"),
        ("ws://h/a??", "/a??"),
        ("ws://h/a b/../\u{e9}", "/%C3%A9"),
        ("ws://u:p@h:1/a", "/a"),
    ] {
        assert_eq!(uri(text).resource_name(), name, "{text}");
    }
}

#[test]
fn authority_leaves_out_the_default_port_and_keeps_brackets() {
    // §4.1, item 4
    for (text, authority, host) in [
        ("ws://EXAMPLE.com:80", "example.com", "example.com"),
        ("wss://example.com:443/x", "example.com", "example.com"),
        ("ws://example.com:443", "example.com:443", "example.com"),
        ("ws://u:p@[::1]:9001", "[::1]:9001", "::1"),
        ("wss://[2001:DB8::0:1]", "[2001:db8::1]", "2001:db8::1"),
        ("ws://127.1", "127.0.0.1", "127.0.0.1"),
        ("ws://b\u{fc}cher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
    ] {
        assert_eq!(uri(text).authority(), authority, "{text}");
        assert_eq!(uri(text).host(), host, "{text}");
    }
}

#[test]
fn credentials_are_decoded_and_never_shown() {
    let secret = uri("wss://us%40er:p%3Ass@h/x");
    assert_eq!(secret.credentials(), Some(("us@er".into(), "p:ss".into())));
    assert_eq!(uri("ws://user@h").credentials(), Some(("user".into(), String::new())));
    assert_eq!(uri("ws://:pass@h").credentials(), Some((String::new(), "pass".into())));
    assert_eq!(uri("ws://h").credentials(), None);
    assert_eq!(secret.to_string(), "wss://h/x");
    assert_eq!(format!("{secret:?}"), "WsUri(wss://h/x)");
}

#[test]
fn origins_are_of_scheme_host_and_port() {
    assert_eq!(uri("ws://H:80/x").origin(), "http://h");
    assert_eq!(uri("wss://[::1]:1/x").origin(), "https://[::1]:1");
    let base = uri("wss://h/a");
    assert!(base.same_origin(&uri("https://u:p@H:443/b?c")));
    for other in ["ws://h:443/a", "wss://h:444/a", "wss://g/a", "wss://x.h/a"] {
        assert!(!base.same_origin(&uri(other)), "{other}");
    }
}

#[test]
fn references_resolve_against_the_uri() {
    let base = uri("wss://h:1/a/b?c");
    for (reference, result) in [
        ("d", "wss://h:1/a/d"),
        ("/d?e", "wss://h:1/d?e"),
        ("//g/d", "wss://g/d"),
        ("https://g/d#f", "wss://g/d"),
        ("http://g/d", "ws://g/d"),
        ("ws://g:443", "ws://g:443/"),
        ("#f", "wss://h:1/a/b?c"),
    ] {
        assert_eq!(
            base.join(reference).map(|uri| uri.to_string()),
            Ok(result.into()),
            "{reference}"
        );
    }
    assert!(matches!(base.join("mailto:a@b"), Err(UriError::Scheme(_))));
    assert!(matches!(base.join("//"), Err(UriError::Invalid(_))));
}

#[test]
fn errors_name_the_cure() {
    let error = |text| WsUri::parse(text).expect_err(text).to_string();
    assert!(error("localhost:1").contains("write ws://"));
    assert!(error("h").contains("write ws://"));
    assert!(error("ws://h#").contains("remove the #"));
}
