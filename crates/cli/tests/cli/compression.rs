//! `--deflate`: what each end asks for, what comes of it, and where that is shown.

use serde_json::{Value, json};

use crate::process::{echo, run};

/// The extensions in the open event of a client, and whether its long line came back.
fn conversation(server: &str, client: &str) -> Value {
    let echo = echo(&["--deflate", server]);
    let line = "to be or not to be, ".repeat(500);
    let ended = run(&["connect", "--json", "--deflate", client, &echo.url], format!("{line}\n"));
    ended.assert_quiet_success();
    let events: Vec<Value> =
        ended.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events[1], json!({"event": "message", "type": "text", "text": line}));
    events[0]["extensions"].clone()
}

#[test]
fn the_agreement_is_shown_and_takes_both_ends() {
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let cases = [
        ("off", "off", json!([])),
        ("off", "takeover", json!([])),
        ("takeover", "off", json!([])),
        ("takeover", "takeover", json!(["permessage-deflate"])),
        ("no-takeover", "no-takeover", json!([both])),
        ("no-takeover", "takeover", json!([both])),
        ("takeover", "no-takeover", json!([both])),
    ];
    for (server, client, expected) in cases {
        assert_eq!(conversation(server, client), expected, "{server}, {client}");
    }
}

#[test]
fn a_verbose_server_says_what_was_agreed_on() {
    let echo = echo(&["--verbose", "--deflate", "takeover"]);
    run(&["connect", "--deflate", "takeover", &echo.url], "hello\n").assert_quiet_success();
    echo.process.signal(rustix::process::Signal::TERM);
    let ended = echo.process.wait();
    assert!(ended.stderr.contains("permessage-deflate"), "{}", ended.stderr);
}

#[test]
fn an_unknown_mode_is_refused_with_those_that_there_are() {
    let ended = run(&["echo", "--deflate", "zstd"], "");
    assert_eq!(ended.code, Some(2));
    for mode in ["off", "no-takeover", "takeover"] {
        assert!(ended.stderr.contains(mode), "{}", ended.stderr);
    }
}
