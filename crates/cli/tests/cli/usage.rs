//! The command line: help, version, and mistakes, which are told with exit code 2.

use crate::process::run;

#[test]
fn help_and_version_go_to_stdout() {
    let version = run(&["--version"], "");
    version.assert_quiet_success();
    assert_eq!(version.text(), concat!("longwire ", env!("CARGO_PKG_VERSION"), "\n"));
    for arguments in [&["help"][..], &["--help"], &["-h"]] {
        let help = run(arguments, "");
        help.assert_quiet_success();
        assert!(help.text().contains("Usage: longwire [OPTIONS] <COMMAND>"), "{}", help.text());
        assert!(help.text().contains("Exit codes: 0 ended as it should"), "{}", help.text());
    }
    for (command, option) in [
        ("serve", "--data <FOLDER>"),
        ("init", "--prod"),
        ("token", "--allow <PATTERN=ACTIONS>"),
        ("publish", "--ephemeral"),
        ("tail", "--from <PLACE>"),
        ("echo", "--listen <ADDR>"),
        ("connect", "--proxy <URL>"),
        ("bench", "--in-flight <N>"),
    ] {
        let help = run(&["help", command], "");
        help.assert_quiet_success();
        assert!(help.text().contains(option), "{}", help.text());
        assert!(help.text().contains("Examples:"), "{}", help.text());
    }
}

#[test]
fn a_mistake_is_told_with_exit_code_2() {
    let url = "ws://127.0.0.1:1/";
    let cases: [(&[&str], &str); 34] = [
        (&[], "Usage:"),
        (&["server"], "unrecognized subcommand"),
        (&["serve", "--set", "limits.connections"], "KEY=VALUE"),
        (&["serve", "--set", "limits.conections=5"], "connections_per_ip"),
        (&["serve", "--config", "/no/such.toml"], "/no/such.toml cannot be read"),
        (&["init", "a.toml", "b.toml"], "unexpected argument"),
        (&["check", "a.toml", "--config", "b.toml"], "cannot be used with"),
        (&["token"], "--allow <PATTERN=ACTIONS>"),
        (&["token", "--allow", "chat:*=read"], "subscribe, publish, history, manage"),
        (&["token", "--allow", "chat:*"], "'chat:*=subscribe,publish'"),
        (&["token", "--allow", "a=publish", "--expires", "60"], "15m"),
        (&["tail"], "<CHANNEL>"),
        (&["tail", "a b"], "'a b'"),
        (&["tail", "--from", "yesterday", "demo"], "last:10"),
        (&["tail", "--url", "live.example", "demo"], "https://live.example"),
        (&["publish", "demo", "--key", "k"], "<TEXT>"),
        (&["publish", "demo", "--json", "{"], "leave --json out"),
        (&["echo", "--cert", "c.pem"], "--key <FILE>"),
        (&["echo", "--key", "k.pem"], "--cert <FILE>"),
        (&["echo", "--threads", "0"], "1..=1024"),
        (&["echo", "--subprotocol", "a b"], "'a b'"),
        (&["echo", "--allow-origin", "app.example"], "https://app.example"),
        (&["connect"], "<URL>"),
        (&["connect", "example.com"], "not a WebSocket URI"),
        (&["connect", "ftp://example.com"], "ws"),
        (&["connect", "--header", "X-One", url], "with a colon"),
        (&["connect", "--header", "Sec-WebSocket-Key: a", url], "sec-websocket-key"),
        (&["connect", "--user", "alice", url], "NAME:PASSWORD"),
        (&["connect", "--user", "a:b", "--bearer", "c", url], "cannot be used with"),
        (&["connect", "--proxy", "ftp://a", url], "--proxy: "),
        (&["connect", "--proxy", "http://a", "--no-proxy", url], "cannot be used with"),
        (&["connect", "--ping", "0", url], "seconds"),
        (&["connect", "--no-stdin", "--binary", "-", url], "--no-stdin"),
        (&["connect", "--binary", "-", "--binary", "-", url], "once"),
    ];
    for (arguments, expected) in cases {
        let ended = run(arguments, "");
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.text(), "", "{arguments:?}");
    }
}

#[test]
fn no_mistake_shows_a_secret() {
    for arguments in [
        ["connect", "--header", "Authorization s3cret", "ws://127.0.0.1:1/"],
        ["connect", "--header", "Authorization: s3cret\n", "ws://127.0.0.1:1/"],
        ["connect", "--user", "s3cret", "ws://127.0.0.1:1/"],
        ["connect", "--bearer", "s3cret s3cret", "ws://127.0.0.1:1/"],
        ["connect", "--proxy", "http://alice:s3cret@a/path", "ws://127.0.0.1:1/"],
        ["connect", "--redirects", "1", "ws://alice:s3cret@127.0.0.1:1/#fragment"],
    ] {
        let ended = run(&arguments, "");
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert!(!ended.stderr.contains("s3cret"), "{arguments:?}: {}", ended.stderr);
    }
}
