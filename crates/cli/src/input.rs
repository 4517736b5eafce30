//! What is to be sent: files and stdin, read by a thread of its own, since reading them may block.

use std::{
    fs::File,
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use longwire::{Close, CloseCode, CloseReason, Message, Text};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::{args::ConnectArgs, failure::Failure};

/// The next thing to be sent.
#[derive(Debug)]
pub(crate) enum Input {
    /// A whole message.
    Message(Message),
    /// A part of a binary message.
    Piece(Bytes),
    /// The end of the binary message.
    PieceEnd,
    /// The connection is to be closed so.
    Close(Close),
    /// Reading failed.
    Failed(Failure),
}

/// What is read, in its order.
#[derive(Debug)]
pub(crate) struct Sources {
    binaries: Vec<(PathBuf, Option<File>)>,
    lines: Lines,
}

/// How stdin is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lines {
    Text,
    Json,
    /// It is not.
    None,
}

impl Sources {
    /// Opens the files, so that a missing one is known before anything is connected.
    pub(crate) fn open(args: &ConnectArgs) -> Result<Self, Failure> {
        let lines = match (args.no_stdin, args.json_input) {
            (true, _) => Lines::None,
            (false, true) => Lines::Json,
            (false, false) => Lines::Text,
        };
        let mut binaries = Vec::new();
        for path in &args.binaries {
            let file = if path == Path::new("-") {
                if lines == Lines::None {
                    return Err(Failure::usage("--binary - reads stdin; leave --no-stdin out"));
                }
                None
            } else {
                Some(File::open(path).map_err(|error| unreadable(path, &error))?)
            };
            binaries.push((path.clone(), file));
        }
        if binaries.iter().filter(|(_, file)| file.is_none()).count() > 1 {
            return Err(Failure::usage(
                "--binary - reads stdin to its end, so it can be given once",
            ));
        }
        Ok(Self { binaries, lines })
    }

    /// Whether the connection stays open when all is sent.
    pub(crate) fn stay_open(&self) -> bool {
        self.lines == Lines::None
    }

    /// Starts reading. The channel closes when all is read.
    pub(crate) fn read(self) -> mpsc::Receiver<Input> {
        let (sender, receiver) = mpsc::channel(QUEUED_MAX);
        thread::spawn(move || {
            let result = self.read_all(&sender);
            if let Err(Stop::Failed(failure)) = result {
                // Nobody listens once the connection is over.
                let _ = sender.blocking_send(Input::Failed(failure));
            }
        });
        receiver
    }

    fn read_all(self, sender: &mpsc::Sender<Input>) -> Result<(), Stop> {
        for (path, file) in self.binaries {
            match file {
                Some(file) => send_pieces(file, &path, sender)?,
                None => send_pieces(io::stdin().lock(), &path, sender)?,
            }
        }
        let parse = match self.lines {
            Lines::Text => parse_text,
            Lines::Json => |line: Vec<u8>, number| parse_json(&line, number),
            Lines::None => return Ok(()),
        };
        let mut stdin = io::stdin().lock();
        for number in 1_u64.. {
            // Not reused: the line becomes the message, without a copy.
            let mut line = Vec::new();
            let count = stdin
                .read_until(b'\n', &mut line)
                .map_err(|error| Failure::input(format!("stdin cannot be read: {error}")))?;
            if count == 0 {
                break;
            }
            if line.pop_if(|last| *last == b'\n').is_some() {
                line.pop_if(|last| *last == b'\r');
            }
            send(sender, parse(line, number)?)?;
        }
        Ok(())
    }
}

/// Why reading ends early.
enum Stop {
    Failed(Failure),
    /// Nobody takes it any more.
    Unwanted,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn send(sender: &mpsc::Sender<Input>, input: Input) -> Result<(), Stop> {
    sender.blocking_send(input).map_err(|_| Stop::Unwanted)
}

fn send_pieces(mut file: impl Read, path: &Path, sender: &mpsc::Sender<Input>) -> Result<(), Stop> {
    loop {
        let mut piece = Vec::with_capacity(PIECE_LEN);
        let count = file
            .by_ref()
            .take(PIECE_LEN as u64)
            .read_to_end(&mut piece)
            .map_err(|error| unreadable(path, &error))?;
        if count == 0 {
            return send(sender, Input::PieceEnd);
        }
        send(sender, Input::Piece(piece.into()))?;
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::input(format!("{} cannot be read: {error}", path.display()))
}

fn parse_text(line: Vec<u8>, number: u64) -> Result<Input, Failure> {
    let text = Text::try_from(Bytes::from(line)).map_err(|_| {
        Failure::input(format!(
            "line {number} of stdin is not UTF-8, so it cannot be a text message; send binary data \
             with --binary FILE, or --binary - for stdin"
        ))
    })?;
    Ok(Input::Message(text.into()))
}

/// A line of `--json-input`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Text(String),
    Base64(String),
    Close(CloseLine),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseLine {
    #[serde(default = "normal")]
    code: u16,
    #[serde(default)]
    reason: String,
}

fn normal() -> u16 {
    CloseCode::NORMAL_CLOSURE.get()
}

fn parse_json(line: &[u8], number: u64) -> Result<Input, Failure> {
    let fault = |problem: &dyn std::fmt::Display| {
        Failure::input(format!("line {number} of stdin: {problem}"))
    };
    let line = serde_json::from_slice(line).map_err(|error| {
        fault(&format_args!(
            "{error}; write {{\"text\":\"…\"}}, {{\"base64\":\"…\"}} or \
             {{\"close\":{{\"code\":1000,\"reason\":\"…\"}}}}"
        ))
    })?;
    Ok(match line {
        Line::Text(text) => Input::Message(text.into()),
        Line::Base64(text) => {
            let bytes = STANDARD
                .decode(text)
                .map_err(|error| fault(&format_args!("its base64 is damaged: {error}")))?;
            Input::Message(bytes.into())
        }
        Line::Close(CloseLine { code, reason }) => {
            let code = CloseCode::new(code);
            if !code.may_be_sent() {
                return Err(fault(&format_args!(
                    "code {code} cannot be sent; use 1000 to 1003, 1007 to 1014, or 3000 to 4999"
                )));
            }
            let reason = CloseReason::try_from(reason).map_err(|error| fault(&error))?;
            Input::Close(Close::new(code, reason))
        }
    })
}

/// Lines and pieces that are read ahead.
const QUEUED_MAX: usize = 8;

/// Bytes of a piece, which is a frame.
const PIECE_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn json(line: &str) -> Result<Input, Failure> {
        parse_json(line.as_bytes(), 7)
    }

    #[test]
    fn json_lines_are_messages_or_a_close() {
        let message = |line| match json(line) {
            Ok(Input::Message(message)) => message,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(message(r#"{"text":"h\u00e9"}"#), Message::text("hé"));
        assert_eq!(message(r#"{"base64":"AP8="}"#), Message::binary(&b"\x00\xff"[..]));
        let close = |line| match json(line) {
            Ok(Input::Close(close)) => close.to_string(),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(close(r#"{"close":{}}"#), "1000 (normal closure)");
        assert_eq!(close(r#"{"close":{"code":4001,"reason":"done"}}"#), "4001 \"done\"");
    }

    #[test]
    fn a_wrong_json_line_is_named_with_the_cure() {
        let long = format!(r#"{{"close":{{"reason":"{}"}}}}"#, "x".repeat(124));
        let cases = [
            ("hello", "expected"),
            (r#"{"txt":"a"}"#, "unknown variant"),
            (r#"{"text":"a","base64":"AA=="}"#, "expected"),
            (r#"{"base64":"?"}"#, "base64"),
            (r#"{"close":{"code":1005}}"#, "cannot be sent"),
            (r#"{"close":{"kode":1000}}"#, "unknown field"),
            (&long, "123 bytes"),
        ];
        for (line, expected) in cases {
            let failure = json(line).expect_err(line);
            assert!(failure.message.starts_with("line 7 of stdin: "), "{failure}");
            assert!(failure.message.contains(expected), "{line}: {failure}");
        }
    }

    #[test]
    fn a_line_that_is_not_utf8_names_the_option_for_binary_data() {
        let failure = parse_text(vec![b'a', 0xff], 3).expect_err("not UTF-8");
        assert!(failure.message.starts_with("line 3 of stdin"), "{failure}");
        assert!(failure.message.contains("--binary"), "{failure}");
    }
}
