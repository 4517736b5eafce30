//! `specs/protocol.md` says what the code does: its tables, its examples, and the fields of each message.

use std::{collections::BTreeSet, fs, path::Path};

use longwire_channel::{CloseCode, Codec, ErrorCode, Incoming, Verdict};
use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(path))
        .expect("the file is there")
}

/// What stands under a heading, up to the next of the same rank or a higher one.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let rank = heading.split(' ').next().expect("a rank");
    let begin = document.find(&format!("\n{heading}\n")).unwrap_or_else(|| {
        panic!("specs/protocol.md has no heading `{heading}`: write the section")
    });
    let rest = &document[begin + heading.len() + 2..];
    let end = rest
        .match_indices("\n#")
        .find(|(at, _)| {
            rest[at + 1..].split(' ').next().is_some_and(|next| next.len() <= rank.len())
        })
        .map_or(rest.len(), |(at, _)| at);
    &rest[..end]
}

/// The cells of each row of the first table.
fn rows(section: &str) -> Vec<Vec<&str>> {
    section
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_error_codes_are_those_of_the_code() {
    let document = read("protocol.md");
    let written: Vec<Vec<&str>> = rows(section(&document, "## Error codes"));
    let expected: Vec<[String; 3]> = ErrorCode::ALL
        .iter()
        .map(|code| {
            let temporary = if code.is_temporary() { "yes" } else { "no" };
            [format!("`{}`", code.name()), code.status().to_string(), temporary.to_owned()]
        })
        .collect();
    let written: Vec<[String; 3]> =
        written.iter().map(|row| [0, 1, 2].map(|cell| row[cell].to_owned())).collect();
    assert_eq!(written, expected);
}

#[test]
fn the_close_codes_are_those_of_the_code() {
    let document = read("protocol.md");
    let written: Vec<[String; 3]> = rows(section(&document, "## Close codes"))
        .iter()
        .map(|row| [0, 1, 2].map(|cell| row[cell].to_owned()))
        .collect();
    let expected: Vec<[String; 3]> = CloseCode::ALL
        .iter()
        .map(|(code, words)| {
            let verdict = match code.verdict() {
                Verdict::Reconnect => "reconnect",
                Verdict::RefreshToken => "refresh token",
                Verdict::Stop => "stop",
            };
            [code.0.to_string(), (*words).to_owned(), verdict.to_owned()]
        })
        .collect();
    assert_eq!(written, expected);
}

#[test]
fn every_example_is_a_sound_frame() {
    let document = read("protocol.md");
    let examples: Vec<&str> = document
        .split("\n```json\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().expect("something"))
        .collect();
    assert!(examples.len() > 20, "{} examples", examples.len());
    for example in examples {
        let frame = example.as_bytes();
        let is_message = |incoming: &Incoming| matches!(incoming, Incoming::Message(_));
        let from_client = Codec::Json
            .decode_client(frame)
            .is_ok_and(|read| !read.is_empty() && read.iter().all(is_message));
        let from_server = Codec::Json.decode_server(frame);
        assert!(
            from_client || from_server.as_ref().is_ok_and(|read| !read.is_empty()),
            "{example}: {from_server:?}"
        );
    }
}

#[test]
fn every_field_of_every_message_is_in_its_section() {
    let document = read("protocol.md");
    let fixtures: Vec<Value> = serde_json::from_str(&read("fixtures/messages.json")).expect("JSON");
    let mut types = BTreeSet::new();
    for fixture in &fixtures {
        let message = &fixture["json"];
        let kind = message["type"].as_str().expect("a type");
        let side = if fixture["direction"] == "client" { "Client" } else { "Server" };
        let heading = format!("### {side}: {kind}");
        let mut text = section(&document, &heading).to_owned();
        if text.contains("subscriptions to begin with") {
            text += section(&document, "### Client: subscribe");
        }
        if text.contains("policy") {
            text += section(&document, "## Policies");
        }
        if text.contains("the fields of `subscribed`") {
            text += section(&document, "### Server: subscribed");
        }
        for key in keys(message) {
            assert!(text.contains(&format!("`{key}`")), "`{key}` is not in `{heading}`");
        }
        types.insert(heading);
    }
    let headings = document
        .lines()
        .filter(|line| line.starts_with("### Client: ") || line.starts_with("### Server: "))
        .map(str::to_owned);
    assert_eq!(types, headings.collect(), "the golden file has each type that is described");
}

/// The keys of a message and of what is in it, but not of content.
fn keys(value: &Value) -> BTreeSet<&str> {
    let mut all = BTreeSet::new();
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter().filter(|(key, _)| *key != "type") {
                all.insert(key.as_str());
                if key != "data" {
                    all.extend(keys(value));
                }
            }
        }
        Value::Array(items) => all.extend(items.iter().flat_map(keys)),
        _ => {}
    }
    all
}
