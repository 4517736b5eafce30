//! The options of `longwire bench`, and the plan that they ask for.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;
use longwire_load::{Kind, Pace, Plan, Until, Workload};

use crate::{
    args::{DeflateMode, seconds},
    failure::Failure,
    opening::OpeningArgs,
};

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct BenchArgs {
    /// The server: ws or wss; a user name and password in it are sent as Basic
    pub(super) url: String,
    /// What the connections do
    #[arg(long, value_enum, default_value_t, value_name = "WORKLOAD")]
    workload: WorkloadName,
    /// Connections; of `connect`, how many are under way at a time
    #[arg(long, short = 'c', value_name = "N", default_value = "64", value_parser = count)]
    connections: usize,
    /// Messages that each connection keeps on their way, of `idle` in its turn: a closed loop [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "rate", value_parser = count)]
    in_flight: Option<usize>,
    /// Messages a second over all connections: an open loop. Latency counts from when each was due
    #[arg(long, short = 'r', value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// Payload bytes of a message [default: 512]
    #[arg(long, value_name = "BYTES")]
    size: Option<usize>,
    /// What is in the messages: random bytes, or JSON text [default: random]
    #[arg(long, value_enum, value_name = "CONTENT")]
    content: Option<Content>,
    /// What the content follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Seconds to measure for; of `idle`, to rest for in the end [default: 10; idle: 0]
    #[arg(long, short = 'd', value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Seconds of load before that, which are not measured [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = zero_or_seconds)]
    warm_up: Option<Duration>,
    /// End after so many messages instead; of `idle`, messages that each connection has echoed
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// Compression (permessage-deflate) to offer; it is a failure if the server never compresses
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    deflate: DeflateMode,
    /// Threads to make the load with
    #[arg(long, value_name = "N", default_value = "1", value_parser = count)]
    threads: usize,
    /// Run on this core only, counted from 0 (Linux)
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// Measure the server's process as well, CPU time and memory (Linux, this machine)
    #[arg(long)]
    pid: Option<u32>,
    /// Of `idle`: connections that are used first, whose memory is not counted [default: 1]
    #[arg(long, value_name = "N")]
    warm: Option<usize>,
    /// Of `idle`: connections that have messages echoed at the same time, a burst [default: 1]
    #[arg(long, value_name = "N", value_parser = count)]
    at_once: Option<usize>,
    /// Seconds without an answer after which the server has failed
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    stall_timeout: Duration,
    /// Print the figures as one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Write a report with plots, one file that needs no others
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Show no progress
    #[arg(long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) opening: OpeningArgs,
}

const HELP: &str = "\
Workloads:
  echo       each connection sends, and the server sends every message back
  broadcast  the first connection sends, and the server sends every message to all of them,
             the first too; the next follows once all have it, or at --rate
  connect    connections are opened, closed with a closing handshake, and opened again
  idle       connections are opened, have --messages echoed in turn, or --at-once, and rest

Every byte that comes back is verified. A wrong one, a lost connection, or a server that stops
answering is a failure.

Examples:
  longwire bench ws://127.0.0.1:9001
  longwire bench -c 500 --in-flight 16 --size 32 --pid $(pidof server) ws://127.0.0.1:9001
  longwire bench --rate 20000 -d 30 --html report.html ws://127.0.0.1:9001
  longwire bench --content json --deflate no-takeover --json ws://127.0.0.1:9001 | jq .latency_us
  longwire bench --workload idle -c 10000 --pid $(pidof server) ws://127.0.0.1:9001

A server to try: longwire echo. With both on one machine, give each cores of its own (taskset,
--cpu): else they measure each other.

On a terminal stderr shows how far it is. SIGINT (control-C) ends the measuring early and reports;
a second one ends the program. No proxy is used.
Exit codes: 0 measured; 1 failed (stderr says why); 2 wrong usage.";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum WorkloadName {
    #[default]
    Echo,
    Broadcast,
    Connect,
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Content {
    Random,
    Json,
}

impl BenchArgs {
    /// The plan that is asked for. What is contradictory is told with the cure.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        self.check()?;
        let mut plan = Plan::new(self.opening.plan(&self.url)?.to_request()?);
        plan.ca.clone_from(&self.opening.ca);
        plan.timeout = self.opening.timeout;
        plan.workload = self.workload();
        plan.connections = self.connections;
        plan.content = match self.content {
            Some(Content::Json) => Kind::Json,
            Some(Content::Random) | None => Kind::Random,
        };
        plan.size = self.size.unwrap_or(plan.size);
        plan.seed = self.seed;
        plan.warm_up = self.warm_up.unwrap_or(plan.warm_up);
        plan.until = match (self.messages, self.duration) {
            (Some(count), _) => Until::Messages(count),
            (None, duration) => Until::Elapsed(duration.unwrap_or(DURATION)),
        };
        plan.deflate = self.deflate.settings();
        plan.threads = self.threads;
        plan.cpu = self.cpu;
        plan.pid = self.pid;
        plan.stall_timeout = self.stall_timeout;
        Ok(plan)
    }

    fn workload(&self) -> Workload {
        let pace = match self.rate {
            Some(rate) => Pace::Rate(rate),
            None => Pace::InFlight(self.in_flight.unwrap_or(1)),
        };
        match self.workload {
            WorkloadName::Echo => Workload::Echo(pace),
            WorkloadName::Broadcast => Workload::Broadcast(pace),
            WorkloadName::Connect => Workload::Connect,
            WorkloadName::Idle => Workload::Idle {
                messages: self.messages.unwrap_or(1),
                at_once: self.at_once.unwrap_or(1),
                in_flight: self.in_flight.unwrap_or(1) as u64,
                warm: self.warm.unwrap_or(1),
                rest: self.duration.unwrap_or_default(),
            },
        }
    }

    fn check(&self) -> Result<(), Failure> {
        let name = self.workload;
        let (connect, idle) = (name == WorkloadName::Connect, name == WorkloadName::Idle);
        let broadcast = name == WorkloadName::Broadcast;
        let json = self.content == Some(Content::Json);
        let wrong = [
            (
                self.deflate != DeflateMode::Off && !json && !connect,
                "--deflate needs --content json: random bytes do not compress",
            ),
            (
                self.threads > self.connections,
                "each of the --threads needs a connection of its own: use fewer, or more --connections",
            ),
            (
                self.in_flight.is_some_and(|count| count > 1) && (broadcast || connect),
                "--in-flight is of --workload echo and idle; a broadcast has one in flight, or a --rate",
            ),
            (
                self.rate.is_some() && (connect || idle),
                "--rate is of --workload echo and broadcast; leave it out here",
            ),
            (
                self.messages.is_some() && self.duration.is_some() && !idle,
                "--messages and --duration both end the measuring: give one of them",
            ),
            (
                self.warm.is_some() && !idle,
                "--warm is of --workload idle; --warm-up gives load that is not measured",
            ),
            (
                self.at_once.is_some() && !idle,
                "--at-once is of --workload idle; elsewhere all --connections send at the same time",
            ),
            (
                self.warm_up.is_some() && idle,
                "--workload idle has no --warm-up; --warm gives connections that are used first",
            ),
            (
                connect && (self.size.is_some() || self.content.is_some()),
                "--workload connect sends no messages: leave out --size and --content",
            ),
            (
                self.size.is_some_and(|size| size > SIZE_MAX),
                "--size is 64 MiB at most: all content is made in advance",
            ),
        ];
        match wrong.iter().find(|(wrong, _)| *wrong) {
            Some((_, text)) => Err(Failure::usage(text)),
            None => Ok(()),
        }
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err("it is a number from 1 to 1000000".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=1e9).contains(&rate) => Ok(rate),
        _ => Err("it is a number of messages a second from 0.001 to 1e9".to_owned()),
    }
}

fn zero_or_seconds(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { seconds(text) }
}

/// The length of the measured window.
const DURATION: Duration = Duration::from_secs(10);

/// The largest message.
const SIZE_MAX: usize = 64 << 20;
