//! How `longwire tail` shows what a subscription tells.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use longwire_channel::{Payload, Position, Token};
use longwire_client::{Event, Lost, Message};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{output, render};

/// What stdout gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Style {
    /// Each record behind its `seq`.
    Terminal { coloured: bool },
    /// What was published, and nothing else.
    Raw,
    /// A JSON object a line.
    Json,
}

impl Style {
    /// As the process's stdout asks for.
    pub(super) fn new(json: bool) -> Self {
        let stdout = io::stdout();
        match json {
            true => Self::Json,
            false if stdout.is_terminal() => {
                Self::Terminal { coloured: render::is_coloured(&stdout) }
            }
            false => Self::Raw,
        }
    }

    /// Shows an event. Blocks while stdout is full.
    pub(super) fn show(self, event: &Event) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        match self {
            Self::Json => match json(event) {
                Some(line) => writeln!(stdout, "{line}"),
                None => Ok(()),
            },
            _ => match event {
                Event::Message(message) => self.message(message, &mut stdout),
                event => {
                    if let Some(words) = notice(event) {
                        output::complain(words);
                    }
                    Ok(())
                }
            },
        }
    }

    fn message(self, message: &Message, stdout: &mut impl Write) -> io::Result<()> {
        let payload = &message.record.payload;
        let Self::Terminal { coloured } = self else {
            stdout.write_all(payload.bytes())?;
            return match payload {
                Payload::Binary(_) => stdout.flush(),
                _ => stdout.write_all(b"\n"),
            };
        };
        let seq = match message.record.seq {
            0 => "-".to_owned(),
            seq => seq.to_string(),
        };
        let (dim, plain) = if coloured { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let mut text = String::new();
        match std::str::from_utf8(payload.bytes()) {
            Ok(found) if !matches!(payload, Payload::Binary(_)) => {
                text = render::visible(found).replace('\n', "\n  ");
            }
            _ => render::dump(payload.bytes(), &mut text),
        }
        writeln!(stdout, "{dim}{seq}{plain} {text}")
    }
}

/// What nobody must miss, in words.
fn notice(event: &Event) -> Option<String> {
    match event {
        Event::Lost(Lost { from, to, .. }) => Some(format!(
            "lost: {} records, {} to {to}, are no longer kept; keep more by the namespace's retention",
            to - from,
            from + 1
        )),
        Event::Ended { seq } => Some(format!("the stream has ended behind {seq}")),
        Event::Reset(position) => {
            Some(format!("reset: the stream began anew and is now at {}", place(*position)))
        }
        _ => None,
    }
}

/// A line of `--json`, as the protocol writes it, with the epoch.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Message(Box<MessageLine<'a>>),
    Lost { epoch: String, from: u64, to: u64 },
    Reset { epoch: String, seq: u64 },
    Ended { seq: u64 },
}

#[derive(Serialize)]
struct MessageLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Text(Cow<'a, str>),
    /// As it was written, with every digit of its numbers.
    Json(&'a RawValue),
}

/// The line for what is told there.
fn json(event: &Event) -> Option<String> {
    let line = match event {
        Event::Message(message) => Line::Message(Box::new(message_line(message))),
        Event::Lost(Lost { epoch, from, to }) => {
            Line::Lost { epoch: epoch.to_string(), from: *from, to: *to }
        }
        Event::Reset(Position { epoch, seq }) => {
            Line::Reset { epoch: epoch.to_string(), seq: *seq }
        }
        Event::Ended { seq } => Line::Ended { seq: *seq },
        _ => return None,
    };
    Some(serde_json::to_string(&line).expect("texts and numbers have a form in JSON"))
}

fn message_line(message: &Message) -> MessageLine<'_> {
    let record = &*message.record;
    let position = message.position();
    let (data, base64) = match &record.payload {
        Payload::Json(json) => (serde_json::from_slice(json).ok().map(Data::Json), None),
        Payload::Text(text) => (Some(Data::Text(String::from_utf8_lossy(text))), None),
        binary => (None, Some(STANDARD.encode(binary.bytes()))),
    };
    MessageLine {
        epoch: position.map(|position| position.epoch.to_string()),
        seq: position.map(|position| position.seq),
        time: record.time,
        event: record.event.as_ref().map(Token::as_str),
        publisher: record.publisher.as_ref().map(Token::as_str),
        skipped: (message.skipped > 0).then_some(message.skipped),
        data,
        base64,
    }
}

/// A position as `--from` takes it.
pub(super) fn place(Position { epoch, seq }: Position) -> String {
    format!("{epoch}:{seq}")
}
