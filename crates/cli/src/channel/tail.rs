//! `longwire tail`: prints what a channel holds and gets, through restarts of either side of the network.

use std::{
    io::{self, IsTerminal},
    time::{Duration, SystemTime},
};

use longwire_channel::{ChannelName, Position, Start};
use longwire_client::{ConnectionState, Event, SubscribeError};
use tokio::runtime;
use url::Url;

use super::{
    shown::{Style, place},
    target::{TargetArgs, channel, cure},
};
use crate::{failure::Failure, output, signals::Signals};

/// The options of `longwire tail`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct TailArgs {
    /// Channel to read
    #[arg(value_parser = channel)]
    channel: ChannelName,
    /// Where to begin: beginning, last:N, EPOCH:SEQ (behind that record), a time such as
    /// 2026-11-27T20:00:00Z, or 10m for ten minutes ago [default: with what comes]
    #[arg(long, value_name = "PLACE", value_parser = start)]
    from: Option<Start>,
    /// Print every event as one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

const HELP: &str = "\
In a pipe, stdout has what was published and nothing else: each text or JSON value on a line,
binary content as it is. What was lost, and a stream that began anew, is told on stderr. With
--json all of it is on stdout: message, lost, reset and ended.

The connection is made again whenever it is lost, and reading goes on where it was, with nothing
left out or doubled. It ends with the stream, or by a signal.

Examples:
  longwire tail demo
  longwire tail --from last:10 chat:lobby
  longwire tail --from beginning --json orders | jq .data
  longwire tail --url https://live.example --token \"$TOKEN\" chat:lobby";

/// Reads until the stream ends or a signal comes.
pub(crate) fn run(args: &TailArgs, verbose: bool) -> Result<(), Failure> {
    // The client has a thread of its own, so that it answers pings while stdout is full.
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the runtime could not be started: {error}")))?;
    let result = runtime.block_on(follow(args, verbose));
    runtime.shutdown_background();
    result
}

async fn follow(args: &TailArgs, verbose: bool) -> Result<(), Failure> {
    let style = Style::new(args.json);
    let (builder, url) = args.target.client()?;
    let mut signals = Signals::catch()?;
    let client = builder.connect();
    let mut states = client.states();
    let mut link = Link::new(url, verbose);
    let subscribe = client.subscribe(args.channel.as_str()).start(args.from.unwrap_or_default());
    let mut subscription = subscribe.await.map_err(Failure::new)?;
    let mut last: Option<Position> = None;
    loop {
        tokio::select! {
            event = subscription.recv() => match event {
                Some(Event::Failed(error)) => {
                    let cure = match &error {
                        SubscribeError::Closed(cause) => cure(cause),
                        _ => "",
                    };
                    return Err(Failure::new(format!("{error}{cure}")));
                }
                Some(event) => {
                    if let Event::Message(message) = &event {
                        last = message.position().or(last);
                    }
                    match style.show(&event) {
                        Ok(()) => {}
                        // Whoever read stdout has seen enough, as `head` does.
                        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                        Err(error) => {
                            return Err(Failure::new(format!("stdout cannot be written: {error}")));
                        }
                    }
                    if let Event::Ended { .. } = event {
                        return Ok(());
                    }
                }
                None => return Ok(()),
            },
            Some(state) = states.next() => link.tell(&state),
            () = signals.next() => {
                if let Some(last) = last {
                    output::note(format_args!("the last was {}", place(last)));
                }
                return Ok(());
            }
        }
    }
}

/// What stderr hears of the connection.
struct Link {
    url: Url,
    /// Whether stderr gets notices that nobody asked for.
    notices: bool,
    /// Why there is no connection, as it was told last.
    told: Option<String>,
}

impl Link {
    fn new(url: Url, verbose: bool) -> Self {
        Self { url, notices: verbose || io::stderr().is_terminal(), told: None }
    }

    fn tell(&mut self, state: &ConnectionState) {
        match state {
            ConnectionState::Waiting { cause, .. } => {
                let words = cause.to_string();
                if self.told.as_ref() != Some(&words) {
                    output::complain(format_args!("no connection: {words}; trying again"));
                    self.told = Some(words);
                }
            }
            ConnectionState::Open(_) if self.told.take().is_some() || self.notices => {
                output::note(format_args!("connected to {}", self.url));
            }
            // The end is said by the subscription, the rest is of no news.
            _ => {}
        }
    }
}

fn start(text: &str) -> Result<Start, String> {
    if text == "beginning" {
        return Ok(Start::Beginning);
    }
    if let Some(count) = text.strip_prefix("last:") {
        return match count.parse() {
            Ok(count @ 1..) => Ok(Start::Last(count)),
            _ => Err("last: wants a number of records, as in last:10".to_owned()),
        };
    }
    if let Some((epoch, seq)) = text.split_once(':')
        && let (Ok(epoch), Ok(seq)) = (epoch.parse(), seq.parse())
    {
        return Ok(Start::After(Position { epoch, seq }));
    }
    let ago = |text| SystemTime::now().checked_sub(humantime::parse_duration(text).ok()?);
    let time = humantime::parse_rfc3339_weak(text).ok().or_else(|| ago(text));
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    match since.map(|since: Duration| u64::try_from(since.as_millis())) {
        Some(Ok(ms)) => Ok(Start::Time(ms)),
        _ => {
            Err("write beginning, last:10, EPOCH:SEQ, a time such as 2026-11-27T20:00:00Z, or 10m \
                  for ten minutes ago"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_begin_is_written_in_five_ways() {
        assert_eq!(start("beginning"), Ok(Start::Beginning));
        assert_eq!(start("last:3"), Ok(Start::Last(3)));
        let position = Position { epoch: "00000000000000ab".parse().expect("an epoch"), seq: 7 };
        assert_eq!(start("00000000000000ab:7"), Ok(Start::After(position)));
        assert_eq!(start("1970-01-01T00:00:02Z"), Ok(Start::Time(2000)));
        assert_eq!(start("1970-01-01 00:00:02"), Ok(Start::Time(2000)));
        assert!(matches!(start("10m"), Ok(Start::Time(1_700_000_000_000..))));
        for bad in ["", "now", "last:0", "last:", "ab:7", "00000000000000ab:x", "yesterday", "10"] {
            assert!(start(bad).is_err(), "{bad}");
        }
    }
}
