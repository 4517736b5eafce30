//! How events look: for a person on a terminal, raw for a pipe, and as JSON for a program.

use std::{
    env,
    fmt::Write as _,
    io::{self, IsTerminal},
    net::SocketAddr,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use longwire::{Cause, Close, CloseCode, Closed, Message, proto::Timer};
use serde::Serialize;

use crate::{
    event::{Event, Opened},
    failure::Failure,
};

/// What is written where.
#[derive(Debug, PartialEq)]
pub(crate) enum Shown {
    /// To stdout, as it is.
    Bytes(Bytes),
    /// To stdout, and a line end.
    Line(Bytes),
    /// A line to stderr.
    Notice(String),
}

/// How events look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    messages: Messages,
    /// Whether stderr gets notices that nobody asked for.
    notices: bool,
    coloured_notices: bool,
}

/// How stdout looks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Messages {
    Terminal { coloured: bool },
    Raw,
    Json,
}

/// Whether colours are wanted there: a terminal, without the user's `NO_COLOR`.
pub(crate) fn is_coloured(stream: &impl IsTerminal) -> bool {
    let set = |name, value: fn(&str) -> bool| {
        env::var_os(name).is_some_and(|found| value(&found.to_string_lossy()))
    };
    stream.is_terminal()
        && !set("NO_COLOR", |value| !value.is_empty())
        && !set("TERM", |value| value == "dumb")
}

impl Style {
    /// As the process's stdout and stderr ask for.
    pub(crate) fn new(json: bool, verbose: bool) -> Self {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let messages = match json {
            true => Messages::Json,
            false if stdout.is_terminal() => Messages::Terminal { coloured: is_coloured(&stdout) },
            false => Messages::Raw,
        };
        Self {
            messages,
            notices: verbose || stderr.is_terminal(),
            coloured_notices: is_coloured(&stderr),
        }
    }

    /// What is written for an event, if anything is.
    pub(crate) fn render(self, event: Event) -> Option<Shown> {
        if self.messages == Messages::Json {
            return Some(Shown::Line(json(&event).into()));
        }
        let notice = match event {
            Event::Message(message) => return Some(self.message(message)),
            Event::Ping(round_trip) => {
                format!("ping: {:.3} ms", 1000.0 * round_trip.as_secs_f64())
            }
            Event::Open(opened) if self.notices => open_notice(&opened),
            Event::Closed(closed) if self.notices || is_news(&closed) => close_notice(&closed)?,
            // What failed is said by the program's last line.
            Event::Open(_) | Event::Closed(_) | Event::Failed(_) => return None,
        };
        Some(Shown::Notice(if self.coloured_notices {
            format!("\x1b[2m{notice}\x1b[0m")
        } else {
            notice
        }))
    }

    fn message(self, message: Message) -> Shown {
        let Messages::Terminal { coloured } = self.messages else {
            return match message {
                Message::Text(text) => Shown::Line(text.into_bytes()),
                Message::Binary(bytes) => Shown::Bytes(bytes),
            };
        };
        let mut shown = String::from(if coloured { "\x1b[32m<\x1b[0m " } else { "< " });
        match message {
            Message::Text(text) => shown.push_str(&visible(&text).replace('\n', "\n  ")),
            Message::Binary(bytes) => dump(&bytes, &mut shown),
        }
        Shown::Line(shown.into())
    }
}

fn open_notice(opened: &Opened) -> String {
    let mut notice = format!("connected to {}", opened.url);
    if let Some(peer) = opened.peer {
        let _ = write!(notice, " ({peer})");
    }
    if let Some(subprotocol) = &opened.subprotocol {
        let _ = write!(notice, ", subprotocol {subprotocol}");
    }
    if !opened.extensions.is_empty() {
        let _ = write!(notice, ", extensions {}", opened.extensions.join(", "));
    }
    notice
}

/// Whether a close is more than the answer to our own: the server's wish, or its complaint.
fn is_news(closed: &Closed) -> bool {
    let codes = [CloseCode::NORMAL_CLOSURE, CloseCode::NO_STATUS_RCVD];
    let sent = closed.sent.as_ref().map(|sent| sent.code);
    closed.peer_first || !codes.contains(&closed.code()) && Some(closed.code()) != sent
}

/// Only for a clean close: of any other the program's last line says what happened.
fn close_notice(closed: &Closed) -> Option<String> {
    let received = closed.received.as_ref().filter(|_| closed.is_clean())?;
    let who = if closed.peer_first {
        "the server closed the connection"
    } else if is_news(closed) {
        "the server answered the close"
    } else {
        "closed"
    };
    Some(format!("{who}: {}", visible(&received.to_string())))
}

/// The text with its control characters escaped, but for line ends and tabs: a peer's text must not
/// command the terminal.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        // U+202A to U+202E and U+2066 to U+2069 turn the direction of what follows.
        let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if turns || character.is_control() && !matches!(character, '\n' | '\t') {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A summary of binary data: its length and the first bytes, in hexadecimal and as ASCII.
pub(crate) fn dump(bytes: &[u8], shown: &mut String) {
    let _ = write!(shown, "binary, {} bytes", bytes.len());
    for (row, chunk) in bytes[..bytes.len().min(DUMPED_MAX)].chunks(16).enumerate() {
        let _ = write!(shown, "\n  {:08x} ", row * 16);
        for index in 0..16 {
            let gap = if index == 8 { "  " } else { " " };
            let _ = match chunk.get(index) {
                Some(byte) => write!(shown, "{gap}{byte:02x}"),
                None => write!(shown, "{gap}  "),
            };
        }
        shown.push_str("  |");
        shown.extend(chunk.iter().map(|byte| match byte {
            0x20..=0x7e => char::from(*byte),
            _ => '.',
        }));
        shown.push('|');
    }
    if bytes.len() > DUMPED_MAX {
        let _ = write!(shown, "\n  and {} bytes more", bytes.len() - DUMPED_MAX);
    }
}

/// Bytes of a binary message that a terminal gets.
const DUMPED_MAX: usize = 256;

/// One line of `--json`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Record<'a> {
    Open {
        url: &'a str,
        peer: Option<SocketAddr>,
        subprotocol: Option<&'a str>,
        extensions: &'a [String],
    },
    Message(Payload<'a>),
    Ping {
        round_trip_ms: f64,
    },
    Close {
        clean: bool,
        cause: &'static str,
        peer_first: bool,
        sent: Option<CloseRecord<'a>>,
        received: Option<CloseRecord<'a>>,
    },
    Error {
        kind: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Payload<'a> {
    Text { text: &'a str },
    Binary { base64: String },
}

#[derive(Serialize)]
struct CloseRecord<'a> {
    code: u16,
    reason: &'a str,
}

impl<'a> From<&'a Close> for CloseRecord<'a> {
    fn from(close: &'a Close) -> Self {
        Self { code: close.code.get(), reason: &close.reason }
    }
}

fn json(event: &Event) -> Vec<u8> {
    let record = match event {
        Event::Open(Opened { url, peer, subprotocol, extensions }) => {
            Record::Open { url, peer: *peer, subprotocol: subprotocol.as_deref(), extensions }
        }
        Event::Message(Message::Text(text)) => Record::Message(Payload::Text { text }),
        Event::Message(Message::Binary(bytes)) => {
            Record::Message(Payload::Binary { base64: STANDARD.encode(bytes) })
        }
        Event::Ping(round_trip) => {
            Record::Ping { round_trip_ms: 1000.0 * round_trip.as_secs_f64() }
        }
        Event::Closed(closed) => Record::Close {
            clean: closed.is_clean(),
            cause: cause(closed),
            peer_first: closed.peer_first,
            sent: closed.sent.as_ref().map(CloseRecord::from),
            received: closed.received.as_ref().map(CloseRecord::from),
        },
        Event::Failed(Failure { kind, message, status }) => {
            Record::Error { kind, message, status: *status }
        }
    };
    serde_json::to_vec(&record).expect("strings, numbers and lists always have a form in JSON")
}

fn cause(closed: &Closed) -> &'static str {
    match closed.cause {
        Cause::Clean => "clean",
        Cause::Violation(_) => "violation",
        Cause::Lost => "lost",
        Cause::TimedOut(Timer::Keepalive) => "keepalive timeout",
        Cause::TimedOut(_) => "close timeout",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PLAIN: Style = Style {
        messages: Messages::Terminal { coloured: false },
        notices: true,
        coloured_notices: false,
    };

    fn on_terminal(message: impl Into<Message>) -> String {
        match PLAIN.render(Event::Message(message.into())) {
            Some(Shown::Line(line)) => String::from_utf8(line.into()).expect("a terminal's text"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_on_a_terminal_is_marked_and_cannot_command_it() {
        assert_eq!(on_terminal("hé"), "< hé");
        assert_eq!(on_terminal("a\n\tb"), "< a\n  \tb");
        assert_eq!(
            on_terminal("\x1b[2J\r\u{9b}m\u{202e}x"),
            "< \\u{1b}[2J\\u{d}\\u{9b}m\\u{202e}x"
        );
    }

    #[test]
    fn binary_data_on_a_terminal_is_a_bounded_dump() {
        assert_eq!(on_terminal(vec![]), "< binary, 0 bytes");
        assert_eq!(
            on_terminal(b"Hello\x00\xff world, 12".to_vec()),
            "< binary, 17 bytes\n\
             \x20 00000000  48 65 6c 6c 6f 00 ff 20  77 6f 72 6c 64 2c 20 31  |Hello.. world, 1|\n\
             \x20 00000010  32                                                |2|"
        );
        let long = on_terminal(vec![b'x'; 300]);
        assert_eq!(long.lines().count(), 1 + 16 + 1);
        assert!(long.ends_with("and 44 bytes more"), "{long}");
    }

    #[test]
    fn a_pipe_gets_the_payload_as_it_is() {
        let raw = Style { messages: Messages::Raw, ..PLAIN };
        let escape = "\x1b[2J\n";
        assert_eq!(
            raw.render(Event::Message(escape.into())),
            Some(Shown::Line(Bytes::from_static(escape.as_bytes())))
        );
        assert_eq!(
            raw.render(Event::Message(vec![0, 255].into())),
            Some(Shown::Bytes(Bytes::from_static(&[0, 255])))
        );
    }

    #[test]
    fn pings_are_shown_even_where_notices_are_not_wanted() {
        let quiet = Style { messages: Messages::Raw, notices: false, coloured_notices: false };
        let ping = quiet.render(Event::Ping(Duration::from_micros(1234)));
        assert_eq!(ping, Some(Shown::Notice("ping: 1.234 ms".to_owned())));
        let opened =
            Opened { url: "ws://a/".into(), peer: None, subprotocol: None, extensions: vec![] };
        assert_eq!(quiet.render(Event::Open(opened)), None);
    }

    #[test]
    fn the_notice_of_an_open_connection_says_what_was_agreed() {
        let opened = Opened {
            url: "ws://a/".to_owned(),
            peer: Some(([127, 0, 0, 1], 80).into()),
            subprotocol: Some("chat".to_owned()),
            extensions: Vec::new(),
        };
        let expected = "connected to ws://a/ (127.0.0.1:80), subprotocol chat";
        assert_eq!(PLAIN.render(Event::Open(opened)), Some(Shown::Notice(expected.to_owned())));
    }
}
