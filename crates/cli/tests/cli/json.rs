//! `--json` and `--json-input`: the lines that programs read and write.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    process::{Ended, echo, run, start},
    scripted,
};

fn lines(ended: &Ended) -> Vec<Value> {
    ended.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_conversation_is_four_kinds_of_lines() {
    let echo = echo(&["--subprotocol", "chat"]);
    let address = echo.address();
    let ended = run(
        &["connect", "--json", "--json-input", "--subprotocol", "chat", &echo.url],
        "{\"text\":\"h\\u00e9 \\\"\\u0007\\\"\"}\n{\"base64\":\"AP8=\"}\n\
         {\"close\":{\"code\":4000,\"reason\":\"done\"}}\n{\"text\":\"too late\"}\n",
    );
    ended.assert_quiet_success();
    // Byte by byte: this form is promised.
    let expected = [
        &format!(
            r#"{{"event":"open","url":"ws://{address}/","peer":"{address}","subprotocol":"chat","extensions":[]}}"#
        ),
        r#"{"event":"message","type":"text","text":"hé \"\u0007\""}"#,
        r#"{"event":"message","type":"binary","base64":"AP8="}"#,
        r#"{"event":"close","clean":true,"cause":"clean","peer_first":false,"sent":{"code":4000,"reason":"done"},"received":{"code":4000,"reason":""}}"#,
    ];
    assert_eq!(ended.text().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn plain_lines_go_out_as_text_with_json_too() {
    let echo = echo(&[]);
    let ended = run(&["connect", "--json", &echo.url], "{\"text\":1}\n");
    assert_eq!(
        lines(&ended)[1],
        json!({"event": "message", "type": "text", "text": "{\"text\":1}"})
    );
}

#[test]
fn pings_are_events_and_a_signal_closes_with_1001() {
    let echo = echo(&[]);
    let mut client = start(&["connect", "--json", "--no-stdin", "--ping", "60", &echo.url]);
    assert!(client.line().contains(r#""subprotocol":null"#));
    let ping: Value = serde_json::from_str(&client.line()).expect("JSON");
    assert_eq!(ping["event"], "ping");
    assert!(ping["round_trip_ms"].as_f64().is_some_and(|time| time > 0.0), "{ping}");
    client.signal(Signal::INT);
    let ended = client.wait();
    ended.assert_quiet_success();
    let close = &lines(&ended)[0];
    assert_eq!(close["sent"], json!({"code": 1001, "reason": ""}));
    assert_eq!(close["clean"], true);
}

#[test]
fn a_lost_connection_is_a_close_and_an_error() {
    let server = scripted::websocket(|stream| {
        std::io::Write::write_all(stream, b"\x81\x01a").expect("the client reads");
    });
    let ended = run(&["connect", "--json", "--no-stdin", &server.url()], "");
    assert_eq!(ended.code, Some(1));
    server.join();
    assert_eq!(
        lines(&ended)[2..],
        [
            json!({
                "event": "close", "clean": false, "cause": "lost", "peer_first": false,
                "sent": null, "received": null,
            }),
            json!({
                "event": "error", "kind": "lost",
                "message": "the connection was lost: the server ended it without a close",
            }),
        ]
    );
}

#[test]
fn a_refusal_is_an_error_with_its_status() {
    let server = scripted::answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let ended = run(&["connect", "--json", &server.url()], "");
    assert_eq!(ended.code, Some(1));
    server.join();
    let message = "the server refused the WebSocket opening handshake with 404 Not Found; check \
                   the URL's path";
    assert_eq!(
        lines(&ended),
        [json!({"event": "error", "kind": "refused", "message": message, "status": 404})]
    );
    assert_eq!(ended.stderr, format!("longwire: {message}\n"));
}

#[test]
fn a_wrong_input_line_ends_the_connection_with_1011() {
    let echo = echo(&[]);
    let ended = run(&["connect", "--json", "--json-input", &echo.url], "{\"text\":\"a\"}\nhello\n");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("longwire: line 2 of stdin: expected"), "{}", ended.stderr);
    let lines = lines(&ended);
    assert_eq!(lines[1]["text"], "a");
    assert_eq!(lines[2]["sent"]["code"], 1011);
    assert_eq!(lines[3]["kind"], "input");
}
