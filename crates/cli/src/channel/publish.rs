//! `longwire publish`: publishes a text, or each line of stdin, and prints where each lies.

use std::{
    collections::VecDeque,
    future::{IntoFuture, pending},
    io::{self, BufRead},
    thread,
    time::Duration,
};

use longwire_channel::{ChannelName, Payload, Published, Token};
use longwire_client::{Answer, Client, ConnectionState, PublishError, Unanswered};
use tokio::{runtime, sync::mpsc};

use super::{
    shown::place,
    target::{TargetArgs, channel, cure},
};
use crate::{args::seconds, failure::Failure, listening, output, signals::Signals};

/// The options of `longwire publish`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct PublishArgs {
    /// Channel to publish to
    #[arg(value_parser = channel)]
    channel: ChannelName,
    /// What to publish [default: each line of stdin]
    text: Option<String>,
    /// It is JSON, and published as such
    #[arg(long)]
    json: bool,
    /// Name of the event, as pages listen to it
    #[arg(long, value_name = "NAME", value_parser = token)]
    event: Option<Token>,
    /// Idempotency key: the server stores what has the same key once
    #[arg(long, value_name = "KEY", requires = "text", value_parser = token)]
    key: Option<Token>,
    /// For those who listen now: it is not kept, and has no position
    #[arg(long)]
    ephemeral: bool,
    /// Publications that are on their way at a time; with more than 1, one that the server refuses for
    /// a time (its disk is full) may be passed by those behind it
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=512))]
    in_flight: u16,
    /// Seconds for each publication, reconnecting included
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    timeout: Duration,
    #[command(flatten)]
    target: TargetArgs,
}

const HELP: &str = "\
Prints the position of each publication, EPOCH:SEQ, once it is as durable as its namespace says;
of a duplicate, that of the first. Lines keep their order, and go no faster than the server's rate.

Examples:
  longwire publish demo hello
  longwire publish orders '{\"id\":7}' --json --key order-7
  tail -f access.log | longwire publish logs
  longwire publish --url https://live.example --token \"$TOKEN\" chat:lobby hello";

/// Publishes, and waits for every answer.
pub(crate) fn run(args: &PublishArgs) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the runtime could not be started: {error}")))?;
    let result = runtime.block_on(async {
        let (builder, _) = args.target.client()?;
        let mut signals = Signals::catch()?;
        let client = builder.connect();
        tokio::select! {
            result = publish_all(args, &client) => result?,
            () = signals.next() => {
                return Err(Failure::new(
                    "interrupted: what has no position above may be published or not",
                ));
            }
        }
        client.close(CLOSING).await;
        Ok(())
    });
    // Stdin may still be read.
    runtime.shutdown_background();
    result
}

async fn publish_all(args: &PublishArgs, client: &Client) -> Result<(), Failure> {
    let mut items = read(args);
    let mut waiting = Waiting::default();
    let read = loop {
        tokio::select! {
            item = items.recv(), if waiting.has_room(args.in_flight) => match item {
                Some(Ok(item)) => waiting.add(publish(args, client, item)),
                Some(Err(failure)) => break Err(failure),
                None => break Ok(()),
            },
            result = waiting.next() => tell(result, args, client, &waiting)?,
        }
    };
    while !waiting.answers.is_empty() {
        let result = waiting.next().await;
        tell(result, args, client, &waiting)?;
    }
    read
}

/// Something to publish, and the line of stdin that it was; 0 for an argument.
struct Item {
    line: u64,
    payload: Payload,
}

/// A publication that is on its way.
struct Pending {
    line: u64,
    size: usize,
    answer: Answer,
}

/// The publications that are on their way, in their order.
#[derive(Default)]
struct Waiting {
    answers: VecDeque<Pending>,
    bytes: usize,
}

impl Waiting {
    fn has_room(&self, in_flight: u16) -> bool {
        self.answers.is_empty()
            || self.answers.len() < in_flight.into() && self.bytes < WAITING_BYTES_MAX
    }

    fn add(&mut self, pending: Pending) {
        self.bytes += pending.size;
        self.answers.push_back(pending);
    }

    /// The next answer, with its line. Waits for ever where nothing is on its way. Cancel safe.
    async fn next(&mut self) -> (u64, Result<Published, PublishError>) {
        let Some(first) = self.answers.front_mut() else { return pending().await };
        let result = (&mut first.answer).await;
        let (line, size) = (first.line, first.size);
        self.bytes -= size;
        self.answers.pop_front();
        (line, result)
    }
}

fn publish(args: &PublishArgs, client: &Client, Item { line, payload }: Item) -> Pending {
    let size = payload.len();
    let mut publishing = client.publish(args.channel.as_str(), payload).timeout(args.timeout);
    if let Some(event) = &args.event {
        publishing = publishing.event(event.as_str());
    }
    if let Some(key) = &args.key {
        publishing = publishing.key(key.as_str());
    }
    if args.ephemeral {
        publishing = publishing.ephemeral();
    }
    Pending { line, size, answer: publishing.into_future() }
}

/// Prints a position, or says why there is none.
fn tell(
    (line, result): (u64, Result<Published, PublishError>),
    args: &PublishArgs,
    client: &Client,
    waiting: &Waiting,
) -> Result<(), Failure> {
    let error = match result {
        Ok(published) => {
            if let Some(position) = published.position {
                listening::announce(&place(position));
            }
            if published.duplicate {
                output::note("a duplicate: it was published before with the same key");
            }
            return Ok(());
        }
        Err(error) => error,
    };
    let mut words = match &error {
        PublishError::Closed(cause)
        | PublishError::NotSent(Unanswered::Closed(cause))
        | PublishError::Unknown { why: Unanswered::Closed(cause), .. } => {
            format!("{error}{}", cure(cause))
        }
        error => error.to_string(),
    };
    let unsent = matches!(
        error,
        PublishError::NotSent(Unanswered::TimedOut(_))
            | PublishError::Unknown { why: Unanswered::TimedOut(_), .. }
    );
    if let (true, ConnectionState::Waiting { cause, .. }) = (unsent, client.state()) {
        words = format!("{words}. There is no connection: {cause}");
    }
    if args.text.is_none() {
        words = format!("line {line} of stdin: {words}");
    }
    if let Some(last) = waiting.answers.back() {
        words =
            format!("{words}. Lines up to {} were on their way, and may be published", last.line);
    }
    Err(Failure::new(words))
}

/// What is to be published: the argument, or the lines of stdin, which a thread reads.
fn read(args: &PublishArgs) -> mpsc::Receiver<Result<Item, Failure>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let (text, is_json) = (args.text.clone(), args.json);
    thread::spawn(move || {
        if let Some(text) = text {
            // Nobody listens once the command failed.
            let _ = sender.blocking_send(item(0, &text, is_json));
            return;
        }
        let mut stdin = io::stdin().lock();
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let read = match stdin.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {
                    if line.pop_if(|last| *last == b'\n').is_some() {
                        line.pop_if(|last| *last == b'\r');
                    }
                    parse(number, &line, is_json)
                }
                Err(error) => Err(Failure::input(format!("stdin cannot be read: {error}"))),
            };
            let is_over = read.is_err();
            if sender.blocking_send(read).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}

fn parse(number: u64, line: &[u8], is_json: bool) -> Result<Item, Failure> {
    match std::str::from_utf8(line) {
        Ok(text) => item(number, text, is_json),
        Err(_) => Err(Failure::input(format!(
            "line {number} of stdin is not UTF-8; binary content is published over HTTP, as by curl \
             --data-binary @FILE -H 'Content-Type: application/octet-stream'"
        ))),
    }
}

fn item(line: u64, text: &str, is_json: bool) -> Result<Item, Failure> {
    let payload = if is_json {
        Payload::from_json(text).map_err(|error| match line {
            0 => Failure::usage(format!(
                "the text is no JSON: {error}; leave --json out for plain text"
            )),
            _ => Failure::input(format!(
                "line {line} of stdin is no JSON: {error}; leave --json out for plain text"
            )),
        })?
    } else {
        Payload::text(text)
    };
    Ok(Item { line, payload })
}

fn token(text: &str) -> Result<Token, String> {
    Token::new(text).map_err(|error| error.to_string())
}

/// Less than the client's own queue holds, which refuses what is beyond.
const WAITING_BYTES_MAX: usize = 512 * 1024;

/// Lines that are read before they can be sent.
const READ_AHEAD: usize = 64;

/// For the closing handshake, when all is answered.
const CLOSING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_does_not_fit_is_named_with_the_cure() {
        let words = |line: &[u8], is_json| match parse(7, line, is_json) {
            Ok(_) => String::new(),
            Err(failure) => failure.message,
        };
        assert_eq!(words(b"{}", true), "");
        assert_eq!(words(b"no json", false), "");
        assert!(words(b"no json", true).starts_with("line 7 of stdin is no JSON: "));
        assert!(words(b"\xff", false).contains("curl"));
    }
}
